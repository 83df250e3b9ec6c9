"""Pareto fronts: the designs that no other of their width beats in cycles and a second goal.

Fronts are kept apart by bit width: fewer bits always cost less, and what they cost in accuracy is
not known here.
"""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Front", "front_of", "merge_fronts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """Designs by width and cycles, each better than the one before it in the second goal.

    Attributes:
        columns: Names of the fields of a point.
        points: The points.
        goal: Name of the second goal's column.
    """

    columns: tuple[str, ...] = ()
    points: tuple[tuple[Any, ...], ...] = ()
    goal: str = ""

    def column(self, name: str) -> list[Any]:
        """One field of every point."""
        place = self.columns.index(name)
        return [point[place] for point in self.points]

    def to_dict(self) -> dict[str, Any]:
        """The front as JSON-ready values."""
        points = [list(point) for point in self.points]
        return {"columns": list(self.columns), "points": points, "goal": self.goal}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> "Front":
        """Rebuild a front from `to_dict`'s values."""
        return Front(
            columns=tuple(data["columns"]),
            points=tuple(tuple(point) for point in data["points"]),
            goal=str(data["goal"]),
        )

    def to_csv(self) -> str:
        """The front as CSV with a header."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows(self.points)
        return text.getvalue()


def front_of(columns: Mapping[str, NDArray[Any]], goal: str) -> Front:
    """The fronts of points that are given as columns; among equals the first stays.

    >>> points = {"bits": [8, 8, 8, 4], "cycles": [3, 1, 2, 2], "energy_pj": [1.0, 5.0, 6.0, 3.0]}
    >>> front_of({name: np.array(column) for name, column in points.items()}, "energy_pj").points
    ((4, 2, 3.0), (8, 1, 5.0), (8, 3, 1.0))
    """
    names = tuple(columns)
    bits, cycles, second = columns["bits"], columns["cycles"], columns[goal]
    kept: list[int] = []
    for width in np.unique(bits).tolist():
        places = np.flatnonzero(bits == width)
        order = places[np.lexsort((second[places], cycles[places]))]
        ordered = second[order].astype(np.float64)
        before = np.concatenate([[np.inf], np.minimum.accumulate(ordered)[:-1]])
        kept += order[ordered < before].tolist()
    chosen = {name: columns[name][kept].tolist() for name in names}
    return Front(columns=names, points=tuple(zip(*chosen.values(), strict=True)), goal=goal)


def merge_fronts(first: Front, second: Front) -> Front:
    """The fronts of both fronts' points."""
    if not first.points or not second.points:
        return first if first.points or not second.columns else second
    columns = {name: np.array(first.column(name) + second.column(name)) for name in first.columns}
    return front_of(columns, first.goal)
