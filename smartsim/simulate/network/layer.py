"""A product on the array under its best schedule: STEP x ACCELERATOR -> what it takes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smartsim.cost import NumberFormat
from smartsim.counts import Action
from smartsim.simulate.array.sparsity import run_skipping_array
from smartsim.simulate.array.systolic import ArrayActivity, run_dense_array
from smartsim.simulate.machine.accelerators import Accelerator
from smartsim.simulate.network.contractions import Contraction
from smartsim.simulate.network.lowering import Step
from smartsim.simulate.network.memory import LayerBits, Schedule, count_fetches, list_schedules
from smartsim.simulate.network.reuse import Placement

__all__ = ["Beside", "Choice", "choose_schedule", "count_vector_cycles", "divide_up"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What a step does besides its product.

    Attributes:
        traffic_bits: Bits to and from memory.
        cycles: Cycles of the vector unit, or of a port if it is busier.
    """

    traffic_bits: int
    cycles: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A product under its best schedule."""

    schedule: str
    activity: ArrayActivity
    input_fetch_bits: int
    weight_fetch_bits: int
    spilled_bits: int
    onchip_cycles: int

    def cost(self, beside: Beside, bandwidth: float) -> tuple[int, int]:
        """What the step takes, and its traffic: the smaller pair is better."""
        traffic = self.input_fetch_bits + self.weight_fetch_bits + self.spilled_bits
        waits = divide_up(traffic + beside.traffic_bits, bandwidth)
        return max(int(self.activity.cycles), self.onchip_cycles, beside.cycles, waits), traffic


def choose_schedule(
    contraction: Contraction,
    step: Step,
    number_format: NumberFormat,
    accelerator: Accelerator,
    placements: Placement,
    beside: Beside,
) -> Choice:
    """The schedule that takes the fewest cycles; of equals, the least traffic."""
    layer = _describe_bits(contraction, step, number_format, placements)
    spaces = (accelerator.input_buffer.usable_bits, accelerator.weight_buffer.usable_bits)
    array = (accelerator.rows, accelerator.cols)
    bandwidth = accelerator.dram_bandwidth_bits_per_cycle
    here = placements.is_on_chip(step, contraction.input)
    source = placements.weight_source(step, contraction.weight)
    whole = int(layer.weight_bits) * contraction.repeats
    could_skip = accelerator.zeros.skips and contraction.mask is not None
    best: Choice | None = None
    for skips, schedule in _list_modes(contraction, layer, accelerator):
        inputs, weights, once = count_fetches(
            layer, schedule, accelerator.dataflow, *array, *spaces
        )
        streams = source == "stream" and not once
        activity = _run_array(contraction, schedule, accelerator, number_format.terms, skips)
        choice = Choice(
            schedule=schedule.name + (", dense" if could_skip and not skips else ""),
            activity=activity,
            input_fetch_bits=0 if here else int(inputs),
            weight_fetch_bits=int(weights) if source == "dram" or streams else 0,
            spilled_bits=whole if streams else 0,
            onchip_cycles=_port_cycles(activity, number_format, accelerator),
        )
        if best is None or choice.cost(beside, bandwidth) < best.cost(beside, bandwidth):
            best = choice
    assert best is not None
    return best


def _describe_bits(
    contraction: Contraction, step: Step, number_format: NumberFormat, placements: Placement
) -> LayerBits:
    """Sizes of one repeat's operands as arrays of shape ()."""
    repeats = contraction.repeats
    bits = number_format.bits
    numbers = {
        "m": contraction.m,
        "k": contraction.k,
        "n": contraction.n,
        "repeats": repeats,
        "input_bits": divide_up(contraction.input.elements * bits, repeats),
        "weight_bits": divide_up(placements.weight_bits(step, contraction.weight), repeats),
        "window_bits": contraction.window_elements * bits,
        "row_taps": contraction.row_taps,
        "activation_bits": bits,
    }
    return LayerBits(**{name: np.asarray(n, dtype=np.int64) for name, n in numbers.items()})


def _list_modes(
    contraction: Contraction, layer: LayerBits, accelerator: Accelerator
) -> Iterator[tuple[bool, Schedule]]:
    """Schedules with zeros skipped, and, since an array that skips need not, without."""
    for skips in (True, False):
        if skips and not (accelerator.zeros.skips and contraction.mask is not None):
            continue
        seen: set[tuple[int | None, ...]] = set()
        for schedule in list_schedules(
            layer,
            accelerator.dataflow,
            accelerator.input_buffer.usable_bits,
            accelerator.weight_buffer.usable_bits,
            accelerator.accumulator_words,
            window=accelerator.zeros.window if skips else 1,
        ):
            chunks = (schedule.row_chunk, schedule.col_chunk, schedule.stream_chunk)
            plain = tuple(_plain(chunk) for chunk in chunks)
            if plain not in seen:  # a schedule that cuts nothing differently is no other schedule
                seen.add(plain)
                yield skips, schedule


def _run_array(
    contraction: Contraction, schedule: Schedule, accelerator: Accelerator, beats: int, skips: bool
) -> ArrayActivity:
    c, machine = contraction, accelerator
    if skips and c.mask is not None:
        activity = run_skipping_array(
            c.m,
            c.mask,
            machine.rows,
            machine.cols,
            dataflow=machine.dataflow,
            window=machine.zeros.window,
            granule=machine.zeros.granule,
            row_chunk=_plain(schedule.row_chunk),
            col_chunk=_plain(schedule.col_chunk),
            stream_chunk=_plain(schedule.stream_chunk),
            cycles_per_product=beats,
        )
        return _repeat(activity, c.repeats // c.mask.shape[0])
    return run_dense_array(
        c.m,
        c.k,
        c.n,
        machine.rows,
        machine.cols,
        dataflow=machine.dataflow,
        repeats=c.repeats,
        row_chunk=schedule.row_chunk,
        col_chunk=schedule.col_chunk,
        stream_chunk=schedule.stream_chunk,
        live_macs=None if machine.zeros.kind == "none" else c.live_products,
        cycles_per_product=beats,
    )


def _port_cycles(
    activity: ArrayActivity, number_format: NumberFormat, accelerator: Accelerator
) -> int:
    """Cycles of the busier of the two ports that feed the array."""
    inputs = int(activity.input_reads) * number_format.bits
    weights = int(activity.weight_reads) * number_format.weight_bits
    return max(
        divide_up(inputs, accelerator.input_buffer.width_bits),
        divide_up(weights, accelerator.weight_buffer.width_bits),
    )


def count_vector_cycles(actions: Mapping[Action, int], accelerator: Accelerator) -> int:
    """Each kind of action in turn; additions on the array if its elements can add alone."""
    cycles = 0
    for action, number in actions.items():
        lanes = accelerator.vector.lanes
        if action == "add" and "add" in accelerator.elements:
            lanes = max(lanes, accelerator.processing_elements)
        cycles += divide_up(number * accelerator.vector.cycles.get(action, 1), lanes)
    return cycles


def _repeat(activity: ArrayActivity, times: int) -> ArrayActivity:
    names = ArrayActivity.__dataclass_fields__
    return ArrayActivity(**{name: getattr(activity, name) * times for name in names})


def _plain(chunk: NDArray[np.int64] | None) -> int | None:
    return None if chunk is None else int(chunk)


def divide_up(number: float, by: float) -> int:
    """The least whole number that is not below a quotient.

    >>> divide_up(7, 2), divide_up(8, 2), divide_up(7, 0.5)
    (4, 4, 14)
    """
    return -int(-number // by)
