"""GRAPH x GRID OF DESIGNS -> FRONTS, CLOUD, POINTS: a network as arrays, millions of machines."""
