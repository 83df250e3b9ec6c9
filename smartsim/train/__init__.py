"""SETTINGS x IMAGES -> CHECKPOINT -> ACCURACIES: the reference trainer of the four methods."""
