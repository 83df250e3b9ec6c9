"""Options and answers that several verbs share."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from smartsim.counts import Convention

__all__ = [
    "PAPER_INPUT",
    "PAPER_TABLE",
    "convention_option",
    "ignore_option",
    "output_option",
    "per_switch_option",
    "read_convention",
    "show_result",
]


PAPER_INPUT = "1,3,32,32"
PAPER_TABLE = "horowitz2014_45nm+shiftaddnet2020_asic_45nm"

output_option = click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="File to write."
)
convention_option = click.option(
    "--convention",
    default="exact",
    show_default=True,
    help="Counting choices: paper, dense, exact, or a TOML file of your own.",
)
per_switch_option = click.option(
    "--inferences-per-switch",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Inferences over which what is paid once a lam switch is spread.",
)
ignore_option = click.option(
    "--ignore", multiple=True, help="Operator to leave out; may be repeated."
)


def show_result(output: Path | None, text: str, data: Any) -> None:
    """A table for a person; JSON for a pipe, unless it went to a file already."""
    if output is not None or sys.stdout.isatty():
        click.echo(text, nl=False)
        if output is not None:
            click.echo(f"written: {output}")
    else:
        import json

        click.echo(json.dumps(data))


def read_convention(name: str) -> "Convention":
    """The shipped convention of that name, or the one in a TOML file."""
    from smartsim.counts.conventions import load_convention

    return load_convention(name)
