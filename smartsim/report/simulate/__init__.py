"""RUNS -> TEXT, FIGURES: what a machine makes of a model, and what moving lam costs."""
