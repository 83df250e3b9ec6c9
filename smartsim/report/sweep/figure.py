"""The figure of a sweep: its cloud of designs, the fronts below it, and their knees."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from smartsim.errors import ConfigurationError
from smartsim.report.style.figures import TWO_COLUMNS, figure_style
from smartsim.report.style.numbers import format_count
from smartsim.report.sweep.text import front_frame
from smartsim.report.sweep.words import MEASURES, format_size, name_array
from smartsim.simulate.explore.sweeps import SweepResult

__all__ = ["draw_sweep"]

_MARKS = {"os": "o", "ws": "s", "is": "^"}
_USED = "#D55E00"
_COLORS = "cividis_r"
_MOST_WIDTHS = 6
_PAPER = {"boxstyle": "square,pad=0.2", "facecolor": "white", "edgecolor": "none"}
_AXIS = {"x": "first", "y": "second"}
_BELOW = {"x": 0.12, "y": 0.22}
"""Room beside a front for its labels: nothing lies there."""


def draw_sweep(result: SweepResult) -> Figure:
    """The designs of a sweep on its two axes, the fronts that no design beats, and the knees.

    A front is a staircase: at its cost on one axis, a design's is the least on the other. Of one
    width, dots are shaded by how much of their elements' cycles they use, and a second front is
    that of the designs which use enough of them to be recommended.

    Args:
        result: What `run_sweep` returned, with at least one feasible design.

    Raises:
        ConfigurationError: If no design was feasible.
    """
    if not result.front.points:
        raise ConfigurationError(
            "no design of the sweep holds one tile in its buffers within its limits; give larger "
            "buffers, or a larger budget"
        )
    with figure_style():
        figure = Figure(figsize=(TWO_COLUMNS, 4.4), layout="constrained")
        drawing = _Drawing(figure.subplots(), result)
        if len(result.widths) == 1:
            drawing.draw_width(result.widths[0])
        else:
            drawing.draw_widths()
        drawing.finish()
        for bits in result.widths:
            drawing.mark_knee(bits, label=len(result.widths) == 1)
    return figure


class _Drawing:
    """A figure's axes with the units that fit the sweep."""

    def __init__(self, ax: Axes, result: SweepResult) -> None:
        self.ax, self.result = ax, result
        self.front = front_frame(result.front)
        self.used = front_frame(result.used_front)
        self.x, self.y = result.axes
        self.share = f"at least {100 * result.least_utilization:g} %"
        measures = [MEASURES[name] for name in result.axes]
        units = [
            m.choose_unit(float(self.front[name].median()))
            for m, name in zip(measures, result.axes, strict=True)
        ]
        self.scales = [scale for _, scale in units]
        self.labels = [
            f"{m.label} ({unit})" if unit else m.label
            for m, (unit, _) in zip(measures, units, strict=True)
        ]

    def draw_width(self, bits: int) -> None:
        """One width: the cloud by utilization, the front, and the front of what is used."""
        cloud = self.result.cloud
        norm = Normalize(0, 100)
        self._dots(np.array(cloud.bits) == bits, [use / 10 for use in cloud.utilization], norm)
        self._stairs(self.front, "black", 1.2, f"_{bits} bits", fill="white")
        if self.result.used < self.result.feasible and len(self.used):
            self._stairs(self.used, _USED, 1.8, f"_{bits} bits, used", fill=_USED)
            self.ax.plot([], [], color=_USED, linewidth=1.8, label=f"front: {self.share} used")
        self.ax.plot([], [], color="black", linewidth=1.2, label="front: all designs")
        self.ax.figure.colorbar(
            ScalarMappable(norm, _COLORS), ax=self.ax, label="use of the elements' cycles (%)"
        )
        self.ax.set_title(self._message(bits))

    def draw_widths(self) -> None:
        """Several widths: a grey cloud, and a front for each of at most six."""
        widths = self.result.widths
        places = np.linspace(0, len(widths) - 1, min(_MOST_WIDTHS, len(widths))).astype(int)
        self._dots(np.ones(len(self.result.cloud), dtype=np.bool_), None, None)
        for place, bits in enumerate(widths[p] for p in np.unique(places)):
            shade = str(0.6 * place / _MOST_WIDTHS)
            rows = self.front[self.front["bits"] == bits]
            self._stairs(rows, shade, 1.2, f"_{bits} bits", fill=shade)
            first = rows.sort_values(self.x).iloc[0]
            self.ax.annotate(
                f"{bits} bits",
                (first[self.x] / self.scales[0], first[self.y] / self.scales[1]),
                xytext=(-8, -2),
                textcoords="offset points",
                fontsize=7.5,
                ha="right",  # nothing lies there: the front is the least on the first axis
            )
        first, second = (MEASURES[name].name for name in self.result.axes)
        self.ax.set_title(f"What no design of its width beats in {first} and {second}")

    def finish(self) -> None:
        """Scales, ticks, labels and the legend."""
        self.ax.set_xscale("log")
        self.ax.set_yscale("log")
        inside = np.ones(len(self.result.cloud), dtype=np.bool_)
        for name, column, scale, label in zip(
            ("x", "y"), self.result.axes, self.scales, self.labels, strict=True
        ):
            axis: Axis = getattr(self.ax, f"{name}axis")
            values = pd.concat([self.front[column], self.used[column]]) / scale
            cloud = np.array(getattr(self.result.cloud, _AXIS[name])) / scale
            low, high = _around(values, cloud.max(), below=_BELOW[name])
            getattr(self.ax, f"set_{name}lim")(low, high)
            inside &= cloud <= high
            _set_ticks(axis, high / low)
            axis.set_label_text(label)
        beyond = int((~inside).sum())
        if beyond:
            self.ax.annotate(
                f"{100 * beyond / len(inside):.0f} % of the dots lie beyond",
                (1, 1),
                xytext=(-4, -10),
                xycoords="axes fraction",
                textcoords="offset points",
                ha="right",
                bbox=_PAPER,
            )
        for dataflow in sorted(set(self.front["dataflow"]) | set(self.used["dataflow"])):
            style = {"linestyle": "none", "color": "0.3", "marker": _MARKS[dataflow]}
            self.ax.plot([], [], markersize=5, label=dataflow, **style)  # type: ignore[arg-type]
        if self.result.used_front.points:
            ring = {"linestyle": "none", "color": "black", "markerfacecolor": "none"}
            text = "knee" if len(self.result.widths) == 1 else f"knee, {self.share} used"
            self.ax.plot([], [], marker="o", markersize=9, label=text, **ring)  # type: ignore[arg-type]
        condition = f" at {self.result.condition}" if self.result.condition else ""
        self.ax.legend(title=f"{self.result.model}{condition}\non {self.result.base}")

    def _dots(
        self, kept: NDArray[np.bool_], use: Sequence[float] | None, norm: Normalize | None
    ) -> None:
        cloud = self.result.cloud
        style = {"color": "0.8"} if use is None else {"cmap": _COLORS, "norm": norm}
        self.ax.scatter(
            np.array(cloud.first)[kept] / self.scales[0],
            np.array(cloud.second)[kept] / self.scales[1],
            s=5,
            c=None if use is None else np.array(use)[kept],
            linewidths=0,
            rasterized=True,
            **style,
        )

    def _stairs(
        self, rows: pd.DataFrame, color: str, width: float, label: str, *, fill: str
    ) -> None:
        rows = rows.sort_values(self.x)
        self.ax.plot(
            rows[self.x] / self.scales[0],
            rows[self.y] / self.scales[1],
            drawstyle="steps-post",
            color=color,
            linewidth=width,
            label=label,
        )
        for dataflow, some in rows.groupby("dataflow"):
            self.ax.plot(
                some[self.x] / self.scales[0],
                some[self.y] / self.scales[1],
                linestyle="none",
                marker=_MARKS[str(dataflow)],
                markersize=4.5,
                color=color,
                markerfacecolor=fill,
                label=f"{label}/{dataflow}",
            )

    def mark_knee(self, bits: int, *, label: bool) -> None:
        """A ring around a width's recommended design, and its name."""
        knee = self._find_knee(bits)
        if knee is None:
            return
        at = (knee[self.x] / self.scales[0], knee[self.y] / self.scales[1])
        for size, fill in ((4.5, _USED), (12, "none")):
            self.ax.plot(
                *[[value] for value in at],
                linestyle="none",
                marker=_MARKS[knee["dataflow"]] if fill == _USED else "o",
                markersize=size,
                markerfacecolor=fill,
                markeredgecolor=_USED if fill == _USED else "black",
                label=f"_{bits} bits, knee",
            )
        if label:
            low, high = np.log(self.ax.get_xlim())
            left = (np.log(at[0]) - low) / (high - low) < 0.4
            self.ax.annotate(
                f"knee: {name_array(knee)}\n{format_size(int(knee['buffer_bits']))} a buffer",
                at,
                xytext=(14 if left else -14, -36),
                textcoords="offset points",
                fontsize=8,
                ha="left" if left else "right",
                arrowprops={"arrowstyle": "-", "linewidth": 0.8, "shrinkB": 6},
                bbox=_PAPER,
            )

    def _find_knee(self, bits: int) -> dict[str, Any] | None:
        front = self.result.used_front
        place = front.knees.get(bits)
        return None if place is None else dict(zip(front.columns, front.points[place], strict=True))

    def _message(self, bits: int) -> str:
        knee = self._find_knee(bits)
        if knee is None:
            return f"int{bits}: no design uses {self.share} of its elements' cycles"
        values = [MEASURES[name].write(float(knee[name])) for name in self.result.axes]
        used = f"{100 * knee['utilization']:.0f} % of the elements used"
        return f"int{bits} knee: {name_array(knee)} for {', '.join(values)}, {used}"


def _around(values: pd.Series, most: float, *, below: float) -> tuple[float, float]:
    """Limits of a logarithmic axis: the fronts, and a part of the cloud that is as wide again.

    Args:
        values: What is to be seen.
        most: The cloud's end.
        below: Room below the least value, as a share of what is shown.
    """
    low, high = float(values.min()), float(values.max())
    high = max(high, min(most, max(high * 1.3, high * (high / low) ** 1.5))) * 1.02
    room = (high / low) ** below
    return low / max(room, 1.02), high


def _set_ticks(axis: Axis, span: float) -> None:
    """Numbers at the ticks of a logarithmic axis, also where it spans less than a decade."""
    if span < 8:
        axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    else:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: format_count(value)))
