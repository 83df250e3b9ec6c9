"""The figure of what moving lam costs: bytes by what they are, and energy beside an inference's."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from smartsim.report.simulate.costs import SwitchCost, SwitchReport
from smartsim.report.style.figures import TWO_COLUMNS, figure_style
from smartsim.report.style.labels import wrap_title
from smartsim.report.style.numbers import choose_energy_unit, format_bytes, format_energy

__all__ = ["draw_switch"]

# Greys and hatches: colours are those of methods.
_PARTS = (
    ("weight_bits", "weights", "0.25", ""),
    ("mask_bits", "bit maps of masks", "0.55", "///"),
    ("norm_bits", "batch norms, biases", "0.4", "..."),
    ("compute_bits", "moved by switch work", "0.82", "xxx"),
)


def draw_switch(report: SwitchReport) -> Figure:
    """Two panels: the bytes that a switch moves, by what they are, and its energy."""
    costs = [cost for cost in report.costs if cost.end > cost.start] or list(report.costs)
    with figure_style():
        figure = Figure(figsize=(TWO_COLUMNS, 1.9 + 0.34 * len(costs)), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        _draw_bytes(left, costs)
        _draw_energy(right, costs, report.unit)
        for ax in (left, right):
            ax.grid(visible=False, axis="y")
            ax.margins(y=0.02)
            ax.legend(loc="upper center", bbox_to_anchor=(0.4, -0.2), ncols=2)
        left.invert_yaxis()
        figure.suptitle(wrap_title(_find_message(report, costs), TWO_COLUMNS), x=0.01, ha="left")
        where = f"{report.setting}; " if report.setting else ""
        figure.supxlabel(
            f"{where}{report.accelerator}, {report.plan}; energies from {report.table}",
            fontsize=7,
            color="0.25",
        )
    return figure


def _find_message(report: SwitchReport, costs: Sequence[SwitchCost]) -> str:
    """The cheapest and the dearest switch, in energy."""
    low, high = (pick(costs, key=lambda c: c.energy_pj) for pick in (min, max))
    text = f"Moving λ from {low.start:g} to {low.end:g} costs {_price(low, report)} in {low.method}"
    return text if low is high else f"{text} and {_price(high, report)} in {high.method}"


def _price(cost: SwitchCost, report: SwitchReport) -> str:
    return format_energy(cost.energy_pj, report.unit)


def _draw_bytes(ax: Axes, costs: Sequence[SwitchCost]) -> None:
    offsets = [0.0] * len(costs)
    places = range(len(costs))
    for field, label, color, hatch in _PARTS:
        widths = [getattr(cost, field) / 8e6 for cost in costs]
        ax.barh(
            places, widths, left=offsets, color=color, hatch=hatch, edgecolor="white", label=label
        )
        offsets = [start + width for start, width in zip(offsets, widths, strict=True)]
    for place, (whole, cost) in enumerate(zip(offsets, costs, strict=True)):
        _write_total(ax, whole, place, format_bytes((cost.reload_bits + cost.compute_bits) / 8))
    ax.set_yticks(list(places), [_name(cost, costs) for cost in costs])
    ax.set_xlim(0, 1.3 * max(offsets) if max(offsets) else 1)
    ax.set_xlabel("MB")
    ax.set_title("a  Bytes moved by a switch")


def _name(cost: SwitchCost, costs: Sequence[SwitchCost]) -> str:
    """The method, and its move where there are several."""
    moves = {(one.start, one.end) for one in costs}
    return cost.method if len(moves) == 1 else f"{cost.method}\n{cost.start:g} to {cost.end:g}"


def _write_total(ax: Axes, end: float, place: int, text: str) -> None:
    ax.annotate(
        text, (end, place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=7
    )


def _draw_energy(ax: Axes, costs: Sequence[SwitchCost], unit: str) -> None:
    places = list(range(len(costs)))
    most = max(max(cost.energy_pj, cost.inference_pj) for cost in costs)
    name, scale = choose_energy_unit(most, unit)
    reload, compute = ([getattr(c, f) / scale for c in costs] for f in ("reload_pj", "compute_pj"))
    ax.barh(places, reload, height=0.5, color="0.25", label="reloading")
    ax.barh(
        places,
        compute,
        left=reload,
        height=0.5,
        color="0.82",
        hatch="xxx",
        edgecolor="white",
        label="computing",
    )
    lams = "λ = " + ", ".join(dict.fromkeys(f"{cost.end:g}" for cost in costs))
    new = lams if len({cost.end for cost in costs}) == 1 else "the new λ"
    ax.plot(
        [cost.inference_pj / scale for cost in costs],
        places,
        linestyle="none",
        marker="D",
        color="black",
        markeredgecolor="white",
        label=f"one inference at {new}",
    )
    for place, cost in enumerate(costs):
        end = cost.energy_pj / scale
        beside = cost.inference_pj / scale
        if 0 <= beside - end < 0.27 * most / scale:  # the text would lie on the diamond
            end = beside + 0.02 * most / scale
        _write_total(ax, end, place, format_energy(cost.energy_pj, unit))
    ax.set_xlim(0, 1.3 * most / scale if most else 1)
    ax.set_xlabel(f"energy ({name})")
    ax.set_title(f"b  Energy, and an inference at {new}")
