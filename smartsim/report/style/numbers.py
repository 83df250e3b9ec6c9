"""Numbers for people: counts, energies, bytes, ratios, percent and times, each written one way.

A unit is chosen so that it fits, with a space before it: 3.539 mJ, 21.3 MB. Columns of which one
number is held against the next keep one unit (`format_amount`, `format_microjoules`).
"""

from typing import Literal, get_args

__all__ = [
    "NUMBER_UNITS",
    "NumberUnit",
    "choose_energy_unit",
    "format_amount",
    "format_bytes",
    "format_count",
    "format_energy",
    "format_microjoules",
    "format_number",
    "format_percent",
    "format_ratio",
    "format_short",
    "format_time",
]

NumberUnit = Literal["percent", "count", "ratio", "microjoule"]
"""What the number in a cell of a comparison is."""

NUMBER_UNITS: tuple[NumberUnit, ...] = get_args(NumberUnit)

_PREFIXES = (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3))
_ENERGIES = (("J", 1e12), ("mJ", 1e9), ("µJ", 1e6), ("nJ", 1e3), ("pJ", 1.0))
_TIMES = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9))


def format_count(number: float) -> str:
    """A count with four digits and a prefix.

    >>> format_count(1_159_402_496), format_count(8_352), format_count(12)
    ('1.159G', '8.352k', '12')
    """
    name, scale = _choose(number, _PREFIXES[1:])
    return f"{number / scale:.4g}{name}"


def format_bytes(number: float) -> str:
    """An amount of data in bytes, with four digits.

    >>> format_bytes(21_265_088), format_bytes(151)
    ('21.27 MB', '151 B')
    """
    name, scale = _choose(number, _PREFIXES)
    return f"{number / scale:.4g} {name}B"


def _choose(number: float, units: tuple[tuple[str, float], ...]) -> tuple[str, float]:
    """The largest unit of which there is one."""
    return next((unit for unit in units if abs(number) >= unit[1]), ("", 1.0))


def format_amount(number: float, largest: Literal["M", "G", "T"] = "T") -> str:
    """A count to the last digit below a million, and with two decimals from there on.

    Args:
        number: A count; a fraction where it is an expected one.
        largest: Largest prefix, such as "M" to keep a column in millions.

    >>> format_amount(966_656), format_amount(1_159_402_496), format_amount(1_159_402_496, "M")
    ('966,656', '1.16G', '1159.40M')
    """
    names = [name for name, _ in _PREFIXES]
    name, scale = _choose(number, _PREFIXES[names.index(largest) : -1])
    if name:
        return f"{number / scale:.2f}{name}"
    return f"{number:,.0f}" if float(number).is_integer() else f"{number:,.1f}"


def format_short(number: float) -> str:
    """A count that others rounded: in millions, with the digits that it has.

    >>> format_short(15_000_000), format_short(11_400_000), format_short(0)
    ('15M', '11.4M', '0')
    """
    return f"{number / 1e6:g}M" if number else "0"


def format_energy(energy_pj: float, unit: str = "pJ") -> str:
    """An energy with four digits and a unit that fits.

    >>> format_energy(266_705_423), format_energy(0.23), format_energy(0)
    ('266.7 µJ', '0.23 pJ', '0')
    >>> format_energy(1234.5, "relative")
    '1,234 16-bit MACs'
    """
    if energy_pj == 0:
        return "0"
    if unit == "relative":
        return f"{energy_pj:,.0f} 16-bit MACs"
    name, scale = next((u for u in _ENERGIES if abs(energy_pj) >= u[1]), _ENERGIES[-1])
    return f"{energy_pj / scale:.4g} {name}"


def choose_energy_unit(most_pj: float, unit: str = "pJ") -> tuple[str, float]:
    """Name of the unit for an axis of energies up to `most_pj`, and what they are divided by.

    >>> choose_energy_unit(14_140_000_000)
    ('mJ', 1000000000.0)
    """
    if unit == "relative":
        return "16-bit MACs", 1.0
    return next((u for u in _ENERGIES if abs(most_pj) >= u[1]), _ENERGIES[-1])


def format_microjoules(energy_uj: float) -> str:
    """An energy in a column of microjoules.

    >>> format_microjoules(1739.65), format_microjoules(0.4321)
    ('1,739.7', '0.432')
    """
    return f"{energy_uj:,.1f}" if energy_uj >= 100 else f"{energy_uj:.3g}"


def format_ratio(ratio: float) -> str:
    """A ratio to three decimals, and to three digits where these would be few.

    >>> format_ratio(1.4756), format_ratio(1.0), format_ratio(0.00030074)
    ('1.476', '1', '0.000301')
    """
    if ratio and abs(ratio) < 0.1:
        return f"{ratio:.3g}"
    return f"{ratio:.3f}".rstrip("0").rstrip(".")


def format_percent(share: float, digits: int = 3) -> str:
    """A share in percent, with its sign.

    >>> format_percent(0.0024), format_percent(0.5)
    ('0.24 %', '50 %')
    """
    return f"{100 * share:.{digits}g} %"


def format_time(seconds: float) -> str:
    """A time with four digits and a unit that fits.

    >>> format_time(0.01185), format_time(6e-8), format_time(0)
    ('11.85 ms', '60 ns', '0')
    """
    if seconds == 0:
        return "0"
    name, scale = next((u for u in _TIMES if abs(seconds) >= u[1]), _TIMES[-1])
    return f"{seconds / scale:.4g} {name}"


def format_number(value: float | None, unit: str) -> str:
    """The number in a cell of a comparison; nothing where there is none.

    >>> format_number(21_282_122, "count"), format_number(1.4756, "ratio")
    ('21.28M', '1.476')
    """
    if value is None:
        return ""
    match unit:
        case "count":
            return format_amount(value, "M")
        case "ratio":
            return format_ratio(value)
        case "microjoule":
            return format_microjoules(value)
        case _:
            return f"{value:.2f}"
