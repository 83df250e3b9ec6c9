"""FOLDER x ATTACKS -> RESULT FILE: robust accuracies, the worst of several attacks."""
