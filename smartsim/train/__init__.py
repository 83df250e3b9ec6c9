"""The reference trainer and evaluator: the four methods on real images, beside the cost model."""
