"""The verb `report energy-vs-bits`."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from smartsim.cli.door.answer import JsonLayout, collect_facts, print_answer, say_written
from smartsim.cli.door.kinds import TABLE_NAME
from smartsim.cli.door.verb import reads, verb
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
)
from smartsim.cli.report.group import report

if TYPE_CHECKING:
    from smartsim.report.energy.data import EnergyVsBits

__all__ = ["energy_vs_bits"]


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
            data, sections, options.output, options.files, provenance=collect_facts()
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
