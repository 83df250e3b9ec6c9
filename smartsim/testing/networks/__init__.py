"""Small conditional networks for property tests, and how to draw them."""
