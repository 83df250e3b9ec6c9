"""Options that several verbs share, each spelled and explained once."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from smartsim.cli.door.kinds import (
    ACCELERATOR_NAME,
    CONVENTION_NAME,
    FOLDER,
    FORMAT_NAME,
    TABLE_NAME,
    FileKinds,
    OutFile,
)

__all__ = [
    "PAPER_INPUT",
    "PAPER_TABLE",
    "accelerator_option",
    "convention_option",
    "files_option",
    "folder_option",
    "format_option",
    "ignore_option",
    "json_option",
    "output_options",
    "per_switch_option",
    "stack",
    "table_option",
]

F = TypeVar("F", bound=Callable[..., Any])
PAPER_INPUT = "1,3,32,32"
PAPER_TABLE = "horowitz2014_45nm+shiftaddnet2020_asic_45nm"


def stack(*options: Callable[[Any], Any]) -> Callable[[F], F]:
    """Several options as one decorator, shown in this order."""

    def decorate(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def output_options(*endings: str) -> Callable[[F], F]:
    """`-o FILE` by its ending, and `--json`; read into `Output`.

    Args:
        endings: The kinds of file that the verb can write, such as ".json", ".csv".
    """
    kinds = ", ".join(endings)
    return stack(
        click.option(
            "-o", "--output", type=OutFile(*endings), help=f"Write this file too: {kinds}."
        ),
        json_option,
    )


def folder_option(*, required: bool = False) -> Callable[[F], F]:
    """`-o FOLDER`, for a report of several files."""
    return click.option(
        "-o", "--output", type=FOLDER, required=required, help="Folder for the files."
    )


def files_option(default: str, *possible: str, note: str = "") -> Callable[[F], F]:
    """`--files`, the kinds of files that a report writes into its folder.

    Args:
        default: What it writes unless told otherwise; "" leaves that to the verb.
        possible: All kinds.
        note: A further sentence for the help.
    """
    return click.option(
        "--files",
        type=FileKinds(possible),
        default=default,
        show_default=bool(default),
        help=f"Which files to write, of {','.join(possible)}.{note and ' '}{note}",
    )


def convention_option(default: str = "exact") -> Callable[[F], F]:
    """`--convention`, the counting choices."""
    return click.option(
        "--convention",
        type=CONVENTION_NAME,
        default=default,
        help="Counting choices: paper, dense, exact, or a .toml file of your own.",
    )


def table_option(default: str = PAPER_TABLE, help: str = "") -> Callable[[F], F]:
    """`--table`, the energies of actions."""
    return click.option(
        "--table",
        type=TABLE_NAME,
        default=default,
        help=help or "Energy table: a name, names joined with +, or a .csv file.",
    )


def format_option(default: str = "int8") -> Callable[[F], F]:
    """`--format`, one number format."""
    return click.option(
        "--format",
        type=FORMAT_NAME,
        default=default,
        help="Number format, or the .toml or .csv file of a plan.",
    )


def accelerator_option(default: str = "edge_npu") -> Callable[[F], F]:
    """`--accelerator`, the machine."""
    return click.option(
        "--accelerator",
        type=ACCELERATOR_NAME,
        default=default,
        help="A name, or a .toml file.",
    )


json_option = click.option(
    "--json",
    type=click.Choice(["indented", "compact"]),
    metavar="[=compact]",
    help="Print the record as JSON in place of the table; compact: on one line.",
)
per_switch_option = click.option(
    "--inferences-per-switch",
    default=1.0,
    type=click.FloatRange(0, min_open=True),
    metavar="NUMBER",
    help="Inferences over which what is paid once a lam switch is spread.",
)
ignore_option = click.option(
    "--ignore", multiple=True, metavar="NAME", help="Operator to leave out of the counts."
)
