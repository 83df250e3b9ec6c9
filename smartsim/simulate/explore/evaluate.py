"""TABLE x DESIGNS -> cycles, traffic and energy of every design, as arrays.

The same formulas as `smartsim.simulate.network.simulate`, over many machines at once: a test holds
the two equal.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smartsim.simulate.array.systolic import ArrayActivity, Integers, run_dense_array
from smartsim.simulate.explore.designs import DesignPrices, Designs, Results
from smartsim.simulate.explore.tabulate import NetworkTable, ProductRows
from smartsim.simulate.machine.accelerators import Accelerator
from smartsim.simulate.machine.pricing import price_sram
from smartsim.simulate.network.memory import Schedule, count_fetches, list_schedules

__all__ = ["evaluate_designs"]

Floats = NDArray[np.float64]

_BLOCK = 12_000
"""Evaluations worked on at a time: their arrays stay in the processor's cache."""


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
        _evaluate_block(network, designs.take(slice(start, start + step)), base, prices)
        for start in range(0, len(designs), step)
    ]
    fields = {f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in _RESULTS}
    return Results(**fields)


_RESULTS = dataclasses.fields(Results)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Beside:
    """What the products' steps do besides: bits to and from memory, and cycles elsewhere."""

    traffic: Integers
    cycles: Integers


@dataclass(frozen=True, slots=True, kw_only=True)
class _Best:
    """The best schedule of each product on each design (products, points)."""

    key: Integers
    cycles: Integers
    traffic: Integers
    energy_pj: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class _Setting:
    """A block of designs and what follows from it alone.

    Attributes:
        designs: The designs.
        base: What they do not say.
        prices: Energies.
        usable: Usable bits of each buffer (points,).
        sram_pj: Energy of one bit of a buffer (points,).
    """

    designs: Designs
    base: Accelerator
    prices: DesignPrices
    usable: Integers
    sram_pj: Floats

    def wait_cycles(self, traffic: Integers) -> Integers:
        """Cycles in which memory delivers and takes so many bits."""
        bandwidth = self.base.dram_bandwidth_bits_per_cycle
        return np.ceil(traffic / bandwidth).astype(np.int64)

    def fits(self, words: Integers) -> NDArray[np.bool_]:
        """Whether so many words stay in a buffer."""
        return np.asarray(words * self.designs.bits <= self.usable)


def _evaluate_block(
    network: NetworkTable, designs: Designs, base: Accelerator, prices: DesignPrices
) -> Results:
    setting = _Setting(
        designs=designs,
        base=base,
        prices=prices,
        usable=designs.buffer_bits // (2 if base.input_buffer.double_buffered else 1),
        sram_pj=_sram_prices(designs, prices),
    )
    fetched, touched, writes = _other_traffic(network, setting)
    results = network.outputs * designs.bits
    lanes = np.maximum(designs.rows, designs.cols)
    ports = -(-np.maximum(touched, results) // (lanes * designs.bits))
    floor = np.maximum(ports, network.vector_cycles)
    place = network.products.step[:, 0]
    beside = _Beside(traffic=(fetched + writes)[place], cycles=floor[place])
    best = _best_schedules(network.products, setting, beside)
    array, traffic = np.zeros_like(fetched), fetched + writes
    energy = (touched + fetched + results + writes) * setting.sram_pj
    array[place] = best.cycles
    traffic[place] += best.traffic
    energy[place] += best.energy_pj
    energy += traffic * prices.dram_pj
    cycles = np.maximum(np.maximum(array, floor), setting.wait_cycles(traffic))
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
        feasible=_feasible(setting),
    )


def _best_schedules(products: ProductRows, setting: _Setting, beside: _Beside) -> _Best:
    """Fewest cycles a step; of equals, the least traffic."""
    designs, usable = setting.designs, setting.usable
    layer = products.in_bits(designs.bits, designs.bits)
    stays = (products.input_stays > 0) & setting.fits(products.input_stays)
    input_here = (products.input_inside > 0) | stays
    weight_here = (products.weight_stays > 0) & setting.fits(products.weight_stays)
    best: _Best | None = None
    for schedule in list_schedules(
        layer, designs.dataflow, usable, usable, setting.base.accumulator_words
    ):
        inputs, weights, _ = count_fetches(
            layer, schedule, designs.dataflow, designs.rows, designs.cols, usable, usable
        )
        traffic = np.where(input_here, 0, inputs) + np.where(weight_here, 0, weights)
        found = _run_schedule(schedule, products, setting, beside, traffic)
        best = found if best is None else _better(best, found)
    assert best is not None
    return best


def _run_schedule(
    schedule: Schedule,
    products: ProductRows,
    setting: _Setting,
    beside: _Beside,
    traffic: Integers,
) -> _Best:
    designs = setting.designs
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
        live_macs=None if setting.base.zeros.kind == "none" else products.live_macs,
    )
    elsewhere = np.maximum(beside.cycles, setting.wait_cycles(traffic + beside.traffic))
    return _Best(
        key=np.maximum(activity.cycles, elsewhere),
        cycles=activity.cycles,
        traffic=traffic,
        energy_pj=_array_energy(activity, traffic, setting),
    )


def _better(first: _Best, second: _Best) -> _Best:
    same = second.key == first.key
    better = (second.key < first.key) | (same & (second.traffic < first.traffic))
    return _Best(
        **{
            f.name: np.where(better, getattr(second, f.name), getattr(first, f.name))
            for f in dataclasses.fields(_Best)
        }
    )


def _array_energy(activity: ArrayActivity, traffic: Integers, setting: _Setting) -> Floats:
    """Energy of products, latches, buffers' reads and fills, and accumulators."""
    prices, bits = setting.prices, setting.designs.bits
    if prices.table is None:
        return np.zeros(np.broadcast_shapes(activity.cycles.shape, traffic.shape))
    # in place: most of the time goes into fetching arrays of (products, points)
    sums = activity.accumulator_reads + activity.accumulator_writes
    wide = np.multiply(activity.sum_moves, prices.register_pj)
    wide += sums * prices.accumulator_pj
    wide *= setting.base.accumulator_bits
    narrow = np.multiply(activity.operand_moves, prices.register_pj)
    narrow += (activity.input_reads + activity.weight_reads) * setting.sram_pj
    narrow *= bits
    energy: Floats = activity.macs * prices.mac_pj[bits] + wide
    energy += narrow
    energy += traffic * setting.sram_pj
    return energy


def _other_traffic(network: NetworkTable, setting: _Setting) -> tuple[Integers, Integers, Integers]:
    """Of operands besides the contractions': bits fetched, bits read on the chip, bits written."""
    bits = setting.designs.bits
    fetched = network.always_read * bits + network.boolean_bits
    touched = fetched.copy()
    for words, source in zip(network.could_read, network.could_read_from, strict=True):
        touched += words * bits
        fetched += np.where(setting.fits(source), 0, words * bits)
    written = network.always_write * bits
    for words in (*network.could_keep, *network.keep_as_weight):
        written = written + np.where(setting.fits(words), 0, words * bits)
    return fetched, touched, written


def _sram_prices(designs: Designs, prices: DesignPrices) -> Floats:
    """Energy of one bit of a buffer of each design."""
    found = None if prices.table is None else price_sram(prices.table, designs.buffer_bits)
    return np.zeros(len(designs)) if found is None else found


def _feasible(setting: _Setting) -> NDArray[np.bool_]:
    """Whether each buffer holds one tile."""
    designs = setting.designs
    held = designs.rows * designs.cols
    inputs = held if designs.dataflow == "is" else designs.rows
    weights = designs.cols if designs.dataflow == "os" else held
    return setting.fits(np.maximum(np.maximum(inputs, weights), designs.cols))
