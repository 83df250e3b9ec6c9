"""The table of the room: operator -> what it does with known zeros, what it reads, what is left.

A rule answers three questions about a node, on boolean arrays in the shapes of its tensors, where
None stands for "dense" or "all of it":

- zeros: which elements of its output may be nonzero, from those of its inputs;
- reads: which elements of each input the needed elements of its output depend on;
- live: how much work is left for those, see `smartsim.graph.Work`.

An op without a rule here is opaque: its output is dense, and it reads all of its inputs. That is
the safe answer, never a wrong one.
"""

from collections.abc import Mapping

from smartsim.trace.record.tape import Node
from smartsim.trace.semantics.activations import ACTIVATIONS
from smartsim.trace.semantics.attention import ATTENTION
from smartsim.trace.semantics.contractions import CONTRACTIONS
from smartsim.trace.semantics.creation import CREATION
from smartsim.trace.semantics.cuts import CUT, cuts_known
from smartsim.trace.semantics.elementwise import ELEMENTWISE
from smartsim.trace.semantics.layout import LAYOUT
from smartsim.trace.semantics.literals import LITERALS
from smartsim.trace.semantics.movement import CHOICES, COPIES, MOVES
from smartsim.trace.semantics.normalisation import NORMALISATION
from smartsim.trace.semantics.pooling import POOLS
from smartsim.trace.semantics.reductions import REDUCTIONS, STATISTICS
from smartsim.trace.semantics.rule import OPAQUE, Rule, live_pointwise

__all__ = ["DENSE_RESULTS", "OPAQUE", "RULES", "STATISTICS", "Rule", "rule_of"]

RULES: Mapping[str, Rule] = {
    **ACTIVATIONS,
    **ATTENTION,
    **CREATION,
    **ELEMENTWISE,
    **LAYOUT,
    **NORMALISATION,
    **REDUCTIONS,
    **{
        name: Rule(*answers, live_pointwise, plain=False)
        for name, answers in {**MOVES, **CHOICES, **COPIES}.items()
    },
    **{name: Rule(*answers) for name, answers in (CONTRACTIONS | POOLS).items()},
}


def rule_of(node: Node) -> Rule:
    """The rule of one node: of a threshold of what is known, of a literal, else of its op."""
    if cuts_known(node):
        return CUT
    by_literal = LITERALS.get(node.name)
    chosen = None if by_literal is None else by_literal(node)
    return chosen or RULES.get(node.name, OPAQUE)


_DENSE_RESULTS_OPS = """
    native_layer_norm native_group_norm _fused_rms_norm _log_softmax
    _scaled_dot_product_fused_attention_overrideable equal sort topk argsort nonzero any all
""".split()

DENSE_RESULTS = frozenset(f"aten.{name}" for name in _DENSE_RESULTS_OPS)
"""Ops without a rule whose results are dense, or no data, whatever the zeros of their operands."""
