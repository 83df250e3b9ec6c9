"""The slow twin of the array's closed forms: every operand is moved from element to element.

Nothing here is computed ahead of time: a fold ends when the last product and the last sum have
been seen to move. Lists and dictionaries only, cycle by cycle; for sizes of a dozen.

Operands travel in *bundles*, one a cycle and lane: a dictionary from index to value. In a dense
array a bundle holds one word. When zeros are skipped, the lines of a strip use up their nonzero
weights at their own pace within a block of indices, and a bundle holds every word that some line
needs in that slot.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

Matrix = Sequence[Sequence[int]]
Schedule = list[list[int | None]]  # for each slot, for each line: the index that it works on


@dataclass
class Seen:
    """What was seen to happen, and the product itself."""

    product: list[list[int]]
    cycles: int = 0
    folds: int = 0
    macs: int = 0
    input_reads: int = 0
    weight_reads: int = 0
    accumulator_reads: int = 0
    accumulator_writes: int = 0
    output_writes: int = 0
    operand_moves: int = 0
    sum_moves: int = 0
    accumulators: dict[tuple[int, int], int] = field(default_factory=dict)


def multiply(
    x: Matrix,
    w: Matrix,
    rows: int,
    cols: int,
    *,
    dataflow: str,
    zeros: str = "none",
    window: int = 1,
    granule: int = 1,
    row_chunk: int | None = None,
    col_chunk: int | None = None,
    stream_chunk: int | None = None,
    cycles_per_product: int = 1,
) -> Seen:
    """Multiply the (m, k) matrix `x` by the (k, n) matrix `w` on a `rows` x `cols` array."""
    m, k, n = len(x), len(w), len(w[0])
    seen = Seen(product=[[0] * n for _ in range(m)])
    if dataflow == "os":
        for filters in strips(n, cols, col_chunk):
            lines = [[a for a in range(k) if w[a][b] != 0] for b in filters]
            slots = stretch(schedule(lines, k, zeros, window, granule), cycles_per_product)
            for pixels in strips(m, rows, row_chunk):
                if slots:
                    run_output_stationary_fold(seen, x, w, pixels, filters, slots, zeros)
        seen.output_writes = m * n
        return seen
    if dataflow == "ws":
        for piece in strips(m, stream_chunk or m):
            for filters in strips(n, cols):
                lines = [[a for a in range(k) if w[a][b] != 0] for b in filters]
                slots = schedule(lines, k, zeros, window, granule)
                for start in range(0, len(slots), rows):
                    held = slots[start : start + rows]
                    run_weight_stationary_fold(
                        seen, x, w, beats(piece, cycles_per_product), filters, held, zeros
                    )
    else:
        for piece in strips(n, stream_chunk or n):
            for window_rows in strips(k, rows):
                lines = [[b for b in piece if w[a][b] != 0] for a in window_rows]
                lines = [[b - piece[0] for b in line] for line in lines]
                slots = stretch(
                    schedule(lines, len(piece), zeros, window, granule), cycles_per_product
                )
                slots = [[None if b is None else b + piece[0] for b in slot] for slot in slots]
                for pixels in strips(m, cols):
                    if slots:
                        run_input_stationary_fold(seen, x, w, pixels, window_rows, slots, zeros)
    for (pixel, filter_), total in seen.accumulators.items():
        seen.product[pixel][filter_] = total
    seen.output_writes = m * n
    return seen


def strips(size: int, lanes: int, chunk: int | None = None) -> list[list[int]]:
    """Indices 0 to `size` in runs of at most `lanes` that do not cross multiples of `chunk`."""
    runs: list[list[int]] = []
    for index in range(size):
        border = chunk is not None and index % chunk == 0
        if not runs or len(runs[-1]) == lanes or border:
            runs.append([])
        runs[-1].append(index)
    return runs


def schedule(lines: list[list[int]], size: int, zeros: str, window: int, granule: int) -> Schedule:
    """Which index each line works on in each slot; a block's fullest line decides how many."""
    if zeros != "skipping":
        return [[index] * len(lines) for index in range(size)]
    slots: Schedule = []
    for begin in range(0, size, window):
        block = range(begin, min(begin + window, size))
        queues = [[index for index in line if index in block] for line in lines]
        taken = 0
        while taken < max(len(queue) for queue in queues) or (
            taken % granule and taken < len(block)
        ):
            slots.append([queue[taken] if taken < len(queue) else None for queue in queues])
            taken += 1
    return slots


def stretch(slots: Schedule, cycles: int) -> Schedule:
    """Each slot and the cycles after it in which its operands stay."""
    return [slot if c == 0 else [None] * len(slot) for slot in slots for c in range(cycles)]


def beats(pixels: list[int], cycles: int) -> list[int | None]:
    """Each pixel and the cycles after it in which it stays."""
    return [pixel if c == 0 else None for pixel in pixels for c in range(cycles)]


def needed(slot: list[int | None]) -> list[int]:
    """The different indices that the lines work on in a slot."""
    return sorted({index for index in slot if index is not None})


def run_output_stationary_fold(
    seen: Seen,
    x: Matrix,
    w: Matrix,
    pixels: list[int],
    filters: list[int],
    slots: Schedule,
    zeros: str,
) -> None:
    """Inputs move right, weights move down, sums stay; then the sums shift out at the top."""
    r, c = len(pixels), len(filters)
    right: list[list[dict[int, int] | None]] = [[None] * c for _ in range(r)]
    down: list[list[tuple[int | None, int] | None]] = [[None] * c for _ in range(r)]
    sums = [[0] * c for _ in range(r)]
    seen.folds += 1
    time = done = 0
    while done < r * c * len(slots):
        for i in reversed(range(r)):
            for j in reversed(range(c)):
                if j > 0:
                    right[i][j] = right[i][j - 1]
                else:
                    slot = time - i
                    right[i][0] = None
                    if 0 <= slot < len(slots):
                        right[i][0] = {a: x[pixels[i]][a] for a in needed(slots[slot])}
                        seen.input_reads += len(right[i][0] or {})
                if i > 0:
                    down[i][j] = down[i - 1][j]
                else:
                    slot = time - j
                    down[0][j] = None
                    if 0 <= slot < len(slots):
                        a = slots[slot][j]
                        down[0][j] = (a, 0 if a is None else w[a][filters[j]])
                        seen.weight_reads += a is not None
        for i in range(r):
            for j in range(c):
                bundle, weight = right[i][j], down[i][j]
                if bundle is None or weight is None:
                    assert bundle is None
                    assert weight is None
                    continue
                done += 1
                index, value = weight
                seen.operand_moves += len(bundle) + (index is not None)
                if index is None or (zeros == "gating" and value == 0):
                    continue
                sums[i][j] += bundle[index] * value
                seen.macs += 1
                seen.sum_moves += 1
        time += 1
    for step in range(r):
        for j in range(c):
            seen.product[pixels[step]][filters[j]] = sums[0][j]
            for i in range(r - 1):
                sums[i][j] = sums[i + 1][j]
                seen.sum_moves += i + 1 < r - step
        time += 1
    seen.cycles += time


def run_weight_stationary_fold(
    seen: Seen,
    x: Matrix,
    w: Matrix,
    pixels: list[int | None],
    filters: list[int],
    held: Schedule,
    zeros: str,
) -> None:
    """Weights shift in at the bottom; inputs move right, partial sums move down and out."""
    r, c = len(held), len(filters)
    for slot in held:
        seen.weight_reads += sum(index is not None for index in slot)
    seen.folds += 1
    time = load(seen, r, c)
    right: list[list[tuple[int | None, dict[int, int]] | None]] = [[None] * c for _ in range(r)]
    sums: list[list[int | None]] = [[None] * c for _ in range(r)]
    start, left = time, c * len(pixels)
    while left:
        for i in reversed(range(r)):
            for j in reversed(range(c)):
                if j > 0:
                    right[i][j] = right[i][j - 1]
                else:
                    step = time - start - i
                    right[i][0] = None
                    if 0 <= step < len(pixels):
                        arrived = pixels[step]
                        bundle = {}
                        if arrived is not None:
                            bundle = {a: x[arrived][a] for a in needed(held[i])}
                        right[i][0] = (arrived, bundle)
                        seen.input_reads += len(bundle)
                arriving = right[i][j]
                above = sums[i - 1][j] if i > 0 else 0
                if arriving is None:
                    sums[i][j] = None
                    continue
                pixel, bundle = arriving
                index = held[i][j]
                assert above is not None
                sums[i][j] = total = above
                if pixel is None:
                    left -= i == r - 1
                    continue
                seen.operand_moves += len(bundle)
                seen.sum_moves += 1
                if index is not None and not (zeros == "gating" and w[index][filters[j]] == 0):
                    sums[i][j] = total = above + bundle[index] * w[index][filters[j]]
                    seen.macs += 1
                if i == r - 1:
                    accumulate(seen, pixel, filters[j], total)
                    left -= 1
        time += 1
    seen.cycles += time


def run_input_stationary_fold(
    seen: Seen,
    x: Matrix,
    w: Matrix,
    pixels: list[int],
    window: list[int],
    slots: Schedule,
    zeros: str,
) -> None:
    """Inputs shift in at the bottom; weights move right, bundles of partial sums move down."""
    r, c = len(window), len(pixels)
    seen.input_reads += r * c
    seen.folds += 1
    time = load(seen, r, c)
    right: list[list[tuple[int, int | None, int] | None]] = [[None] * c for _ in range(r)]
    sums: list[list[dict[int, int] | None]] = [[None] * c for _ in range(r)]
    start, left = time, c * len(slots)
    while left:
        for i in reversed(range(r)):
            for j in reversed(range(c)):
                if j > 0:
                    right[i][j] = right[i][j - 1]
                else:
                    step = time - start - i
                    right[i][0] = None
                    if 0 <= step < len(slots):
                        b = slots[step][i]
                        right[i][0] = (step, b, 0 if b is None else w[window[i]][b])
                        seen.weight_reads += b is not None
                arriving = right[i][j]
                if arriving is None:
                    sums[i][j] = None
                    continue
                step, index, value = arriving
                above = sums[i - 1][j] if i > 0 else dict.fromkeys(needed(slots[step]), 0)
                assert above is not None
                bundle = dict(above)
                seen.operand_moves += index is not None
                seen.sum_moves += len(bundle)
                if index is not None and not (zeros == "gating" and value == 0):
                    bundle[index] += x[pixels[j]][window[i]] * value
                    seen.macs += 1
                sums[i][j] = bundle
                if i == r - 1:
                    for b, total in bundle.items():
                        accumulate(seen, pixels[j], b, total)
                    left -= 1
        time += 1
    seen.cycles += time


def load(seen: Seen, r: int, c: int) -> int:
    """Shift r rows in at the bottom: each cycle one more row moves up by one."""
    for inside in range(1, r + 1):
        seen.operand_moves += inside * c
    return r


def accumulate(seen: Seen, pixel: int, filter_: int, total: int) -> None:
    """Add a partial sum that left the array to what is there."""
    place = (pixel, filter_)
    if place in seen.accumulators:
        seen.accumulator_reads += 1
        total += seen.accumulators[place]
    seen.accumulators[place] = total
    seen.accumulator_writes += 1
