"""`python -m smartsim` is the command line."""

from smartsim.cli import main

main()
