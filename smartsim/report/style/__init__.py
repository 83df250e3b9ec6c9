"""What all reports share: numbers, text, figures, provenance. Knows no room's records."""
