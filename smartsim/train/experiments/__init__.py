"""EXPERIMENTS x FILES -> TASKS -> RESULT FILES: what is measured for the reports, and its runner.

Run what is not finished with `python -m smartsim.train.experiments`.
"""
