"""PRODUCTS x ARRAY -> CYCLES, READS: closed forms of a systolic array, dense and skipping zeros."""
