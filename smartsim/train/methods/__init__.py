"""MODEL x BATCH -> GRADIENTS, UPDATE: what each method does with a batch, and its optimiser."""
