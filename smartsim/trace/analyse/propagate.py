"""Forwards, what is known to be zero; backwards, what is needed. One pass each over the tape."""

from collections.abc import Iterable, Sequence

import numpy as np

from smartsim.graph import Work
from smartsim.trace.record.geometry import (
    ALL,
    NOTHING,
    Bits,
    Need,
    check_size,
    join_needs,
    need_of_view,
    need_within_view,
    take_once,
)
from smartsim.trace.record.tape import DEPLOY, Node, Operand, Value
from smartsim.trace.semantics.cuts import CUT
from smartsim.trace.semantics.known import find_mask
from smartsim.trace.semantics.movement import MOVES
from smartsim.trace.semantics.table import DENSE_RESULTS, OPAQUE, STATISTICS, Rule, rule_of

__all__ = ["propagate_needs", "propagate_zeros"]

_MAKERS = """
    zeros zeros_like new_zeros zero fill full full_like new_full scalar_tensor mul constant_pad_nd
    bitwise_and logical_and _softmax _safe_softmax
    where masked_fill scatter index_fill tril triu im2col convolution
""".split()
_MAKES_ZEROS = frozenset(f"aten.{name}" for name in _MAKERS)


def propagate_zeros(nodes: Iterable[Node]) -> tuple[str, ...]:
    """Find which elements of each value are known to be zero, in order of execution.

    Returns:
        A sentence for each operator through which zeros could not be followed.
    """
    lost: dict[str, str] = {}
    for node in nodes:
        may_hold_masks = node.name != "aten.native_batch_norm"  # its ones and zeros are none
        knows_something = False
        for operand in node.inputs:
            value = operand.value
            if value.node is None and not value.tested and may_hold_masks:
                find_mask(operand)
            knows_something = knows_something or value.bits is not None
        bits = None
        if knows_something or node.name in _MAKES_ZEROS or _rule(node) is CUT:
            bits = _rule(node).zeros(node)
        if knows_something and bits is None and _loses_zeros(node):
            lost.setdefault(node.name, node.module)
        if bits is not None or node.in_place:
            _write_bits(node, bits)
    return tuple(
        f"known zeros are not followed through {name} (first in module {module!r}): "
        "what it makes counts as dense"
        for name, module in lost.items()
    )


def _loses_zeros(node: Node) -> bool:
    """Whether zeros went into an op of which it is not known what becomes of them."""
    is_opaque = _rule(node) is OPAQUE and node.name not in STATISTICS | DENSE_RESULTS
    if not is_opaque and node.name not in MOVES:
        return False
    bits = [o.value.bits for o in node.inputs if o.argument not in ("index", "indices")]
    return any(known is not None and not known.all() for known in bits)


def _rule(node: Node) -> Rule:
    rule: Rule | None = node.rule
    if rule is None:
        rule = node.rule = _choose_rule(node)
    return rule


def _choose_rule(node: Node) -> Rule:
    if any(operand.converted for operand in (*node.inputs, *node.outputs)):
        return OPAQUE
    if node.attributes.get("training"):  # a norm by the statistics of the data itself
        return OPAQUE
    return rule_of(node)


def _write_bits(node: Node, bits: Bits | None) -> None:
    """The first output gets `bits`; what an in-place op left alone keeps its own."""
    output = node.outputs[0]
    value, before = output.value, output.value.previous
    if output.view.is_whole or before is None:
        if bits is not None and not bits.all():
            value.bits = _flatten(output, bits)
        return
    if bits is None and before.bits is None:
        return
    flat = np.ones(value.size, np.bool_) if before.bits is None else before.bits.copy()
    output.view.put(flat, np.ones(output.shape, np.bool_) if bits is None else bits)
    value.bits = None if flat.all() else flat


def _flatten(output: Operand, bits: Bits) -> Bits:
    """The memory behind `output`, from what its window shows; shared with `bits` where it can."""
    check_size(bits.size)
    if output.view.is_whole and bits.flags.c_contiguous:
        return bits.reshape(-1)
    check_size(output.value.size)
    flat = np.zeros(output.value.size, dtype=np.bool_)
    output.view.put(flat, bits)
    return flat


def propagate_needs(nodes: Sequence[Node], outputs: Iterable[Operand]) -> None:
    """Find what is needed of each value and how much work is left, against the order of execution.

    Two needs are kept apart: what any op reads, and what the device must hold after deployment;
    a statistic that is taken once at deployment reads its tensor, but nobody keeps it for that.
    """
    for operand in outputs:
        need = need_of_view(operand.view)
        operand.value.need = join_needs(operand.value.need, need, operand.value.size)
        operand.value.held = operand.value.need
    for node in reversed(nodes):
        _visit(node)


def _visit(node: Node) -> None:
    if _reads_all(node):
        for operand in node.inputs:
            operand.value.need = operand.value.held = ALL
        return
    needed, is_needed = _needed_output(node, [o.value.need for o in node.outputs])
    if not is_needed:
        node.live = Work(sites=0, sites_in_bounds=0, outputs=0)
        _pass_before(node)
        return
    rule = _rule(node)
    operands = (*node.inputs, node.outputs[0])  # a product with lam = 0 is known to be zero
    knows_nothing = needed is None and all(o.value.bits is None for o in operands)
    if knows_nothing and rule.plain:
        reads: list[Bits | None] = [None] * len(node.inputs)
    else:
        reads = rule.reads(node, needed)
        node.live = rule.live(node, needed)
    needs = [_need(o, bits) for o, bits in zip(node.inputs, reads, strict=True)]
    for operand, need in zip(node.inputs, needs, strict=True):
        operand.value.need = join_needs(operand.value.need, need, operand.value.size)
    _hold(node, needs)
    _pass_before(node)


def _reads_all(node: Node) -> bool:
    """Whether all is needed, nothing is known, and all operands are whole: the frequent case."""
    output = node.outputs[0].value
    if output.need is not ALL or node.in_place or node.stage == DEPLOY:
        return False
    if output.bits is not None:
        return False
    for operand in node.inputs:
        if operand.value.bits is not None or not operand.view.is_whole or operand.converted:
            return False
    return _rule(node).plain and not node.outputs[0].converted


def _hold(node: Node, needs: list[Need]) -> None:
    """What the device must hold: all that is read after deployment, and what that is made from."""
    if node.stage == DEPLOY:
        if node.name in STATISTICS:
            return
        held, is_held = _needed_output(node, [o.value.held for o in node.outputs])
        if not is_held:
            return
        if any(o.value.held is not o.value.need for o in node.outputs):
            reads = _rule(node).reads(node, held)
            needs = [_need(o, bits) for o, bits in zip(node.inputs, reads, strict=True)]
    for operand, need in zip(node.inputs, needs, strict=True):
        operand.value.held = join_needs(operand.value.held, need, operand.value.size)


def _need(operand: Operand, bits: Bits | None) -> Need:
    return need_of_view(operand.view) if bits is None else need_within_view(operand.view, bits)


def _needed_output(node: Node, needs: list[Need]) -> tuple[Bits | None, bool]:
    """What is needed of the first output (None: all of it), and whether anything is of any."""
    first, view = needs[0], node.outputs[0].view
    if first is ALL:
        return None, True
    if any(need is not NOTHING for need in needs[1:]):
        return None, True
    if first is NOTHING:
        return np.zeros(view.shape, dtype=np.bool_), False
    bits = first.within(view)
    once = take_once(bits)
    return (None, True) if once.all() else (bits, bool(once.any()))


def _pass_before(node: Node) -> None:
    """Of what an in-place op left alone, the earlier value must deliver what is needed."""
    output = node.outputs[0]
    value, before = output.value, output.value.previous
    if before is None or output.view.is_whole:
        return
    for kind in ("need", "held"):
        need: Need = getattr(value, kind)
        if need is NOTHING:
            continue
        left = need.flat(value.size).copy()
        output.view.put(left, np.zeros(output.shape, dtype=np.bool_))
        _join(before, kind, Need(left) if left.any() else NOTHING)


def _join(value: Value, kind: str, need: Need) -> None:
    setattr(value, kind, join_needs(getattr(value, kind), need, value.size))
