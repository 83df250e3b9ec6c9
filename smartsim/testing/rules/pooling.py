"""Scalar rules of pooling."""

import itertools
from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np

from smartsim.testing.calls import Call, scalar_rule
from smartsim.testing.rules.reductions import as_result, find_extreme, mean_scalars
from smartsim.testing.scalars import Scalar, ScalarArray

__all__: list[str] = []

_Place: TypeAlias = tuple[int, ...]
_Window: TypeAlias = Callable[[int, int, int], range]
"""The places of a window along one dimension, from output place, input size and dimension."""


def _find_windows(call: Call, window: _Window) -> Iterator[tuple[_Place, list[_Place], list[int]]]:
    """Channel, places in bounds and extents of the window of each output element, in order."""
    shape = tuple(call.results[0].shape)
    rank = _rank(call)
    sizes = call["self"].scalars.shape[-rank:]
    for place in np.ndindex(*shape):
        channel, at = place[:-rank], place[-rank:]
        ranges = [
            window(o, size, axis) for axis, (o, size) in enumerate(zip(at, sizes, strict=True))
        ]
        inside = [
            p
            for p in itertools.product(*ranges)
            if all(0 <= i < size for i, size in zip(p, sizes, strict=True))
        ]
        yield channel, inside, [len(r) for r in ranges]


def _rank(call: Call) -> int:
    """Number of pooled dimensions, from the operator's name."""
    return next(rank for rank in (1, 2, 3) if f"{rank}d" in call.site.op)


def _per_axis(call: Call, name: str) -> list[int]:
    """A setting for every pooled dimension; an empty stride is the kernel size."""
    given = call.arguments[name] or call.arguments["kernel_size"]
    values = list(given) if not isinstance(given, int) else [given]
    return values * _rank(call) if len(values) == 1 else values


@scalar_rule(
    "aten.max_pool2d_with_indices", "aten.max_pool3d_with_indices", "aten.max_pool1d_with_indices"
)
def _execute_max_pool(call: Call) -> tuple[ScalarArray, ScalarArray]:
    kernel, stride = _per_axis(call, "kernel_size"), _per_axis(call, "stride")
    dilation = _per_axis(call, "dilation")
    padding = (
        [0] * _rank(call) if call.arguments["padding"] in (0, [0]) else _per_axis(call, "padding")
    )

    def window(o: int, _size: int, axis: int) -> range:
        first = o * stride[axis] - padding[axis]
        return range(first, first + kernel[axis] * dilation[axis], dilation[axis])

    values: list[Scalar] = []
    places: list[Scalar] = []
    data = call["self"].scalars
    sizes = data.shape[-_rank(call) :]
    for channel, inside, extents in _find_windows(call, window):
        compared = int(np.prod(extents)) if call.convention.count_padding else len(inside)
        row = [data[channel + p] for p in inside]
        found, place = find_extreme(call, row, max, compared - 1)
        values.append(found)
        places.append(Scalar(float(np.ravel_multi_index(inside[place], sizes)), act=found.act))
    return as_result(call, values), as_result(call, places, 1)


@scalar_rule("aten.avg_pool1d", "aten.avg_pool2d", "aten.avg_pool3d")
def _execute_avg_pool(call: Call) -> ScalarArray:
    kernel, stride = _per_axis(call, "kernel_size"), _per_axis(call, "stride")
    padding = (
        [0] * _rank(call) if call.arguments["padding"] in (0, [0]) else _per_axis(call, "padding")
    )

    def window(o: int, size: int, axis: int) -> range:
        first = o * stride[axis] - padding[axis]
        return range(first, min(first + kernel[axis], size + padding[axis]))

    means: list[Scalar] = []
    data = call["self"].scalars
    for channel, inside, extents in _find_windows(call, window):
        padded = int(np.prod(extents))
        divisor = call.arguments.get("divisor_override") or (
            padded if call.arguments["count_include_pad"] else len(inside)
        )
        means.append(
            mean_scalars(
                call,
                [data[channel + p] for p in inside],
                divisor=divisor,
                padding=padded - len(inside) if call.convention.count_padding else 0,
            )
        )
    return as_result(call, means)


@scalar_rule("aten._adaptive_avg_pool2d", "aten._adaptive_avg_pool3d", "aten.adaptive_avg_pool1d")
def _execute_adaptive_avg_pool(call: Call) -> ScalarArray:
    data = call["self"].scalars
    return as_result(
        call,
        [
            mean_scalars(call, [data[channel + p] for p in inside], divisor=len(inside))
            for channel, inside, _ in _find_windows(call, _adaptive_window(call))
        ],
    )


@scalar_rule("aten.adaptive_max_pool2d", "aten.adaptive_max_pool3d", "aten.adaptive_max_pool1d")
def _execute_adaptive_max_pool(call: Call) -> tuple[ScalarArray, ScalarArray]:
    values: list[Scalar] = []
    places: list[Scalar] = []
    data = call["self"].scalars
    sizes = data.shape[-_rank(call) :]
    for channel, inside, _ in _find_windows(call, _adaptive_window(call)):
        row = [data[channel + p] for p in inside]
        found, place = find_extreme(call, row, max, len(inside) - 1)
        values.append(found)
        places.append(Scalar(float(np.ravel_multi_index(inside[place], sizes)), act=found.act))
    return as_result(call, values), as_result(call, places, 1)


def _adaptive_window(call: Call) -> _Window:
    outputs = tuple(call.results[0].shape)[-_rank(call) :]

    def window(o: int, size: int, axis: int) -> range:
        return range(o * size // outputs[axis], -(-(o + 1) * size // outputs[axis]))

    return window
