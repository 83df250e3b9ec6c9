"""GRAPH x ACCELERATOR -> RUN: products and vector work, what stays on the chip, step by step."""
