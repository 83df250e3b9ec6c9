"""Matrix products over known zeros: exact, and cheap where nothing is known."""

from collections.abc import Callable
from typing import Any

import numpy as np

from smartsim.graph import Work
from smartsim.trace.record.geometry import Bits
from smartsim.trace.record.tape import Node, narrow
from smartsim.trace.semantics.convolutions import (
    convolution_live,
    convolution_reads,
    convolution_zeros,
)

__all__ = ["CONTRACTIONS", "Answers"]

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


_MATMULS = ("mm", "addmm", "bmm", "baddbmm", "mv", "dot", "addmv")

CONTRACTIONS: dict[str, Answers] = {
    "aten.convolution": (convolution_zeros, convolution_reads, convolution_live, False),
    **{f"aten.{n}": (_matmul_zeros, _matmul_reads, _matmul_live, True) for n in _MATMULS},
}
