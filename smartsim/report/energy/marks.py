"""The marks of an energy figure: looks of methods, curves by basis, labels, the legend.

Line style says what a value rests on: markers are published, solid is interpolated, dashed is
extrapolated. Colour, shade and marker say the method; filled markers are integer MACs, hollow ones
shift-adds, crosses floating point.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise, zip_longest
from typing import Any, Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from smartsim.report.style.figures import Look

__all__ = [
    "TABLE_LOOKS",
    "draw_curve",
    "draw_floats",
    "draw_points",
    "dress_energies",
    "dress_widths",
    "make_legend",
    "select_curve",
    "write_label",
]


TABLE_LOOKS = (
    Look(color="0.35", marker="o", width=1.6),
    Look(color="#56B4E9", marker="p", width=1.6),
    Look(color="#009E73", marker="h", width=1.6),
    Look(color="#CC79A7", marker="X", width=1.6),
)
_MARKER_SIZE = 5.0
_DASHES = (0, (4, 2.5))
_TICKS = (2, 4, 8, 16, 32)


def select_curve(rows: pd.DataFrame, method: str, kind: str) -> pd.DataFrame:
    """Rows of one method (or table) and kind of arithmetic, in order of width."""
    chosen = rows[(rows["method"] == method) & (rows["arithmetic"] == kind)]
    return chosen.sort_values("bits")


def draw_curve(ax: Axes, rows: pd.DataFrame, column: str, look: Look, kind: str, name: str) -> None:
    """Solid between published points, dashed beyond them, a marker on each published one.

    Labels begin with an underscore, which keeps them out of the legend.
    """
    points = list(zip(rows["bits"], rows[column], rows["basis"], strict=True))
    for style, run in _runs(points):
        ax.plot(
            [bits for bits, _, _ in run],
            [value for _, value, _ in run],
            color=look.color,
            linewidth=look.width,
            linestyle="-" if style == "solid" else _DASHES,
            zorder=2,
            label=f"_{name}/{kind}/{style}",
        )
    draw_points(ax, rows, column, look, kind, name)


def draw_points(
    ax: Axes, rows: pd.DataFrame, column: str, look: Look, kind: str, name: str
) -> None:
    """A marker on each published point."""
    published = rows[rows["basis"] == "published"]
    ax.plot(
        published["bits"],
        published[column],
        linestyle="none",
        marker=look.marker,
        markersize=_MARKER_SIZE,
        markerfacecolor=look.color if kind == "int" else "white",
        markeredgecolor=look.color,
        markeredgewidth=1.3,
        zorder=3,
        label=f"_{name}/{kind}/published",
    )


def _runs(
    points: list[tuple[int, float, str]],
) -> Iterator[tuple[str, list[tuple[int, float, str]]]]:
    """Stretches of one line style; a segment is dashed if one of its ends is extrapolated."""
    style, run = "", list[tuple[int, float, str]]()
    for left, right in pairwise(points):
        now = "dashed" if "extrapolated" in (left[2], right[2]) else "solid"
        if now != style and run:
            yield style, run
            run = []
        style, run = now, [*(run or [left]), right]
    if run:
        yield style, run


def draw_floats(ax: Axes, rows: pd.DataFrame, column: str, look: Look, name: str) -> None:
    """Floating point: published points without a curve."""
    ax.plot(
        rows["bits"],
        rows[column],
        linestyle="none",
        marker="x",
        markersize=_MARKER_SIZE + 1,
        color=look.color,
        markeredgewidth=look.width,
        zorder=4,
        label=f"_{name}/fp/published",
    )


def write_label(
    ax: Axes,
    text: str,
    bits: float,
    value: float,
    offset: tuple[float, float],
    side: Literal["left", "right"],
    *,
    weight: str = "normal",
    color: str = "black",
) -> None:
    """Text beside a point of the data."""
    ax.annotate(
        text,
        (bits, value),
        xytext=offset,
        textcoords="offset points",
        ha=side,
        fontweight=weight,
        fontsize=7,
        color=color,
    )


def dress_widths(ax: Axes) -> None:
    """A horizontal axis of bits, doubling."""
    ax.set_xscale("log", base=2)
    ax.set_xticks(_TICKS, [str(bits) for bits in _TICKS])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlim(1.85, 36)
    ax.set_xlabel("bits of an operand")


def make_legend(looks: Mapping[str, Look]) -> Iterator[Line2D]:
    """Methods in the first row, what markers and lines mean in the second."""
    methods = [
        Line2D([], [], color=look.color, linewidth=look.width, marker=look.marker, label=method)
        for method, look in looks.items()
    ]
    grey: dict[str, Any] = {"color": "0.35", "linestyle": "none"}
    meanings = [
        Line2D([], [], marker="o", label="INT MACs, published", **grey),
        Line2D([], [], marker="o", markerfacecolor="white", label="shift-adds, published", **grey),
        Line2D([], [], marker="x", label="floating point, published", **grey),
        Line2D([], [], color="0.35", label="interpolated"),
        Line2D([], [], color="0.35", linestyle=_DASHES, label="extrapolated"),
    ]
    nothing = Line2D([], [], linestyle="none", label=" ")
    for pair in zip_longest(methods, meanings, fillvalue=nothing):
        yield from pair


def dress_energies(ax: Axes) -> None:
    """A logarithmic axis with plain numbers; a linear one where less than a decade is shown."""
    low, high = ax.dataLim.y0, ax.dataLim.y1
    if low <= 0 or high / low < 10:
        return
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())
