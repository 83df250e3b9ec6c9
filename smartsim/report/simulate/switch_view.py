"""The switch report -> terminal, Markdown, data frame, files."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from smartsim.report.simulate.costs import SwitchCost, SwitchReport
from smartsim.report.simulate.switch_figure import draw_switch
from smartsim.report.style.figures import FIGURE_FORMATS, figure_makers
from smartsim.report.style.files import write_files
from smartsim.report.style.numbers import format_count, format_energy
from smartsim.report.style.sections import Section, render_sections

__all__ = ["SWITCH_FORMATS", "render_switch", "switch_frame", "write_switch"]

SWITCH_FORMATS = ("md", "csv", "json", *FIGURE_FORMATS)


def switch_frame(report: SwitchReport) -> pd.DataFrame:
    """One row a switch."""
    rows = []
    for cost in report.costs:
        row = {f.name: getattr(cost, f.name) for f in dataclasses.fields(cost)}
        row["actions"] = " ".join(f"{name}={number}" for name, number in cost.actions.items())
        names = ("reload_bits", "cycles", "energy_pj", "inferences_worth")
        rows.append({**row, **{name: getattr(cost, name) for name in names}})
    return pd.DataFrame(rows)


def render_switch(report: SwitchReport, *, markdown: bool = False) -> str:
    """The report as plain text, or as Markdown with its provenance."""
    text = render_sections(_sections(report), markdown=markdown)
    if not markdown:
        return text
    facts = "\n".join(f"- {key}: `{value}`" for key, value in report.provenance.items())
    return f"# What moving lam costs\n\n{text}\n{facts}\n"


def _sections(report: SwitchReport) -> list[Section]:
    where = f"{report.accelerator}, {report.plan}" + (
        f"; {report.setting}" if report.setting else ""
    )
    reload = Section(
        title=f"Reloaded when lam moves ({where})",
        head=("method", "lam", "weights B", "bit maps B", "norms B", "cycles", "energy"),
        rows=tuple(_reload_cells(cost, report.unit) for cost in report.costs),
        remarks=(
            "what the new path reads and the old one did not; paid where weights live near the "
            "array, not where every inference fetches them anyway; PGD-AT needs another model for "
            "each lam; batch norms are one scale and one shift of 32 bits a channel",
        ),
    )
    compute = Section(
        title="Computed when lam moves",
        head=("method", "lam", "MACs", "other acts", "DRAM B", "cycles", "energy"),
        rows=tuple(_compute_cells(cost, report.unit) for cost in report.costs),
        remarks=("FiLM's layers of the new lam; frozen noise scaled and added to the weights",),
    )
    whole = Section(
        title="Both together",
        head=("method", "lam", "cycles", "energy", "an inference", "energy", "worth"),
        rows=tuple(_whole_cells(cost, report.unit) for cost in report.costs),
        remarks=(
            "worth: cycles of the switch in inferences at the new lam",
            *(
                f"{method}: frozen noise costs less energy than fresh noise from {number:.3g} "
                "inferences a switch on"
                for method, number in report.break_even.items()
            ),
            *(
                [f"without a price, so in no energy: {', '.join(report.unpriced)}"]
                if report.unpriced
                else []
            ),
            f"energies from {report.table}",
        ),
    )
    return [reload, compute, whole]


def _move(cost: SwitchCost) -> str:
    return f"{cost.start:g} to {cost.end:g}"


def _reload_cells(cost: SwitchCost, unit: str) -> tuple[str, ...]:
    return (
        cost.method,
        _move(cost),
        format_count(cost.weight_bits / 8),
        format_count(cost.mask_bits / 8),
        format_count(cost.norm_bits / 8),
        format_count(cost.reload_cycles),
        format_energy(cost.reload_pj, unit),
    )


def _compute_cells(cost: SwitchCost, unit: str) -> tuple[str, ...]:
    return (
        cost.method,
        _move(cost),
        format_count(cost.macs),
        format_count(sum(cost.actions.values())),
        format_count(cost.compute_bits / 8),
        format_count(cost.compute_cycles),
        format_energy(cost.compute_pj, unit),
    )


def _whole_cells(cost: SwitchCost, unit: str) -> tuple[str, ...]:
    return (
        cost.method,
        _move(cost),
        format_count(cost.cycles),
        format_energy(cost.energy_pj, unit),
        format_count(cost.inference_cycles),
        format_energy(cost.inference_pj, unit),
        f"{cost.inferences_worth:.2g}",
    )


def write_switch(
    report: SwitchReport, folder: Path, formats: Sequence[str] = SWITCH_FORMATS
) -> tuple[Path, ...]:
    """Write the report into `folder`, one file a format; returns the paths.

    Raises:
        ConfigurationError: If a format is unknown.
    """
    makers: dict[str, Callable[[], str | bytes]] = {
        "md": lambda: render_switch(report, markdown=True),
        "csv": lambda: str(switch_frame(report).to_csv(index=False, lineterminator="\n")),
        "json": lambda: json.dumps(dataclasses.asdict(report), indent=1) + "\n",
        **figure_makers(lambda: draw_switch(report)),
    }
    return write_files(folder, "switch", makers, formats)
