"""The cloud of a sweep: where on two axes its designs lie, in memory that does not grow with them.

The plane of the logarithms of both axes is cut into cells, `PER_DECADE` to a decade; of the designs
in a cell, the one that uses its array best stands for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smartsim.records.document import STRICT, Nonnegative, Whole
from smartsim.simulate.explore.fronts import Axes

__all__ = ["PER_DECADE", "Cloud", "cloud_of", "merge_clouds"]

PER_DECADE = 80
"""Cells a decade: designs in one cell differ by less than 3 % on each axis."""

_SIDE = 2**20
_SHIFT = _SIDE // 2
_USES = 1024
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """A design for each cell that holds one, of whatever width, in order of place.

    Attributes:
        bits: Width of each.
        first: Its value on the first axis.
        second: On the second axis.
        utilization: In thousandths.
    """

    __pydantic_config__ = STRICT

    bits: tuple[Whole, ...] = ()
    first: tuple[Nonnegative, ...] = ()
    second: tuple[Nonnegative, ...] = ()
    utilization: tuple[Whole, ...] = ()

    def __len__(self) -> int:
        return len(self.bits)

    def to_dict(self) -> dict[str, Any]:
        """The cloud as JSON-ready values."""
        return {name: list(getattr(self, name)) for name in _FIELDS}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> "Cloud":
        """Rebuild a cloud from `to_dict`'s values."""
        return Cloud(**{name: tuple(data[name]) for name in _FIELDS})


_FIELDS = ("bits", "first", "second", "utilization")


def cloud_of(columns: Mapping[str, NDArray[Any]], axes: Axes) -> Cloud:
    """The cells of points that are given as columns.

    >>> points = {"bits": [8, 8], "cycles": [1000, 1001], "energy_pj": [10.0, 10.1]}
    >>> columns = {name: np.array(column) for name, column in points.items()}
    >>> use = np.array([0.25, 0.5])
    >>> cloud_of(columns | {"utilization": use}, ("cycles", "energy_pj"))
    Cloud(bits=(8,), first=(1001.0,), second=(10.1,), utilization=(500,))
    """
    first, second = (columns[name].astype(np.float64) for name in axes)
    return _thin(columns["bits"], first, second, np.rint(columns["utilization"] * 1000))


def merge_clouds(first: Cloud, second: Cloud) -> Cloud:
    """The cells of both."""
    if not len(first) or not len(second):
        return first if len(first) else second
    bits, xs, ys, uses = (np.array(getattr(first, f) + getattr(second, f)) for f in _FIELDS)
    return _thin(bits, xs, ys, uses)


def _thin(
    bits: NDArray[Any], first: NDArray[Any], second: NDArray[Any], uses: NDArray[Any]
) -> Cloud:
    """Of each cell the best used; of equals, the least on the first axis, then on the second."""
    cells = _place(first) * _SIDE + _place(second)
    ranks = cells * _USES + (_USES - 1 - uses.astype(np.int64))
    order = np.argsort(ranks)
    ranks, cells = ranks[order], cells[order]
    starts = np.flatnonzero(np.diff(cells, prepend=-1))
    best = np.repeat(ranks[starts], np.diff(starts, append=len(cells)))
    order = order[ranks == best]
    order = order[np.lexsort((bits[order], second[order], first[order], ranks[ranks == best]))]
    kept = order[np.diff(cells[ranks == best], prepend=-1) != 0]
    columns = (bits, first, second, uses.astype(np.int64))
    return Cloud(**{f: tuple(c[kept].tolist()) for f, c in zip(_FIELDS, columns, strict=True)})


def _place(values: NDArray[Any]) -> Integers:
    logs = np.log10(np.maximum(values, 1e-300)) * PER_DECADE
    return np.asarray(np.floor(logs).astype(np.int64) + _SHIFT)
