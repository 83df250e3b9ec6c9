"""The verb `report figures`."""

from dataclasses import dataclass
from pathlib import Path

import click

from smartsim.cli.door.answer import say_written
from smartsim.cli.door.kinds import IN_FILE
from smartsim.cli.door.verb import reads, verb
from smartsim.cli.options import files_option, folder_option
from smartsim.cli.report.group import report

__all__ = ["figures"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FiguresOptions:
    """What `report figures` is asked."""

    results: tuple[Path, ...]
    files: tuple[str, ...]
    output: Path


@verb(group=report, example="smartsim report figures smart.json oat.json -o figures --files svg")
@click.argument(
    "results", nargs=-1, required=True, type=IN_FILE, help="Files of `smartsim evaluate`."
)
@files_option("svg,png", "svg", "png", "pdf")
@folder_option(required=True)
@reads(FiguresOptions)
def figures(options: FiguresOptions) -> None:
    """Draw the paper's Figures 2, 4 and 5 and Table 1 from RESULTS of `smartsim evaluate`."""
    from smartsim.report.accuracy.figures import write_figures
    from smartsim.report.accuracy.results import load_measured
    from smartsim.report.accuracy.utility import load_utilities

    measured = load_measured(options.results)
    say_written(
        *write_figures(measured, load_utilities(options.results), options.output, options.files)
    )
