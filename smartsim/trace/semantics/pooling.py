"""Pooling over known zeros: windows of one channel, of one size or adapted to the output."""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from smartsim.graph import Work
from smartsim.trace.record.geometry import Bits, count_true
from smartsim.trace.record.tape import Node
from smartsim.trace.semantics.contractions import Answers
from smartsim.trace.semantics.windows import Window, expand_sizes, list_taps, touched_inputs

__all__ = ["POOLS"]

_Pair = tuple[tuple[Any, ...], tuple[Any, ...]]


def _rank(node: Node) -> int:
    return next(int(c) for c in node.name if c.isdigit())


def _is_adaptive(node: Node) -> bool:
    return "adaptive" in node.name


def _is_average(node: Node) -> bool:
    return "avg" in node.name


def _window(node: Node) -> Window:
    rank, get = _rank(node), node.attributes.get
    kernel = expand_sizes(node.attributes["kernel_size"], rank)
    return Window(
        inputs=node.inputs[0].shape[-rank:],
        outputs=node.outputs[0].shape[-rank:],
        kernel=kernel,
        stride=expand_sizes(get("stride", ()) or kernel, rank),
        padding=expand_sizes(get("padding", 0), rank),
        dilation=expand_sizes(get("dilation", 1), rank),
    )


def _pairs(node: Node) -> Iterator[_Pair]:
    """Places of the input and of the output that meet, all of equal shape."""
    every: tuple[Any, ...] = (slice(None),) * (len(node.inputs[0].shape) - _rank(node))
    if _is_adaptive(node):
        rank = _rank(node)
        sizes = zip(node.inputs[0].shape[-rank:], node.outputs[0].shape[-rank:], strict=True)
        for choice in itertools.product(*(_adapted(n, m) for n, m in sizes)):
            yield every + tuple(i for i, _ in choice), every + tuple(o for _, o in choice)
    else:
        for _, near, far in list_taps(_window(node)):
            yield every + near, every + far


def _adapted(inputs: int, outputs: int) -> Sequence[tuple[slice, slice]]:
    """Window o covers floor(o * n / m) up to ceil((o + 1) * n / m) of n inputs, m outputs."""
    return [
        (slice(i, i + 1), slice(o, o + 1))
        for o in range(outputs)
        for i in range(o * inputs // outputs, -(-(o + 1) * inputs // outputs))
    ]


def _zeros(node: Node) -> Bits | None:
    """An average of known zeros is one; the largest of them may be, but is taken as dense."""
    bits = node.inputs[0].bits
    return None if bits is None or not _is_average(node) else _count(node, bits) > 0


def _reads(node: Node, out: Bits | None) -> list[Bits | None]:
    data = node.inputs[0]
    if out is None and data.bits is None:
        touched = None if _is_adaptive(node) else touched_inputs(_window(node))
        return [None if touched is None else np.broadcast_to(touched, data.shape)]
    read = np.zeros(data.shape, dtype=np.bool_)
    wanted = np.ones(node.outputs[0].shape, dtype=np.bool_) if out is None else out
    for near, far in _pairs(node):
        read[near] |= wanted[far]
    if _is_average(node) and data.bits is not None:
        read &= data.bits
    return [read]


def _count(node: Node, data: Bits) -> Any:
    """How many true elements each window holds."""
    counts = np.zeros(node.outputs[0].shape, dtype=np.int64)
    for near, far in _pairs(node):
        counts[far] += data[near]
    return counts


def _count_padded(node: Node) -> Any:
    """Elements of each window, with padding.

    An average adds what lies within the padded input; a window of a largest element is compared
    whole, also where `ceil_mode` lets it lean over the padding's end.
    """
    shape = node.outputs[0].shape
    if _is_adaptive(node):
        return _count(node, np.ones(node.inputs[0].shape, dtype=np.bool_))
    window = _window(node)
    if not _is_average(node):
        return np.full(shape, np.prod(window.kernel), dtype=np.int64)
    sizes = tuple(n + 2 * p for n, p in zip(window.inputs, window.padding, strict=True))
    padded = dataclasses.replace(window, inputs=sizes, padding=(0,) * len(sizes))
    counts = np.zeros(window.outputs, dtype=np.int64)
    for _, _, far in list_taps(padded):
        counts[far] += 1
    return np.broadcast_to(counts, shape)


def _live(node: Node, out: Bits | None) -> Work | None:
    known = node.inputs[0].bits if _is_average(node) else None
    if out is None and known is None:
        return None
    dense = _count(node, np.ones(node.inputs[0].shape, dtype=np.bool_))
    counts = dense if known is None else _count(node, known)
    wanted = np.ones(counts.shape, dtype=np.bool_) if out is None else out
    wanted = wanted & (counts > 0)
    inside = int(counts[wanted].sum())
    padding = int((_count_padded(node)[wanted] - dense[wanted]).sum())
    return Work(sites=inside + padding, sites_in_bounds=inside, outputs=count_true(wanted))


POOLS: dict[str, Answers] = {
    f"aten.{name}": (_zeros, _reads, _live, False)
    for rank in (2, 3)
    for name in (
        f"max_pool{rank}d_with_indices",
        f"avg_pool{rank}d",
        f"_adaptive_avg_pool{rank}d",
        f"adaptive_max_pool{rank}d",
    )
}
