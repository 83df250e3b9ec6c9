"""GRAPH, COUNTS, ENERGY, RUN -> ROWS -> TEXT, HTML, FRAMES: one table by layer; two compared."""
