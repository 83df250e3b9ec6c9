"""GRAPH -> COUNTS: exact numbers of actions by layer and stage, under a named convention."""

from smartsim.counts.conventions import CONVENTIONS, Convention, get_convention, load_convention
from smartsim.counts.count import count_actions, count_parameters
from smartsim.counts.records import (
    ACTIONS,
    Action,
    Count,
    Counts,
    ParameterCounts,
    load_counts,
    save_counts,
)
from smartsim.counts.rules import RULES, Cost, Facts, register_rule

__all__ = [
    "ACTIONS",
    "CONVENTIONS",
    "RULES",
    "Action",
    "Convention",
    "Cost",
    "Count",
    "Counts",
    "Facts",
    "ParameterCounts",
    "count_actions",
    "count_parameters",
    "get_convention",
    "load_convention",
    "load_counts",
    "register_rule",
    "save_counts",
]
