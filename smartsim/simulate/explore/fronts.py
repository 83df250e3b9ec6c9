"""Pareto fronts: the designs that no other of their width beats on two axes, and their knees.

Fronts are kept apart by bit width: fewer bits always cost less, and what they cost in accuracy is
not known here.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smartsim.records.document import STRICT

__all__ = ["AXES", "Axes", "Front", "find_knee", "front_of", "merge_fronts"]

Axes = tuple[str, str]
"""Two columns, less of each being better."""

AXES: Mapping[str, str] = {
    "cycles": "cycles",
    "energy": "energy_pj",
    "dram": "dram_bits",
    "area": "area_um2",
    "pes": "pes",
}
"""What designs can be weighed by, and its column; of areas without buffers see `Areas.column`."""

_TIES = ("pes", "buffer_bits", "rows", "dataflow")
"""Of designs that are equal on both axes the smallest stays, wherever it was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """Designs by width and first axis, each better than the one before it on the second.

    Attributes:
        columns: Names of the fields of a point.
        points: The points.
        axes: The two columns that are weighed.
    """

    __pydantic_config__ = STRICT

    columns: tuple[str, ...] = ()
    points: tuple[tuple[int | float | str, ...], ...] = ()
    axes: Axes = ("cycles", "energy_pj")

    def __len__(self) -> int:
        return len(self.points)

    def column(self, name: str) -> list[Any]:
        """One field of every point."""
        place = self.columns.index(name)
        return [point[place] for point in self.points]

    @property
    def knees(self) -> dict[int, int]:
        """By width, the place of the knee among the points; see `find_knee`."""
        if not self.points:
            return {}
        widths, first, second = (self.column(name) for name in ("bits", *self.axes))
        found = {}
        for width in dict.fromkeys(widths):
            places = [place for place, bits in enumerate(widths) if bits == width]
            knee = find_knee([first[p] for p in places], [second[p] for p in places])
            found[int(width)] = places[knee]
        return found

    def to_dict(self) -> dict[str, Any]:
        """The front as JSON-ready values."""
        points = [list(point) for point in self.points]
        return {"columns": list(self.columns), "points": points, "axes": list(self.axes)}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> "Front":
        """Rebuild a front from `to_dict`'s values."""
        first, second = data["axes"]
        return Front(
            columns=tuple(data["columns"]),
            points=tuple(tuple(point) for point in data["points"]),
            axes=(str(first), str(second)),
        )

    def to_csv(self) -> str:
        """The front as CSV with a header."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows(self.points)
        return text.getvalue()


def find_knee(first: Sequence[float], second: Sequence[float]) -> int:
    """Where a front bends: the point farthest below the chord between its ends, in log-log.

    Both axes are logarithms, stretched so that the front's ends lie at (0, 1) and (1, 0); so
    neither units nor the spans of the axes matter. Of equals, the one that is best on the first
    axis; a front of one or two points, or one that bulges outwards everywhere, has its first point.

    Args:
        first: Values on the first axis, rising, not below 0.
        second: Values on the second axis, falling, not below 0.

    >>> find_knee([1, 2, 4, 100], [100, 30, 2, 1])
    2
    """
    x, y = _stretch(first), 1 - _stretch(second)
    return int(np.argmax((1 - x - y) / np.sqrt(2)))


def _stretch(values: ArrayLike) -> NDArray[np.float64]:
    """Logarithms, the first at 0 and the last at 1."""
    logs = np.log(np.maximum(np.asarray(values, dtype=np.float64), 1e-300))  # 0 is the least
    span = logs[-1] - logs[0]
    return np.asarray((logs - logs[0]) / span if span else np.zeros_like(logs))


def front_of(columns: Mapping[str, NDArray[Any]], axes: Axes = ("cycles", "energy_pj")) -> Front:
    """The fronts of points that are given as columns; among equals the smallest design stays.

    >>> points = {"bits": [8, 8, 8, 4], "cycles": [3, 1, 2, 2], "energy_pj": [1.0, 5.0, 6.0, 3.0]}
    >>> front_of({name: np.array(column) for name, column in points.items()}).points
    ((4, 2, 3.0), (8, 1, 5.0), (8, 3, 1.0))
    """
    bits, first, second = columns["bits"], *(columns[name] for name in axes)
    kept: list[int] = []
    for width in np.unique(bits).tolist():
        places = np.flatnonzero(bits == width)
        places = places[np.argsort(first[places])]
        places = places[second[places] <= np.minimum.accumulate(second[places])]  # a few remain
        ties = [columns[name][places] for name in reversed(_TIES) if name in columns]
        order = places[np.lexsort((*ties, second[places], first[places]))]
        ordered = second[order].astype(np.float64)
        before = np.concatenate([[np.inf], np.minimum.accumulate(ordered)[:-1]])
        kept += order[ordered < before].tolist()
    chosen = {name: column[kept].tolist() for name, column in columns.items()}
    points = tuple(zip(*chosen.values(), strict=True))
    return Front(columns=tuple(columns), points=points, axes=axes)


def merge_fronts(first: Front, second: Front) -> Front:
    """The fronts of both fronts' points."""
    if not first.points or not second.points:
        return first if first.points or not second.columns else second
    columns = {name: np.array(first.column(name) + second.column(name)) for name in first.columns}
    return front_of(columns, first.axes)
