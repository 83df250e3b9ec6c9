"""What a path reads that the one before did not: weights, bit maps of masks, norms and biases.

A batch norm is kept as one scale and one shift a channel at the array's output (integer machines
have both there anyway), so that two paths can share their weights.
"""

import numpy as np

from smartsim.graph import Graph, ParameterSpec
from smartsim.simulate.network.contractions import CONTRACTIONS

__all__ = ["NORM_BITS", "find_reloaded"]

NORM_BITS = 32
"""Bits of one scale or shift of a batch norm at the array's output, and of a bias."""


def find_reloaded(before: Graph | None, after: Graph, bits: int) -> tuple[int, int, int]:
    """Bits of weights, of bit maps, and of scales, shifts and biases that the new path needs."""
    known = {}
    if before is not None:
        gone = _overwritten(before)
        known = {spec.name: spec for spec in before.parameters if spec.name not in gone}
    weights = masks = norms = 0
    for spec in after.parameters:
        if spec.kind != "parameter" or not spec.active:
            continue
        old = known.get(spec.name)
        new = _new_elements(before, old, after, spec)
        if len(spec.shape) < 2:
            norms += NORM_BITS * new
            continue
        weights += bits * new
        if spec.pattern is not None and not _same_pattern(before, old, after, spec):
            masks += spec.elements
    return weights, masks, norms


def _overwritten(graph: Graph) -> frozenset[str]:
    """Weights in whose place the old path kept others that it computed from them in a switch."""
    return frozenset(
        tensor.name
        for op in graph.ops
        if op.stage == "switch" and op.name not in CONTRACTIONS
        for tensor in graph.input_tensors(op)
        if tensor.role == "parameter" and tensor.elements > 1
    )


def _new_elements(
    before: Graph | None, old: ParameterSpec | None, after: Graph, new: ParameterSpec
) -> int:
    """Elements that the new path reads and the old one did not."""
    if before is None or old is None or not old.active:
        return new.active
    if old.active == old.elements:
        return 0
    if old.pattern is None:
        return new.active
    had = before.patterns[old.pattern].bits
    has = np.ones_like(had) if new.pattern is None else after.patterns[new.pattern].bits
    return int(np.count_nonzero(has & ~had))


def _same_pattern(
    before: Graph | None, old: ParameterSpec | None, after: Graph, new: ParameterSpec
) -> bool:
    if before is None or old is None or old.pattern is None or new.pattern is None:
        return False
    return before.patterns[old.pattern] == after.patterns[new.pattern]
