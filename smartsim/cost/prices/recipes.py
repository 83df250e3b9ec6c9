"""What one act costs in a format and a table: the recipe of each action, priced as arrays.

A MAC is a multiplication and an accumulation, in shift arithmetic one shift and one accumulation
for each term. A convention decides how wide the accumulator is. Prices are kept apart by basis.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from smartsim.cost.formats.numbers import MAX_BITS, NumberFormat
from smartsim.cost.prices.laws import BASIS_ORDER, interpolate_energy, law_of
from smartsim.cost.tables.table import Table
from smartsim.counts.records import ACTIONS, Action
from smartsim.errors import ConfigurationError

__all__ = ["ESSENTIAL", "Part", "Prices", "describe_mac", "price_actions", "recipe_of"]

ESSENTIAL: tuple[Action, ...] = ("mac", "mul", "add", "shift_add")
"""Actions without whose price an energy would be meaningless; others are listed as unpriced."""

_ACCUMULATOR_BITS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A share of an action: so many acts of one unit.

    Attributes:
        unit: Action of a table's row, such as "mul", "add" or "shift".
        format: Format of a table's row: "int", "fp" or "bf".
        bits: Width.
        times: How many of it.
    """

    unit: str
    format: str
    bits: int
    times: int = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prices:
    """Energy of every action, by table and format.

    Attributes:
        tables: Names of the tables.
        formats: Names of the formats.
        energy_pj: Energies (basis, table, format, action), in the order of `BASIS_ORDER` and
            `ACTIONS`; 0 where there is no price.
        priced: Whether there is a price (table, format, action).
    """

    tables: tuple[str, ...]
    formats: tuple[str, ...]
    energy_pj: NDArray[np.float64]
    priced: NDArray[np.bool_]


def recipe_of(number_format: NumberFormat, action: str, accumulator: str) -> tuple[Part, ...]:
    """The unit acts that make one `action` in a format.

    Args:
        number_format: The format of the operands.
        action: Action of `smartsim.counts`.
        accumulator: "paper" (as wide as the operand) or "hardware" (32 bits for integers; floating
            point accumulates in its own format).

    >>> from smartsim.cost.formats.numbers import parse_format
    >>> [(p.times, p.unit, p.bits) for p in recipe_of(parse_format("int8"), "mac", "hardware")]
    [(1, 'mul', 8), (1, 'add', 32)]
    >>> [(p.times, p.unit, p.bits) for p in recipe_of(parse_format("shift8x2"), "mac", "paper")]
    [(2, 'shift', 8), (2, 'add', 8)]
    """
    bits, terms = number_format.bits, number_format.terms
    row_format = "int"
    if number_format.kind == "fp":
        row_format = "bf" if number_format.name.startswith("bf") else "fp"
    wide = accumulator == "hardware" and row_format == "int"
    sum_bits = max(bits, _ACCUMULATOR_BITS) if wide else bits

    def part(unit: str, width: int, times: int = 1) -> Part:
        return Part(unit=unit, format=row_format, bits=width, times=times)

    match action, number_format.kind:
        case "mac", "shift":
            return part("shift", bits, terms), part("add", sum_bits, terms)
        case "mac", _:
            return part("mul", bits), part("add", sum_bits)
        case "shift_add", _:
            return part("shift", bits), part("add", sum_bits)
        case "mul", "shift":
            sums = (part("add", bits, terms - 1),) if terms > 1 else ()
            return part("shift", bits, terms), *sums
        case _:
            return (part(action, bits),)


def price_actions(
    tables: Sequence[Table], formats: Sequence[NumberFormat], accumulator: str
) -> Prices:
    """Price every action in every format from every table.

    A comparison without a row of its own is priced as an addition of its width (the sign of a
    difference); any other action without a row stays unpriced.

    Args:
        tables: Energy tables.
        formats: Number formats.
        accumulator: Width of the accumulator of a MAC, "paper" or "hardware".
    """
    shape = (len(tables), len(formats), len(ACTIONS))
    energy, priced = np.zeros((len(BASIS_ORDER), *shape)), np.zeros(shape, dtype=np.bool_)
    recipes = [
        (f, a, recipe_of(number_format, action, accumulator))
        for f, number_format in enumerate(formats)
        for a, action in enumerate(ACTIONS)
    ]
    for t, table in enumerate(tables):
        curves = _curves(table)
        for f, a, recipe in recipes:
            found = [_unit_price(curves, part) for part in recipe]
            if None not in found:
                priced[t, f, a] = True
                for part, price in zip(recipe, found, strict=True):
                    if price is not None:
                        energy[price[1], t, f, a] += part.times * price[0]
    return Prices(
        tables=tuple(table.name for table in tables),
        formats=tuple(number_format.name for number_format in formats),
        energy_pj=energy,
        priced=priced,
    )


def describe_mac(table: Table, number_format: NumberFormat, accumulator: str) -> str:
    """One line that says what a MAC is here: parts, widths, prices, bases, and area in um2.

    >>> from smartsim.cost.formats.numbers import parse_format
    >>> from smartsim.cost.tables.load import load_table
    >>> describe_mac(load_table("horowitz2014_45nm"), parse_format("int8"), "hardware")
    'one int8 MAC = mul int8 0.2 pJ + add int32 0.1 pJ = 0.3 pJ, 419 um2'

    Raises:
        ConfigurationError: If the table cannot price it.
    """
    curves, texts, total = _curves(table), [], 0.0
    unit = table.unit if table.unit == "pJ" else "16-bit MACs"
    for part in recipe_of(number_format, "mac", accumulator):
        price = _unit_price(curves, part)
        if price is None:
            raise ConfigurationError(missing_price(table, number_format))
        total += part.times * price[0]
        basis = "" if price[1] == 0 else f" ({BASIS_ORDER[price[1]]})"
        times = f"{part.times} x " if part.times > 1 else ""
        texts.append(f"{times}{part.unit} {part.format}{part.bits} {price[0]:.3g} {unit}{basis}")
    area = _area_um2(table, recipe_of(number_format, "mac", accumulator))
    printed = f", {area:.0f} um2" if area is not None else ", no area in the table"
    return f"one {number_format.name} MAC = {' + '.join(texts)} = {total:.3g} {unit}{printed}"


def _area_um2(table: Table, recipe: tuple[Part, ...]) -> float | None:
    """Area of one of each unit; None where the table does not print all of them."""
    rows = [table.points(part.unit, part.format).get(part.bits) for part in recipe]
    areas = [row.area_um2 if row is not None else None for row in rows]
    return None if None in areas else sum(area for area in areas if area is not None)


def missing_price(table: Table, number_format: NumberFormat) -> str:
    """The sentence that says why a table cannot price a format, and what it can price."""
    parts = recipe_of(number_format, "mac", "paper")
    needed = " and ".join(f"{part.unit} {part.format}" for part in parts)
    possible = [
        name
        for name, units in (("int", {"mul", "add"}), ("shift", {"shift", "add"}))
        if all(table.points(unit, "int") for unit in units)
    ]
    for kind in ("fp", "bf"):
        both = table.points("mul", kind).keys() & table.points("add", kind).keys()
        possible += [f"{kind}{bits}" for bits in sorted(both)]
    prices = f"it prices {', '.join(possible)}" if possible else "it prices no arithmetic"
    return (
        f"table {table.name} cannot price {number_format.name}, which needs {needed}; {prices}; "
        "choose another table, or join one of the same node with a +"
    )


_Curve = tuple[tuple[float, ...], tuple[int, ...]]


@lru_cache(maxsize=64)
def _curves(table: Table) -> dict[tuple[str, str], _Curve]:
    """Energy and basis at every width, of every action and format that the table prices."""
    curves: dict[tuple[str, str], _Curve] = {}
    widths = np.arange(2, MAX_BITS + 1)
    for action, row_format in {(r.action, r.format) for r in table.rows if not r.level}:
        points = {bits: row.energy_pj for bits, row in table.points(action, row_format).items()}
        energies, basis = interpolate_energy(points, widths, law_of(action))
        if row_format != "int":  # exponent and mantissa do not grow together: points only
            energies = np.where(basis == 0, energies, np.nan)
        curves[action, row_format] = (
            (np.nan, np.nan, *energies.tolist()),
            (2, 2, *basis.tolist()),
        )
    return curves


def _unit_price(curves: dict[tuple[str, str], _Curve], part: Part) -> tuple[float, int] | None:
    """Energy and basis of one unit act; None where the table does not price it."""
    curve = curves.get((part.unit, part.format))
    if curve is None and part.unit == "compare":
        curve = curves.get(("add", part.format))
    if curve is None or np.isnan(curve[0][part.bits]):
        return None
    return curve[0][part.bits], curve[1][part.bits]
