"""Sums and means over known zeros, which are not added; and which ops are statistics."""

from collections.abc import Mapping

import numpy as np

from smartsim.graph import Work
from smartsim.trace.record.geometry import Bits, any_along, count_true
from smartsim.trace.record.tape import Node
from smartsim.trace.semantics.rule import (
    Reads,
    Rule,
    combine,
    output_shape,
)

__all__ = ["REDUCTIONS", "STATISTICS"]


def _reduced_axes(node: Node) -> tuple[int, ...]:
    rank = len(node.inputs[0].shape)
    dims = node.attributes.get("dim", ())
    dims = (dims,) if isinstance(dims, int) else tuple(dims)
    return tuple(d % rank for d in dims) if dims else tuple(range(rank))


def _zeros_sum(node: Node) -> Bits | None:
    bits = node.inputs[0].bits
    if bits is None:
        return None
    return np.asarray(bits.any(axis=_reduced_axes(node))).reshape(output_shape(node))


def _spread(node: Node, out: Bits | None) -> Bits | None:
    """Needed outputs of a reduction, over all the elements that go into them."""
    shape, axes = node.inputs[0].shape, _reduced_axes(node)
    if out is None:
        return None
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    return np.broadcast_to(out.reshape(kept), shape)


def _read_sum(node: Node, out: Bits | None) -> Reads:
    return [combine(_spread(node, out), node.inputs[0].bits)]


def _live_sum(node: Node, out: Bits | None) -> Work | None:
    bits = combine(_spread(node, out), node.inputs[0].bits)
    if bits is None:
        return None
    sites, outputs = count_true(bits), count_true(any_along(bits, _reduced_axes(node)))
    return Work(sites=sites, sites_in_bounds=sites, outputs=outputs)


REDUCTIONS: Mapping[str, Rule] = {
    f"aten.{name}": Rule(_zeros_sum, _read_sum, _live_sum) for name in ("sum", "mean")
}

_STATISTICS_OPS = """
    sum mean std std_mean var var_mean amax amin aminmax max min norm median
    linalg_vector_norm argmax argmin prod logsumexp count_nonzero
""".split()

STATISTICS = frozenset(f"aten.{name}" for name in _STATISTICS_OPS)
"""Reductions: when they run at deployment, the device stores their result, not what they read."""
