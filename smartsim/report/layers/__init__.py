"""GRAPH, COUNTS -> TEXT: one line a layer."""
