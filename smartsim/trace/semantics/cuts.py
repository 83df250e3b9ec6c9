"""Thresholds of what is known before inference: the zeros that they make are structure.

`relu(p)`, `clamp(p, 0, 1)`, `softshrink(p)`, `maximum(p, 0)` of a parameter, of the condition, or
of what follows from these alone, put elements at exactly zero because the code says so: gates that
are off (hard-concrete L0), weights below a threshold. That is where chance ends. A zero that a
parameter holds, that a sum happens to give, or that rounding gives, is none until the user declares
it.
"""

from collections.abc import Callable, Mapping

from smartsim.trace.record.evaluate import compute, plain_torch
from smartsim.trace.record.geometry import Bits
from smartsim.trace.record.tape import Node
from smartsim.trace.semantics.literals import find_literal
from smartsim.trace.semantics.rule import Rule, combine, read_pointwise, sites

__all__ = ["CUT", "cuts_known"]


def _always(_: Node) -> bool:
    return True


def _by(*arguments: str) -> Callable[[Node], bool]:
    """Whether one of the arguments is the literal zero."""
    return lambda node: any(find_literal(node, name) == 0 for name in arguments)


_CUTS: Mapping[str, Callable[[Node], bool]] = {
    **{
        f"aten.{name}": _always
        for name in ("relu", "relu6", "hardshrink", "softshrink", "hardsigmoid", "hardswish")
    },
    **{f"aten.{name}": _by("min", "max") for name in ("clamp", "clamp_min", "clamp_max")},
    "aten.hardtanh": _by("min_val", "max_val"),
    "aten.threshold": _by("value"),
    "aten.heaviside": _by("values"),
    **{f"aten.{name}": _by("self", "other") for name in ("maximum", "minimum", "fmax", "fmin")},
}


def cuts_known(node: Node) -> bool:
    """Whether an op is a threshold at zero, of what is known before inference."""
    cut = _CUTS.get(node.name)
    return cut is not None and node.outputs[0].value.known and cut(node)


def _zeros(node: Node) -> Bits | None:
    output = node.outputs[0]
    content = compute(output.value)
    with plain_torch():
        bits: Bits = (content != 0).cpu().numpy()
    return output.view.take(bits)


def _live_bits(node: Node, out: Bits | None) -> Bits | None:
    """An element that is cut is not computed: where it lies is known before."""
    return combine(out, node.outputs[0].bits)


CUT = Rule(
    _zeros,
    lambda node, out: read_pointwise(node, _live_bits(node, out)),
    lambda node, out: sites(node, _live_bits(node, out)),
    plain=False,
)
