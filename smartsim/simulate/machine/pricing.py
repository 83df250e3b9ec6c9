"""TABLE x ACCELERATOR -> what a product, an action and a bit of each memory costs.

A memory's energy per bit is taken from the table's memories by size: between two published sizes
linear in the square root of the capacity (the length of its wires), beyond them in proportion to
it; a table with one memory of no stated size gives that for every size. Registers come from rows
`register`: these are register files, an upper bound for the latches of an array. What a table does
not price is left out of every energy and listed as unpriced.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smartsim.cost import NumberFormat, Table, memory_row, price_actions
from smartsim.cost.prices.recipes import missing_price
from smartsim.counts import ACTIONS, Action
from smartsim.errors import ConfigurationError
from smartsim.simulate.machine.accelerators import Accelerator, Component

__all__ = ["MachinePrices", "price_machine", "price_sram"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MachinePrices:
    """Energies of one machine in one format.

    Attributes:
        mac_pj: One executed product and its accumulation.
        actions_pj: One action of the vector unit; without those that have no price.
        bits_pj: Reading or writing one bit of a component; without those that have no price.
    """

    mac_pj: float
    actions_pj: Mapping[Action, float]
    bits_pj: Mapping[Component, float]


def price_machine(
    accelerator: Accelerator,
    table: Table,
    number_format: NumberFormat,
    *,
    dram_level: str | None = None,
) -> MachinePrices:
    """What the machine's acts cost in a format, from a table.

    Args:
        accelerator: The machine.
        table: Published energies; "a+b" tables price arithmetic and memories from two.
        number_format: Format of operands; sums are 32 bits wide in integer formats.
        dram_level: Memory of the table in place of the accelerator's own, such as "dram:hbm2".

    Raises:
        ConfigurationError: If the table has no price for a MAC in this format, or several DRAMs of
            which none was chosen.
    """
    prices = price_actions([table], [number_format], "hardware")
    energies, priced = prices.energy_pj.sum(axis=0)[0, 0], prices.priced[0, 0]
    known = {action: float(energies[a]) for a, action in enumerate(ACTIONS) if priced[a]}
    if "mac" not in known:
        raise ConfigurationError(missing_price(table, number_format))
    bits: dict[Component, float] = {}
    sizes: dict[Component, int] = {
        "input_buffer": accelerator.input_buffer.capacity_bits,
        "weight_buffer": accelerator.weight_buffer.capacity_bits,
        "output_buffer": accelerator.output_buffer.capacity_bits,
        "accumulators": accelerator.accumulator_words * accelerator.accumulator_bits,
    }
    for component, capacity in sizes.items():
        price = price_sram(table, capacity)
        if price is not None:
            bits[component] = float(price)
    if any(row.action == "register" for row in table.rows):
        register = memory_row(table, "register")
        bits["registers"] = register.energy_pj / register.bits
    if any(row.action == "dram" for row in table.rows):
        dram = memory_row(table, dram_level or accelerator.dram_level)
        bits["dram"] = dram.energy_pj / dram.bits
    return MachinePrices(mac_pj=known["mac"], actions_pj=known, bits_pj=bits)


def price_sram(table: Table, capacity_bits: ArrayLike) -> NDArray[np.float64] | None:
    """Energy of one bit of an on-chip memory of each size; None if the table has no such memory.

    >>> from smartsim.cost import load_table
    >>> price = price_sram(load_table("horowitz2014_45nm"), 32 * 1024 * 8)
    >>> float(price)  # 20 pJ for 64 bits of a 32 KB cache
    0.3125
    """
    rows = [row for row in table.rows if row.action == "sram"]
    sized = sorted((row.capacity_bits, row) for row in rows if row.capacity_bits is not None)
    if not rows:
        return None
    capacity = np.asarray(capacity_bits, dtype=np.float64)
    if not sized:
        return np.full_like(capacity, rows[0].energy_pj / rows[0].bits)
    places = np.sqrt([float(size) for size, _ in sized])
    energies = np.array([row.energy_pj / row.bits for _, row in sized])
    root = np.sqrt(capacity)
    found = np.interp(root, places, energies)
    found = np.where(root < places[0], energies[0] * root / places[0], found)
    return np.asarray(np.where(root > places[-1], energies[-1] * root / places[-1], found))
