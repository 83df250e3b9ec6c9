"""The verb `report table2`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from smartsim.cli.door.answer import JsonLayout, collect_facts, print_answer, say_written
from smartsim.cli.door.kinds import FORMATS, IN_FILE
from smartsim.cli.door.verb import reads, verb
from smartsim.cli.methods import MethodChoice, method_options, trace_methods
from smartsim.cli.options import (
    convention_option,
    files_option,
    folder_option,
    ignore_option,
    json_option,
    per_switch_option,
    table_option,
)
from smartsim.cli.report.group import report
from smartsim.errors import ConfigurationError

if TYPE_CHECKING:
    from smartsim.report.table2.table import Table2

__all__ = ["table2"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table2Options:
    """What `report table2` is asked."""

    methods: MethodChoice
    results: tuple[Path, ...]
    protocol: str
    published: Path | None
    convention: str
    ignore: tuple[str, ...]
    format: tuple[str, ...]
    table: str
    inferences_per_switch: float
    files: tuple[str, ...]
    output: Path | None
    json: JsonLayout | None


@verb(
    group=report,
    example=(
        "smartsim report table2 --format int8,shift8",
        "smartsim report table2 --add mypackage.mymodule:build -o reports --files md,csv",
    ),
    renamed={"--energy": "--format"},
)
@method_options
@click.option(
    "--results",
    type=IN_FILE,
    multiple=True,
    help="Result file of the evaluator, for measured CA and RA.",
)
@click.option(
    "--protocol",
    default="worst",
    metavar="NAME",
    help="Measured RA: worst (of all attacks) or paper (PGD-7 alone).",
)
@click.option(
    "--published",
    type=IN_FILE,
    help="TOML file of a paper's table, beside its CSV. [default: smart2023_table2 if it fits]",
)
@convention_option("paper")
@ignore_option
@click.option(
    "--format",
    type=FORMATS,
    default="",
    show_default=False,
    help="Number formats to price, such as int8,fp32,shift8; none by default.",
)
@table_option()
@per_switch_option
@files_option(
    "", "md", "tex", "csv", "json", note="All by default; without --output, the one to print."
)
@folder_option()
@json_option
@reads(Table2Options)
def table2(options: Table2Options) -> None:
    """Compare PGD-AT, OAT, FLOAT and SMART as the SMART paper's Table 2 does.

    Each cell is published (the paper's), derived (counted from traced models) or measured (your
    own evaluation); the notes below the table say where they differ and why.
    """
    from smartsim.report.table2.render import FORMATS, render_format, render_terminal, write_table2

    if options.output is None and len(options.files) > 1:
        raise ConfigurationError("several formats need --output FOLDER; without it, name one")
    table = _build_table2(options)
    if options.output is None and options.files:
        click.echo(render_format(table, *options.files), nl=False)
        return
    if options.output is not None:
        paths = write_table2(table, options.output, options.files or FORMATS)
    print_answer(options.json, lambda: render_terminal(table), table.to_dict)
    if options.output is not None:
        say_written(*paths, err=options.json is not None)


def _build_table2(options: Table2Options) -> "Table2":
    from smartsim.counts.conventions import load_convention
    from smartsim.report.accuracy.results import load_measured
    from smartsim.report.published import load_published
    from smartsim.report.table2.build import build_table2
    from smartsim.report.table2.measured_rows import add_measured_rows, check_protocol

    convention = load_convention(options.convention)
    protocol = check_protocol(options.protocol)
    measured = load_measured(options.results)
    network = options.methods.network
    published = load_published(str(options.published or "smart2023_table2"))
    if options.published is not None:
        published.check_fits(network)
    traces = trace_methods(options.methods)
    table = build_table2(
        traces,
        setting=options.methods.setting,
        convention=convention,
        published=published if published.fits(network) else None,
        provenance=collect_facts(),
        ignore=options.ignore,
    )
    table = add_measured_rows(table, measured, protocol)
    if not options.format:
        return table
    from smartsim.cost import load_table
    from smartsim.report.table2.energy_rows import add_energy_rows

    return add_energy_rows(
        table,
        traces,
        load_table(options.table),
        options.format,
        convention=convention,
        inferences_per_switch=options.inferences_per_switch,
        ignore=options.ignore,
    )
