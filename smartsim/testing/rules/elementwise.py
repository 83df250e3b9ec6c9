"""Scalar rules of arithmetic and comparisons, element by element.

`add` and `mul` here are the arithmetic of two scalars; other rules use them too.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import torch

from smartsim.counts.records import Action
from smartsim.testing.calls import Call, scalar_rule
from smartsim.testing.memory import Operand
from smartsim.testing.scalars import Scalar, ScalarArray

__all__ = ["CUT_OFF", "add", "as_factor", "cut_off", "mul", "subtract"]


CUT_OFF = -1e30
"""From here downwards, a known summand leaves a score no weight in a softmax."""


def add(call: Call, a: Scalar, b: Scalar) -> Scalar:
    """One addition; none when a summand is a known zero, the other is passed on."""
    if b.zero:
        return a
    if a.zero:
        return b
    return call.act(a.value + b.value, (a, b), {"add": 1})


def subtract(call: Call, a: Scalar, b: Scalar) -> Scalar:
    """One subtraction; none of a known zero, and from one only the sign changes."""
    if b.zero:
        return a
    if a.zero:
        return call.act(-b.value, (b,), {})
    return call.act(a.value - b.value, (a, b), {"add": 1})


def mul(call: Call, a: Scalar, b: Scalar) -> Scalar:
    """One multiplication; none by a known zero, nor by the one of a mask, which only gates."""
    if a.zero or b.zero:
        return call.zero()
    if a.gate and b.gate:
        return Scalar(1.0)
    if a.gate or b.gate:
        return b if a.gate else a
    return call.act(a.value * b.value, (a, b), {"mul": 1})


def as_factor(call: Call, operand: Operand) -> ScalarArray:
    """An operand as a multiplication takes it.

    A mask becomes known zeros and gates: what made it is known before the product is. The number
    zero, also as a 0-d tensor that is known before inference, makes known zeros.
    """
    scalars = operand.scalars
    if operand.is_mask:
        return call.map(lambda s: Scalar(1.0, gate=True) if s.value else call.zero(), scalars)
    if scalars.ndim == 0 and operand.stage in ("deploy", "switch") and scalars.item().value == 0:
        return np.array(call.zero(), dtype=object)
    return scalars


def _scaled(call: Call, scaled: str | ScalarArray, factor: str = "alpha") -> ScalarArray:
    """Scalars times an op's optional factor; one costs nothing, nor does one of a number."""
    number = float(call.arguments[factor])
    if isinstance(scaled, str) and call[scaled].is_number:
        return np.array(Scalar(number * call[scaled].scalars.item().value), dtype=object)
    scalars = call[scaled].scalars if isinstance(scaled, str) else scaled
    if number == 1:
        return scalars
    everywhere = np.broadcast_to(scalars, tuple(call.results[0].shape))
    return call.map(
        lambda a: call.zero() if a.zero else call.act(number * a.value, (a,), {"mul": 1}),
        everywhere,
    )


@scalar_rule("aten.add")
def _execute_add(call: Call) -> ScalarArray:
    if 0 in (call.literal("other"), call.arguments["alpha"]) and call.skips_zeros:
        return call.passes("self")
    if call.literal("self") == 0 and call.arguments["alpha"] == 1:
        return call.passes("other")
    other = _scaled(call, "other")
    known = [call[name].stage in ("deploy", "switch") for name in ("self", "other")]

    def execute(a: Scalar, b: Scalar) -> Scalar:
        cut = [s.cut or (k and s.value <= CUT_OFF) for s, k in zip((a, b), known, strict=True)]
        made = add(call, a, b)
        return replace(made, cut=True) if call.skips_zeros and any(cut) else made

    return call.map(execute, "self", other)


@scalar_rule("aten.sub")
def _execute_sub(call: Call) -> ScalarArray:
    if 0 in (call.literal("other"), call.arguments["alpha"]) and call.skips_zeros:
        return call.passes("self")
    if call.literal("self") == 0 and call.arguments["alpha"] == 1:
        return call.passes("other", sign=-1)
    other = _scaled(call, "other")
    return call.map(lambda a, b: subtract(call, a, b), "self", other)


@scalar_rule("aten.rsub")
def _execute_rsub(call: Call) -> ScalarArray:
    if call.arguments["alpha"] == 0 and call.skips_zeros:
        return call.passes("other")
    if call.literal("other") == 0 and call.arguments["alpha"] == 1:
        return call.passes("self", sign=-1)
    scaled = _scaled(call, "self")
    return call.map(lambda a, b: subtract(call, a, b), "other", scaled)


@scalar_rule("aten.mul")
def _execute_mul(call: Call) -> ScalarArray:
    if 0 in (call.literal("self"), call.literal("other")):
        return call.constant(0.0)
    for name, partner in (("other", "self"), ("self", "other")):
        if call.literal(name) == 1:
            return call.passes(partner)
    return call.map(
        lambda a, b: mul(call, a, b),
        as_factor(call, call["self"]),
        as_factor(call, call["other"]),
    )


@scalar_rule("aten.addcmul")
def _execute_addcmul(call: Call) -> ScalarArray:
    if call.arguments["value"] == 0 and call.skips_zeros:
        return call.passes("self")
    products = call.map(
        lambda a, b: mul(call, a, b),
        as_factor(call, call["tensor1"]),
        as_factor(call, call["tensor2"]),
    )
    return call.map(lambda a, b: add(call, a, b), "self", _scaled(call, products, "value"))


@scalar_rule("aten.div")
def _execute_div(call: Call) -> ScalarArray:
    whole = not call.arguments["self"].is_floating_point()
    if call.literal("self") == 0:
        return call.constant(0.0)
    if call.literal("other") == 1 and (whole or not call.arguments.get("rounding_mode")):
        return call.passes("self")
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


_COMPARISONS: Mapping[str, tuple[Callable[[float, float], float], Action]] = {
    "aten.gt": (lambda a, b: a > b, "compare"),
    "aten.ge": (lambda a, b: a >= b, "compare"),
    "aten.lt": (lambda a, b: a < b, "compare"),
    "aten.le": (lambda a, b: a <= b, "compare"),
    "aten.eq": (lambda a, b: a == b, "compare"),
    "aten.ne": (lambda a, b: a != b, "compare"),
    "aten.maximum": (max, "compare"),
    "aten.minimum": (min, "compare"),
    "aten.fmax": (max, "compare"),
    "aten.fmin": (min, "compare"),
    "aten.atan2": (math.atan2, "trig"),
    "aten.remainder": (lambda a, b: a - b * math.floor(a / b), "div"),
    "aten.fmod": (math.fmod, "div"),
    "aten.logical_and": (lambda a, b: bool(a) and bool(b), "logic"),
    "aten.logical_or": (lambda a, b: bool(a) or bool(b), "logic"),
    "aten.logical_xor": (lambda a, b: bool(a) != bool(b), "logic"),
    "aten.bitwise_and": (lambda a, b: int(a) & int(b), "logic"),
    "aten.bitwise_or": (lambda a, b: int(a) | int(b), "logic"),
    "aten.bitwise_xor": (lambda a, b: int(a) ^ int(b), "logic"),
}


_EXTREMES = {"aten.maximum": 1, "aten.fmax": 1, "aten.minimum": -1, "aten.fmin": -1}


def _decide_by_literal(call: Call) -> ScalarArray | None:
    """The result where a literal leaves nothing to compare or to combine."""
    for name, partner in (("other", "self"), ("self", "other")):
        literal = call.literal(name)
        if literal is None:
            continue
        if call.site.op in _EXTREMES:
            sign = _EXTREMES[call.site.op]
            if literal == -sign * math.inf:
                return call.passes(partner)
            if literal == sign * math.inf:
                return call.constant(literal)
        if not all(_is_boolean(call.arguments[given]) for given in ("self", "other")):
            continue
        kind = call.site.op.rpartition("_")[2]
        if (kind, literal) in (("and", 1), ("or", 0), ("xor", 0)):
            return call.passes(partner)
        if (kind, literal) in (("and", 0), ("or", 1)):
            return call.constant(literal)
    return None


def _is_boolean(argument: object) -> bool:
    return argument is True or argument is False or getattr(argument, "dtype", None) == torch.bool


def cut_off(call: Call, scalar: Scalar, *, cuts: bool) -> Scalar:
    """What a threshold made; a zero of what was known before inference is known as well."""
    known = cuts and call.site.stage in ("deploy", "switch")
    return call.zero() if known and call.skips_zeros and scalar.value == 0 else scalar


def _enter_comparison(name: str) -> None:
    value, action = _COMPARISONS[name]

    @scalar_rule(name)
    def _(call: Call) -> ScalarArray:
        decided = _decide_by_literal(call)
        if decided is not None:
            return decided
        cuts = name in _EXTREMES and 0 in (call.literal("self"), call.literal("other"))
        return call.map(
            lambda a, b: cut_off(
                call, call.act(float(value(a.value, b.value)), (a, b), {action: 1}), cuts=cuts
            ),
            "self",
            "other",
        )


for _name in _COMPARISONS:
    _enter_comparison(_name)


@scalar_rule("aten.heaviside")
def _execute_heaviside(call: Call) -> ScalarArray:
    def step(a: Scalar, b: Scalar) -> Scalar:
        made = b.value if a.value == 0 else float(a.value > 0)
        return cut_off(call, call.act(made, (a, b), {"compare": 1}), cuts=cuts)

    cuts = call.literal("values") == 0
    return call.map(step, "self", "values")


@scalar_rule("aten.floor_divide")
def _execute_floor_divide(call: Call) -> ScalarArray:
    if call.literal("self") == 0:
        return call.constant(0.0)
    if call.literal("other") == 1 and not call.arguments["self"].is_floating_point():
        return call.passes("self")

    def divide(a: Scalar, b: Scalar) -> Scalar:
        return call.act(float(math.floor(a.value / b.value)), (a, b), {"div": 1})

    return call.map(divide, "self", "other")


@scalar_rule("aten.lerp")
def _execute_lerp(call: Call) -> ScalarArray:
    if call.literal("weight") in (0, 1):
        return call.passes("end" if call.literal("weight") else "self")

    def mix(a: Scalar, b: Scalar, w: Scalar) -> Scalar:
        return call.act(a.value + w.value * (b.value - a.value), (a, b, w), {"mul": 1, "add": 2})

    return call.map(mix, "self", "end", "weight")


@scalar_rule("aten.addcdiv")
def _execute_addcdiv(call: Call) -> ScalarArray:
    factor = float(call.arguments.get("value", 1))
    if factor == 0 and call.skips_zeros:
        return call.passes("self")
    actions: dict[Action, int] = {"div": 1, "add": 1}
    if factor != 1:
        actions["mul"] = 1

    def execute(a: Scalar, b: Scalar, c: Scalar) -> Scalar:
        return call.act(a.value + factor * b.value / c.value, (a, b, c), actions)

    return call.map(execute, "self", "tensor1", "tensor2")
