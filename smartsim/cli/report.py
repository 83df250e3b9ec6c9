"""The verb `report`: tables and figures that compare methods."""

import sys
from pathlib import Path
from typing import Any

import click

from smartsim.cli.methods import PAPER_SETTING, collect_method_weights, of_methods, trace_methods
from smartsim.cli.options import (
    PAPER_TABLE,
    ignore_option,
    per_switch_option,
    read_convention,
)
from smartsim.cli.simulate import of_machine, read_machine
from smartsim.errors import ConfigurationError

__all__ = ["report"]


@click.group()
def report() -> None:
    """Compare models, as tables and figures."""


@report.command()
@of_methods
@click.option(
    "--results",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Result file of the evaluator, for measured CA and RA.",
)
@click.option(
    "--protocol",
    default="worst",
    show_default=True,
    help="Measured RA: worst (of all attacks) or paper (PGD-7 alone).",
)
@click.option("--convention", default="paper", show_default=True, help="Counting choices.")
@ignore_option
@click.option("--energy", default="", help="Number formats to price, such as int8,fp32,shift8.")
@click.option(
    "--table", "energy_table", default=PAPER_TABLE, show_default=True, help="Energy table."
)
@per_switch_option
@click.option(
    "--format",
    "formats",
    default="",
    help="Files to write, of md,tex,csv,json; without --output, the one format to print.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder for the files.")
def table2(**options: Any) -> None:
    """Compare PGD-AT, OAT, FLOAT and SMART as the SMART paper's Table 2 does.

    Each cell is published (the paper's), derived (counted from traced models) or measured (your
    own evaluation); the notes below the table say where they differ and why.
    """
    from smartsim.report.accuracy.results import load_measured
    from smartsim.report.published import load_published
    from smartsim.report.style.files import check_formats
    from smartsim.report.style.provenance import collect_provenance
    from smartsim.report.table2.measured_rows import add_measured_rows, check_protocol
    from smartsim.report.table2.render import (
        FORMATS,
        render_format,
        render_terminal,
        write_table2,
    )
    from smartsim.report.table2.table import build_table2

    convention = read_convention(options["convention"])
    formats = check_formats(
        [f.strip() for f in options["formats"].split(",") if f.strip()], FORMATS
    )
    if options["output"] is None and len(formats) > 1:
        raise ConfigurationError("several formats need --output FOLDER; without it, name one")
    protocol = check_protocol(options["protocol"])
    measured = load_measured(options["results"])
    is_paper = all(options[key] == value for key, value in PAPER_SETTING.items())
    traces = trace_methods(options)
    table = build_table2(
        traces,
        setting=f"{options['arch']}, {options['classes']} classes, input {options['shape']}",
        convention=convention,
        published=load_published("smart2023_table2") if is_paper else None,
        provenance=collect_provenance(["smartsim", *sys.argv[1:]]),
        ignore=options["ignore"],
    )
    table = add_measured_rows(table, measured, protocol)
    if options["energy"]:
        from smartsim.cost import load_table
        from smartsim.report.table2.energy_rows import add_energy_rows

        table = add_energy_rows(
            table,
            traces,
            load_table(options["energy_table"]),
            [name.strip() for name in options["energy"].split(",") if name.strip()],
            convention=convention,
            inferences_per_switch=options["inferences_per_switch"],
            ignore=options["ignore"],
        )
    if options["output"] is None:
        click.echo(render_format(table, *formats) if formats else render_terminal(table), nl=False)
        return
    paths = write_table2(table, options["output"], formats or FORMATS)
    click.echo(render_terminal(table), nl=False)
    for path in paths:
        click.echo(f"written: {path}")


@report.command("energy-vs-bits")
@of_methods
@click.option("--table", "tables", multiple=True, help="Energy table; the first is shown in full.")
@click.option("--convention", default="paper", show_default=True, help="Counting choices.")
@per_switch_option
@ignore_option
@click.option("--shift-readings", is_flag=True, help="Count shift-adds of the models' weights.")
@click.option("--format", "formats", default="svg,png,pdf,csv,md", show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder for the files.")
def energy_vs_bits(**options: Any) -> None:
    """Plot the energy of an inference against bit width, for INT MACs, FP and shift-adds."""
    from smartsim.cost import load_table
    from smartsim.report.energy.report import (
        DEFAULT_TABLES,
        FORMATS,
        build_energy_report,
        write_energy_report,
    )
    from smartsim.report.style.files import check_formats
    from smartsim.report.style.provenance import collect_provenance
    from smartsim.report.style.sections import render_sections

    convention = read_convention(options["convention"])
    tables = [load_table(name) for name in options["tables"] or DEFAULT_TABLES]
    formats = tuple(name.strip() for name in options["formats"].split(",") if name.strip())
    check_formats(formats, FORMATS)
    data, sections = build_energy_report(
        trace_methods(options),
        tables,
        convention=convention,
        setting=f"{options['arch']}, {options['classes']} classes, input {options['shape']}",
        inferences_per_switch=options["inferences_per_switch"],
        ignore=options["ignore"],
        weights=collect_method_weights(options) if options["shift_readings"] else None,
        weights_note="weights as the models are built, not trained; noise at its mean",
    )
    click.echo(render_sections(sections, markdown=False), nl=False)
    if options["output"] is not None:
        provenance = collect_provenance(["smartsim", *sys.argv[1:]])
        for path in write_energy_report(
            data, sections, options["output"], formats, provenance=provenance
        ):
            click.echo(f"written: {path}")


@report.command()
@of_methods
@of_machine
@click.option("--format-of-files", "formats", default="md,csv,json,svg,png", show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder for the files.")
def switch(**options: Any) -> None:
    """Price what moving lam costs on an accelerator: what is reloaded, and what is computed."""
    from smartsim.cost import load_plan
    from smartsim.report.simulate.switch import build_switch_report
    from smartsim.report.simulate.switch_view import render_switch, write_switch
    from smartsim.report.style.provenance import collect_provenance

    accelerator, table = read_machine(options)
    if table is None:
        raise ConfigurationError("a switch is priced in energy too; give --table a table's name")
    plan = load_plan(options["plan"])
    switches = build_switch_report(
        trace_methods(options),
        accelerator,
        table,
        plan=plan,
        dram_level=options["dram"],
        setting=f"{options['arch']}, {options['classes']} classes, input {options['shape']}",
        provenance=collect_provenance(["smartsim", *sys.argv[1:]]),
    )
    click.echo(render_switch(switches), nl=False)
    if options["output"] is not None:
        formats = [name.strip() for name in options["formats"].split(",") if name.strip()]
        for path in write_switch(switches, options["output"], formats):
            click.echo(f"written: {path}")


@report.command()
@click.argument("results", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--format", "formats", default="svg,png", show_default=True)
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder for the files."
)
def figures(results: tuple[Path, ...], formats: str, output: Path) -> None:
    """Draw the paper's Figures 2, 4 and 5 and Table 1 from RESULTS of `smartsim evaluate`."""
    from smartsim.report.accuracy.figures import load_utilities, write_figures
    from smartsim.report.accuracy.results import load_measured
    from smartsim.report.style.figures import FIGURE_FORMATS
    from smartsim.report.style.files import check_formats

    kinds = tuple(name.strip() for name in formats.split(",") if name.strip())
    check_formats(kinds, FIGURE_FORMATS)
    for path in write_figures(load_measured(results), load_utilities(results), output, kinds):
        click.echo(f"written: {path}")
