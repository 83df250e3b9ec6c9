"""Between DRAM and array: what fits, what is fetched again, over arrays of layers and designs.

Knows sizes in bits and the folds of `smartsim.simulate.array.systolic`; no prices and no graph.

The machine works through a layer by one of a few named *schedules*. Each cuts one dimension into
chunks so that something stays in its buffer, and each is a loop nest that a machine can really run;
the slow twin in `tests/oracle/tiled_memory.py` runs the loops and counts what it fetches.

| dataflow | schedule | loops, outermost first |
|---|---|---|
| `os` | `stream` | folds of m, folds of n: both operands stream |
| `os` | `hold inputs` | chunks of m that fit, folds of m in it, folds of n |
| `os` | `hold weights` | chunks of n that fit, folds of n in it, folds of m |
| `ws` | `fill sums` | pieces of m as long as the accumulators, folds of n, folds of k |
| `ws` | `hold inputs` | the same with pieces of m whose inputs fit |
| `is` | `fill sums` | pieces of n as long as the accumulators, folds of m, folds of k |
| `is` | `hold weights` | the same with pieces of n whose weights fit |

An operand that fits as a whole is fetched once in every schedule. Partial sums stay on the chip.
Chunks do not depend on the array's size, and they are powers of two where folds must not cross
them, so more elements, bandwidth or buffer never cost cycles: the machine takes the best schedule,
and the choice only grows.

Convolutions read their windows from the buffer, which holds the image once. Consecutive chunks
fetch the lines that their windows share again.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smartsim.simulate.array.systolic import Dataflow, Integers, count_folds, map_to_array

__all__ = ["LayerBits", "Schedule", "count_fetches", "list_schedules"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerBits:
    """Sizes of one product's operands; each field broadcasts with the others.

    Attributes:
        m: Rows of the first matrix.
        k: Its columns.
        n: Columns of the second matrix.
        repeats: How many such products.
        input_bits: The first operand's tensor of one repeat, each element once.
        weight_bits: The second operand's tensor of one repeat.
        window_bits: What must be at hand so that sliding windows fetch each element once.
        row_taps: How often an element is fetched when only one window is at hand.
        activation_bits: One word of the first operand.
    """

    m: Integers
    k: Integers
    n: Integers
    repeats: Integers
    input_bits: Integers
    weight_bits: Integers
    window_bits: Integers
    row_taps: Integers
    activation_bits: Integers

    @property
    def unrolled_bits(self) -> Integers:
        """The first matrix written out, each window whole."""
        unrolled = self.m * self.k * self.activation_bits
        return np.asarray(np.maximum(self.input_bits, unrolled), dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A loop nest: its name, and the chunks that folds do not cross.

    Attributes:
        name: As in the module's table.
        row_chunk: Chunk of what the array's rows hold, or None.
        col_chunk: Chunk of what the array's columns hold, or None.
        stream_chunk: Longest piece of what streams, or None.
    """

    name: str
    row_chunk: Integers | None = None
    col_chunk: Integers | None = None
    stream_chunk: Integers | None = None


def list_schedules(
    layer: LayerBits,
    dataflow: Dataflow,
    input_capacity_bits: ArrayLike,
    weight_capacity_bits: ArrayLike,
    accumulator_words: ArrayLike,
    *,
    window: int = 1,
) -> Iterator[Schedule]:
    """The schedules that the machine may choose from.

    Args:
        layer: The products.
        dataflow: Which operand stays in the elements.
        input_capacity_bits: Usable bits of the input buffer.
        weight_capacity_bits: Usable bits of the weight buffer.
        accumulator_words: Partial sums that each column holds.
        window: Least multiple of a piece in `is`, when elements skip zeros.
    """
    rows = _rows_that_fit(layer, np.asarray(input_capacity_bits, dtype=np.int64))
    columns = _columns_that_fit(layer, np.asarray(weight_capacity_bits, dtype=np.int64))
    match dataflow:
        case "os":
            yield Schedule(name="stream")
            yield Schedule(name="hold inputs", row_chunk=rows)
            yield Schedule(name="hold weights", col_chunk=columns)
        case "ws":
            longest = np.minimum(layer.m, np.asarray(accumulator_words, dtype=np.int64))
            yield Schedule(name="fill sums", stream_chunk=longest)
            yield Schedule(name="hold inputs", stream_chunk=np.minimum(longest, rows))
        case "is":
            longest = np.minimum(layer.n, np.asarray(accumulator_words, dtype=np.int64))
            short = np.minimum(longest, np.maximum(columns, window))
            yield Schedule(name="fill sums", stream_chunk=longest)
            yield Schedule(name="hold weights", stream_chunk=short)


def count_fetches(
    layer: LayerBits,
    schedule: Schedule,
    dataflow: Dataflow,
    rows: ArrayLike,
    cols: ArrayLike,
    input_capacity_bits: ArrayLike,
    weight_capacity_bits: ArrayLike,
) -> tuple[Integers, Integers, NDArray[np.bool_]]:
    """Bits that a schedule fetches from DRAM, over all repeats.

    Returns:
        Bits of inputs, bits of weights, and whether each weight is fetched only once.
    """
    sr, sc, t = map_to_array(layer.m, layer.k, layer.n, dataflow)
    input_space = np.asarray(input_capacity_bits, dtype=np.int64)
    weight_space = np.asarray(weight_capacity_bits, dtype=np.int64)
    fr = count_folds(sr, rows, schedule.row_chunk)
    fc = count_folds(sc, cols, schedule.col_chunk)
    one = np.asarray(1, dtype=np.int64)
    pieces = one if schedule.stream_chunk is None else count_folds(t, schedule.stream_chunk)
    streamed = _pass_bits(layer, input_space)
    inputs_fit, weights_fit = layer.input_bits <= input_space, layer.weight_bits <= weight_space
    match dataflow:
        case "os":
            inputs, passes = fc * streamed, fr
            if schedule.row_chunk is not None:
                chunks = count_folds(layer.m, schedule.row_chunk)
                held = _chunk_bits(layer, schedule.row_chunk) <= input_space
                inputs = np.where(held, _chunked_bits(layer, chunks), inputs)
            if schedule.col_chunk is not None:
                held = layer.weight_bits * schedule.col_chunk <= weight_space * layer.n
                passes = np.where(held, one, passes)
        case "ws":
            held = _chunk_bits(layer, _stream_chunk(schedule, t)) <= input_space
            inputs = np.where(held, _chunked_bits(layer, pieces), fc * streamed)
            passes = pieces
        case "is":
            inputs = pieces * streamed
            held = layer.weight_bits * _stream_chunk(schedule, t) <= weight_space * layer.n
            passes = np.where(held, one, fc)
    passes = np.where(weights_fit, one, passes)
    inputs = np.where(inputs_fit, layer.input_bits, inputs)
    once = passes == 1
    return (
        np.asarray(inputs * layer.repeats, dtype=np.int64),
        np.asarray(passes * layer.weight_bits * layer.repeats, dtype=np.int64),
        np.asarray(once, dtype=np.bool_),
    )


def _rows_that_fit(layer: LayerBits, space: Integers) -> Integers:
    """Rows of the first matrix whose inputs fit: all, or a power of two, at least one."""
    room = np.maximum(space - layer.window_bits, 0) * layer.m // np.maximum(layer.input_bits, 1)
    whole = layer.input_bits <= space
    return np.asarray(np.where(whole, layer.m, np.minimum(_floor_power(room), layer.m)))


def _columns_that_fit(layer: LayerBits, space: Integers) -> Integers:
    """Columns of the second matrix that fit: all, or a power of two, at least one."""
    room = space * layer.n // np.maximum(layer.weight_bits, 1)
    whole = layer.weight_bits <= space
    return np.asarray(np.where(whole, layer.n, np.minimum(_floor_power(room), layer.n)))


def _floor_power(numbers: Integers) -> Integers:
    """The largest power of two that is not above each number; 1 below 1."""
    exponents = np.frexp(np.maximum(numbers, 1).astype(np.float64))[1].astype(np.int64) - 1
    return np.asarray(np.left_shift(np.int64(1), exponents), dtype=np.int64)


def _pass_bits(layer: LayerBits, space: Integers) -> Integers:
    """What one pass over all inputs fetches when nothing is held but what slides along."""
    again = np.minimum(layer.unrolled_bits, layer.input_bits * layer.row_taps)
    return np.asarray(np.where(layer.window_bits <= space, layer.input_bits, again))


def _stream_chunk(schedule: Schedule, stream: Integers) -> Integers:
    return stream if schedule.stream_chunk is None else schedule.stream_chunk


def _chunk_bits(layer: LayerBits, chunk: Integers) -> Integers:
    """What the inputs of so many rows of the first matrix take, with the lines they share."""
    shared = np.where(chunk < layer.m, layer.window_bits, 0)
    return np.asarray(-(-layer.input_bits * chunk // layer.m) + shared, dtype=np.int64)


def _chunked_bits(layer: LayerBits, chunks: Integers) -> Integers:
    """What the inputs are in chunks: lines that two chunks' windows share come twice."""
    return np.minimum(layer.unrolled_bits, layer.input_bits + (chunks - 1) * layer.window_bits)
