"""Scalar rules of functions of one tensor: activations, powers, roots, clamps."""

import math
from collections.abc import Callable, Mapping
from statistics import NormalDist

from smartsim.counts.records import Action
from smartsim.testing.calls import Call, scalar_rule
from smartsim.testing.rules.elementwise import cut_off
from smartsim.testing.scalars import Scalar, ScalarArray

__all__: list[str] = []


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > 0 else math.exp(x) / (1 + math.exp(x))


def _softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def _hardsigmoid(x: float) -> float:
    return min(max(x + 3, 0.0), 6.0) / 6


def _sign(x: float) -> float:
    return float((x > 0) - (x < 0))


def _erfinv(x: float) -> float:
    return NormalDist().inv_cdf((x + 1) / 2) / math.sqrt(2)


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
    "aten.softplus": (_softplus, {"exp": 1, "add": 1, "log": 1, "compare": 1}, False),
    "aten.hardsigmoid": (_hardsigmoid, {"add": 1, "compare": 2, "mul": 1}, False),
    "aten.hardswish": (lambda x: x * _hardsigmoid(x), {"add": 1, "compare": 2, "mul": 2}, True),
    "aten.logical_not": (lambda x: float(not x), {"logic": 1}, False),
    "aten.asin": (math.asin, {"trig": 1}, True),
    "aten.acos": (math.acos, {"trig": 1}, False),
    "aten.atan": (math.atan, {"trig": 1}, True),
    "aten.tan": (math.tan, {"trig": 1}, True),
    "aten.sinh": (math.sinh, {"exp": 2, "add": 1, "mul": 1}, True),
    "aten.cosh": (math.cosh, {"exp": 2, "add": 1, "mul": 1}, False),
    "aten.exp2": (lambda x: 2.0**x, {"exp": 1}, False),
    "aten.expm1": (math.expm1, {"exp": 1, "add": 1}, False),
    "aten.log2": (math.log2, {"log": 1}, False),
    "aten.log10": (math.log10, {"log": 1}, False),
    "aten.log1p": (math.log1p, {"log": 1, "add": 1}, False),
    "aten.logit": (lambda x: math.log(x / (1 - x)), {"log": 1, "add": 1, "div": 1}, False),
    "aten.erfc": (math.erfc, {"erf": 1}, False),
    "aten.erfinv": (_erfinv, {"erf": 1}, False),
    "aten.mish": (
        lambda x: x * math.tanh(_softplus(x)),
        {"exp": 1, "add": 1, "log": 1, "tanh": 1, "mul": 1},
        False,
    ),
    "aten.sign": (_sign, {"compare": 1}, True),
    "aten.sgn": (_sign, {"compare": 1}, True),
    "aten.floor": (lambda x: float(math.floor(x)), {"add": 1}, True),
    "aten.ceil": (lambda x: float(math.ceil(x)), {"add": 1}, True),
    "aten.trunc": (lambda x: float(math.trunc(x)), {"add": 1}, True),
    "aten.frac": (lambda x: math.fmod(x, 1.0), {"add": 1}, True),
    "aten.isnan": (lambda x: float(math.isnan(x)), {"compare": 1}, False),
    "aten.isinf": (lambda x: float(math.isinf(x)), {"compare": 1}, False),
}
"""Value, cost, and whether a known zero stays a known zero and costs nothing."""


_CUTS = frozenset(
    f"aten.{name}"
    for name in ("relu", "relu6", "hardshrink", "softshrink", "hardsigmoid", "hardswish")
)
"""Functions that put whole ranges at exactly zero."""


def _execute_unary(
    call: Call,
    value: Callable[[float], float],
    actions: Mapping[Action, int],
    *,
    keeps_zeros: bool,
    cuts: bool = False,
) -> ScalarArray:
    cuts = cuts or call.site.op in _CUTS

    def execute(a: Scalar) -> Scalar:
        if a.zero and keeps_zeros:
            return call.zero()
        return cut_off(call, call.act(value(a.value), (a,), actions), cuts=cuts)

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


@scalar_rule("aten._prelu_kernel")
def _execute_prelu(call: Call) -> ScalarArray:
    def execute(a: Scalar, slope: Scalar) -> Scalar:
        if a.zero:
            return call.zero()
        value = a.value if a.value > 0 else slope.value * a.value
        return call.act(value, (a, slope), {"compare": 1, "mul": 1})

    return call.map(execute, "self", "weight")


@scalar_rule("aten.elu")
def _execute_elu(call: Call) -> ScalarArray:
    alpha, scale, inner = (
        float(call.arguments[name]) for name in ("alpha", "scale", "input_scale")
    )
    return _execute_unary(
        call,
        lambda x: scale * (x if x > 0 else alpha * math.expm1(inner * x)),
        {"compare": 1, "exp": 1, "add": 1, "mul": 1},
        keeps_zeros=True,
    )


@scalar_rule("aten.celu")
def _execute_celu(call: Call) -> ScalarArray:
    alpha = float(call.arguments["alpha"])
    return _execute_unary(
        call,
        lambda x: max(x, 0.0) + min(0.0, alpha * math.expm1(x / alpha)),
        {"compare": 1, "exp": 1, "add": 1, "mul": 1},
        keeps_zeros=False,
    )


@scalar_rule("aten.round")
def _execute_round(call: Call) -> ScalarArray:
    scale = 10.0 ** int(call.arguments.get("decimals") or 0)
    return _execute_unary(call, lambda x: round(x * scale) / scale, {"add": 1}, keeps_zeros=True)


@scalar_rule("aten.threshold")
def _execute_threshold(call: Call) -> ScalarArray:
    least, value = float(call.arguments["threshold"]), float(call.arguments["value"])
    return _execute_unary(
        call,
        lambda x: x if x > least else value,
        {"compare": 1},
        keeps_zeros=False,
        cuts=call.literal("value") == 0,
    )


@scalar_rule("aten.hardshrink", "aten.softshrink")
def _execute_shrink(call: Call) -> ScalarArray:
    bound = float(call.arguments["lambd"])
    shift = bound if call.site.op == "aten.softshrink" else 0.0
    return _execute_unary(
        call,
        lambda x: math.copysign(abs(x) - shift, x) if abs(x) > bound else 0.0,
        {"compare": 1},
        keeps_zeros=True,
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
    if call.literal("exponent") == 0 or call.literal("self") == 1:
        return call.constant(1.0)
    if call.literal("exponent") == 1:
        return call.passes("self")
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
    literals = [bound.literal for bound in bounds]
    limits = [(low, -math.inf), (high, math.inf)]
    if call.skips_zeros and all(b is None or b.literal == at for b, at in limits):
        return call.passes("self")
    cuts = call.skips_zeros and 0 in literals

    def clamp(a: Scalar, *limits: Scalar) -> Scalar:
        value = a.value
        if low is not None:
            value = max(value, limits[0].value)
        if high is not None:
            value = min(value, limits[-1].value)
        if a.zero and value == 0 and call.site.op == "aten.hardtanh":
            return call.zero()
        made = call.act(value, (a, *limits), {"compare": len(bounds)})
        return cut_off(call, made, cuts=cuts)

    return call.map(clamp, "self", *(bound.scalars for bound in bounds))
