"""Arithmetic, comparisons and logic of two tensors over known zeros, element by element."""

import math
from collections.abc import Mapping

import numpy as np

from smartsim.graph import Work
from smartsim.trace.record.geometry import Bits
from smartsim.trace.record.tape import Node, narrow
from smartsim.trace.semantics.known import find_mask, is_scalar_zero
from smartsim.trace.semantics.rule import (
    POINTWISE,
    ZERO_PRESERVING,
    Reads,
    Rule,
    combine,
    output_shape,
    read_pointwise,
    sites,
)

__all__ = ["ELEMENTWISE"]

# Sums: a sum with one known zero is a copy, of two it is zero.


def _zeros_add(node: Node) -> Bits | None:
    if len(node.inputs) < 2:
        return None
    first, second = node.inputs[0].bits, node.inputs[1].bits
    if first is None or second is None:
        return None
    return np.asarray(first | second)


def _live_add(node: Node, out: Bits | None) -> Work | None:
    """Additions where no summand is zero; a factor `alpha` acts where what it scales is not."""
    sums = sites(node, out, *(operand.bits for operand in node.inputs))
    scaled = node.operand("self" if node.name == "aten.rsub" else "other")
    if sums is None or scaled is None or node.attributes.get("alpha", 1) == 1:
        return sums
    products = sites(node, out, scaled.bits)
    number = math.prod(output_shape(node)) if products is None else products.sites
    return Work(sites=number, sites_in_bounds=number, outputs=sums.outputs)


# Products: with a known zero a product is zero, with a mask's one it is a copy.


def _zeros_mul(node: Node) -> Bits | None:
    if is_scalar_zero(node):
        return np.zeros(output_shape(node), dtype=np.bool_)
    masks = [find_mask(operand) for operand in node.inputs]
    if any(masks):
        node.gating = True
        node.outputs[0].value.mask = node.outputs[0].view.is_whole and masks == [True, True]
    bits: Bits | None = None
    for operand in node.inputs:
        bits = combine(bits, operand.bits)
    return None if bits is None else np.broadcast_to(bits, output_shape(node))


def _read_mul(node: Node, out: Bits | None) -> Reads:
    if is_scalar_zero(node):
        return [np.zeros(operand.shape, dtype=np.bool_) for operand in node.inputs]
    wanted = out
    for operand in node.inputs:
        wanted = combine(wanted, operand.bits)
    if wanted is not None:
        wanted = np.broadcast_to(wanted, output_shape(node))
    return [
        np.zeros(operand.shape, dtype=np.bool_)
        if node.gating and operand.value.mask
        else narrow(wanted, operand)
        for operand in node.inputs
    ]


def _live_mul(node: Node, out: Bits | None) -> Work | None:
    if is_scalar_zero(node):
        return Work(sites=0, sites_in_bounds=0, outputs=0)
    return sites(node, out, *(operand.bits for operand in node.inputs))


def _factors_bits(node: Node) -> Bits | None:
    first, second = (node.inputs[place].bits for place in (1, 2))
    product = combine(first, second)
    return None if product is None else np.broadcast_to(product, output_shape(node))


def _zeros_addcmul(node: Node) -> Bits | None:
    start, product = node.inputs[0].bits, _factors_bits(node)
    return None if start is None or product is None else np.asarray(start | product)


def _read_addcmul(node: Node, out: Bits | None) -> Reads:
    start, *factors = node.inputs
    wanted = combine(out, _factors_bits(node))
    return [narrow(out, start), *(narrow(wanted, factor) for factor in factors)]


def _live_addcmul(node: Node, out: Bits | None) -> Work | None:
    """Products where no factor is zero, each added unless to a zero."""
    products = sites(node, out, _factors_bits(node))
    sums = sites(node, out, _factors_bits(node), node.inputs[0].bits)
    if sums is None:
        return None
    number = math.prod(output_shape(node)) if products is None else products.sites
    return Work(sites=number, sites_in_bounds=number, outputs=sums.outputs)


_POINTWISE_OPS = """
    fmax fmin heaviside floor_divide eq ne gt ge lt le maximum minimum logical_and
    logical_or logical_xor logical_not bitwise_and bitwise_or bitwise_xor bitwise_not
    remainder fmod atan2 lerp add_scalar addcdiv
""".split()

ELEMENTWISE: Mapping[str, Rule] = {
    **{f"aten.{name}": POINTWISE for name in _POINTWISE_OPS},
    **{
        f"aten.{name}": Rule(_zeros_add, read_pointwise, _live_add)
        for name in ("add", "sub", "rsub")
    },
    "aten.div": ZERO_PRESERVING,
    "aten.mul": Rule(_zeros_mul, _read_mul, _live_mul),
    "aten.addcmul": Rule(_zeros_addcmul, _read_addcmul, _live_addcmul),
}
