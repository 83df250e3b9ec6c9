"""Reshapes, copies and concatenations: every output element is one input element."""

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


LAYOUT: Mapping[str, Rule] = {
    **{
        f"aten.{name}": Rule(_zeros_clone, read_first, live_first)
        for name in ("clone", "_to_copy", "alias_copy", "lift_fresh_copy")
    },
    **{
        f"aten.{name}": Rule(_zeros_reshape, _read_reshape, live_pointwise)
        for name in ("_unsafe_view", "view_copy", "_reshape_copy")
    },
    "aten.cat": Rule(_zeros_cat, _read_cat, live_pointwise),
    "aten.stack": Rule(_zeros_cat, _read_cat, live_pointwise),
}
