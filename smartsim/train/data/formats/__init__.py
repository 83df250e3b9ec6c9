"""OFFICIAL FILES -> IMAGES, LABELS: a reader for each format; runs nothing that it reads."""
