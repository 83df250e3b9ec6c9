"""A figure of the simulator: products against their machine's roof. Simulates nothing."""

import math
from collections import Counter
from collections.abc import Collection, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from smartsim.report.style.figures import TWO_COLUMNS, figure_style, looks_of
from smartsim.report.style.labels import Label, place_labels, wrap_title
from smartsim.simulate.network.runs import BOUNDS, INFERENCE, Bound, Run, StepRun

__all__ = ["draw_roofline"]

_MARKS = dict(zip(BOUNDS, ("o", "P", "s", "^"), strict=True))
_WAITS: dict[Bound, str] = {
    "compute": "the array",
    "vector": "the vector unit",
    "on-chip": "a buffer's port",
    "DRAM": "DRAM",
}
_CLOSE = (0.6, 0.15)
"""Of logarithms: points that are no further apart share a name."""


def draw_roofline(runs: Sequence[tuple[str, Run]]) -> Figure:
    """Each product on the array against its machine's roof, a panel a model.

    Horizontal: operations for each byte over the memory's pins, where an executed MAC is two.
    Vertical: operations a cycle. The roof is twice the number of elements, or the memory's
    bandwidth times the horizontal value. Steps that need no memory stand in a strip at the right.

    Args:
        runs: Labels and runs on one machine.
    """
    points = {label: _group_steps(run) for label, run in runs}
    intensities = [x for of_run in points.values() for x, _, _ in of_run if x is not None]
    low, high = (min(intensities) / 2, max(intensities) * 2) if intensities else (1.0, 100.0)
    edge = high * 2
    columns = min(2, len(runs))
    lines = -(-len(runs) // columns)
    with figure_style():
        figure = Figure(figsize=(TWO_COLUMNS, 1.3 + 2.6 * lines), layout="constrained")
        panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
        labels: list[tuple[Axes, list[Label]]] = []
        for ax, (label, run) in zip(panels.flat, runs, strict=False):
            _draw_roof(ax, run, low, edge * 1.6)
            color = looks_of([label])[label].color
            for x, y, steps in points[label]:
                _draw_steps(ax, edge if x is None else x, y, steps[0].bound, color, label)
            if any(x is None for x, _, _ in points[label]):
                ax.axvspan(edge / 1.4, edge * 1.6, color="0.95", zorder=0)
            title = f"{label}: {_reached(run)} % of the peak"
            ax.set_title(wrap_title(title, TWO_COLUMNS / columns - 0.6))
            labels.append((ax, _name_layers(points[label], edge)))
        for ax in [*panels.flat][len(runs) :]:
            ax.set_axis_off()
        for ax in panels[-1, :]:
            ax.set_xlabel("operations for each DRAM byte (a MAC is two)")
        for ax in panels[:, 0]:
            ax.set_ylabel("operations a cycle")
        bounds = {s.bound for of_run in points.values() for _, _, steps in of_run for s in steps}
        figure.legend(handles=_name_marks(bounds), loc="outside lower center", ncols=4)
        figure.suptitle(wrap_title(_find_message(runs), TWO_COLUMNS), x=0.01, ha="left")
        low_end = min((y for of_run in points.values() for _, y, _ in of_run), default=1.0)
        panels[0, 0].set_ylim(low_end / 2.5, 2.4 * _peak(runs[0][1]))
        for ax, texts in labels:
            if ax.patches:
                ax.text(
                    edge * 1.55, low_end / 2.2, "no DRAM", ha="right", fontsize=6.5, color="0.3"
                )
            place_labels(ax, texts)
    return figure


_Point = tuple[float | None, float, list[StepRun]]


def _group_steps(run: Run) -> list[_Point]:
    """Operations a byte (None without memory) and a cycle, and the products that are there."""
    found: dict[tuple[float | None, float, Bound], list[StepRun]] = {}
    for step in run.steps:
        if step.stage in INFERENCE and step.macs:
            x = 16 * step.macs / step.dram_bits if step.dram_bits else None
            found.setdefault((x, 2 * step.macs / step.cycles, step.bound), []).append(step)
    return [(x, y, steps) for (x, y, _), steps in found.items()]


def _peak(run: Run) -> float:
    """Operations a cycle; elements that need several cycles a product lower it."""
    return 2 * run.processing_elements / min(run.cycles_per_product.values())


def _name_layers(points: Sequence[_Point], edge: float) -> list[Label]:
    """One name for all layers that lie close together, beside whichever of them has room."""
    groups: list[tuple[list[tuple[float, float]], list[str]]] = []
    for x, y, steps in points:
        place = (edge if x is None else x, y)
        names = [step.layer or step.ops[0] for step in steps]
        for places, others in groups:
            if _is_close(place, places[0]):
                places.append(place)
                others.extend(names)
                break
        else:
            groups.append(([place], names))
    return [
        Label(text=_name_group(names), x=places[0][0], y=places[0][1], also=tuple(places[1:]))
        for places, names in groups
    ]


def _is_close(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return all(abs(math.log(a / b)) < most for a, b, most in zip(one, other, _CLOSE, strict=True))


def _name_group(names: Sequence[str]) -> str:
    if len(names) == 1:
        return names[0]
    stages = Counter(name.partition(".")[0] for name in names)
    return ", ".join(f"{n} of {stage}" if n > 1 else stage for stage, n in stages.items())


def _products(runs: Sequence[tuple[str, Run]]) -> list[StepRun]:
    return [s for _, run in runs for s in run.steps if s.stage in INFERENCE and s.macs]


def _reached(run: Run) -> str:
    """How much of the peak a model's products reach together, in percent."""
    steps = _products([("", run)])
    cycles = sum(step.cycles for step in steps)
    return f"{200 * sum(step.macs for step in steps) / (cycles * _peak(run) or 1):.0f}"


def _find_message(runs: Sequence[tuple[str, Run]]) -> str:
    machine, steps = runs[0][1], _products(runs)
    waiting = sum(step.bound == "DRAM" for step in steps)
    shares = sorted({_reached(run) for _, run in runs}, key=float)
    reach = shares[0] if len(shares) == 1 else f"{shares[0]} to {shares[-1]}"
    return (
        f"{machine.accelerator}, {machine.plan}: {waiting or 'none'} of {len(steps)} products "
        f"{'waits' if waiting < 2 else 'wait'} for DRAM, and they reach {reach} % of the peak"
    )


def _draw_roof(ax: Axes, run: Run, low: float, high: float) -> None:
    """The machine's bounds."""
    peak, bytes_a_cycle = _peak(run), run.dram_bandwidth_bits_per_cycle / 8
    knee = peak / bytes_a_cycle
    places = sorted({low, min(max(knee, low), high), high})
    ax.plot(
        places,
        [min(peak, bytes_a_cycle * x) for x in places],
        color="black",
        linewidth=1.4,
        label="_roof",
    )
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlim(low, high)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.text(high, 1.12 * peak, f"{peak:,.0f} a cycle ", ha="right", fontsize=6.5)
    if knee > 2 * low:
        ax.annotate(
            f"{bytes_a_cycle:g} bytes a cycle",
            (math.sqrt(low * knee), bytes_a_cycle * math.sqrt(low * knee)),
            xytext=(5, -9),
            textcoords="offset points",
            fontsize=6.5,
        )


def _draw_steps(ax: Axes, x: float, y: float, bound: Bound, color: str, label: str) -> None:
    ax.plot(
        [x],
        [y],
        linestyle="none",
        marker=_MARKS[bound],
        markersize=5,
        markerfacecolor="white" if bound == "DRAM" else color,
        markeredgecolor=color,
        label=f"_{label}/{bound}",
    )


def _name_marks(bounds: Collection[Bound]) -> list[Line2D]:
    return [
        Line2D(
            [],
            [],
            linestyle="none",
            color="0.35",
            markerfacecolor="white" if bound == "DRAM" else "0.35",
            marker=_MARKS[bound],
            label=f"waits for {_WAITS[bound]}",
        )
        for bound in BOUNDS
        if bound in bounds
    ]
