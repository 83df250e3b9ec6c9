"""How a sweep's columns and designs are written: names, headings, units that fit."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from smartsim.report.style.numbers import format_bytes, format_count, format_energy
from smartsim.simulate.explore.sweeps import SweepResult

__all__ = [
    "MEASURES",
    "Measure",
    "describe_design",
    "find_area",
    "format_area",
    "format_size",
    "name_array",
]

Design = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A column that designs can be weighed by.

    Attributes:
        name: In a text, such as "energy".
        label: On the axis of a figure, without its unit.
        units: Units of a figure's axis and what they are of the column's, from large to small.
        write: The value with its unit.
    """

    name: str
    label: str
    units: Sequence[tuple[str, float]]
    write: Callable[[float], str]

    def choose_unit(self, least: float) -> tuple[str, float]:
        """The largest unit of which there is one, and how many of the column's it is."""
        return next((unit for unit in self.units if least >= unit[1]), self.units[-1])


def format_area(area_um2: float) -> str:
    """An area with four digits.

    >>> format_area(482_688), format_area(419)
    ('0.4827 mm²', '419 µm²')
    """
    return f"{area_um2 / 1e6:.4g} mm²" if area_um2 >= 1e4 else f"{area_um2:.4g} µm²"


def format_size(bits: int) -> str:
    """The capacity of a memory, in powers of two.

    >>> format_size(2**20), format_size(2**24), format_size(512)
    ('128 KiB', '2 MiB', '64 B')
    """
    for name, scale in (("MiB", 2**23), ("KiB", 2**13), ("B", 8)):
        if bits >= scale:
            return f"{bits / scale:.4g} {name}"
    return f"{bits} bits"


MEASURES: Mapping[str, Measure] = {
    "cycles": Measure(
        name="cycles",
        label="cycles of an inference",
        units=(("", 1.0),),
        write=lambda value: f"{format_count(value)} cycles",
    ),
    "energy_pj": Measure(
        name="energy",
        label="energy of an inference",
        units=(("J", 1e12), ("mJ", 1e9), ("µJ", 1e6), ("nJ", 1e3), ("pJ", 1.0)),
        write=format_energy,
    ),
    "dram_bits": Measure(
        name="DRAM",
        label="DRAM traffic",
        units=(("GB", 8e9), ("MB", 8e6), ("kB", 8e3), ("B", 8.0)),
        write=lambda value: f"{format_bytes(value / 8)} of DRAM traffic",
    ),
    "area_um2": Measure(
        name="area",
        label="area of array and buffers",
        units=(("mm²", 1e6),),
        write=format_area,
    ),
    "array_area_um2": Measure(
        name="array area",
        label="area of the array alone",
        units=(("mm²", 1e6),),
        write=lambda area: f"{format_area(area)} of array",
    ),
    "pes": Measure(
        name="PEs",
        label="processing elements",
        units=(("", 1.0),),
        write=lambda value: f"{value:,.0f} PEs",
    ),
}
"""By column."""


def name_array(design: Design) -> str:
    """Such as "64x64 ws"."""
    return f"{design['rows']}x{design['cols']} {design['dataflow']}"


def find_area(columns: Iterable[str]) -> tuple[str, ...]:
    """The column of areas, if there is one."""
    return tuple(name for name in columns if name in ("area_um2", "array_area_um2"))


def describe_design(result: SweepResult, design: Design) -> str:
    """Such as "72x16 os, 128 KiB a buffer: 1.878M cycles, 6.303 mJ, 0.4827 mm², 53.6 % used"."""
    columns = dict.fromkeys((*result.axes, *find_area(design)))
    values = [MEASURES[name].write(design[name]) for name in columns]
    used = f"{100 * design['utilization']:.3g} % of its elements' cycles used"
    return (
        f"{name_array(design)}, {format_size(design['buffer_bits'])} a buffer: "
        f"{', '.join(values)}, {used}"
    )
