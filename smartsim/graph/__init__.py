"""The plain records that a trace leaves: tensors, ops, patterns of zeros, and the graph of them.

Knows no torch, no counting and no hardware. A graph holds facts about a program under partial
evaluation, at one value of its condition: for each op when it runs (its stage) and how much of it
is left once known zeros and unneeded results are skipped (its live work). What of this is counted
is a matter of convention, and is decided later, in `smartsim.counts`.
"""

from smartsim.graph.graph import Graph, load_graph, save_graph
from smartsim.graph.patterns import Pattern
from smartsim.graph.records import STAGES, Op, ParameterSpec, Role, Stage, TensorSpec, Work

__all__ = [
    "STAGES",
    "Graph",
    "Op",
    "ParameterSpec",
    "Pattern",
    "Role",
    "Stage",
    "TensorSpec",
    "Work",
    "load_graph",
    "save_graph",
]
