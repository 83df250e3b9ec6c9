"""Numbers in the code that leave an operation nothing to do: 0 + x, x * 1, x ** 0, max(x, -inf).

A literal is a Python number, a tensor that the forward pass fills with one number, or a 0-d
constant. A value that merely happens to be 0 or 1, of a parameter or of the condition, is none.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch

from smartsim.trace.record.evaluate import compute
from smartsim.trace.record.geometry import Bits
from smartsim.trace.record.tape import Node, Operand, narrow
from smartsim.trace.semantics.rule import Rule, output_shape, sites

__all__ = ["LITERALS", "find_literal", "literal_of"]

_FILLS = {
    **{f"aten.{name}": 0.0 for name in ("zeros", "zeros_like", "new_zeros", "zero")},
    **{f"aten.{name}": 1.0 for name in ("ones", "ones_like", "new_ones")},
}


def literal_of(operand: Operand) -> float | None:
    """The one number that a tensor was filled with in the code, if it was."""
    value = operand.value
    node = value.node
    if operand.converted:
        return None
    if node is None:
        is_constant = value.role == "constant" and value.size == 1 and value.leaf is not None
        return _as_number(compute(value).item()) if is_constant else None
    if node.name in _FILLS:
        whole = not node.in_place or node.outputs[0].view.is_whole
        return _FILLS[node.name] if whole else None
    if node.in_place or node.inputs:
        return None
    return _as_number(node.attributes.get("fill_value", node.attributes.get("s")))


def find_literal(node: Node, argument: str) -> float | None:
    """The literal that stands for an argument of an op, if one does."""
    if argument in node.attributes:
        return _as_number(node.attributes[argument])
    operand = node.operand(argument)
    return None if operand is None else literal_of(operand)


def _as_number(value: object) -> float | None:
    if isinstance(value, int | float):
        try:
            return float(value)
        except OverflowError:
            return None
    return None


def _copy(argument: str) -> Rule:
    """The op passes one operand on, perhaps with its sign changed, and computes nothing."""

    def zeros(node: Node) -> Bits | None:
        source = node.operand(argument)
        bits = None if source is None else source.bits
        return None if bits is None else np.broadcast_to(bits, output_shape(node))

    def reads(node: Node, out: Bits | None) -> list[Bits | None]:
        return [
            narrow(out, operand) if operand.argument == argument else _nothing_of(operand)
            for operand in node.inputs
        ]

    return Rule(zeros, reads, lambda node, _: sites(node, np.zeros((), np.bool_)), plain=False)


def _constant(*, is_zero: bool) -> Rule:
    """The op's result is known whatever its operands are: it reads none and computes nothing."""

    def zeros(node: Node) -> Bits | None:
        return np.zeros(output_shape(node), dtype=np.bool_) if is_zero else None

    return Rule(
        zeros,
        lambda node, _: [_nothing_of(operand) for operand in node.inputs],
        lambda node, _: sites(node, np.zeros((), np.bool_)),
        plain=False,
    )


def _nothing_of(operand: Operand) -> Bits:
    return np.zeros(operand.shape, dtype=np.bool_)


_FIRST, _SECOND = _copy("self"), _copy("other")
_ZERO, _KNOWN = _constant(is_zero=True), _constant(is_zero=False)


def _sum(node: Node) -> Rule | None:
    alpha = node.attributes.get("alpha", 1)
    if alpha == 0 or find_literal(node, "other") == 0:
        return _FIRST
    if alpha == 1 and find_literal(node, "self") == 0:
        return _SECOND  # of a difference, with its sign changed
    return None


def _reversed_difference(node: Node) -> Rule | None:
    """`other - alpha * self`."""
    alpha = node.attributes.get("alpha", 1)
    if alpha == 0:
        return _SECOND if node.operand("other") else _KNOWN
    return _FIRST if alpha == 1 and find_literal(node, "other") == 0 else None


def _product(node: Node) -> Rule | None:
    first, second = find_literal(node, "self"), find_literal(node, "other")
    if 0 in (first, second):
        return _ZERO
    return _FIRST if second == 1 else _SECOND if first == 1 else None


def _quotient(node: Node) -> Rule | None:
    if find_literal(node, "self") == 0:
        return _ZERO
    exact = node.attributes.get("rounding_mode") is None and node.name == "aten.div"
    whole = not (node.outputs[0].dtype.is_floating_point or node.outputs[0].dtype.is_complex)
    return _FIRST if find_literal(node, "other") == 1 and (exact or whole) else None


def _power(node: Node) -> Rule | None:
    exponent = find_literal(node, "exponent")
    if exponent == 0 or find_literal(node, "self") == 1:
        return _KNOWN
    return _FIRST if exponent == 1 else None


def _bounded(low: str, high: str) -> Callable[[Node], Rule | None]:
    def choose(node: Node) -> Rule | None:
        given = [(name, sign) for name, sign in ((low, -1), (high, 1)) if _is_given(node, name)]
        open_ended = all(find_literal(node, name) == sign * math.inf for name, sign in given)
        return _FIRST if open_ended else None

    return choose


def _is_given(node: Node, argument: str) -> bool:
    return node.attributes.get(argument) is not None or node.operand(argument) is not None


def _extreme(neutral: float) -> Callable[[Node], Rule | None]:
    def choose(node: Node) -> Rule | None:
        first, second = find_literal(node, "self"), find_literal(node, "other")
        if -neutral in (first, second):
            return _KNOWN
        return _FIRST if second == neutral else _SECOND if first == neutral else None

    return choose


def _mixture(node: Node) -> Rule | None:
    """`self + weight * (end - self)`."""
    weight = find_literal(node, "weight")
    return _FIRST if weight == 0 else _copy("end") if weight == 1 else None


def _sum_of_product(node: Node) -> Rule | None:
    return _FIRST if node.attributes.get("value", 1) == 0 else None


def _logic(neutral: bool, result: bool | None) -> Callable[[Node], Rule | None]:
    """Of booleans; `result` is what the other truth makes of anything."""

    def choose(node: Node) -> Rule | None:
        if any(operand.dtype != torch.bool for operand in node.inputs):
            return None
        first, second = find_literal(node, "self"), find_literal(node, "other")
        if result is not None and float(not neutral) in (first, second):
            return _KNOWN if result else _ZERO
        return _FIRST if second == neutral else _SECOND if first == neutral else None

    return choose


LITERALS: Mapping[str, Callable[[Node], Rule | None]] = {
    "aten.add": _sum,
    "aten.sub": _sum,
    "aten.rsub": _reversed_difference,
    "aten.mul": _product,
    "aten.div": _quotient,
    "aten.floor_divide": _quotient,
    "aten.pow": _power,
    "aten.clamp": _bounded("min", "max"),
    "aten.clamp_min": _bounded("min", "max"),
    "aten.clamp_max": _bounded("min", "max"),
    "aten.hardtanh": _bounded("min_val", "max_val"),
    "aten.maximum": _extreme(-math.inf),
    "aten.fmax": _extreme(-math.inf),
    "aten.minimum": _extreme(math.inf),
    "aten.fmin": _extreme(math.inf),
    "aten.lerp": _mixture,
    "aten.addcmul": _sum_of_product,
    "aten.addcdiv": _sum_of_product,
    **{f"aten.{kind}_and": _logic(neutral=True, result=False) for kind in ("bitwise", "logical")},
    **{f"aten.{kind}_or": _logic(neutral=False, result=True) for kind in ("bitwise", "logical")},
    **{f"aten.{kind}_xor": _logic(neutral=False, result=None) for kind in ("bitwise", "logical")},
}
"""Operator -> the rule of a node in which a literal leaves nothing to do, or None."""
