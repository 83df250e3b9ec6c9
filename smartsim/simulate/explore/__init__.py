"""GRAPH x GRID OF DESIGNS -> POINTS, FRONT: a network as arrays, millions of machines at once."""
