"""RESULTS -> TABLES, FIGURES, PAGES: one sub-room a report, over one style."""
