"""Softmax over scores of which some are known to be cut off, as by a causal mask.

A score is cut off where a known mask fills in minus infinity, or where a known tensor adds it; the
least number of a type will do as well. Its weight is zero: the score is not needed, and the value
that it would weigh is not multiplied. A row that is cut off altogether is left as it is.
"""

import math
from collections.abc import Mapping

import numpy as np

from smartsim.graph import Work
from smartsim.trace.record.evaluate import compute, plain_torch
from smartsim.trace.record.geometry import Bits, check_size, count_true, take_once
from smartsim.trace.record.tape import Node, Operand, Value
from smartsim.trace.semantics.literals import find_literal
from smartsim.trace.semantics.movement import known_condition
from smartsim.trace.semantics.rule import Reads, Rule, combine, output_shape, read_all

__all__ = ["ATTENTION", "CUT_OFF"]

CUT_OFF = -1e30
"""From here downwards, what is added to a score leaves it no weight."""


def _cut(value: Value) -> Bits | None:
    """Where a memory's elements are known to be cut off, flat; None where nowhere."""
    if value.known:
        with plain_torch():
            content = compute(value)
            low: Bits | None = None if content.is_complex() else (content <= CUT_OFF).cpu().numpy()
        return None if low is None or not low.any() else low
    node = value.node
    if node is None or not _is_whole(node.outputs[0]):
        return None
    shape = output_shape(node)
    match node.name:
        case "aten.masked_fill":
            found = _filled(node, "mask", "value", "self", shape)
        case "aten.where":
            found = _filled(node, "condition", "self", "other", shape)
            condition = known_condition(node.inputs[0])
            literal = find_literal(node, "other")
            if condition is not None and literal is not None and literal <= CUT_OFF:
                found = _either(found, np.broadcast_to(~condition, shape))
        case "aten.add" if node.attributes.get("alpha", 1) == 1:
            found = None
            for operand in node.inputs:
                cut = _shown(operand)
                found = found if cut is None else _either(found, _spread(cut, shape))
        case "aten._to_copy" | "aten.clone":
            found = _shown(node.inputs[0])
        case _:
            found = None
    return None if found is None or not found.any() else found.reshape(-1)


def _is_whole(operand: Operand) -> bool:
    return operand.view.is_whole and not operand.converted


def _shown(operand: Operand) -> Bits | None:
    """Where an operand is cut off, in its shape."""
    if not operand.value.cut_is_known:
        operand.value.cut_is_known = True
        operand.value.cut = _cut(operand.value)
    cut = operand.value.cut
    return None if cut is None or operand.converted else operand.view.take(cut)


def _filled(node: Node, mask: str, filled: str, kept: str, shape: tuple[int, ...]) -> Bits | None:
    condition = node.operand(mask)
    bits = None if condition is None else known_condition(condition)
    rest = node.operand(kept)
    before = None if rest is None else _shown(rest)
    literal = find_literal(node, filled)
    if bits is None or literal is None:
        return None
    if literal > CUT_OFF:
        return None if before is None else np.asarray(before & ~bits)
    return _either(None if before is None else np.broadcast_to(before, shape), _spread(bits, shape))


def _spread(bits: Bits, shape: tuple[int, ...]) -> Bits:
    return np.broadcast_to(bits, shape)


def _either(first: Bits | None, second: Bits | None) -> Bits | None:
    if first is None or second is None:
        return second if first is None else first
    return np.asarray(first | second)


def _left(node: Node) -> Bits | None:
    """The scores of a softmax that have a weight; None where all have."""
    cut = _shown(node.inputs[0])
    if cut is None:
        return None
    left = ~cut
    axis = int(node.attributes["dim"])
    return np.asarray(left | ~left.any(axis=axis, keepdims=True))


def _softmax_zeros(node: Node) -> Bits | None:
    return _left(node)


def _needed(node: Node, out: Bits | None) -> tuple[Bits | None, int]:
    """The scores that are read, which are whole rows of those that are left; and how many rows."""
    axis = int(node.attributes["dim"])
    shape = output_shape(node)
    left = _left(node)
    wanted = combine(out, left)
    if wanted is None:
        return None, math.prod(shape) // max(shape[axis], 1) if shape else 1
    if not shape:
        return wanted, int(wanted.any())
    once = take_once(np.broadcast_to(wanted, shape))
    rows = np.asarray(once.any(axis=axis, keepdims=True))
    read = np.broadcast_to(rows if left is None else rows & left, shape)
    return read, count_true(np.broadcast_to(rows, (*shape[:axis], 1, *shape[axis:][1:])))


def _softmax_reads(node: Node, out: Bits | None) -> Reads:
    return [_needed(node, out)[0]]


def _softmax_live(node: Node, out: Bits | None) -> Work | None:
    read, rows = _needed(node, out)
    if read is None:
        return None
    sites = count_true(read)
    return Work(sites=sites, sites_in_bounds=sites, outputs=rows)


def _fused_live(node: Node, out: Bits | None) -> Work | None:
    """The pairs of a query and a key whose weight is not known to be zero."""
    del out
    query, key = node.inputs[0].shape, node.inputs[1].shape
    pairs = (*query[:-1], key[-2])
    bias = node.operand("attn_bias") or node.operand("attn_mask")
    cut = None if bias is None else _shown(bias)
    left = None if cut is None else take_once(np.broadcast_to(~cut, pairs))
    if node.attributes.get("is_causal", False):
        check_size(pairs[-2] * pairs[-1])
        triangle = np.tri(pairs[-2], pairs[-1], dtype=np.bool_)
        left = triangle if left is None else left & triangle
    if left is None:
        return None
    left = left | ~left.any(axis=-1, keepdims=True)
    sites = count_true(np.broadcast_to(left, pairs))
    return Work(sites=sites, sites_in_bounds=sites, outputs=math.prod(pairs[:-1]))


_SOFTMAX = Rule(_softmax_zeros, _softmax_reads, _softmax_live, plain=False)
_FUSED = Rule(lambda node: None, read_all, _fused_live, plain=False)

ATTENTION: Mapping[str, Rule] = {
    "aten._softmax": _SOFTMAX,
    "aten._safe_softmax": _SOFTMAX,
    **{
        f"aten._scaled_dot_product_{kind}": _FUSED
        for kind in (
            "fused_attention_overrideable",
            "flash_attention",
            "flash_attention_for_cpu",
            "efficient_attention",
            "cudnn_attention",
        )
    },
}
