"""Scalar rules of elementwise operators.

`add` and `mul` here are the arithmetic of two scalars; other rules use them too.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np

from smartsim.counts.records import Action
from smartsim.testing.calls import Call, scalar_rule
from smartsim.testing.memory import Operand
from smartsim.testing.scalars import Scalar, ScalarArray, elements

__all__ = ["add", "as_factor", "mul", "subtract"]


def add(call: Call, a: Scalar, b: Scalar) -> Scalar:
    """One addition; none when a summand is a known zero, the other is passed on."""
    if b.zero:
        return _unmasked(a)
    if a.zero:
        return _unmasked(b)
    return call.act(a.value + b.value, (a, b), {"add": 1})


def subtract(call: Call, a: Scalar, b: Scalar) -> Scalar:
    """One subtraction; none when a known zero is subtracted."""
    if b.zero:
        return _unmasked(a)
    return call.act(a.value - b.value, (a, b), {"add": 1})


def mul(call: Call, a: Scalar, b: Scalar) -> Scalar:
    """One multiplication; none by a known zero, nor by the one of a mask, which only gates."""
    if a.zero or b.zero:
        return call.zero()
    if a.mask:
        return b
    if b.mask:
        return a
    return call.act(a.value * b.value, (a, b), {"mul": 1})


def as_factor(call: Call, operand: Operand) -> ScalarArray:
    """An operand as a multiplication takes it.

    The number zero, also as a 0-d tensor that is known before inference, makes known zeros. A
    tensor gates only when all of it is a mask.
    """
    scalars = operand.scalars
    if scalars.ndim == 0 and operand.stage in ("deploy", "switch") and scalars.item().value == 0:
        return np.array(call.zero(), dtype=object)
    if all(s.zero or s.mask for s in elements(scalars)):
        return scalars
    return call.map(_unmasked, scalars)


def _unmasked(scalar: Scalar) -> Scalar:
    if not scalar.mask:
        return scalar
    return Scalar(scalar.value, act=scalar.act)


def _scaled(call: Call, scalars: ScalarArray, factor: str) -> ScalarArray:
    """Scalars times an op's optional factor, such as `alpha`; a factor of one costs nothing."""
    if call.arguments[factor] == 1:
        return scalars
    factors = as_factor(call, call[factor])
    return call.map(lambda a, b: mul(call, a, b), scalars, factors)


@scalar_rule("aten.add")
def _execute_add(call: Call) -> ScalarArray:
    other = _scaled(call, call["other"].scalars, "alpha")
    return call.map(lambda a, b: add(call, a, b), "self", other)


@scalar_rule("aten.sub")
def _execute_sub(call: Call) -> ScalarArray:
    other = _scaled(call, call["other"].scalars, "alpha")
    return call.map(lambda a, b: subtract(call, a, b), "self", other)


@scalar_rule("aten.rsub")
def _execute_rsub(call: Call) -> ScalarArray:
    scaled = _scaled(call, call["self"].scalars, "alpha")
    return call.map(lambda a, b: subtract(call, a, b), "other", scaled)


@scalar_rule("aten.mul")
def _execute_mul(call: Call) -> ScalarArray:
    return call.map(
        lambda a, b: mul(call, a, b),
        as_factor(call, call["self"]),
        as_factor(call, call["other"]),
    )


@scalar_rule("aten.addcmul")
def _execute_addcmul(call: Call) -> ScalarArray:
    products = call.map(
        lambda a, b: mul(call, a, b),
        as_factor(call, call["tensor1"]),
        as_factor(call, call["tensor2"]),
    )
    return call.map(lambda a, b: add(call, a, b), "self", _scaled(call, products, "value"))


@scalar_rule("aten.div")
def _execute_div(call: Call) -> ScalarArray:
    rounded: Callable[[float], float] = {
        None: lambda value: value,
        "floor": math.floor,
        "trunc": math.trunc,
    }[call.arguments.get("rounding_mode")]

    def divide(a: Scalar, b: Scalar) -> Scalar:
        if a.zero:
            return call.zero()
        quotient = a.value / b.value if b.value else math.copysign(math.inf, a.value)
        return call.act(rounded(quotient), (a, b), {"div": 1})

    return call.map(divide, "self", "other")


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > 0 else math.exp(x) / (1 + math.exp(x))


_UNARY: Mapping[str, tuple[Callable[[float], float], Mapping[Action, int], bool]] = {
    "aten.neg": (lambda x: -x, {}, True),
    "aten.abs": (abs, {}, True),
    "aten.relu": (lambda x: max(x, 0.0), {"compare": 1}, True),
    "aten.tanh": (math.tanh, {"tanh": 1}, True),
    "aten.sqrt": (math.sqrt, {"sqrt": 1}, True),
    "aten.square": (lambda x: x * x, {"mul": 1}, True),
    "aten.silu": (lambda x: x * _sigmoid(x), {"exp": 1, "add": 1, "div": 1}, True),
    "aten.sigmoid": (_sigmoid, {"exp": 1, "add": 1, "div": 1}, False),
    "aten.exp": (math.exp, {"exp": 1}, False),
    "aten.log": (math.log, {"log": 1}, False),
    "aten.rsqrt": (lambda x: 1 / math.sqrt(x), {"sqrt": 1, "div": 1}, False),
    "aten.reciprocal": (lambda x: 1 / x, {"div": 1}, False),
    "aten.sin": (math.sin, {"trig": 1}, True),
    "aten.cos": (math.cos, {"trig": 1}, False),
    "aten.erf": (math.erf, {"erf": 1}, True),
    "aten.logical_not": (lambda x: float(not x), {"logic": 1}, False),
}
"""Value, cost, and whether a known zero stays a known zero and costs nothing."""


def _execute_unary(
    call: Call,
    value: Callable[[float], float],
    actions: Mapping[Action, int],
    *,
    keeps_zeros: bool,
) -> ScalarArray:
    def execute(a: Scalar) -> Scalar:
        if a.zero and keeps_zeros:
            return call.zero()
        return call.act(value(a.value), (a,), actions)

    return call.map(execute, "self")


def _enter_unary(name: str) -> None:
    value, actions, keeps_zeros = _UNARY[name]

    @scalar_rule(name)
    def _(call: Call) -> ScalarArray:
        return _execute_unary(call, value, actions, keeps_zeros=keeps_zeros)


for _name in _UNARY:
    _enter_unary(_name)


@scalar_rule("aten.bitwise_not")
def _execute_bitwise_not(call: Call) -> ScalarArray:
    if call.results[0].dtype.is_floating_point or call.results[0].dtype.itemsize > 1:
        return _execute_unary(call, lambda x: float(~int(x)), {"logic": 1}, keeps_zeros=False)
    return _execute_unary(call, lambda x: float(not x), {"logic": 1}, keeps_zeros=False)


@scalar_rule("aten.leaky_relu")
def _execute_leaky_relu(call: Call) -> ScalarArray:
    slope = float(call.arguments["negative_slope"])
    return _execute_unary(
        call, lambda x: x if x > 0 else slope * x, {"compare": 1, "mul": 1}, keeps_zeros=True
    )


@scalar_rule("aten.gelu")
def _execute_gelu(call: Call) -> ScalarArray:
    if call.arguments["approximate"] == "tanh":
        scale = math.sqrt(2 / math.pi)
        return _execute_unary(
            call,
            lambda x: 0.5 * x * (1 + math.tanh(scale * (x + 0.044715 * x**3))),
            {"tanh": 1, "mul": 6, "add": 2},
            keeps_zeros=True,
        )
    return _execute_unary(
        call,
        lambda x: 0.5 * x * (1 + math.erf(x / math.sqrt(2))),
        {"erf": 1, "mul": 3, "add": 1},
        keeps_zeros=True,
    )


_POWERS: Mapping[float, Mapping[Action, int]] = {
    1: {},
    2: {"mul": 1},
    3: {"mul": 2},
    0.5: {"sqrt": 1},
    -0.5: {"sqrt": 1, "div": 1},
    -1: {"div": 1},
}


@scalar_rule("aten.pow")
def _execute_pow(call: Call) -> ScalarArray:
    if call["exponent"].is_number:
        exponent = call["exponent"].scalars.item().value
        return _execute_unary(
            call,
            lambda x: float(x**exponent),
            _POWERS.get(exponent, {"pow": 1}),
            keeps_zeros=exponent > 0,
        )
    return call.map(lambda a, b: call.act(a.value**b.value, (a, b), {"pow": 1}), "self", "exponent")


@scalar_rule("aten.hardtanh", "aten.clamp", "aten.clamp_min", "aten.clamp_max")
def _execute_clamp(call: Call) -> ScalarArray:
    low = call.get("min") or call.get("min_val")
    high = call.get("max") or call.get("max_val")
    bounds = [bound for bound in (low, high) if bound is not None]

    def clamp(a: Scalar, *limits: Scalar) -> Scalar:
        value = a.value
        if low is not None:
            value = max(value, limits[0].value)
        if high is not None:
            value = min(value, limits[-1].value)
        if a.zero and value == 0 and call.site.op == "aten.hardtanh":
            return call.zero()
        return call.act(value, (a, *limits), {"compare": len(bounds)})

    return call.map(clamp, "self", *(bound.scalars for bound in bounds))


_COMPARISONS: Mapping[str, tuple[Callable[[float, float], float], Action]] = {
    "aten.gt": (lambda a, b: a > b, "compare"),
    "aten.ge": (lambda a, b: a >= b, "compare"),
    "aten.lt": (lambda a, b: a < b, "compare"),
    "aten.le": (lambda a, b: a <= b, "compare"),
    "aten.eq": (lambda a, b: a == b, "compare"),
    "aten.ne": (lambda a, b: a != b, "compare"),
    "aten.maximum": (max, "compare"),
    "aten.minimum": (min, "compare"),
    "aten.logical_and": (lambda a, b: bool(a) and bool(b), "logic"),
    "aten.logical_or": (lambda a, b: bool(a) or bool(b), "logic"),
    "aten.logical_xor": (lambda a, b: bool(a) != bool(b), "logic"),
    "aten.bitwise_and": (lambda a, b: int(a) & int(b), "logic"),
    "aten.bitwise_or": (lambda a, b: int(a) | int(b), "logic"),
    "aten.bitwise_xor": (lambda a, b: int(a) ^ int(b), "logic"),
}


def _enter_comparison(name: str) -> None:
    value, action = _COMPARISONS[name]

    @scalar_rule(name)
    def _(call: Call) -> ScalarArray:
        return call.map(
            lambda a, b: call.act(float(value(a.value, b.value)), (a, b), {action: 1}),
            "self",
            "other",
        )


for _name in _COMPARISONS:
    _enter_comparison(_name)
