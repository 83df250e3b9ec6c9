"""The verbs `energy` and `tables`."""

from pathlib import Path
from typing import Any

import click

from smartsim.cli.options import PAPER_TABLE, output_option, per_switch_option, show_result

__all__ = ["energy", "tables"]


@click.command()
@click.argument("counts", type=click.Path(path_type=Path))
@click.option(
    "--table", default=PAPER_TABLE, show_default=True, help="Energy table: a name, or a path."
)
@click.option(
    "--format", "plan", default="int8", show_default=True, help="Number format, or a plan's file."
)
@per_switch_option
@click.option(
    "--graph", type=click.Path(path_type=Path), help="Trace of the same model, to price memory."
)
@click.option("--memory", default="", help="Memory level of the table; dram when a graph is given.")
@click.option("--memory-table", help="Another table for the memory.")
@click.option(
    "--encoding",
    default="bitmap",
    show_default=True,
    type=click.Choice(["dense", "bitmap", "csr", "run_length"]),
    help="How zeros are left out of stored weights.",
)
@click.option(
    "--weights", type=click.Path(path_type=Path), help="Safetensors, to count shift-adds in."
)
@click.option("--terms", default=2, show_default=True, help="Most powers of two of a weight.")
@output_option
def energy(counts: Path, output: Path | None, **options: Any) -> None:
    """Price COUNTS, a file that `smartsim count` wrote, from a table of published energies."""
    from smartsim.cost import save_energy
    from smartsim.report.energy.pricing import choose_memory, price_counts_file
    from smartsim.report.energy.text import render_energy
    from smartsim.report.style.sections import render_sections

    priced = price_counts_file(
        counts,
        options["table"],
        options["plan"],
        inferences_per_switch=options["inferences_per_switch"],
        memory=choose_memory(
            options["graph"], options["memory"], options["encoding"], options["memory_table"]
        ),
        weights=options["weights"],
        terms=options["terms"],
    )
    if output is not None:
        save_energy(priced.energy, output)
    text = render_energy(priced.energy, beside=priced.beside)
    if priced.sections:
        text += "\n" + render_sections(priced.sections, markdown=False)
    show_result(output, text, priced.energy.to_dict())


@click.command()
@click.argument("name", required=False)
def tables(name: str | None) -> None:
    """List the energy tables, or show the rows of one: unit, source, locator and basis."""
    from smartsim.cost import load_table
    from smartsim.report.energy.text import render_table, render_table_list

    click.echo(render_table(load_table(name)) if name else render_table_list(), nl=False)
