"""The switch report -> terminal, Markdown, data frame, figure."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from smartsim.report.simulate.switch import SwitchCost, SwitchReport
from smartsim.report.style.figures import FIGURE_FORMATS, figure_makers, figure_style
from smartsim.report.style.files import write_files
from smartsim.report.style.numbers import format_bytes, format_count, format_energy
from smartsim.report.style.sections import Section, render_sections

__all__ = ["SWITCH_FORMATS", "draw_switch", "render_switch", "switch_frame", "write_switch"]

SWITCH_FORMATS = ("md", "csv", "json", *FIGURE_FORMATS)

_PARTS = (
    ("weight_bits", "weights", "#0072B2", ""),
    ("mask_bits", "bit maps of masks", "#56B4E9", "//"),
    ("norm_bits", "batch norms, biases", "#E69F00", ".."),
    ("compute_bits", "moved by switch work", "0.75", "xx"),
)


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


def draw_switch(report: SwitchReport) -> Figure:
    """Two panels: the bytes that a switch moves, by what they are, and its energy."""
    costs = [cost for cost in report.costs if cost.end > cost.start] or list(report.costs)
    names = [f"{cost.method}\n{_move(cost)}" for cost in costs]
    with figure_style():
        figure = Figure(figsize=(9.6, 1.4 + 0.5 * len(costs)), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        _draw_bytes(left, costs, names)
        _draw_energy(right, costs)
        for ax in (left, right):
            ax.grid(visible=False, axis="y")
            ax.margins(y=0.02)
        left.invert_yaxis()
        left.set_title("a  Bytes moved by a switch")
        right.set_title("b  Energy of a switch, and of an inference")
        figure.supxlabel(
            f"{report.accelerator}, {report.plan}, energies from {report.table}",
            fontsize=7.5,
            color="0.25",
        )
    return figure


def _draw_bytes(ax: Axes, costs: Sequence[SwitchCost], names: Sequence[str]) -> None:
    offsets = [0.0] * len(costs)
    places = range(len(costs))
    for field, label, color, hatch in _PARTS:
        widths = [getattr(cost, field) / 8e6 for cost in costs]
        ax.barh(
            places, widths, left=offsets, color=color, hatch=hatch, edgecolor="white", label=label
        )
        offsets = [start + width for start, width in zip(offsets, widths, strict=True)]
    for place, (whole, cost) in enumerate(zip(offsets, costs, strict=True)):
        total = (cost.reload_bits + cost.compute_bits) / 8
        ax.annotate(
            format_bytes(total),
            (whole, place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    ax.set_yticks(list(places), list(names))
    ax.set_xlim(0, 1.18 * max(offsets) if max(offsets) else 1)
    ax.set_xlabel("MB")
    ax.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2)


def _draw_energy(ax: Axes, costs: Sequence[SwitchCost]) -> None:
    places = list(range(len(costs)))
    reload, compute = ([getattr(c, f) / 1e6 for c in costs] for f in ("reload_pj", "compute_pj"))
    ax.barh(places, reload, height=0.5, color="#0072B2", label="reloading")
    ax.barh(
        places,
        compute,
        left=reload,
        height=0.5,
        color="0.75",
        hatch="xx",
        edgecolor="white",
        label="computing",
    )
    ax.plot(
        [cost.inference_pj / 1e6 for cost in costs],
        places,
        linestyle="none",
        marker="D",
        color="black",
        markeredgecolor="white",
        label="one inference",
    )
    ax.set_xlabel("energy (µJ)")
    ax.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=3)


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
