"""What a systolic array does when its elements skip the known zeros of the weights.

Knows masks and the array of `smartsim.simulate.array.systolic`; no graph, memory or price.

How skipping works. The columns of a strip (the rows, in `is`) share one clock: none can run ahead.
The reduction index (the filters, in `is`) is cut into blocks of `window` indices. Within a block
each line packs its nonzero weights into consecutive slots, and a small selector in each element
picks the operand that belongs to its weight. A block takes as many slots as its *fullest* line
needs, so real masks cost their imbalance; an empty block takes none. `window` 1 skips only what is
zero in every line of a strip; a wider window balances better and needs a wider selector. An n:m
array is a window of m whose slots come n at a time. A mask without zeros fills every slot, and
everything is what it is in a dense array.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smartsim.simulate.array.systolic import (
    ArrayActivity,
    Dataflow,
    Integers,
    count_folds,
    sum_fold_squares,
)

__all__ = ["Slots", "pack_slots", "run_skipping_array"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """What packing leaves, each of shape (groups, strips, blocks).

    Attributes:
        lengths: Slots that the fullest line of the strip needs in the block.
        words: Operand words that the slots need: different indices in one slot count apart.
    """

    lengths: Integers
    words: Integers


def pack_slots(
    mask: NDArray[np.bool_], starts: NDArray[np.int64], *, window: int, granule: int = 1
) -> Slots:
    """Pack the nonzeros of each strip of lines into slots, block by block.

    Args:
        mask: True where a weight may be nonzero, of shape (groups, lines, indices).
        starts: First line of each strip, ascending from 0.
        window: Indices of a block.
        granule: Slots come in multiples of this, unless the block is shorter.

    >>> mask = np.array([[[1, 0, 0, 0], [1, 1, 0, 0]]], dtype=bool)
    >>> slots = pack_slots(mask, np.array([0]), window=2)
    >>> slots.lengths.tolist(), slots.words.tolist()  # index 0, then 1: one word a slot
    ([[[2, 0]]], [[[2, 0]]])
    """
    groups, lines, indices = mask.shape
    blocks = -(-indices // window)
    padded = np.zeros((groups, lines, blocks * window), dtype=np.bool_)
    padded[:, :, :indices] = mask
    padded = padded.reshape(groups, lines, blocks, window)
    held = np.count_nonzero(padded, axis=3)
    fullest = np.maximum.reduceat(held, starts, axis=1)
    sizes = np.minimum(window, indices - window * np.arange(blocks))
    lengths = np.minimum(sizes, granule * -(-fullest // granule))
    words = np.zeros_like(lengths)
    rank = np.cumsum(padded, axis=3, dtype=np.uint8)
    for place in range(1, int(fullest.max(initial=0)) + 1):
        used = np.logical_or.reduceat(padded & (rank == place), starts, axis=1)
        words += np.count_nonzero(used, axis=3)
    return Slots(lengths=lengths.astype(np.int64), words=words.astype(np.int64))


def run_skipping_array(
    m: int,
    mask: NDArray[np.bool_],
    rows: int,
    cols: int,
    *,
    dataflow: Dataflow,
    window: int,
    granule: int = 1,
    row_chunk: int | None = None,
    col_chunk: int | None = None,
    stream_chunk: int | None = None,
    cycles_per_product: int = 1,
) -> ArrayActivity:
    """What an array does that skips the zeros of `mask`, for one product a group.

    Args:
        m: Rows of the first matrix (output pixels).
        mask: True where a weight may be nonzero, of shape (groups, k, n).
        rows: Rows of processing elements.
        cols: Columns of processing elements.
        dataflow: Which operand stays in the elements.
        window: Reduction indices (filters, in `is`) that an element can choose from; at most 64.
        granule: Slots come in multiples of this, as in n:m arrays.
        row_chunk: Folds of rows do not cross multiples of this (`os`).
        col_chunk: Folds of columns do not cross multiples of this (`os`).
        stream_chunk: Longest piece of the stream that the accumulators hold (`ws`, `is`); in `is`
            a multiple of `window`.
        cycles_per_product: How long an operand of the stream stays.

    Returns:
        The activity, each field an integer array of shape ().

    >>> mask = np.zeros((1, 64, 32), dtype=bool)
    >>> mask[:, :16] = True
    >>> activity = run_skipping_array(100, mask, 32, 32, dataflow="ws", window=1)
    >>> int(activity.cycles), int(activity.macs)  # 2 * 16 + 32 + 100 - 2, and 16 * 32 * 100
    (162, 51200)
    """
    match dataflow:
        case "os":
            return _skip_output_stationary(
                m, mask, rows, cols, window, granule, row_chunk, col_chunk, cycles_per_product
            )
        case "ws":
            return _skip_weight_stationary(
                m, mask, rows, cols, window, granule, stream_chunk, cycles_per_product
            )
        case "is":
            return _skip_input_stationary(
                m, mask, rows, cols, window, granule, stream_chunk, cycles_per_product
            )


def _strips(size: int, lanes: int, chunk: int | None = None) -> tuple[Integers, Integers]:
    """First line of each strip, and how many lines it has."""
    chunk = chunk or size
    starts = [
        line
        for begin in range(0, size, chunk)
        for line in range(begin, min(begin + chunk, size), lanes)
    ]
    borders = np.array([*starts, size], dtype=np.int64)
    return borders[:-1], np.diff(borders)


def _skip_output_stationary(
    m: int,
    mask: NDArray[np.bool_],
    rows: int,
    cols: int,
    window: int,
    granule: int,
    row_chunk: int | None,
    col_chunk: int | None,
    beats: int,
) -> ArrayActivity:
    starts, widths = _strips(mask.shape[2], cols, col_chunk)
    slots = pack_slots(mask.transpose(0, 2, 1), starts, window=window, granule=granule)
    lengths, words = slots.lengths.sum(axis=2), slots.words.sum(axis=2)
    live = int(np.count_nonzero(mask))
    folds = int(count_folds(m, rows, row_chunk))
    active = lengths > 0
    squares = int(sum_fold_squares(m, rows, row_chunk))
    drained = int((active * widths).sum()) * (squares - m) // 2
    return _activity(
        cycles=int(((2 * m + folds * (widths + beats * lengths - 2)) * active).sum()),
        folds=folds * int(active.sum()),
        macs=live * m,
        input_reads=m * int(words.sum()),
        weight_reads=live * folds,
        output_writes=m * mask.shape[0] * mask.shape[2],
        operand_moves=m * int((words * widths).sum()) + live * m,
        sum_moves=live * m + drained,
    )


def _skip_weight_stationary(
    m: int,
    mask: NDArray[np.bool_],
    rows: int,
    cols: int,
    window: int,
    granule: int,
    stream_chunk: int | None,
    beats: int,
) -> ArrayActivity:
    starts, widths = _strips(mask.shape[2], cols)
    slots = pack_slots(mask.transpose(0, 2, 1), starts, window=window, granule=granule)
    held, words = slots.lengths.sum(axis=2), slots.words.sum(axis=2)
    pieces = int(count_folds(m, stream_chunk or m))
    folds = count_folds(held, rows)
    live = int(np.count_nonzero(mask))
    loads = (widths * (sum_fold_squares(held, rows) + held) // 2).sum()
    return _activity(
        cycles=int((pieces * (2 * held + folds * (widths - 2)) + beats * m * folds).sum()),
        folds=pieces * int(folds.sum()),
        macs=live * m,
        input_reads=m * int(words.sum()),
        weight_reads=live * pieces,
        accumulator_writes=m * int((widths * folds).sum()),
        accumulator_reads=m * int((widths * np.maximum(folds - 1, 0)).sum()),
        output_writes=m * mask.shape[0] * mask.shape[2],
        operand_moves=pieces * int(loads) + m * int((words * widths).sum()),
        sum_moves=m * int((held * widths).sum()),
    )


def _skip_input_stationary(
    m: int,
    mask: NDArray[np.bool_],
    rows: int,
    cols: int,
    window: int,
    granule: int,
    stream_chunk: int | None,
    beats: int,
) -> ArrayActivity:
    starts, heights = _strips(mask.shape[1], rows)
    slots = pack_slots(mask, starts, window=window, granule=granule)
    blocks = slots.lengths.shape[2]
    stream_chunk = min(stream_chunk or mask.shape[2], window * blocks)
    pieces = np.arange(0, blocks, -(-stream_chunk // window))
    lengths = np.add.reduceat(slots.lengths, pieces, axis=2)
    words = slots.words.sum(axis=2)
    active = lengths > 0
    heights = heights[None, :]
    folds = int(count_folds(m, cols))
    live = int(np.count_nonzero(mask))
    written = m * int(words.sum())
    heights_of_pieces = heights[:, :, None] * active
    loads = (active.sum(axis=2) * (heights * heights + heights) // 2).sum()
    cycles = (
        2 * heights_of_pieces * folds + (m - 2 * folds) * active + beats * lengths * folds
    ).sum()
    return _activity(
        cycles=int(cycles),
        folds=folds * int(active.sum()),
        macs=live * m,
        input_reads=m * int(heights_of_pieces.sum()),
        weight_reads=live * folds,
        accumulator_writes=written,
        accumulator_reads=written - m * int(mask.any(axis=1).sum()),
        output_writes=m * mask.shape[0] * mask.shape[2],
        operand_moves=m * (int(loads) + live),
        sum_moves=m * int((words * heights).sum()),
    )


def _activity(
    *,
    cycles: int,
    folds: int,
    macs: int,
    input_reads: int,
    weight_reads: int,
    output_writes: int,
    operand_moves: int,
    sum_moves: int,
    accumulator_reads: int = 0,
    accumulator_writes: int = 0,
) -> ArrayActivity:
    """An activity of plain integers as arrays of shape ()."""
    return ArrayActivity(
        cycles=np.asarray(cycles, dtype=np.int64),
        folds=np.asarray(folds, dtype=np.int64),
        macs=np.asarray(macs, dtype=np.int64),
        input_reads=np.asarray(input_reads, dtype=np.int64),
        weight_reads=np.asarray(weight_reads, dtype=np.int64),
        accumulator_reads=np.asarray(accumulator_reads, dtype=np.int64),
        accumulator_writes=np.asarray(accumulator_writes, dtype=np.int64),
        output_writes=np.asarray(output_writes, dtype=np.int64),
        operand_moves=np.asarray(operand_moves, dtype=np.int64),
        sum_moves=np.asarray(sum_moves, dtype=np.int64),
    )
