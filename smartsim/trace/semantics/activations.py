"""Functions of one tensor over known zeros: activations, powers, roots, clamps."""

from collections.abc import Callable, Mapping

from smartsim.graph import Work
from smartsim.trace.record.geometry import Bits
from smartsim.trace.record.tape import Node
from smartsim.trace.semantics.rule import (
    POINTWISE,
    ZERO_PRESERVING,
    Reads,
    Rule,
    live_first,
    live_pointwise,
    read_first,
    read_pointwise,
    zeros_first,
)

__all__ = ["ACTIVATIONS"]


def _preserving_if(keeps_zero: Callable[[Node], bool]) -> Rule:
    """A function of one tensor that is zero-preserving or not by its settings."""

    def zeros(node: Node) -> Bits | None:
        return zeros_first(node) if keeps_zero(node) else None

    def reads(node: Node, out: Bits | None) -> Reads:
        return read_first(node, out) if keeps_zero(node) else read_pointwise(node, out)

    def live(node: Node, out: Bits | None) -> Work | None:
        return live_first(node, out) if keeps_zero(node) else live_pointwise(node, out)

    return Rule(zeros, reads, live)


def _is_positive_power(node: Node) -> bool:
    """A positive power of zero is zero; the zeroth power is one."""
    exponent = node.attributes.get("exponent", 0)
    return isinstance(exponent, int | float) and exponent > 0


def _spans_zero(node: Node) -> bool:
    """Whether the bounds of a hardtanh leave zero where it is."""
    return bool(node.attributes.get("min_val", -1) <= 0 <= node.attributes.get("max_val", 1))


_POINTWISE_OPS = """
    acos cosh log10 erfinv threshold exp exp2 expm1 log log1p log2 cos erfc sigmoid softplus
    hardsigmoid reciprocal rsqrt clamp clamp_min clamp_max isnan isinf log_sigmoid_forward
    logit mish celu
""".split()

_ZERO_PRESERVING_OPS = """
    frac sgn relu leaky_relu relu6 gelu silu tanh hardswish neg abs sqrt square sin sinh tan
    asin atan erf sign trunc round floor ceil elu selu softshrink hardshrink prelu
    _prelu_kernel deg2rad nan_to_num
""".split()

ACTIVATIONS: Mapping[str, Rule] = {
    **{f"aten.{name}": POINTWISE for name in _POINTWISE_OPS},
    **{f"aten.{name}": ZERO_PRESERVING for name in _ZERO_PRESERVING_OPS},
    "aten.hardtanh": _preserving_if(_spans_zero),
    "aten.pow": _preserving_if(_is_positive_power),
}
