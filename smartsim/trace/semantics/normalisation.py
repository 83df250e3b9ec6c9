"""Batch norm in eval mode: one scale and one shift a channel, prepared from the statistics."""

from collections.abc import Mapping

import numpy as np

from smartsim.graph import Work
from smartsim.trace.record.geometry import Bits
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
    wanted = np.ones(output_shape(node), dtype=np.bool_) if out is None else out
    channels = np.asarray(wanted.any(axis=(0, *range(2, wanted.ndim))))
    data = combine(wanted, node.inputs[0].bits)
    return [data, *(channels for _ in node.inputs[1:])]


def _live_batch_norm(node: Node, out: Bits | None) -> Work | None:
    wanted = combine(out, node.inputs[0].bits)
    if wanted is None:
        return None
    needed = np.ones(output_shape(node), dtype=np.bool_) if out is None else out
    channels = int(np.count_nonzero(needed.any(axis=(0, *range(2, needed.ndim)))))
    sites = int(np.count_nonzero(wanted))
    return Work(sites=sites, sites_in_bounds=sites, outputs=channels)


NORMALISATION: Mapping[str, Rule] = {
    "aten.native_batch_norm": Rule(dense, _read_batch_norm, _live_batch_norm),
}
