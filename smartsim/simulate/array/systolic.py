"""Closed forms of a dense systolic array, over arrays of layers and design points.

Knows matrix products and arrays of processing elements; no graph, no memory behind the on-chip
buffers, no price and no zeros (`smartsim.simulate.array.sparsity` has those). Every function
broadcasts its arguments, so that one call serves a layer, a network, or a million design points.

The machine. `rows` x `cols` processing elements hold one tile of one operand (its *fold*) while the
other streams through. A product of an (m, k) by a (k, n) matrix maps to the array as

| dataflow | rows hold | cols hold | streams | stays in the elements |
|---|---|---|---|---|
| `os` | m | n | k | outputs |
| `ws` | k | n | m | weights |
| `is` | k | m | n | inputs  |

In `os`, inputs enter at the left and move right, weights enter at the top and move down, each lane
one cycle after the lane before it; when the last product is done, a fold of r x c elements shifts
its sums out at the top, r cycles. In `ws` and `is` the fold's r rows are shifted in at the bottom,
r cycles; then the streaming operand enters at the left while partial sums move down and out at the
bottom into accumulators, which add up the folds of one column. A fold that fills only part of the
array sits at the edge that its sums leave by, and charges the r rows and c columns it holds:

    cycles of a fold = r + (r + c + t - 2),     t = length of the stream.

Folds run one after the other; nothing of the next fold overlaps the present one. The slow twin in
`tests/oracle/systolic_array.py` moves every operand by hand and agrees exactly.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "DATAFLOWS",
    "ArrayActivity",
    "Dataflow",
    "Integers",
    "count_folds",
    "map_to_array",
    "run_dense_array",
    "sum_fold_squares",
]

Dataflow = Literal["os", "ws", "is"]
"""Which operand stays in the elements: outputs, weights or inputs."""

DATAFLOWS: tuple[Dataflow, ...] = get_args(Dataflow)

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayActivity:
    """What an array did; each field an integer array of one broadcast shape.

    Attributes:
        cycles: From the first operand that enters to the last sum that leaves.
        folds: Tiles that were held.
        macs: Products that were executed.
        input_reads: Words read from the input buffer.
        weight_reads: Words read from the weight buffer.
        accumulator_reads: Partial sums read back to be added to (`ws`, `is`).
        accumulator_writes: Partial sums written (`ws`, `is`).
        output_writes: Words of the finished result that leave for the output buffer.
        operand_moves: Words latched in the elements as operands arrive and pass.
        sum_moves: Partial sums latched in the elements.
    """

    cycles: Integers
    folds: Integers
    macs: Integers
    input_reads: Integers
    weight_reads: Integers
    accumulator_reads: Integers
    accumulator_writes: Integers
    output_writes: Integers
    operand_moves: Integers
    sum_moves: Integers


def map_to_array(
    m: ArrayLike, k: ArrayLike, n: ArrayLike, dataflow: Dataflow
) -> tuple[Integers, Integers, Integers]:
    """The dimensions that rows, columns and the stream hold, as in the module's table."""
    pixels, window, filters = (np.asarray(x, dtype=np.int64) for x in (m, k, n))
    match dataflow:
        case "os":
            return pixels, filters, window
        case "ws":
            return window, filters, pixels
        case "is":
            return window, pixels, filters


def count_folds(size: ArrayLike, lanes: ArrayLike, chunk: ArrayLike | None = None) -> Integers:
    """How many folds `size` needs on `lanes` rows or columns, when no fold crosses a chunk.

    >>> int(count_folds(100, 32)), int(count_folds(100, 32, chunk=40))
    (4, 5)
    """
    size, lanes = np.asarray(size, dtype=np.int64), np.asarray(lanes, dtype=np.int64)
    if chunk is None:
        return np.asarray(-(-size // lanes), dtype=np.int64)
    whole, rest = np.divmod(size, np.asarray(chunk, dtype=np.int64))
    folds: Integers = whole * -(-np.asarray(chunk, dtype=np.int64) // lanes) - (-rest // lanes)
    return folds


def sum_fold_squares(size: ArrayLike, lanes: ArrayLike, chunk: ArrayLike | None = None) -> Integers:
    """The sum over folds of the square of the lanes that each fold holds.

    >>> int(sum_fold_squares(100, 32))  # 3 * 32**2 + 4**2
    3088
    """
    size, lanes = np.asarray(size, dtype=np.int64), np.asarray(lanes, dtype=np.int64)
    if chunk is None:
        whole, rest = np.divmod(size, lanes)
        return np.asarray(whole * lanes * lanes + rest * rest, dtype=np.int64)
    chunk = np.asarray(chunk, dtype=np.int64)
    chunks, last = np.divmod(size, chunk)
    return np.asarray(
        chunks * sum_fold_squares(chunk, lanes) + sum_fold_squares(last, lanes), dtype=np.int64
    )


def _fold(size: Integers, lanes: Integers, chunk: ArrayLike | None) -> tuple[Integers, Integers]:
    """`count_folds` and `sum_fold_squares` at the price of one division, the slowest of all."""
    if chunk is not None:
        return count_folds(size, lanes, chunk), sum_fold_squares(size, lanes, chunk)
    whole, rest = np.divmod(size, lanes)
    return whole + (rest > 0), whole * lanes * lanes + rest * rest


def run_dense_array(
    m: ArrayLike,
    k: ArrayLike,
    n: ArrayLike,
    rows: ArrayLike,
    cols: ArrayLike,
    *,
    dataflow: Dataflow,
    repeats: ArrayLike = 1,
    row_chunk: ArrayLike | None = None,
    col_chunk: ArrayLike | None = None,
    stream_chunk: ArrayLike | None = None,
    live_macs: ArrayLike | None = None,
    cycles_per_product: ArrayLike = 1,
) -> ArrayActivity:
    """What a dense array does for `repeats` products of an (m, k) by a (k, n) matrix.

    With fr folds of rows, fc folds of columns, and the stream cut into nt pieces,

        cycles = nt * (2 * sr * fc + sc * fr - 2 * fr * fc) + t * fr * fc,

    the sum of `2 r + c + t - 2` over all folds.

    Args:
        m: Rows of the first matrix (output pixels).
        k: Its columns (products in one sum).
        n: Columns of the second matrix (filters).
        rows: Rows of processing elements.
        cols: Columns of processing elements.
        dataflow: Which operand stays in the elements.
        repeats: How many such products run one after the other, such as a convolution's groups.
        row_chunk: Folds of rows do not cross multiples of this (a memory's tile, `os`).
        col_chunk: Folds of columns do not cross multiples of this (`os`).
        stream_chunk: Longest piece of the stream that the accumulators hold (`ws`, `is`).
        live_macs: Products, over all repeats, whose operands are not known zeros, when the
            elements gate the others: these do not count as executed and do not write sums in `os`.
        cycles_per_product: How long an operand of the stream stays, as with weights of several
            signed powers of two on shift-add elements.

    Returns:
        The activity, each field of the arguments' broadcast shape.

    >>> activity = run_dense_array(1024, 27, 64, 32, 32, dataflow="ws")
    >>> int(activity.cycles)  # two folds of 27 x 32: 2 * (2 * 27 + 32 + 1024 - 2)
    2216
    """
    sr, sc, t = map_to_array(m, k, n, dataflow)
    rows, cols = np.asarray(rows, dtype=np.int64), np.asarray(cols, dtype=np.int64)
    repeats = np.asarray(repeats, dtype=np.int64)
    fr, squares = _fold(sr, rows, row_chunk)
    fc = count_folds(sc, cols, col_chunk)
    pieces = np.int64(1) if stream_chunk is None else count_folds(t, stream_chunk)
    grid = fr * fc
    products = sr * sc * t * repeats
    beats = t * np.asarray(cycles_per_product, dtype=np.int64)
    cycles = pieces * (2 * sr * fc + sc * fr - 2 * grid) + beats * grid
    macs = products if live_macs is None else np.asarray(live_macs, dtype=np.int64)
    zero = np.zeros_like(products)
    if dataflow == "os":
        inputs, weights = t * sr * fc, t * sc * fr
        partial_writes, partial_reads, outputs = zero, zero, sr * sc
        moves, sums = 2 * products, macs + repeats * (sc * (squares - sr) // 2)
    else:
        stationary, streaming = sr * sc * pieces, t * sr * fc
        inputs, weights = (streaming, stationary) if dataflow == "ws" else (stationary, streaming)
        partial_writes, partial_reads = sc * t * fr, sc * t * (fr - 1)
        outputs = sc * t
        moves, sums = products + repeats * (pieces * sc * (squares + sr) // 2), products
    fields = (
        cycles * repeats,
        grid * pieces * repeats,
        macs,
        inputs * repeats,
        weights * repeats,
        partial_reads * repeats,
        partial_writes * repeats,
        outputs * repeats,
        moves,
        sums,
    )
    return ArrayActivity(**dict(zip(_FIELDS, np.broadcast_arrays(*fields), strict=True)))


_FIELDS = (
    "cycles",
    "folds",
    "macs",
    "input_reads",
    "weight_reads",
    "accumulator_reads",
    "accumulator_writes",
    "output_writes",
    "operand_moves",
    "sum_moves",
)
