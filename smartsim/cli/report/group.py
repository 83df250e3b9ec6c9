"""The word `report`, below which each report is a verb."""

from smartsim.cli.door.verb import verbs

__all__ = ["report"]


@verbs(example=("smartsim report table2", "smartsim report energy-vs-bits -o reports"))
def report() -> None:
    """Compare models, as tables and figures."""
