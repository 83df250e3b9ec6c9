"""Contractions and pooling over known zeros: exact, and cheap where nothing is known."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from smartsim.graph import Work
from smartsim.trace.convolutions import convolution_live, convolution_reads, convolution_zeros
from smartsim.trace.geometry import Bits
from smartsim.trace.tape import Node, narrow
from smartsim.trace.windows import Window, expand_sizes, list_taps, touched_inputs

__all__ = ["CONTRACTIONS"]

Answers = tuple[
    Callable[[Node], Bits | None],
    Callable[[Node, Bits | None], list[Bits | None]],
    Callable[[Node, Bits | None], Work | None],
    bool,
]


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
    kernel = expand_sizes(kernel_size, rank)
    stride = node.attributes.get("stride", ()) or kernel
    window = Window(
        inputs=node.inputs[0].shape[-rank:],
        outputs=node.outputs[0].shape[-rank:],
        kernel=kernel,
        stride=expand_sizes(stride, rank),
        padding=expand_sizes(node.attributes.get("padding", 0), rank),
        dilation=expand_sizes(node.attributes.get("dilation", 1), rank),
    )
    return window, len(node.inputs[0].shape) - rank


def _pool_reads(node: Node, out: Bits | None) -> list[Bits | None]:
    window, lead = _pool_window(node)
    if out is None and node.inputs[0].bits is None:
        touched = touched_inputs(window)
        return [None if touched is None else np.broadcast_to(touched, node.inputs[0].shape)]
    read = np.zeros(node.inputs[0].shape, dtype=np.bool_)
    wanted = np.ones(node.outputs[0].shape, dtype=np.bool_) if out is None else out
    every: tuple[Any, ...] = (slice(None),) * lead
    for _, near, far in list_taps(window):
        read[every + near] |= wanted[every + far]
    if node.name.startswith("aten.avg") and node.inputs[0].bits is not None:
        read &= node.inputs[0].bits
    return [read]


def _pool_counts(node: Node, data: Bits) -> Any:
    window, lead = _pool_window(node)
    counts = np.zeros(node.outputs[0].shape, dtype=np.int64)
    every: tuple[Any, ...] = (slice(None),) * lead
    for _, near, far in list_taps(window):
        counts[every + far] += data[every + near]
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
    "aten.convolution": (convolution_zeros, convolution_reads, convolution_live, False),
    **{f"aten.{n}": (_matmul_zeros, _matmul_reads, _matmul_live, True) for n in _MATMULS},
    **{f"aten.max_pool{d}d_with_indices": (_dense, _pool_reads, _pool_live, False) for d in (2, 3)},
    **{f"aten.avg_pool{d}d": (_average_zeros, _pool_reads, _pool_live, False) for d in (2, 3)},
}
