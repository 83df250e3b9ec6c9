"""SWEEP -> TEXT, FIGURE: which of many machines to build: the cloud, its fronts and their knees."""
