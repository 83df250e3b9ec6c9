"""The verbs `energy` and `tables`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from smartsim.cli.door.answer import Output, Sheet, say, show_result, tell
from smartsim.cli.door.kinds import FORMATS, IN_FILE, TABLE_NAME
from smartsim.cli.door.verb import reads, verb
from smartsim.cli.options import output_options, per_switch_option, table_option

if TYPE_CHECKING:
    from smartsim.cost import Energy
    from smartsim.report.energy.pricing import Pricing

__all__ = ["energy", "tables"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyOptions:
    """What `energy` is asked."""

    counts: Path
    table: str
    format: tuple[str, ...]
    inferences_per_switch: float
    graph: Path | None
    memory: str
    memory_table: str | None
    encoding: Literal["dense", "bitmap", "csr", "run_length"]
    weights: Path | None
    terms: int
    answer: Output


@verb(
    example=(
        "smartsim energy counts.json --format int8,int4,shift8",
        "smartsim energy counts.json --graph smart.json --memory dram -o energy.json",
    )
)
@click.argument("counts", type=IN_FILE, help="A file that `smartsim count` wrote.")
@table_option()
@click.option(
    "--format",
    type=FORMATS,
    default="int8",
    help="Number formats, such as int8,int4,shift8, or the files of plans.",
)
@per_switch_option
@click.option("--graph", type=IN_FILE, help="Trace of the same model, to price memory.")
@click.option(
    "--memory",
    default="",
    show_default=False,
    metavar="NAME",
    help="Memory level of the table; dram when a graph is given.",
)
@click.option("--memory-table", type=TABLE_NAME, help="Another table for the memory.")
@click.option(
    "--encoding",
    default="bitmap",
    type=click.Choice(["dense", "bitmap", "csr", "run_length"]),
    help="How zeros are left out of stored weights.",
)
@click.option("--weights", type=IN_FILE, help="Safetensors, to count shift-adds in.")
@click.option(
    "--terms", type=click.IntRange(1, 64), default=2, help="Most powers of two of a weight."
)
@output_options(".json", ".csv", ".md", ".html")
@reads(EnergyOptions)
def energy(options: EnergyOptions) -> None:
    """Price COUNTS from a table of published energies; several formats stand side by side."""
    from smartsim.cost import save_energy
    from smartsim.report.energy.columns import render_columns
    from smartsim.report.energy.text import render_energy

    if not options.format:
        raise click.UsageError("--format names no number format; write int8")
    priced = [_price(options, name) for name in options.format]
    first, *others = energies = _with_baseline(priced)

    def text() -> str:
        if not others:
            table = render_energy(first, beside=priced[0].beside)
        else:
            table = render_columns(energies)
        sections = [section for one in priced for section in one.sections]
        if not sections:
            return table
        from smartsim.report.style.sections import render_sections

        return f"{table}\n{render_sections(sections, markdown=False)}"

    show_result(
        options.answer,
        text,
        first.to_dict if not others else lambda: _gather(energies),
        save=(lambda path: save_energy(first, path)) if not others else None,
        sheet=lambda: _list_prices(energies),
    )


def _with_baseline(priced: "Sequence[Pricing]") -> "list[Energy]":
    """The energies; of several with shift-adds among them, int8 is always one."""
    energies = [one.energy for one in priced]
    beside = [energy for one in priced for energy in one.beside]
    if len(energies) > 1 and beside and beside[0].plan not in {one.plan for one in energies}:
        return [beside[0], *energies]
    return energies


def _price(options: EnergyOptions, name: str) -> "Pricing":
    from smartsim.report.energy.pricing import choose_memory, price_counts_file

    priced = price_counts_file(
        options.counts,
        options.table,
        name,
        inferences_per_switch=options.inferences_per_switch,
        memory=choose_memory(options.graph, options.memory, options.encoding, options.memory_table),
        weights=options.weights if name == _weighed(options.format) else None,
        terms=options.terms,
    )
    tell(f"priced {options.counts} in {name} from {priced.energy.table}")
    return priced


def _weighed(formats: tuple[str, ...]) -> str:
    """Where shift-adds of real weights are counted: in the first shift format, or the first."""
    return next((name for name in formats if name.startswith("shift")), formats[0])


def _gather(energies: "Sequence[Energy]") -> Mapping[str, Any]:
    """Several energies as one JSON-ready object."""
    return {
        "format": "smartsim-energies",
        "version": 1,
        "energies": [one.to_dict() for one in energies],
    }


def _list_prices(energies: "Sequence[Energy]") -> Sheet:
    """A row a format, layer, stage and action."""
    return Sheet(
        head=("format", "layer", "stage", "action", "conditional", "number", "energy_pj"),
        rows=[
            (
                one.plan,
                item.layer,
                item.stage,
                item.action,
                item.conditional,
                item.number,
                item.energy_pj,
            )
            for one in energies
            for item in one.items
        ],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TablesOptions:
    """What `tables` is asked."""

    name: str | None


@verb(example=("smartsim tables", "smartsim tables horowitz2014_45nm"))
@click.argument("name", type=TABLE_NAME, required=False, help="Show this one alone.")
@reads(TablesOptions)
def tables(options: TablesOptions) -> None:
    """List the energy tables, or show the rows of one: unit, source, locator and basis."""
    from smartsim.cost import load_table
    from smartsim.report.energy.text import render_table, render_table_list

    name = options.name
    say((render_table(load_table(name)) if name else render_table_list()).rstrip("\n"))
