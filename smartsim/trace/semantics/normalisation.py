"""Batch norm in eval mode: one scale and one shift a channel, prepared from the statistics."""

from collections.abc import Mapping

import numpy as np

from smartsim.graph import Work
from smartsim.trace.record.geometry import Bits, any_along, count_true
from smartsim.trace.record.tape import Node
from smartsim.trace.semantics.rule import (
    Reads,
    Rule,
    combine,
    dense,
    output_shape,
    read_all,
)

__all__ = ["NORMALISATION"]


def _read_batch_norm(node: Node, out: Bits | None) -> Reads:
    if out is None and node.inputs[0].bits is None:
        return read_all(node, out)
    wanted = np.broadcast_to(np.True_, output_shape(node)) if out is None else out
    channels = any_along(wanted, (0, *range(2, wanted.ndim)))
    data = combine(wanted, node.inputs[0].bits)
    return [data, *(channels for _ in node.inputs[1:])]


def _live_batch_norm(node: Node, out: Bits | None) -> Work | None:
    wanted = combine(out, node.inputs[0].bits)
    if wanted is None:
        return None
    needed = np.broadcast_to(np.True_, output_shape(node)) if out is None else out
    channels = count_true(any_along(needed, (0, *range(2, needed.ndim))))
    sites = count_true(wanted)
    return Work(sites=sites, sites_in_bounds=sites, outputs=channels)


NORMALISATION: Mapping[str, Rule] = {
    "aten.native_batch_norm": Rule(dense, _read_batch_norm, _live_batch_norm),
}
