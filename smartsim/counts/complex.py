"""Complex numbers: what an op on them costs in operations on real ones.

A sum is two additions, one where a summand is real; a product four multiplications and two
additions, or two multiplications where a factor is real; one that is accumulated is four MACs, or
two. The products are schoolbook ones: no trick with three multiplications.
"""

from collections.abc import Mapping

from smartsim.counts.records import Action
from smartsim.counts.rules.registry import RULES, Cost, Facts
from smartsim.counts.work import Shapes
from smartsim.errors import ConfigurationError

__all__ = ["apply_rule"]

Per = Mapping[Action, int]


def apply_rule(facts: Facts) -> Cost:
    """What an op costs by its rule, of real or of complex numbers.

    Raises:
        ConfigurationError: If it is not known what it costs of complex ones.
    """
    cost = RULES[facts.shapes.name](facts)
    if not any(map(_is_complex, _dtypes(facts.shapes))):
        return cost
    return _of_complex(facts, cost)


def _dtypes(shapes: Shapes) -> list[str]:
    return [tensor.dtype for tensor in shapes.inputs]


def _is_complex(dtype: str) -> bool:
    return dtype.startswith("complex")


def _of_complex(facts: Facts, cost: Cost) -> Cost:
    name = facts.shapes.name.removeprefix("aten.")
    if name in _MODULUS:
        return Cost(run=_times(_MODULUS[name], facts.sites))
    if name.startswith("_fft") or not (cost.run or cost.prepared):
        return cost  # a transform counts real operations itself; the rest moves data
    if name in _SUMS:
        halves = 1 if _has_real_partner(facts.shapes) else 2
        factors = cost.run.get("mul", 0)
        return Cost(run={"add": halves * cost.run.get("add", 0), "mul": 2 * factors})
    if name in _PRODUCTS:
        each: Per = {"mul": 2} if _has_real_partner(facts.shapes) else {"mul": 4, "add": 2}
        return Cost(run=_times(each, facts.sites))
    if name == "div":
        each = {"div": 2}
        if not _has_real_partner(facts.shapes):
            each = {"mul": 6, "add": 3, "div": 2}  # by the conjugate, over its squared modulus
        return Cost(run=_times(each, facts.sites))
    if name == "reciprocal":
        return Cost(run=_times({"mul": 2, "add": 1, "div": 2}, facts.sites))
    if name in ("pow", "square") and facts.shapes.attributes.get("exponent", 2) == 2:
        return Cost(run=_times({"mul": 4, "add": 2}, facts.sites))
    if name == "exp":
        return Cost(run=_times({"exp": 1, "trig": 2, "mul": 2}, facts.sites))
    if set(cost.run) == {"mac"} and not cost.prepared:
        both = all(map(_is_complex, _dtypes(facts.shapes)[-2:]))
        return Cost(run={"mac": (4 if both else 2) * cost.run["mac"]})
    raise ConfigurationError(
        f"{facts.shapes.name} on complex numbers is not counted: what it costs in real ones is not "
        "known; write it with real tensors (torch.view_as_real), or leave it out with "
        f'ignore=["{facts.shapes.name}"]'
    )


_MODULUS: Mapping[str, Per] = {"abs": {"mul": 2, "add": 1, "sqrt": 1}}
_SUMS = frozenset(("add", "sub", "rsub", "sum", "mean"))
_PRODUCTS = frozenset(("mul",))


def _times(each: Per, sites: int) -> dict[Action, int]:
    return {action: number * sites for action, number in each.items()}


def _has_real_partner(shapes: Shapes) -> bool:
    """Whether one operand of two is real: a tensor, or a number that is no complex one."""
    dtypes = _dtypes(shapes)
    if len(dtypes) > 1:
        return not all(map(_is_complex, dtypes))
    return "other" in shapes.attributes
