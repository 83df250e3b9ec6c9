"""Functions of one tensor: activations, powers, roots, clamps."""

from smartsim.counts.records import Action
from smartsim.counts.rules.registry import Cost, Facts, register_pointwise, register_rule

__all__: list[str] = []

# A sign bit is changed for nothing.
register_pointwise("neg abs")
register_pointwise("relu sign isnan isinf threshold sgn hardshrink softshrink", compare=1)
register_pointwise("leaky_relu prelu _prelu_kernel", compare=1, mul=1)
register_pointwise("sigmoid", exp=1, add=1, div=1)
register_pointwise("silu", exp=1, add=1, div=1)
register_pointwise("log_sigmoid_forward", exp=1, add=1, log=1)
register_pointwise("softplus", exp=1, add=1, log=1, compare=1)
register_pointwise("mish", exp=1, add=1, log=1, tanh=1, mul=1)
register_pointwise("elu celu selu", compare=1, exp=1, add=1, mul=1)
register_pointwise("hardswish", add=1, compare=2, mul=2)
register_pointwise("hardsigmoid", add=1, compare=2, mul=1)
register_pointwise("tanh", tanh=1)
register_pointwise("sinh cosh", exp=2, add=1, mul=1)
register_pointwise("exp exp2", exp=1)
register_pointwise("expm1", exp=1, add=1)
register_pointwise("log log2 log10", log=1)
register_pointwise("log1p", log=1, add=1)
register_pointwise("logit", log=1, add=1, div=1)
register_pointwise("sin cos tan asin acos atan", trig=1)
register_pointwise("erf erfc erfinv", erf=1)
register_pointwise("sqrt", sqrt=1)
register_pointwise("rsqrt", sqrt=1, div=1)
register_pointwise("square", mul=1)
register_pointwise("reciprocal", div=1)
register_pointwise("round floor ceil trunc frac nan_to_num", add=1)


@register_rule("aten.pow", "aten.float_power")
def _power(facts: Facts) -> Cost:
    """x^2 is one multiplication, x^3 two, a square root itself; anything else one `pow`."""
    exponent = facts.shapes.attributes.get("exponent")
    known: dict[float, dict[Action, int]] = {
        1: {},
        2: {"mul": 1},
        3: {"mul": 2},
        0.5: {"sqrt": 1},
        -0.5: {"sqrt": 1, "div": 1},
        -1: {"div": 1},
    }
    each: dict[Action, int] = {"pow": 1}
    if isinstance(exponent, int | float):
        each = known.get(exponent, each)
    return Cost(run={action: n * facts.sites for action, n in each.items()})


@register_rule("aten.gelu")
def _gelu(facts: Facts) -> Cost:
    """X / 2 * (1 + erf(x / sqrt 2)), or its tanh form with a cubic."""
    if facts.shapes.attributes.get("approximate", "none") == "tanh":
        return Cost(run={"tanh": facts.sites, "mul": 6 * facts.sites, "add": 2 * facts.sites})
    return Cost(run={"erf": facts.sites, "mul": 3 * facts.sites, "add": facts.sites})


@register_rule("aten.clamp", "aten.clamp_min", "aten.clamp_max", "aten.hardtanh")
def _clamp(facts: Facts) -> Cost:
    """One comparison for each bound that is given."""
    bounds = 2 if facts.shapes.name == "aten.hardtanh" else 1
    if facts.shapes.name == "aten.clamp":
        given = [*facts.shapes.attributes, *facts.shapes.arguments]
        bounds = sum(name in ("min", "max") for name in given)
    return Cost(run={"compare": bounds * facts.sites})
