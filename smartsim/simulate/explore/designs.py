"""Machines by the million as arrays: what they are, what they cost, what was found of them.

Buffer ports are as wide as the array is (one word a lane), so that no design starves.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smartsim.cost import Table, parse_format
from smartsim.counts import ACTIONS
from smartsim.simulate.array.systolic import Dataflow, Integers
from smartsim.simulate.explore.tabulate import NetworkTable
from smartsim.simulate.machine.accelerators import Accelerator, Buffer
from smartsim.simulate.machine.pricing import price_machine

__all__ = [
    "DesignPrices",
    "Designs",
    "Results",
    "build_design",
    "price_designs",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Designs:
    """Machines of one dataflow; each field an integer array (points,).

    Attributes:
        dataflow: Which operand stays in the elements.
        rows: Rows of processing elements.
        cols: Columns of processing elements.
        buffer_bits: Capacity of each of the input, weight and output buffers.
        bits: Width of weights and activations.
    """

    dataflow: Dataflow
    rows: Integers
    cols: Integers
    buffer_bits: Integers
    bits: Integers

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def processing_elements(self) -> Integers:
        """Elements of each array (points,)."""
        return np.asarray(self.rows * self.cols)

    def take(self, places: slice | NDArray[np.bool_]) -> "Designs":
        """Some of the points."""
        return Designs(
            dataflow=self.dataflow,
            rows=self.rows[places],
            cols=self.cols[places],
            buffer_bits=self.buffer_bits[places],
            bits=self.bits[places],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignPrices:
    """Energies by width of an operand; 0 where the table has no price.

    Attributes:
        mac_pj: One product, by bits (65,).
        vector_pj: All actions of the vector unit in one inference, by bits (65,).
        register_pj: One bit latched.
        accumulator_pj: One bit of a partial sum.
        dram_pj: One bit over the memory's pins.
        table: Prices on-chip memories by size; None if nothing is priced.
        unpriced: Names of what has no price.
    """

    mac_pj: Floats
    vector_pj: Floats
    register_pj: float = 0.0
    accumulator_pj: float = 0.0
    dram_pj: float = 0.0
    table: Table | None = None
    unpriced: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What each design makes of one inference; each field (points,).

    Attributes:
        cycles: Cycles.
        energy_pj: Energy of all components that have a price; NaN without a table.
        dram_bits: Bits over the memory's pins.
        macs: Products that were executed.
        utilization: Share of the elements' cycles that execute products.
        feasible: Whether every buffer holds one tile.
    """

    cycles: Integers
    energy_pj: Floats
    dram_bits: Integers
    macs: Integers
    utilization: Floats
    feasible: NDArray[np.bool_]


def build_design(base: Accelerator, designs: Designs, place: int) -> Accelerator:
    """The machine that one point stands for.

    Raises:
        ConfigurationError: If a buffer is smaller than one tile of 8-bit words.
    """
    rows, cols = int(designs.rows[place]), int(designs.cols[place])
    bits = int(designs.bits[place])
    capacity = int(designs.buffer_bits[place])
    buffer = Buffer(
        capacity_bits=capacity,
        width_bits=max(rows, cols) * bits,
        double_buffered=base.input_buffer.double_buffered,
    )
    return dataclasses.replace(
        base,
        name=f"{base.name} {rows}x{cols} {designs.dataflow} {capacity // 8192} KiB",
        rows=rows,
        cols=cols,
        dataflow=designs.dataflow,
        input_buffer=buffer,
        weight_buffer=buffer,
        output_buffer=buffer,
    )


def price_designs(
    network: NetworkTable,
    base: Accelerator,
    table: Table | None,
    *,
    dram_level: str | None = None,
) -> DesignPrices:
    """What a sweep needs of a table: prices of every width at once."""
    widths = np.zeros(65)
    if table is None:
        return DesignPrices(mac_pj=widths, vector_pj=widths)
    macs, vector = np.full(65, np.nan), np.full(65, np.nan)
    missing: dict[str, None] = {}
    by_component: Mapping[str, float] = {}
    for bits in range(2, 65):
        machine = price_machine(base, table, parse_format(f"int{bits}"), dram_level=dram_level)
        macs[bits] = machine.mac_pj
        known = [machine.actions_pj.get(action, np.nan) for action in ACTIONS]
        needed = network.actions > 0
        missing |= {
            action: None
            for action, used in zip(ACTIONS, needed, strict=True)
            if used and action not in machine.actions_pj
        }
        vector[bits] = np.nansum(network.actions * np.asarray(known))
        by_component = {str(name): price for name, price in machine.bits_pj.items()}
    absent = [name for name in ("registers", "accumulators", "dram") if name not in by_component]
    if "input_buffer" not in by_component:
        absent.append("buffers")
    return DesignPrices(
        mac_pj=macs,
        vector_pj=vector,
        register_pj=by_component.get("registers", 0.0),
        accumulator_pj=by_component.get("accumulators", 0.0),
        dram_pj=by_component.get("dram", 0.0),
        table=table,
        unpriced=(*missing, *absent),
    )
