"""The slow twin of the schedules: loops over folds that fetch what they touch, word by word.

Matrix products only (each input word belongs to one row); the loops are those of the table in
`smartsim.simulate.network.memory`, written out.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from tests.oracle.systolic_array import strips


class Fetched(NamedTuple):
    inputs: int
    weights: int


@dataclass
class Store:
    """A buffer: keeps the whole operand if it fits, else one chunk if that fits, else nothing."""

    capacity: int
    whole: int
    chunk: int
    kept: set[tuple[int, int]] = field(default_factory=set)
    fetched: int = 0

    def touch(self, words: set[tuple[int, int]]) -> None:
        self.fetched += len(words - self.kept)
        if self.whole <= self.capacity or self.chunk <= self.capacity:
            self.kept |= words

    def leave_chunk(self) -> None:
        if self.whole > self.capacity:
            self.kept.clear()


def fetch(
    m: int,
    k: int,
    n: int,
    rows: int,
    cols: int,
    *,
    dataflow: str,
    schedule: str,
    input_words: int,
    weight_words: int,
    accumulator_words: int,
) -> Fetched:
    """Words that an (m, k) by (k, n) product fetches with buffers of so many words."""
    fit_rows, fit_columns = largest(m, k, input_words), largest(n, k, weight_words)
    row_chunk = col_chunk = piece = None
    if dataflow == "os":
        row_chunk = fit_rows if schedule == "hold inputs" else None
        col_chunk = fit_columns if schedule == "hold weights" else None
    elif dataflow == "ws":
        piece = min(m, accumulator_words, *([fit_rows] if schedule == "hold inputs" else []))
    else:
        piece = min(n, accumulator_words, *([fit_columns] if schedule == "hold weights" else []))
    held_rows = {"os": row_chunk, "ws": piece, "is": None}[dataflow]
    held_columns = {"os": col_chunk, "ws": None, "is": piece}[dataflow]
    inputs = Store(input_words, m * k, held_rows * k if held_rows else input_words + 1)
    weights = Store(weight_words, k * n, held_columns * k if held_columns else weight_words + 1)

    def multiply(pixels: list[int], window: list[int], filters: list[int]) -> None:
        inputs.touch({(a, b) for a in pixels for b in window})
        weights.touch({(b, c) for b in window for c in filters})

    everything = range(m), range(k), range(n)
    if dataflow == "os" and schedule != "hold weights":
        for chunk in strips(m, row_chunk or m):
            for fold in strips(len(chunk), rows):
                for filters in strips(n, cols):
                    multiply([chunk[i] for i in fold], [*everything[1]], filters)
            inputs.leave_chunk()
    elif dataflow == "os":
        for chunk in strips(n, col_chunk or n):
            for fold in strips(len(chunk), cols):
                for pixels in strips(m, rows):
                    multiply(pixels, [*everything[1]], [chunk[i] for i in fold])
            weights.leave_chunk()
    elif dataflow == "ws":
        for pixels in strips(m, piece or m):
            for filters in strips(n, cols):
                for window in strips(k, rows):
                    multiply(pixels, window, filters)
            inputs.leave_chunk()
            weights.leave_chunk()
    else:
        for filters in strips(n, piece or n):
            for pixels in strips(m, cols):
                for window in strips(k, rows):
                    multiply(pixels, window, filters)
            inputs.leave_chunk()
            weights.leave_chunk()
    return Fetched(inputs.fetched, weights.fetched)


def largest(size: int, words_each: int, capacity: int) -> int:
    """All of `size` if it fits, else the largest power of two that does, at least one."""
    if size * words_each <= capacity:
        return size
    power = 1
    while 2 * power * words_each <= capacity:
        power *= 2
    return min(power, size)
