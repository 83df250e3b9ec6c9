"""Convolutions, matrix products and pooling over known zeros: exact, and cheap where dense."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from smartsim.graph import Work
from smartsim.trace.geometry import Bits
from smartsim.trace.tape import Node, narrow
from smartsim.trace.windows import Window, contract_window, iterate_taps, need_of_window

__all__ = ["CONTRACTIONS"]

Answers = tuple[
    Callable[[Node], Bits | None],
    Callable[[Node, Bits | None], list[Bits | None]],
    Callable[[Node, Bits | None], Work | None],
    bool,
]


def _tuple(value: Any, rank: int) -> tuple[int, ...]:
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * rank if len(values) == 1 else values


# Convolution


def _convolution_window(node: Node) -> Window:
    data, weight = node.inputs[0].shape, node.inputs[1].shape
    rank, get = len(weight) - 2, node.attributes.get
    return Window(
        inputs=data[2:],
        outputs=node.outputs[0].shape[2:],
        kernel=weight[2:],
        stride=_tuple(get("stride", 1), rank),
        padding=_tuple(get("padding", 0), rank),
        dilation=_tuple(get("dilation", 1), rank),
        groups=int(get("groups", 1)),
        transposed=bool(get("transposed", False)),
    )


def _convolution_zeros(node: Node) -> Bits | None:
    data, weight = node.inputs[0], node.inputs[1]
    if node.operand("bias") is not None or (data.bits is None and weight.bits is None):
        return None
    window = _convolution_window(node)
    if data.bits is None and _reaches_every_output(window, weight.written_bits()):
        return None
    counts = contract_window(window, data.written_bits(), weight.written_bits())
    return None if counts.all() else counts > 0


def _reaches_every_output(window: Window, weight: Bits) -> bool:
    """Whether every output channel has a nonzero at a tap that no output position misses."""
    if window.transposed:
        return False
    always = np.zeros(weight.shape[2:], dtype=np.bool_)
    for tap, _, far in iterate_taps(window):
        always[tap] = all(s.stop - s.start == n for s, n in zip(far, window.outputs, strict=True))
    if not always.any():
        return False
    return bool(weight[:, :, always].reshape(weight.shape[0], -1).any(axis=1).all())


def _convolution_reads(node: Node, out: Bits | None) -> list[Bits | None]:
    data, weight = node.inputs[0], node.inputs[1]
    window = _convolution_window(node)
    wanted = np.ones(node.outputs[0].shape, dtype=np.bool_) if out is None else out
    plane = _common_plane(node, out)
    if out is None and data.bits is None and not _needs_counting(window, weight.bits):
        reads: list[Bits | None] = [_touched(window, node), _used_taps(window, node)]
    elif plane is not None:
        read, taps = need_of_window(*_one_channel(window), plane)
        reads = [np.broadcast_to(read, data.shape), np.broadcast_to(taps, weight.shape)]
    else:
        reads = list(need_of_window(window, data.written_bits(), weight.written_bits(), wanted))
    if node.operand("bias") is not None:
        channels = np.asarray(wanted.any(axis=(0, *range(2, wanted.ndim))))
        reads.append(None if out is None else channels)
    return reads


def _common_plane(node: Node, out: Bits | None) -> Bits | None:
    """What is needed of each channel, (1, 1, *outputs), if nothing is zero and all need the same.

    Then one channel tells all; depthwise convolutions of stride 2 would be slow without it.
    """
    if out is None or node.inputs[0].bits is not None or node.inputs[1].bits is not None:
        return None
    plane = out[:1, :1]
    return plane if bool((out == plane).all()) else None


def _one_channel(window: Window) -> tuple[Window, Bits, Bits]:
    """The same geometry with one dense channel in and out, its data and its weight."""
    single = dataclasses.replace(window, groups=1)
    ones = [np.ones((1, 1, *shape), np.bool_) for shape in (window.inputs, window.kernel)]
    return single, ones[0], ones[1]


def _needs_counting(window: Window, weight: Bits | None) -> bool:
    """Whether some input channel may meet zeros only at some position."""
    if weight is None:
        return False
    if window.transposed or window.groups > 1:
        return True
    # each tap must have, for each input channel, a nonzero weight of some output channel
    return not bool(weight.any(axis=0).all())


def _touched(window: Window, node: Node) -> Bits | None:
    """Input positions that any window covers; None when all are."""
    touched = np.zeros(window.inputs, dtype=np.bool_)
    for _, near, far in iterate_taps(window):
        if all(s.stop > s.start for s in far):
            touched[tuple(near)] = True
    if touched.all():
        return None
    return np.broadcast_to(touched, node.inputs[0].shape)


def _used_taps(window: Window, node: Node) -> Bits | None:
    """Weights that meet data at all, without known zeros; None when all do."""
    weight = node.inputs[1]
    used = np.zeros(window.kernel, dtype=np.bool_)
    for tap, _, far in iterate_taps(window):
        used[tap] = all(s.stop > s.start for s in far)
    if used.all():
        return weight.bits
    return used & weight.written_bits()


def _convolution_live(node: Node, out: Bits | None) -> Work | None:
    data, weight = node.inputs[0], node.inputs[1]
    if out is None and data.bits is None and weight.bits is None:
        return None
    window = _convolution_window(node)
    batch, elements = node.inputs[0].shape[0], int(np.prod(node.outputs[0].shape))
    if out is None and data.bits is None:
        per_tap = _count_per_tap(weight.written_bits())
        met = {tap: _length(far) for tap, _, far in iterate_taps(window)}
        sites = int(per_tap.sum()) * batch * int(np.prod(_strided(window)))
        inside = sum(int(per_tap[tap]) * batch * length for tap, length in met.items())
        return Work(sites=sites, sites_in_bounds=inside, outputs=elements)
    wanted = np.ones(node.outputs[0].shape, dtype=np.bool_) if out is None else out
    plane = _common_plane(node, out)
    if plane is not None:
        pairs = batch * weight.shape[0] * weight.shape[1]
        window, data_bits, weight_bits = _one_channel(window)
        inside = int(contract_window(window, data_bits, weight_bits)[plane].sum())
        padding = _padding_products(window, weight_bits, plane)
        return Work(
            sites=pairs * (inside + padding),
            sites_in_bounds=pairs * inside,
            outputs=int(np.count_nonzero(wanted)),
        )
    counts = contract_window(window, data.written_bits(), weight.written_bits())
    inside = int(counts[wanted].sum())
    padding = _padding_products(window, weight.written_bits(), wanted)
    return Work(
        sites=inside + padding, sites_in_bounds=inside, outputs=int(np.count_nonzero(wanted))
    )


def _strided(window: Window) -> tuple[int, ...]:
    """The side whose every position meets every tap, padding counted."""
    return window.inputs if window.transposed else window.outputs


def _length(slices: list[slice]) -> int:
    return int(np.prod([len(range(s.start, s.stop, s.step or 1)) for s in slices]))


def _count_per_tap(weight: Bits) -> Any:
    """Nonzeros of each tap, over all channels."""
    taps = weight.shape[2:]
    width = int(np.prod(taps))
    flat = np.ascontiguousarray(weight).reshape(-1, width)
    # Bytes are added eight at a time: 255 ones fit into a byte before it overflows.
    block = 255 * 8
    whole = flat.shape[0] // block * block
    total = flat[whole:].sum(axis=0, dtype=np.int64)
    if whole:
        words = flat[:whole].reshape(-1, 255, 8 * width).view(np.uint64)
        sums = words.sum(axis=1, dtype=np.uint64).view(np.uint8)
        total = total + sums.reshape(-1, width).sum(axis=0, dtype=np.int64)
    return total.reshape(taps)


def _padding_products(window: Window, weight: Bits, wanted: Bits) -> int:
    """Products of nonzero weights with padding, for the needed outputs."""
    if window.transposed:
        return 0
    ones = np.ones((wanted.shape[0], weight.shape[1] * window.groups, *window.inputs), np.bool_)
    per_filter = weight.reshape(weight.shape[0], -1).sum(axis=1, dtype=np.int64)
    needed = np.moveaxis(wanted, 1, 0).reshape(wanted.shape[1], -1).sum(axis=1, dtype=np.int64)
    met = int(contract_window(window, ones, weight)[wanted].sum())
    return int((per_filter * needed).sum()) - met


# Matrix products: (.., m, k) times (.., k, n)


def _factors(node: Node) -> tuple[int, int]:
    """Places of the two factors among the inputs; a leading third one is the bias."""
    return (1, 2) if node.name in ("aten.addmm", "aten.baddbmm", "aten.addmv") else (0, 1)


def _as_matrices(node: Node) -> tuple[Bits, Bits]:
    """Nonzeros of the factors as (.., m, k) and (.., k, n), a vector as one column or row."""
    first, second = (node.inputs[i].written_bits() for i in _factors(node))
    if first.ndim == 1:
        first = first[None, :]
    return first, second[:, None] if second.ndim == 1 else second


def _matmul_counts(node: Node) -> Any:
    first, second = _as_matrices(node)
    return np.rint(first.astype(np.float32) @ second.astype(np.float32)).astype(np.int64)


def _matmul_known(node: Node) -> bool:
    return any(node.inputs[i].bits is not None for i in _factors(node))


def _matmul_zeros(node: Node) -> Bits | None:
    if _factors(node) == (1, 2) or not _matmul_known(node):
        return None
    first, second = (node.inputs[i] for i in _factors(node))
    if first.bits is None and len(second.shape) > 1 and second.written_bits().any(axis=-2).all():
        return None
    return np.asarray(_matmul_counts(node) > 0).reshape(node.outputs[0].shape)


def _matmul_reads(node: Node, out: Bits | None) -> list[Bits | None]:
    a, b = _factors(node)
    reads: list[Bits | None] = [None] * len(node.inputs)
    if out is None and not _matmul_known(node):
        return reads
    first, second = _as_matrices(node)
    shape = np.broadcast_shapes(first.shape[:-2], second.shape[:-2])
    wanted = np.ones((*shape, first.shape[-2], second.shape[-1]), dtype=np.bool_)
    if out is not None:
        wanted = out.reshape(wanted.shape)
    numbers = wanted.astype(np.float32)
    left = numbers @ np.swapaxes(second, -1, -2).astype(np.float32) > 0
    right = np.swapaxes(first, -1, -2).astype(np.float32) @ numbers > 0
    reads[a] = (left & first).reshape(node.inputs[a].shape)
    reads[b] = (right & second).reshape(node.inputs[b].shape)
    if a == 1 and out is not None:
        reads[0] = narrow(out, node.inputs[0])
    return reads


def _matmul_live(node: Node, out: Bits | None) -> Work | None:
    if out is None and not _matmul_known(node):
        return None
    first, second = _as_matrices(node)
    if out is None:
        across = first.sum(axis=-2, dtype=np.int64) * second.sum(axis=-1, dtype=np.int64)
        sites, outputs = int(across.sum()), int(np.prod(node.outputs[0].shape))
    else:
        counts = _matmul_counts(node)
        wanted = out.reshape(counts.shape)
        sites, outputs = int(counts[wanted].sum()), int(np.count_nonzero(wanted))
    return Work(sites=sites, sites_in_bounds=sites, outputs=outputs)


# Pooling: a window of one channel


def _pool_window(node: Node) -> tuple[Window, int]:
    """The window, and how many leading dimensions are batch and channels."""
    kernel_size = node.attributes["kernel_size"]
    rank = next(int(c) for c in node.name if c.isdigit())
    kernel = _tuple(kernel_size, rank)
    stride = node.attributes.get("stride", ()) or kernel
    window = Window(
        inputs=node.inputs[0].shape[-rank:],
        outputs=node.outputs[0].shape[-rank:],
        kernel=kernel,
        stride=_tuple(stride, rank),
        padding=_tuple(node.attributes.get("padding", 0), rank),
        dilation=_tuple(node.attributes.get("dilation", 1), rank),
    )
    return window, len(node.inputs[0].shape) - rank


def _pool_reads(node: Node, out: Bits | None) -> list[Bits | None]:
    window, lead = _pool_window(node)
    read = np.zeros(node.inputs[0].shape, dtype=np.bool_)
    wanted = np.ones(node.outputs[0].shape, dtype=np.bool_) if out is None else out
    every: tuple[Any, ...] = (slice(None),) * lead
    for _, near, far in iterate_taps(window):
        read[every + tuple(near)] |= wanted[every + tuple(far)]
    if node.name.startswith("aten.avg") and node.inputs[0].bits is not None:
        read &= node.inputs[0].bits
    return [read]


def _pool_counts(node: Node, data: Bits) -> Any:
    window, lead = _pool_window(node)
    counts = np.zeros(node.outputs[0].shape, dtype=np.int64)
    every: tuple[Any, ...] = (slice(None),) * lead
    for _, near, far in iterate_taps(window):
        counts[every + tuple(far)] += data[every + tuple(near)]
    return counts


def _pool_live(node: Node, out: Bits | None) -> Work | None:
    is_sum = node.name.startswith("aten.avg")
    known = node.inputs[0].bits if is_sum else None
    if out is None and known is None:
        return None
    window, _ = _pool_window(node)
    shape = node.inputs[0].shape
    dense = _pool_counts(node, np.ones(shape, dtype=np.bool_))
    counts = dense if known is None else _pool_counts(node, known)
    wanted = np.ones(counts.shape, dtype=np.bool_) if out is None else out
    wanted = wanted & (counts > 0)
    inside = int(counts[wanted].sum())
    padding = int((int(np.prod(window.kernel)) - dense[wanted]).sum())
    return Work(
        sites=inside + padding, sites_in_bounds=inside, outputs=int(np.count_nonzero(wanted))
    )


def _average_zeros(node: Node) -> Bits | None:
    bits = node.inputs[0].bits
    return None if bits is None else np.asarray(_pool_counts(node, bits) > 0)


def _dense(_: Node) -> Bits | None:
    return None


_MATMULS = ("mm", "addmm", "bmm", "baddbmm", "mv", "dot", "addmv")

CONTRACTIONS: Mapping[str, Answers] = {
    "aten.convolution": (_convolution_zeros, _convolution_reads, _convolution_live, False),
    **{f"aten.{n}": (_matmul_zeros, _matmul_reads, _matmul_live, True) for n in _MATMULS},
    **{f"aten.max_pool{d}d_with_indices": (_dense, _pool_reads, _pool_live, False) for d in (2, 3)},
    **{f"aten.avg_pool{d}d": (_average_zeros, _pool_reads, _pool_live, False) for d in (2, 3)},
}
