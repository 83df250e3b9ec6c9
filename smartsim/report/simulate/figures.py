"""The roofline of runs on a machine. Simulates nothing."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from smartsim.report.style.figures import figure_style, looks_of
from smartsim.simulate.network.runs import BOUNDS, INFERENCE, Bound, Run, StepRun

__all__ = ["draw_roofline"]

_MARKS = dict(zip(BOUNDS, ("o", "P", "s", "^"), strict=True))
_WORDS = {
    "compute": "waits for the array",
    "vector": "waits for the vector unit",
    "on-chip": "waits for a buffer's port",
    "DRAM": "waits for DRAM",
}


def draw_roofline(runs: Sequence[tuple[str, Run]]) -> Figure:
    """Each product on the array against its machine's roof.

    Horizontal: executed MACs for each bit over the memory's pins. Vertical: executed MACs a cycle.
    The roof is the number of elements, or the memory's bandwidth times the horizontal value. Steps
    that need no memory at all stand in a strip at the right.

    Args:
        runs: Labels and runs on one machine.
    """
    with figure_style():
        figure = Figure(figsize=(7.2, 4.8), layout="constrained")
        ax = figure.subplots()
        points = [
            (label, run, [s for s in run.steps if s.stage in INFERENCE and s.macs])
            for label, run in runs
        ]
        finite = [s.macs / s.dram_bits for _, _, steps in points for s in steps if s.dram_bits]
        least, high = (min(finite) / 2, max(finite) * 2) if finite else (0.1, 10.0)
        edge = high * 2
        _draw_roof(ax, runs[0][1], least, edge * 1.6)
        looks = looks_of(label for label, _ in runs)
        for place, (label, _, steps) in enumerate(points):
            color = looks[label].color
            size = max(4.0, 10.0 - 2.2 * place)  # models that coincide lie on each other, all seen
            for bound in BOUNDS:
                some = [s for s in steps if s.bound == bound]
                _draw_steps(ax, some, edge, color, size, bound, label)
        if any(not s.dram_bits for _, _, steps in points for s in steps):
            ax.axvspan(edge / 1.4, edge * 1.6, color="0.95", zorder=0)
            low = ax.get_ylim()[0]
            ax.text(edge, low * 1.15, "no DRAM", ha="center", fontsize=8, color="0.3")
        ax.set_xlabel("executed MACs for each DRAM bit")
        ax.set_ylabel("executed MACs a cycle")
        machine = runs[0][1]
        ax.set_title(f"{machine.accelerator}, {machine.plan}: {_models(runs)}")
        _name_marks(ax, [label for label, _ in runs], points)
    return figure


def _draw_roof(ax: Axes, run: Run, low: float, high: float) -> None:
    """The machine's bounds; elements that need several cycles a product lower the flat one."""
    places = np.geomspace(low, high, 200)
    peak = run.processing_elements / min(run.cycles_per_product.values())
    roof = np.minimum(peak, run.dram_bandwidth_bits_per_cycle * places)
    slope = [x for x in places if run.dram_bandwidth_bits_per_cycle * x < peak] or [low]
    ax.plot(places, roof, color="black", linewidth=1.6, label="_roof")
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlim(low, high)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.annotate(
        f"{peak:,.0f} elements",
        (high, peak),
        xytext=(-4, 4),
        textcoords="offset points",
        ha="right",
        fontsize=8.5,
    )
    ax.annotate(
        f"DRAM, {run.dram_bandwidth_bits_per_cycle:g} bits a cycle",
        (slope[len(slope) // 2], run.dram_bandwidth_bits_per_cycle * slope[len(slope) // 2]),
        xytext=(10, -8),
        textcoords="offset points",
        fontsize=8.5,
    )


def _draw_steps(
    ax: Axes,
    steps: Sequence[StepRun],
    edge: float,
    color: str,
    size: float,
    bound: Bound,
    label: str,
) -> None:
    ax.plot(
        [s.macs / s.dram_bits if s.dram_bits else edge for s in steps],
        [s.macs / s.cycles for s in steps],
        linestyle="none",
        marker=_MARKS[bound],
        markersize=size,
        markerfacecolor="white" if bound == "DRAM" else color,
        markeredgecolor=color,
        label=f"_{label}/{bound}",
    )


def _name_marks(
    ax: Axes, labels: Sequence[str], points: Sequence[tuple[str, Run, list[StepRun]]]
) -> None:
    used = {s.bound for _, _, steps in points for s in steps}
    for bound in BOUNDS:
        if bound in used:
            fill = "white" if bound == "DRAM" else "0.35"
            style = {"linestyle": "none", "color": "0.35", "markerfacecolor": fill}
            ax.plot([], [], marker=_MARKS[bound], label=_WORDS[bound], **style)  # type: ignore[arg-type]
    if len(labels) > 1:
        for label, look in looks_of(labels).items():
            ax.plot([], [], color=look.color, linewidth=4, label=label)
    ax.figure.legend(loc="outside lower center", ncols=4, fontsize=8, frameon=False)


def _models(runs: Sequence[tuple[str, Run]]) -> str:
    names = dict.fromkeys(run.model for _, run in runs)
    return ", ".join(names) if len(names) <= 2 else f"{len(names)} models"
