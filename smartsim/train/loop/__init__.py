"""SETTINGS x DATA -> FOLDER: the training loop, its state, and the folder it resumes from."""
