"""WORK -> ACTIONS: for each op, what one piece of its work costs; a module a family of ops.

The families have the same names in `smartsim.trace.semantics` (what an op makes of zeros) and in
`smartsim.testing.rules` (how it is executed with scalars). Importing this room enters all rules.
"""

from smartsim.counts.rules import (
    activations,
    contractions,
    creation,
    elementwise,
    movement,
    normalisation,
    pooling,
    reductions,
)
from smartsim.counts.rules.registry import RULES, Actions, Cost, Facts, Rule, register_rule

__all__ = [
    "RULES",
    "Actions",
    "Cost",
    "Facts",
    "Rule",
    "activations",
    "contractions",
    "creation",
    "elementwise",
    "movement",
    "normalisation",
    "pooling",
    "reductions",
    "register_rule",
]
