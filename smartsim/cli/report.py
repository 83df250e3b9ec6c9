"""The verb `report`: tables and figures that compare methods."""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from smartsim.cli.door.answer import JsonLayout, print_answer, say_written
from smartsim.cli.door.kinds import FORMATS, IN_FILE, TABLE_NAME
from smartsim.cli.door.verb import reads, verb, verbs
from smartsim.cli.machine import MachineChoice, machine_options
from smartsim.cli.methods import (
    MethodChoice,
    collect_method_weights,
    method_options,
    trace_methods,
)
from smartsim.cli.options import (
    convention_option,
    files_option,
    folder_option,
    ignore_option,
    json_option,
    per_switch_option,
    table_option,
)
from smartsim.errors import ConfigurationError

if TYPE_CHECKING:
    from smartsim.report.energy.data import EnergyVsBits
    from smartsim.report.table2.table import Table2

__all__ = ["report"]


@verbs(example=("smartsim report table2", "smartsim report energy-vs-bits -o reports"))
def report() -> None:
    """Compare models, as tables and figures."""


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
        provenance=_provenance(),
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


def _provenance() -> Mapping[str, str]:
    from smartsim.report.style.provenance import collect_provenance

    return collect_provenance(["smartsim", *sys.argv[1:]])


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyVsBitsOptions:
    """What `report energy-vs-bits` is asked."""

    methods: MethodChoice
    table: tuple[str, ...]
    convention: str
    inferences_per_switch: float
    ignore: tuple[str, ...]
    shift_readings: bool
    files: tuple[str, ...]
    output: Path | None
    json: JsonLayout | None


@verb(
    "energy-vs-bits",
    group=report,
    example="smartsim report energy-vs-bits --table jouppi2021_7nm -o reports --files svg,csv",
)
@method_options
@click.option(
    "--table",
    type=TABLE_NAME,
    multiple=True,
    help="Energy table; the first is shown in full; may be repeated. [default: four of them]",
)
@convention_option("paper")
@per_switch_option
@ignore_option
@click.option("--shift-readings", is_flag=True, help="Count shift-adds of the models' weights.")
@files_option("svg,png,pdf,csv,md", "svg", "png", "pdf", "csv", "md")
@folder_option()
@json_option
@reads(EnergyVsBitsOptions)
def energy_vs_bits(options: EnergyVsBitsOptions) -> None:
    """Plot the energy of an inference against bit width, for INT MACs, FP and shift-adds."""
    from smartsim.cost import load_table
    from smartsim.counts.conventions import load_convention
    from smartsim.report.energy.report import (
        DEFAULT_TABLES,
        build_energy_report,
        write_energy_report,
    )
    from smartsim.report.style.sections import render_sections

    convention = load_convention(options.convention)
    tables = [load_table(name) for name in options.table or DEFAULT_TABLES]
    data, sections = build_energy_report(
        trace_methods(options.methods),
        tables,
        convention=convention,
        setting=options.methods.setting,
        inferences_per_switch=options.inferences_per_switch,
        ignore=options.ignore,
        weights=collect_method_weights(options.methods) if options.shift_readings else None,
        weights_note="weights as the models are built, not trained; noise at its mean",
    )
    print_answer(
        options.json,
        lambda: render_sections(sections, markdown=False),
        lambda: _list_energies(data),
    )
    if options.output is not None:
        paths = write_energy_report(
            data, sections, options.output, options.files, provenance=_provenance()
        )
        say_written(*paths, err=options.json is not None)


def _list_energies(data: "EnergyVsBits") -> dict[str, Any]:
    """The points of the figure as JSON-ready values."""
    return {
        "format": "smartsim-energy-vs-bits",
        "version": 1,
        "setting": data.setting,
        "convention": data.convention.name,
        "inferences_per_switch": data.inferences_per_switch,
        "points": json.loads(data.frame.to_json(orient="records", double_precision=15)),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchOptions:
    """What `report switch` is asked."""

    methods: MethodChoice
    machine: MachineChoice
    files: tuple[str, ...]
    output: Path | None
    json: JsonLayout | None


@verb(
    group=report,
    example="smartsim report switch --accelerator edge_npu_skipping -o reports",
    renamed={"--format-of-files": "--files"},
)
@method_options
@machine_options
@files_option("md,csv,json,svg,png", "md", "csv", "json", "svg", "png", "pdf")
@folder_option()
@json_option
@reads(SwitchOptions)
def switch(options: SwitchOptions) -> None:
    """Price what moving lam costs on an accelerator: what is reloaded, and what is computed."""
    from smartsim.report.simulate.switch import build_switch_report
    from smartsim.report.simulate.switch_view import render_switch, write_switch

    machine = options.machine
    accelerator, table = machine.load_accelerator(), machine.load_table()
    if table is None:
        raise ConfigurationError("a switch is priced in energy too; give --table a table's name")
    switches = build_switch_report(
        trace_methods(options.methods),
        accelerator,
        table,
        plan=machine.load_plan(),
        dram_level=machine.dram,
        setting=options.methods.setting,
        provenance=_provenance(),
    )
    print_answer(options.json, lambda: render_switch(switches), lambda: asdict(switches))
    if options.output is not None:
        paths = write_switch(switches, options.output, options.files)
        say_written(*paths, err=options.json is not None)


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
