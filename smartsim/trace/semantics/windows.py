"""Sliding windows over known zeros: which products of a convolution meet, and what they need.

A window op pairs input positions with output positions, one pair of slices a tap. Everything here
is exact and works tap by tap on boolean arrays. Knows numpy only.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smartsim.trace.record.geometry import Bits, check_size

__all__ = [
    "Window",
    "contract_window",
    "expand_sizes",
    "full_taps",
    "list_taps",
    "need_of_window",
    "reached_outputs",
    "touched_inputs",
    "used_taps",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A sliding window.

    Attributes:
        inputs: Input size along each spatial dimension.
        outputs: Output size along each spatial dimension.
        kernel: Taps along each spatial dimension.
        stride: Step of the window; of the output, if `transposed`.
        padding: Zeros before the input; elements cropped before the output, if `transposed`.
        dilation: Distance between taps.
        groups: Groups of channels that do not mix.
        transposed: Whether input and output change roles.
    """

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int = 1
    transposed: bool = False


def expand_sizes(value: Any, rank: int) -> tuple[int, ...]:
    """One size for each spatial dimension, from one for all or one each."""
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * rank if len(values) == 1 else values


Tap = tuple[tuple[int, ...], tuple[slice, ...], tuple[slice, ...]]


@lru_cache(maxsize=128)
def list_taps(window: Window) -> tuple[Tap, ...]:
    """For each tap, the input slices and the output slices of equal length that it pairs.

    A tap that meets nothing but padding is left out.
    """
    axes = []
    for axis, taps in enumerate(window.kernel):
        shifts = (tap * window.dilation[axis] - window.padding[axis] for tap in range(taps))
        pairs = [(tap, *_pair_slices(window, axis, shift)) for tap, shift in enumerate(shifts)]
        axes.append([pair for pair in pairs if pair[2].stop > pair[2].start])
    return tuple(
        (
            tuple(tap for tap, _, _ in choice),
            tuple(near for _, near, _ in choice),
            tuple(far for _, _, far in choice),
        )
        for choice in itertools.product(*axes)
    )


@lru_cache(maxsize=128)
def touched_inputs(window: Window) -> Bits | None:
    """Input positions that any window covers; None when all are."""
    touched = np.zeros(window.inputs, dtype=np.bool_)
    for _, near, _ in list_taps(window):
        touched[near] = True
    touched.setflags(write=False)
    return None if touched.all() else touched


@lru_cache(maxsize=128)
def used_taps(window: Window) -> Bits | None:
    """Taps that meet data anywhere; None when all do."""
    used = np.zeros(window.kernel, dtype=np.bool_)
    for tap, _, _ in list_taps(window):
        used[tap] = True
    used.setflags(write=False)
    return None if used.all() else used


@lru_cache(maxsize=128)
def full_taps(window: Window) -> Bits:
    """Taps that meet data at every output position."""
    full = np.zeros(window.kernel, dtype=np.bool_)
    for tap, _, far in list_taps(window):
        full[tap] = all(s.stop - s.start == n for s, n in zip(far, window.outputs, strict=True))
    full.setflags(write=False)
    return full


@lru_cache(maxsize=128)
def reached_outputs(window: Window) -> Bits | None:
    """Output positions that any tap joins to data; None when all are, as nearly always."""
    reached = np.zeros(window.outputs, dtype=np.bool_)
    for _, near, far in list_taps(window):
        if all(s.stop > s.start for s in near):
            reached[tuple(far)] = True
    reached.setflags(write=False)
    return None if reached.all() else reached


def _pair_slices(window: Window, axis: int, shift: int) -> tuple[slice, slice]:
    """Positions p of the strided side whose partner `p * stride + shift` lies within bounds."""
    stride = window.stride[axis]
    strided, partner = window.outputs[axis], window.inputs[axis]
    if window.transposed:
        strided, partner = partner, strided
    first = max(0, -(shift // stride))  # ceil(-shift / stride)
    last = min(strided, (partner - 1 - shift) // stride + 1)
    count = max(0, last - first)
    own = slice(first, first + count)
    start = first * stride + shift
    other = slice(start, start + (count - 1) * stride + 1, stride) if count else slice(0, 0)
    return (own, other) if window.transposed else (other, own)


def contract_window(window: Window, data: Bits, weight: Bits) -> NDArray[np.int64]:
    """How many products meet in each output element, padding apart, as an integer array.

    Args:
        window: The geometry.
        data: Nonzeros of the input, `(n, c_in, *inputs)`.
        weight: Nonzeros of the weight, `(c_out, c_in / groups, *kernel)`; if transposed
            `(c_in, c_out / groups, *kernel)`.

    Returns:
        Counts `(n, c_out, *outputs)`, int64.
    """
    n, groups = data.shape[0], window.groups
    c_out = weight.shape[1] * groups if window.transposed else weight.shape[0]
    check_size(8 * n * c_out * math.prod(window.outputs))
    counts = np.zeros((n, c_out, *window.outputs), dtype=np.int64)
    by_group = counts.reshape(n, groups, c_out // groups, *window.outputs)
    grouped = data.reshape(n, groups, data.shape[1] // groups, *window.inputs)
    every: tuple[Any, ...] = (slice(None),) * 3
    for tap, near, far in list_taps(window):
        taken = grouped[every + near]
        if taken.size:
            by_group[every + far] += _mix(_tap_matrix(window, weight, tap), taken)
    return counts


def need_of_window(window: Window, data: Bits, weight: Bits, need: Bits) -> tuple[Bits, Bits]:
    """What of input and weight the needed outputs read, known zeros apart.

    Args:
        window: The geometry.
        data: Nonzeros of the input, `(n, c_in, *inputs)`.
        weight: Nonzeros of the weight.
        need: Needed outputs, `(n, c_out, *outputs)`.

    Returns:
        Needed elements of the input and of the weight. An element that only meets known zeros
        or padding is not needed.
    """
    n, groups = data.shape[0], window.groups
    grouped_data = data.reshape(n, groups, -1, *window.inputs)
    grouped_need = need.reshape(n, groups, -1, *window.outputs)
    data_need = np.zeros(grouped_data.shape, dtype=np.bool_)
    weight_need = np.zeros(weight.shape, dtype=np.bool_)
    every: tuple[Any, ...] = (slice(None),) * 3
    for tap, near, far in list_taps(window):
        taken, wanted = grouped_data[every + near], grouped_need[every + far]
        if not taken.size:
            continue
        matrix = _tap_matrix(window, weight, tap)  # (g, out, in)
        back = _mix(np.swapaxes(matrix, 1, 2), wanted) > 0
        data_need[every + near] |= back & taken
        place = math.prod(taken.shape[3:])
        x = taken.reshape(n, groups, -1, place).transpose(1, 2, 0, 3).astype(np.float32)
        y = wanted.reshape(n, groups, -1, place).transpose(1, 2, 0, 3).astype(np.float32)
        pairs = np.einsum("gonp,ginp->goi", y, x, optimize=True)
        met = (pairs > 0) & matrix
        if window.transposed:
            met = met.swapaxes(1, 2)
        place_of_tap: Any = (slice(None), slice(None), *tap)
        weight_need[place_of_tap] = met.reshape(-1, met.shape[2])
    return data_need.reshape(data.shape), weight_need


def _tap_matrix(window: Window, weight: Bits, tap: Sequence[int]) -> Bits:
    """The weight of one tap as `(groups, outputs a group, inputs a group)`."""
    place: Any = (slice(None), slice(None), *tap)
    plane = weight[place]
    grouped = plane.reshape(window.groups, -1, plane.shape[1])
    matrix: Bits = grouped.swapaxes(1, 2) if window.transposed else grouped
    return matrix


def _mix(matrix: Bits, data: Bits) -> NDArray[np.int64]:
    """`(g, o, i)` times `(n, g, i, *space)`: counts `(n, g, o, *space)`; exact below 2^24."""
    flat = data.reshape(*data.shape[:3], -1).astype(np.float32)
    mixed: NDArray[np.int64] = np.rint(matrix.astype(np.float32)[None] @ flat).astype(np.int64)
    return mixed.reshape(*mixed.shape[:3], *data.shape[3:])
