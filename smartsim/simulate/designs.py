"""TABLE x DESIGNS -> cycles, traffic and energy of every design, as arrays.

The same formulas as `smartsim.simulate.network`, over many machines at once: a test holds the two
equal. Buffer ports are as wide as the array is (one word a lane), so that no design starves.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smartsim.cost import Table, parse_format
from smartsim.counts import ACTIONS
from smartsim.simulate.accelerators import Accelerator, Buffer
from smartsim.simulate.memory import LayerBits, Schedule, count_fetches, list_schedules
from smartsim.simulate.pricing import price_machine, price_sram
from smartsim.simulate.systolic import ArrayActivity, Dataflow, Integers, run_dense_array
from smartsim.simulate.tabulate import NetworkTable, ProductRows

__all__ = [
    "DesignPrices",
    "Designs",
    "Results",
    "build_design",
    "evaluate_designs",
    "price_designs",
]

_BLOCK = 24_000
"""Evaluations worked on at a time: their arrays stay in the processor's cache."""

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

    def slice(self, start: int, stop: int) -> "Designs":
        """Some of the points."""
        return Designs(
            dataflow=self.dataflow,
            rows=self.rows[start:stop],
            cols=self.cols[start:stop],
            buffer_bits=self.buffer_bits[start:stop],
            bits=self.bits[start:stop],
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


def price_designs(network: NetworkTable, base: Accelerator, table: Table | None) -> DesignPrices:
    """What a sweep needs of a table: prices of every width at once."""
    widths = np.zeros(65)
    if table is None:
        return DesignPrices(mac_pj=widths, vector_pj=widths)
    macs, vector = np.full(65, np.nan), np.full(65, np.nan)
    missing: dict[str, None] = {}
    by_component: Mapping[str, float] = {}
    for bits in range(2, 65):
        machine = price_machine(base, table, parse_format(f"int{bits}"))
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


def evaluate_designs(
    network: NetworkTable, designs: Designs, base: Accelerator, prices: DesignPrices
) -> Results:
    """Cycles, traffic and energy of one inference on every design.

    Args:
        network: The network, tabulated for `base`.
        designs: The machines.
        base: What the designs do not say: bandwidth, accumulators, vector unit, zeros.
        prices: What `price_designs` returned for `network` and `base`.
    """
    step = max(1, _BLOCK // max(1, network.rows))
    parts = [
        _evaluate_block(network, designs.slice(start, start + step), base, prices)
        for start in range(0, len(designs), step)
    ]
    fields = {f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in _RESULTS}
    return Results(**fields)


_RESULTS = dataclasses.fields(Results)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Best:
    """The best schedule of each product on each design (products, points)."""

    key: Integers
    cycles: Integers
    traffic: Integers
    energy_pj: Floats


def _evaluate_block(
    network: NetworkTable, designs: Designs, base: Accelerator, prices: DesignPrices
) -> Results:
    usable = designs.buffer_bits // (2 if base.input_buffer.double_buffered else 1)
    lanes = np.maximum(designs.rows, designs.cols)
    sram = _sram_prices(designs, prices)
    best = _best_schedules(network.products, designs, base, prices, usable, sram)
    shape = (network.rows, len(designs))
    array, fetched, energy = np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.zeros(shape)
    place = network.products.step[:, 0]
    np.add.at(array, place, best.cycles)
    np.add.at(fetched, place, best.traffic)
    np.add.at(energy, place, best.energy_pj)
    words, touched, writes = _other_traffic(network, designs.bits, usable)
    fetched += words
    array_or_vector = np.maximum(array, network.vector_cycles)
    results = network.outputs * designs.bits
    ports = -(-np.maximum(touched, results) // (lanes * designs.bits))
    traffic = fetched + writes
    waits = np.ceil(traffic / base.dram_bandwidth_bits_per_cycle).astype(np.int64)
    cycles = np.maximum(np.maximum(array_or_vector, ports), waits)
    moved = touched + words + results + writes
    energy += moved * sram + traffic * prices.dram_pj
    times = network.times
    total = (cycles * times).sum(axis=0)
    macs = int((network.products.live_macs[:, 0] * times[place, 0]).sum())
    joules = (energy * times).sum(axis=0) + prices.vector_pj[designs.bits]
    return Results(
        cycles=total,
        energy_pj=joules if prices.table is not None else np.full(len(designs), np.nan),
        dram_bits=(traffic * times).sum(axis=0),
        macs=np.full(len(designs), macs),
        utilization=macs / np.maximum(total * designs.rows * designs.cols, 1),
        feasible=_feasible(designs, usable),
    )


def _best_schedules(
    products: ProductRows,
    designs: Designs,
    base: Accelerator,
    prices: DesignPrices,
    usable: Integers,
    sram: Floats,
) -> _Best:
    """Fewest cycles a product; of equals, the least traffic."""
    layer = products.in_bits(designs.bits, designs.bits)
    room = products.input_stays * designs.bits <= usable
    input_here = (products.input_inside > 0) | ((products.input_stays > 0) & room)
    room = products.weight_stays * designs.bits <= usable
    weight_here = (products.weight_stays > 0) & room
    best: _Best | None = None
    for schedule in list_schedules(layer, designs.dataflow, usable, usable, base.accumulator_words):
        found = _run_schedule(
            schedule, layer, products, designs, base, prices, usable, sram, input_here, weight_here
        )
        if best is None:
            best = found
            continue
        better = (found.key < best.key) | ((found.key == best.key) & (found.traffic < best.traffic))
        best = _Best(
            **{
                f.name: np.where(better, getattr(found, f.name), getattr(best, f.name))
                for f in dataclasses.fields(_Best)
            }
        )
    assert best is not None
    return best


def _run_schedule(
    schedule: Schedule,
    layer: LayerBits,
    products: ProductRows,
    designs: Designs,
    base: Accelerator,
    prices: DesignPrices,
    usable: Integers,
    sram: Floats,
    input_here: NDArray[np.bool_],
    weight_here: NDArray[np.bool_],
) -> _Best:
    inputs, weights, _ = count_fetches(
        layer, schedule, designs.dataflow, designs.rows, designs.cols, usable, usable
    )
    activity = run_dense_array(
        products.m,
        products.k,
        products.n,
        designs.rows,
        designs.cols,
        dataflow=designs.dataflow,
        repeats=products.repeats,
        row_chunk=schedule.row_chunk,
        col_chunk=schedule.col_chunk,
        stream_chunk=schedule.stream_chunk,
        live_macs=None if base.zeros.kind == "none" else products.live_macs,
    )
    traffic = np.where(input_here, 0, inputs) + np.where(weight_here, 0, weights)
    waits = np.ceil(traffic / base.dram_bandwidth_bits_per_cycle).astype(np.int64)
    return _Best(
        key=np.maximum(activity.cycles, waits),
        cycles=activity.cycles,
        traffic=traffic,
        energy_pj=_array_energy(activity, traffic, designs.bits, base, prices, sram),
    )


def _array_energy(
    activity: ArrayActivity,
    traffic: Integers,
    bits: Integers,
    base: Accelerator,
    prices: DesignPrices,
    sram: Floats,
) -> Floats:
    """Energy of products, latches, buffers' reads and fills, and accumulators."""
    if prices.table is None:
        return np.zeros(np.broadcast_shapes(activity.cycles.shape, traffic.shape))
    sums = activity.accumulator_reads + activity.accumulator_writes
    wide = activity.sum_moves * prices.register_pj + sums * prices.accumulator_pj
    narrow = activity.operand_moves * prices.register_pj
    narrow = narrow + (activity.input_reads + activity.weight_reads) * sram
    energy: Floats = (
        activity.macs * prices.mac_pj[bits]
        + wide * base.accumulator_bits
        + narrow * bits
        + traffic * sram
    )
    return energy


def _other_traffic(
    network: NetworkTable, bits: Integers, usable: Integers
) -> tuple[Integers, Integers, Integers]:
    """Of operands besides the contractions': bits fetched, bits read on the chip, bits written."""
    fetched = network.always_read * bits + network.boolean_bits
    touched = fetched.copy()
    for words, source in zip(network.could_read, network.could_read_from, strict=True):
        touched += words * bits
        fetched += np.where(source * bits <= usable, 0, words * bits)
    written = network.always_write * bits
    for words in (*network.could_keep, *network.keep_as_weight):
        written = written + np.where(words * bits <= usable, 0, words * bits)
    return fetched, touched, written


def _sram_prices(designs: Designs, prices: DesignPrices) -> Floats:
    """Energy of one bit of a buffer of each design."""
    if prices.table is None:
        return np.zeros(len(designs))
    found = price_sram(prices.table, designs.buffer_bits)
    return np.zeros(len(designs)) if found is None else found


def _feasible(designs: Designs, usable: Integers) -> NDArray[np.bool_]:
    """Whether each buffer holds one tile."""
    held = designs.rows * designs.cols
    inputs = held if designs.dataflow == "is" else designs.rows
    weights = designs.cols if designs.dataflow == "os" else held
    most = np.maximum(np.maximum(inputs, weights), designs.cols)
    return np.asarray(most * designs.bits <= usable)
