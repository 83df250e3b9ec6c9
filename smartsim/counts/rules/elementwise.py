"""Arithmetic, comparisons and logic of two tensors, element by element."""

from smartsim.counts.records import Action
from smartsim.counts.rules.registry import Cost, Facts, register_pointwise, register_rule

__all__: list[str] = []

register_pointwise("maximum minimum fmax fmin eq ne gt ge lt le heaviside", compare=1)
register_pointwise("atan2", trig=1)
register_pointwise("div floor_divide remainder fmod", div=1)
register_pointwise("lerp", mul=1, add=2)
register_pointwise(
    "logical_and logical_or logical_xor logical_not bitwise_and bitwise_or bitwise_xor bitwise_not "
    "bitwise_left_shift bitwise_right_shift __and__ __or__ __xor__ __lshift__ __rshift__ isin",
    logic=1,
)


@register_rule("smartsim.multiply_add")
def _multiply_add(facts: Facts) -> Cost:
    """An elementwise multiplication fused with the addition that follows it."""
    return Cost(run={"mac": facts.sites})


@register_rule("aten.add", "aten.sub", "aten.rsub")
def _sum_of_two(facts: Facts) -> Cost:
    """One addition an element; a factor `alpha` other than 1 is a multiplication more."""
    shapes = facts.shapes
    operand = "self" if shapes.name == "aten.rsub" else "other"  # a number is scaled in the code
    scaled = shapes.attributes.get("alpha", 1) != 1 and operand in shapes.arguments
    return Cost(run={"add": facts.outputs, **({"mul": facts.sites} if scaled else {})})


@register_rule("aten.mul")
def _product_of_two(facts: Facts) -> Cost:
    """One multiplication an element."""
    return Cost(run={"mul": facts.sites})


@register_rule("aten.addcmul", "aten.addcdiv")
def _sum_of_product(facts: Facts) -> Cost:
    """A product or quotient, and an addition; a factor `value` other than 1 is one more."""
    action: Action = "mul" if facts.shapes.name == "aten.addcmul" else "div"
    run: dict[Action, int] = {action: facts.sites, "add": facts.outputs}
    if facts.shapes.attributes.get("value", 1) not in (1, 1.0):
        run["mul"] = run.get("mul", 0) + facts.sites
    return Cost(run=run)
