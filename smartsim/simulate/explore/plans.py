"""What a sweep is: a network, a grid of designs, a budget, and what designs are weighed by."""

import hashlib
from dataclasses import dataclass

import numpy as np

from smartsim.cost import Table
from smartsim.errors import ConfigurationError, suggest_name
from smartsim.simulate.explore.designs import DesignPrices, price_designs
from smartsim.simulate.explore.fronts import AXES, Axes
from smartsim.simulate.explore.grids import Grid, Limits
from smartsim.simulate.explore.tabulate import NetworkTable
from smartsim.simulate.machine.accelerators import Accelerator
from smartsim.simulate.machine.area import Areas, measure_areas

__all__ = ["Sweep", "parse_axes", "plan_sweep"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """Everything that a worker needs.

    Attributes:
        network: The network as arrays.
        base: What a design does not say.
        grid: The designs.
        limits: What they may cost to build.
        least_utilization: Share of the elements' cycles that a recommended design uses, in [0, 1].
        axes: The two columns that are weighed.
        prices: Prices from a table, or none.
        areas: Areas from the table, or None where it has none.
        table: Name of the table; "" for none.
        chunk_points: Designs of one chunk.
        fingerprint: What tells this sweep from others.
    """

    network: NetworkTable
    base: Accelerator
    grid: Grid
    limits: Limits
    least_utilization: float
    axes: Axes
    prices: DesignPrices
    areas: Areas | None
    table: str
    chunk_points: int
    fingerprint: str

    @property
    def chunks(self) -> int:
        """How many chunks the grid is cut into."""
        return -(-len(self.grid) // self.chunk_points)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of a file of points; energy and area only where the table has them."""
        return _columns(self.areas, priced=self.table != "")


def _columns(areas: Areas | None, *, priced: bool) -> tuple[str, ...]:
    return (
        *("dataflow", "rows", "cols", "pes", "buffer_bits", "bits"),
        *((areas.column,) if areas is not None else ()),
        "cycles",
        *(("energy_pj",) if priced else ()),
        *("dram_bits", "macs", "utilization"),
    )


def plan_sweep(
    network: NetworkTable,
    base: Accelerator,
    grid: Grid,
    *,
    table: Table | None = None,
    dram_level: str | None = None,
    limits: Limits | None = None,
    least_utilization: float = 0.0,
    axes: Axes | None = None,
    chunk_points: int = 65_536,
) -> Sweep:
    """Cut a sweep into chunks.

    Args:
        network: What `tabulate_network` returned for `base`.
        base: What a design does not say: bandwidth, accumulators, vector unit, zeros.
        grid: The designs.
        table: Published energies and areas; without it there are neither.
        dram_level: Memory of the table in place of the accelerator's own, such as "dram:hbm2".
        limits: What designs may cost to build; none beyond it is evaluated.
        least_utilization: Share of the elements' cycles that a recommended design uses, in [0, 1].
        axes: Two of the keys of `AXES`; by default cycles and energy, without a table DRAM traffic.
        chunk_points: Designs of one chunk, at least one.

    Raises:
        ConfigurationError: If the table cannot price a MAC, the chunk is empty, or an axis or a
            limit needs an area or an energy that the table does not have.
    """
    if chunk_points < 1:
        raise ConfigurationError(f"chunks of {chunk_points} points; at least 1 is needed")
    if not 0 <= least_utilization <= 1:
        raise ConfigurationError(
            f"a least utilization of {least_utilization:g}; it is a share from 0 to 1"
        )
    areas = None if table is None else measure_areas(table)
    limits = limits or Limits()
    limits.check(areas)
    columns = _check_axes(axes, areas, priced=table is not None)
    prices = price_designs(network, base, table, dram_level=dram_level)
    energies = (None if table is None else table.rows, dram_level)
    described = (network, base, grid, energies, limits, least_utilization, columns, chunk_points)
    with np.printoptions(threshold=10**9):
        told = repr((*described, _columns(areas, priced=table is not None)))
    return Sweep(
        network=network,
        base=base,
        grid=grid,
        limits=limits,
        least_utilization=least_utilization,
        axes=columns,
        prices=prices,
        areas=areas,
        table="" if table is None else table.name,
        chunk_points=chunk_points,
        fingerprint=hashlib.sha256(told.encode()).hexdigest()[:16],
    )


def parse_axes(text: str) -> Axes:
    """Two different names of `AXES` with a comma between.

    >>> parse_axes("cycles,area")
    ('cycles', 'area')

    Raises:
        ConfigurationError: If it is something else.
    """
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in AXES:
            raise ConfigurationError(f"unknown axis {name!r}{suggest_name(name, tuple(AXES))}")
    if len(names) != 2 or names[0] == names[1]:
        raise ConfigurationError(
            f"axes {text!r} are not two different ones; give two of {', '.join(AXES)}, "
            "such as cycles,energy"
        )
    return names[0], names[1]


def _check_axes(axes: Axes | None, areas: Areas | None, *, priced: bool) -> Axes:
    """The columns of two axes."""
    usual = ("cycles", "energy" if priced else "dram")
    first, second = usual if axes is None else parse_axes(",".join(axes))
    for name, known in (("energy", priced), ("area", areas is not None)):
        if name in (first, second) and not known:
            raise ConfigurationError(
                f"{name} is an axis, and the energy table has no {name} of a multiplier and an "
                "adder; take another axis, or a table such as horowitz2014_45nm"
            )
    columns = {**AXES, "area": "" if areas is None else areas.column}
    return columns[first], columns[second]
