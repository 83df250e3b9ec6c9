"""TABLE -> AREA: what the elements of an array take up, and its buffers where a table knows them.

The area of an element is that of the multiplier and the adder of one MAC, from rows of the table
that print one; between and beyond their widths it follows the laws of energies: an adder grows with
n, a multiplier with n^2. A buffer's area grows with its capacity, in a straight line between
published sizes and in proportion beyond. Knows nothing of registers, wires, control and pads.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smartsim.cost import Row, Table, parse_format
from smartsim.cost.formats.numbers import MAX_BITS
from smartsim.cost.prices.laws import BASIS_ORDER, interpolate_energy, law_of
from smartsim.cost.prices.recipes import Part, recipe_of

__all__ = ["BUFFERS", "Areas", "measure_areas"]

BUFFERS = 3
"""Buffers of a machine: of inputs, of weights, of outputs."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Areas:
    """Areas of one technology.

    Attributes:
        element_um2: Multiplier and adder of one element, by bits (65,); NaN below 2 bits.
        parts: What makes up an element of each width, in words, with what was interpolated (65,).
        capacities_bits: Published sizes of on-chip memories, rising; empty if none has an area.
        memories_um2: Their areas.
    """

    element_um2: Floats
    parts: tuple[str, ...]
    capacities_bits: Floats
    memories_um2: Floats

    @property
    def covers_buffers(self) -> bool:
        """Whether the table prints the area of a memory of stated size."""
        return len(self.capacities_bits) > 0

    @property
    def scope(self) -> str:
        """What an area contains, for a header."""
        if self.covers_buffers:
            return "multipliers and adders of the array, and three buffers"
        return (
            "multipliers and adders of the array alone; the table has no area of buffers, so here "
            "they are free"
        )

    @property
    def column(self) -> str:
        """Heading of a column of areas, which says whether buffers are in them."""
        return "area_um2" if self.covers_buffers else "array_area_um2"

    def measure(
        self, rows: ArrayLike, cols: ArrayLike, bits: ArrayLike, buffer: ArrayLike
    ) -> Floats:
        """Area in um2 of arrays with three buffers of `buffer` bits each; all arguments broadcast.

        >>> from smartsim.cost import load_table
        >>> areas = measure_areas(load_table("horowitz2014_45nm"))
        >>> areas.measure(2, 3, 8, 65536).tolist()  # 6 elements of 282 + 137 um2
        2514.0
        """
        held = np.asarray(rows) * np.asarray(cols)
        whole = held * self.element_um2[np.asarray(bits)]
        if self.covers_buffers:
            whole = whole + BUFFERS * self._memory(np.asarray(buffer, dtype=np.float64))
        return np.asarray(whole, dtype=np.float64)

    def _memory(self, capacity: Floats) -> Floats:
        sizes, areas = self.capacities_bits, self.memories_um2
        found = np.interp(capacity, sizes, areas)
        found = np.where(capacity < sizes[0], areas[0] * capacity / sizes[0], found)
        return np.where(capacity > sizes[-1], areas[-1] * capacity / sizes[-1], found)


def measure_areas(table: Table) -> Areas | None:
    """Areas of integer elements at every width; None if no multiplier or no adder has one."""
    curves = {unit: _curve(table, unit) for unit in ("mul", "add")}
    if any(curve is None for curve in curves.values()):
        return None
    found = cast(Mapping[str, tuple[Floats, NDArray[np.int_], Mapping[int, Row]]], curves)
    element, parts = np.full(MAX_BITS + 1, np.nan), ["", ""]
    for bits in range(2, MAX_BITS + 1):
        recipe = recipe_of(parse_format(f"int{bits}"), "mac", "hardware")
        element[bits] = sum(part.times * found[part.unit][0][part.bits] for part in recipe)
        parts.append(" + ".join(_describe(part, *found[part.unit]) for part in recipe))
    memories = sorted(
        (row.capacity_bits, row.area_um2)
        for row in table.rows
        if row.action == "sram" and row.capacity_bits is not None and row.area_um2 is not None
    )
    return Areas(
        element_um2=element,
        parts=tuple(parts),
        capacities_bits=np.array([size for size, _ in memories], dtype=np.float64),
        memories_um2=np.array([area for _, area in memories], dtype=np.float64),
    )


def _curve(table: Table, unit: str) -> tuple[Floats, NDArray[np.int_], Mapping[int, Row]] | None:
    """Area and basis by bits, and the rows that print one; None without any."""
    rows = {b: row for b, row in table.points(unit, "int").items() if row.area_um2 is not None}
    if not rows:
        return None
    points = {bits: row.area_um2 for bits, row in rows.items() if row.area_um2 is not None}
    areas, basis = interpolate_energy(points, np.arange(2, MAX_BITS + 1), law_of(unit))
    return np.concatenate([[np.nan] * 2, areas]), np.concatenate([[2, 2], basis]), rows


def _describe(part: Part, areas: Floats, basis: NDArray[np.int_], rows: Mapping[int, Row]) -> str:
    """Such as "mul int5 110 um2 (extrapolated)" or "add int32 137 um2 (area unverified)"."""
    row = rows.get(part.bits)
    doubt = BASIS_ORDER[basis[part.bits]] if row is None else row.note.split(";")[0]
    remark = f" ({doubt})" if doubt else ""
    return f"{part.unit} int{part.bits} {areas[part.bits]:.4g} um2{remark}"
