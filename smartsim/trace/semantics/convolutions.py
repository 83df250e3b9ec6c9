"""Convolutions over known zeros: exact, and cheap where channels or taps are all alike."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from smartsim.graph import Work
from smartsim.trace.record.geometry import Bits, any_along, count_true, take_once
from smartsim.trace.record.tape import Node
from smartsim.trace.semantics.windows import (
    Window,
    contract_window,
    expand_sizes,
    full_taps,
    list_taps,
    need_of_window,
    reached_outputs,
    touched_inputs,
    used_taps,
)

__all__ = ["convolution_live", "convolution_reads", "convolution_zeros"]

_GLANCE = 64


def _window(node: Node) -> Window:
    data, weight = node.inputs[0].shape, node.inputs[1].shape
    rank, get = len(weight) - 2, node.attributes.get
    return Window(
        inputs=data[2:],
        outputs=node.outputs[0].shape[2:],
        kernel=weight[2:],
        stride=expand_sizes(get("stride", 1), rank),
        padding=expand_sizes(get("padding", 0), rank),
        dilation=expand_sizes(get("dilation", 1), rank),
        groups=int(get("groups", 1)),
        transposed=bool(get("transposed", False)),
    )


def convolution_zeros(node: Node) -> Bits | None:
    """Outputs that at least one product reaches, or whose bias is not a known zero."""
    bias = node.operand("bias")
    if bias is None:
        return _reached(node)
    if bias.bits is None:
        return None
    reached = _reached(node)
    biased = bias.bits.reshape(-1, *[1] * (len(node.outputs[0].shape) - 2))
    return None if reached is None else reached | biased


def _reached(node: Node) -> Bits | None:
    data, weight, window = node.inputs[0], node.inputs[1], _window(node)
    if data.bits is None and weight.bits is None:
        reached = reached_outputs(window)
        return None if reached is None else np.broadcast_to(reached, node.outputs[0].shape)
    if data.bits is None and _reaches_every_output(window, weight.written_bits()):
        return None
    planes = _common_planes(node, None)
    if planes is not None:
        counts = _contract_planes(window, *planes)
        return None if counts.all() else np.broadcast_to(counts > 0, node.outputs[0].shape)
    counts = contract_window(window, data.written_bits(), weight.written_bits())
    return None if counts.all() else counts > 0


def convolution_reads(node: Node, out: Bits | None) -> list[Bits | None]:
    """What of data, weight and bias the needed outputs depend on, known zeros apart."""
    data, weight = node.inputs[0], node.inputs[1]
    window = _window(node)
    if out is None and data.bits is None and not _needs_counting(window, weight.bits):
        reads = [_touched(window, data.shape), _used(window, weight.shape, weight.bits)]
    elif (planes := _common_planes(node, out)) is not None:
        single, taps = _one_channel(window)
        needs = need_of_window(single, planes[0], taps, planes[1])
        shapes = (data.shape, weight.shape)
        reads = [np.broadcast_to(n, s) for n, s in zip(needs, shapes, strict=True)]
    else:
        wanted = np.broadcast_to(np.True_, node.outputs[0].shape) if out is None else out
        reads = list(need_of_window(window, data.written_bits(), weight.written_bits(), wanted))
    if node.operand("bias") is not None:
        reads.append(None if out is None else any_along(out, (0, *range(2, out.ndim))))
    return reads


def convolution_live(node: Node, out: Bits | None) -> Work | None:
    """Products of nonzero data with nonzero weights for needed outputs, and these outputs.

    An output that no product reaches is a known zero, and does not count, nor does its padding.
    """
    data, weight, made = node.inputs[0], node.inputs[1], node.outputs[0].bits
    if made is not None:
        out = made if out is None else out & made
    if out is None and data.bits is None and weight.bits is None:
        return None
    window = _window(node)
    batch, elements = data.shape[0], math.prod(node.outputs[0].shape)
    if out is None and data.bits is None:
        return _live_by_taps(window, weight.written_bits(), batch, elements)
    outputs = elements if out is None else count_true(out)
    planes = _common_planes(node, out)
    if planes is not None:
        pairs = batch * weight.shape[0] * weight.shape[1]
        inside = pairs * int(_contract_planes(window, *planes)[planes[1]].sum())
        padding = pairs * _padding_products(*_one_channel(window), planes[1])
    else:
        wanted = np.broadcast_to(np.True_, node.outputs[0].shape) if out is None else out
        counts = contract_window(window, data.written_bits(), weight.written_bits())
        inside = int(counts[wanted].sum())
        padding = _padding_products(window, weight.written_bits(), wanted)
    return Work(sites=inside + padding, sites_in_bounds=inside, outputs=outputs)


# Dense data, all outputs needed: each tap tells how often its weights are used.


def _reaches_every_output(window: Window, weight: Bits) -> bool:
    """Whether every output channel has a nonzero at a tap that no output position misses."""
    full = full_taps(window)
    if window.transposed or not full.any():
        return False
    # a few input channels nearly always settle it
    return any(
        bool(part[:, :, full].any(axis=(1, 2)).all()) for part in (weight[:, :_GLANCE], weight)
    )


def _needs_counting(window: Window, weight: Bits | None) -> bool:
    """Whether some input channel may meet zeros only at some position."""
    if weight is None:
        return False
    if window.transposed or window.groups > 1:
        return True
    # each tap must have, for each input channel, a nonzero weight of some output channel
    return not any(bool(part.any(axis=0).all()) for part in (weight[:_GLANCE], weight))


def _touched(window: Window, shape: Sequence[int]) -> Bits | None:
    touched = touched_inputs(window)
    return None if touched is None else np.broadcast_to(touched, shape)


def _used(window: Window, shape: Sequence[int], weight: Bits | None) -> Bits | None:
    """Weights that meet data at all, without known zeros; None when all do."""
    used = used_taps(window)
    if used is None:
        return weight
    return np.broadcast_to(used, shape) if weight is None else used & weight


def _live_by_taps(window: Window, weight: Bits, batch: int, outputs: int) -> Work:
    per_tap = _count_per_tap(weight)
    strided = window.inputs if window.transposed else window.outputs
    inside = 0
    for tap, near, far in list_taps(window):
        own = near if window.transposed else far
        inside += int(per_tap[tap]) * batch * math.prod(s.stop - s.start for s in own)
    sites = int(per_tap.sum()) * batch * math.prod(strided)
    return Work(sites=sites, sites_in_bounds=inside, outputs=outputs)


def _count_per_tap(weight: Bits) -> Any:
    """Nonzeros of each tap, over all channels."""
    taps = weight.shape[2:]
    width = math.prod(taps)
    flat = np.ascontiguousarray(weight).reshape(-1, width)
    # Bytes are added eight at a time, in long rows: 255 ones fit into a byte before it overflows.
    rows = flat.shape[0] // (255 * 8) * 8
    total = flat[255 * rows :].sum(axis=0, dtype=np.int64)
    if rows:
        words = flat[: 255 * rows].reshape(255, -1).view(np.uint64)
        sums = words.sum(axis=0, dtype=np.uint64).view(np.uint8)
        total = total + sums.reshape(-1, width).sum(axis=0, dtype=np.int64)
    return total.reshape(taps)


# Dense weights, and data and needs that are the same in every channel: one channel tells all.


def _common_planes(node: Node, out: Bits | None) -> tuple[Bits, Bits] | None:
    """Nonzero data and needed outputs of one channel, `(1, 1, *space)`, if all are like it."""
    data, weight = node.inputs[0], node.inputs[1]
    if weight.bits is not None:
        return None
    planes: list[Bits] = []
    for bits, shape in ((data.bits, data.shape), (out, node.outputs[0].shape)):
        plane = np.ones((1, 1, *shape[2:]), dtype=np.bool_) if bits is None else bits[:1, :1]
        if bits is not None and not bool((take_once(bits) == plane).all()):
            return None
        planes.append(plane)
    return planes[0], planes[1]


def _one_channel(window: Window) -> tuple[Window, Bits]:
    """The same geometry with one channel in and out, and its dense weight."""
    single = dataclasses.replace(window, groups=1)
    return single, np.ones((1, 1, *window.kernel), dtype=np.bool_)


def _contract_planes(window: Window, data: Bits, _: Bits) -> Any:
    single, taps = _one_channel(window)
    return contract_window(single, data, taps)


def _padding_products(window: Window, weight: Bits, wanted: Bits) -> int:
    """Products of nonzero weights with padding, for the needed outputs."""
    if window.transposed:
        return 0
    ones = np.ones((wanted.shape[0], weight.shape[1] * window.groups, *window.inputs), np.bool_)
    per_filter = weight.reshape(weight.shape[0], -1).sum(axis=1, dtype=np.int64)
    needed = np.moveaxis(wanted, 1, 0).reshape(wanted.shape[1], -1).sum(axis=1, dtype=np.int64)
    met = int(contract_window(window, ones, weight)[wanted].sum())
    return int((per_filter * needed).sum()) - met
