"""Which one-line faults in the package would no test notice: `python -m tests.mutants --help`."""
