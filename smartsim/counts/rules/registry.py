"""The table of counting rules, and what a rule is.

A rule is a pure function of shapes, attributes and how much work there is. It knows neither torch
nor modules, nor which elements are zero. `bias` of a contraction is the accumulator's first value
and costs nothing; negation and absolute value change a sign bit and cost nothing; moving data is
no arithmetic.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from smartsim.counts.records import Action
from smartsim.counts.work import Shapes
from smartsim.errors import ConfigurationError

__all__ = [
    "RULES",
    "Actions",
    "Cost",
    "Facts",
    "Rule",
    "count_rows",
    "register_pointwise",
    "register_rule",
]

Actions = Mapping[Action, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a rule counts from.

    Attributes:
        shapes: Shapes and attributes of the op.
        sites: Places where it acts, as `smartsim.graph.Work` says, after the convention's choices.
        outputs: Output elements that it writes.
    """

    shapes: Shapes
    sites: int
    outputs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What an op costs.

    Attributes:
        run: Actions each time the op runs.
        prepared: Actions that are done once for its operands other than the data, such as the
            scale and shift of a batch norm; paid for at the latest stage of these operands.
    """

    run: Actions
    prepared: Actions = field(default_factory=dict)


Rule = Callable[[Facts], Cost]

RULES: dict[str, Rule] = {}


def register_rule(*names: str) -> Callable[[Rule], Rule]:
    """Make the decorated function the counting rule of the named operators.

    Example:
        >>> @register_rule("mylib.rotate_pairs")
        ... def _rotate_pairs(facts: Facts) -> Cost:
        ...     return Cost(run={"mul": 2 * facts.sites, "add": facts.sites})
        >>> del RULES["mylib.rotate_pairs"]

    Raises:
        ConfigurationError: If an operator has a rule already.
    """

    def register(rule: Rule) -> Rule:
        for name in names:
            if name in RULES:
                raise ConfigurationError(f"operator {name} already has a counting rule")
        RULES.update(dict.fromkeys(names, rule))
        return rule

    return register


def register_pointwise(names: str, **per_site: int) -> None:
    """Elementwise operators with a fixed cost for each element."""

    def rule(facts: Facts) -> Cost:
        return Cost(run={action: n * facts.sites for action, n in per_site.items()})  # type: ignore[misc]

    register_rule(*(f"aten.{name}" for name in names.split()))(rule)


def count_rows(facts: Facts) -> tuple[int, int]:
    """Elements, and rows along `dim` that they form."""
    shape = facts.shapes.data
    dim = facts.shapes.attributes.get("dim", -1)
    dims = (dim,) if isinstance(dim, int) else tuple(dim) or tuple(range(len(shape)))
    elements = math.prod(shape)
    width = math.prod(shape[d] for d in dims) if shape else 1
    return elements, elements // width if width else 0
