"""Reshapes, copies, concatenations and paddings: every output element is one input
element, or a constant.
"""

from collections.abc import Mapping

import numpy as np

from smartsim.trace.record.geometry import Bits
from smartsim.trace.record.tape import Node
from smartsim.trace.semantics.rule import (
    Reads,
    Rule,
    live_first,
    live_pointwise,
    output_shape,
    read_all,
    read_first,
    zeros_first,
)

__all__ = ["LAYOUT"]


def _zeros_reshape(node: Node) -> Bits | None:
    bits = node.inputs[0].bits
    return None if bits is None else bits.reshape(output_shape(node))


def _read_reshape(node: Node, out: Bits | None) -> Reads:
    return [None if out is None else out.reshape(operand.shape) for operand in node.inputs]


def _zeros_clone(node: Node) -> Bits | None:
    node.outputs[0].value.mask = node.outputs[0].view.is_whole and node.inputs[0].value.mask
    return zeros_first(node)


def _parts(node: Node) -> list[tuple[slice | int, ...]]:
    """Where each input of a concatenation or a stack lies in its output."""
    axis = int(node.attributes.get("dim", 0)) % len(output_shape(node))
    if node.name == "aten.stack":
        return [(*(slice(None),) * axis, place) for place in range(len(node.inputs))]
    places: list[tuple[slice | int, ...]] = []
    start = 0
    for operand in node.inputs:
        size = operand.shape[axis] if len(operand.shape) == len(output_shape(node)) else 0
        places.append((*(slice(None),) * axis, slice(start, start + size)))
        start += size
    return places


def _zeros_cat(node: Node) -> Bits | None:
    if all(operand.bits is None for operand in node.inputs):
        return None
    bits = np.ones(output_shape(node), dtype=np.bool_)
    for operand, place in zip(node.inputs, _parts(node), strict=True):
        if operand.bits is not None:
            bits[place] = operand.bits
    return bits


def _read_cat(node: Node, out: Bits | None) -> Reads:
    if out is None:
        return read_all(node, out)
    places = zip(node.inputs, _parts(node), strict=True)
    return [out[place].reshape(o.shape) if o.view.shape != (0,) else None for o, place in places]


def _padded(node: Node) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Where the input lies in a padded output, and which part of the input that is."""
    pads, shape = node.attributes["pad"], node.inputs[0].shape
    inside, kept = [], []
    for axis, size in enumerate(shape):
        place = 2 * (len(shape) - 1 - axis)  # pairs stand from the last dimension to the first
        before, after = pads[place : place + 2] if place < len(pads) else (0, 0)
        inside.append(slice(max(before, 0), max(before, 0) + size + min(before, 0) + min(after, 0)))
        kept.append(slice(max(-before, 0), size - max(-after, 0)))
    return tuple(inside), tuple(kept)


def _zeros_pad(node: Node) -> Bits | None:
    bits, constant = node.inputs[0].bits, node.attributes.get("value", 0) != 0
    if bits is None and constant:
        return None
    inside, kept = _padded(node)
    padded = np.full(output_shape(node), constant)
    padded[inside] = True if bits is None else bits[kept]
    return padded


def _read_pad(node: Node, out: Bits | None) -> Reads:
    inside, kept = _padded(node)
    read = np.zeros(node.inputs[0].shape, dtype=np.bool_)
    read[kept] = True if out is None else out[inside]
    return [read]


LAYOUT: Mapping[str, Rule] = {
    **{
        f"aten.{name}": Rule(_zeros_clone, read_first, live_first)
        for name in ("clone", "_to_copy", "alias_copy", "lift_fresh_copy")
    },
    **{
        f"aten.{name}": Rule(_zeros_reshape, _read_reshape, live_pointwise)
        for name in ("_unsafe_view", "view_copy", "_reshape_copy")
    },
    "aten.constant_pad_nd": Rule(_zeros_pad, _read_pad, live_pointwise, plain=False),
    "aten.cat": Rule(_zeros_cat, _read_cat, live_pointwise),
    "aten.stack": Rule(_zeros_cat, _read_cat, live_pointwise),
}
