"""RESULT FILES -> TABLES, FIGURES: accuracies that our own evaluator measured."""
