"""TAPE -> GRAPH: forwards what is known to be zero, backwards what is needed; then records."""
