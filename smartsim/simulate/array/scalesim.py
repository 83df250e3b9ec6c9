"""SCALE-Sim's figures, reproduced with their faults, and the difference to ours term by term.

Knows scalesim 3.0.0 with enough bandwidth for no stall. Not an accelerator model of its own: the
figures here exist so that a user of that tool can see why ours differ.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from smartsim.simulate.array.systolic import (
    Dataflow,
    Integers,
    count_folds,
    map_to_array,
)

__all__ = ["ScaleSimDifference", "ScaleSimFigures", "compare_scalesim", "predict_scalesim"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleSimFigures:
    """What scalesim 3.0.0 prints for one layer, each field an integer array.

    Attributes:
        cycles: "Total Cycles".
        input_reads: "SRAM IFMAP reads", in words.
        weight_reads: "SRAM Filter reads", in words.
        output_writes: "SRAM OFMAP writes", in words.
    """

    cycles: Integers
    input_reads: Integers
    weight_reads: Integers
    output_writes: Integers


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleSimDifference:
    """Our cycles less SCALE-Sim's, as three terms that add up to it exactly.

    Attributes:
        off_by_one: It reports the index of the last cycle, one less than their number.
        undrained_outputs: In `os` it never moves the sums out of the array: rows per fold.
        partial_folds: It charges folds at the edge as if they filled the array; never positive.
    """

    off_by_one: Integers
    undrained_outputs: Integers
    partial_folds: Integers

    @property
    def total(self) -> Integers:
        """Our cycles less the printed ones."""
        return self.off_by_one + self.undrained_outputs + self.partial_folds


def predict_scalesim(
    m: ArrayLike, k: ArrayLike, n: ArrayLike, rows: ArrayLike, cols: ArrayLike, dataflow: Dataflow
) -> ScaleSimFigures:
    """What scalesim 3.0.0 prints for an (m, k) by (k, n) product on a `rows` x `cols` array.

    >>> figures = predict_scalesim(1024, 27, 64, 32, 32, "ws")
    >>> int(figures.cycles), int(figures.output_writes)
    (2235, 65536)
    """
    sr, sc, t = map_to_array(m, k, n, dataflow)
    rows, cols = np.asarray(rows, dtype=np.int64), np.asarray(cols, dtype=np.int64)
    fr, fc = count_folds(sr, rows), count_folds(sc, cols)
    fill = rows if dataflow == "os" else 2 * rows
    if dataflow == "os":
        inputs, weights = t * sr * fc, t * sc * fr
        outputs = sr * sc + fr * fc * (rows + cols)
    else:
        stationary, streaming = sr * sc, t * sr * fc
        inputs, weights = (streaming, stationary) if dataflow == "ws" else (stationary, streaming)
        outputs = sc * t * fr
    cycles, inputs, weights, outputs = np.broadcast_arrays(
        (fill + cols + t - 2) * fr * fc - 1, inputs, weights, outputs
    )
    return ScaleSimFigures(
        cycles=cycles, input_reads=inputs, weight_reads=weights, output_writes=outputs
    )


def compare_scalesim(
    m: ArrayLike, k: ArrayLike, n: ArrayLike, rows: ArrayLike, cols: ArrayLike, dataflow: Dataflow
) -> ScaleSimDifference:
    """Why `run_dense_array` needs other cycles than scalesim 3.0.0 prints.

    >>> difference = compare_scalesim(1024, 27, 64, 32, 32, "ws")
    >>> int(difference.off_by_one), int(difference.partial_folds)  # two folds, 5 rows empty each
    (1, -20)
    """
    sr, sc, _ = map_to_array(m, k, n, dataflow)
    rows, cols = np.asarray(rows, dtype=np.int64), np.asarray(cols, dtype=np.int64)
    fr, fc = count_folds(sr, rows), count_folds(sc, cols)
    unused = 2 * (sr - fr * rows) * fc + (sc - fc * cols) * fr
    undrained = fr * fc * rows if dataflow == "os" else np.zeros_like(unused)
    one, undrained, unused = np.broadcast_arrays(np.int64(1), undrained, unused)
    return ScaleSimDifference(off_by_one=one, undrained_outputs=undrained, partial_folds=unused)
