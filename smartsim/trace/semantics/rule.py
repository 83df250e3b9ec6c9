"""A rule: what one kind of op does with known zeros, what it reads, how much of it is left.

A rule answers three questions about a node, on boolean arrays in the shapes of its tensors, where
None stands for "dense" or "all of it":

- zeros: which elements of its output may be nonzero, from those of its inputs;
- reads: which elements of each input the needed elements of its output depend on;
- live: how much work is left for those, see `smartsim.graph.Work`.

An op without a rule here is opaque: its output is dense, and it reads all of its inputs. That is
the safe answer, never a wrong one.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from smartsim.graph import Work
from smartsim.trace.record.geometry import Bits, count_true, is_same_memory
from smartsim.trace.record.tape import Node, narrow

__all__ = [
    "OPAQUE",
    "POINTWISE",
    "ZERO_PRESERVING",
    "Reads",
    "Rule",
    "combine",
    "dense",
    "live_first",
    "live_pointwise",
    "output_shape",
    "read_all",
    "read_first",
    "read_pointwise",
    "sites",
    "zeros_first",
]

Reads = list[Bits | None]


@dataclass(frozen=True, slots=True)
class Rule:
    """The three answers of one kind of op.

    Attributes:
        zeros: Nonzeros of the first output, or None when dense.
        reads: For each input what is read of it, None for all, given what is needed (None: all).
        live: The work left, or None when that is all; asked only when something is known.
        plain: Whether, with nothing known and all needed, it reads all and all work is left.
    """

    zeros: Callable[[Node], Bits | None]
    reads: Callable[[Node, Bits | None], Reads]
    live: Callable[[Node, Bits | None], Work | None]
    plain: bool = True


def output_shape(node: Node) -> tuple[int, ...]:
    """Shape of the first output."""
    return node.outputs[0].shape


def combine(first: Bits | None, second: Bits | None) -> Bits | None:
    """Both must hold; None holds everywhere."""
    if first is None or second is None:
        return second if first is None else first
    return first if is_same_memory(first, second) else first & second


def sites(node: Node, *conditions: Bits | None) -> Work | None:
    """An elementwise op acts where all conditions hold."""
    held: Bits | None = None
    for condition in conditions:
        held = combine(held, condition)
    if held is None:
        return None
    held = np.broadcast_to(held, np.broadcast_shapes(held.shape, output_shape(node)))
    count = count_true(held)
    return Work(sites=count, sites_in_bounds=count, outputs=count)


def dense(_: Node) -> Bits | None:
    """Nothing is known of the output."""
    return None


def read_all(node: Node, _: Bits | None) -> Reads:
    """Every input is read whole."""
    return [None] * len(node.inputs)


def nothing_known(_: Node, __: Bits | None) -> Work | None:
    """All of the work is left."""
    return None


# Elementwise ops of any value: each needed output reads its operands there.


def read_pointwise(node: Node, out: Bits | None) -> Reads:
    """What is needed of the output, of each operand."""
    return [narrow(out, operand) for operand in node.inputs]


def live_pointwise(node: Node, out: Bits | None) -> Work | None:
    """The needed elements."""
    return sites(node, out)


# Zero-preserving functions of one tensor, such as relu: f(0) = 0 costs nothing.


def zeros_first(node: Node) -> Bits | None:
    """The zeros of the first operand stay."""
    bits = node.inputs[0].bits
    if bits is None:
        return None
    return np.broadcast_to(bits, np.broadcast_shapes(bits.shape, output_shape(node)))


def read_first(node: Node, out: Bits | None) -> Reads:
    """What is needed, where the first operand is not zero."""
    first = node.inputs[0].bits
    return [narrow(combine(out, first), operand) for operand in node.inputs]


def live_first(node: Node, out: Bits | None) -> Work | None:
    """The needed elements, where the first operand is not zero."""
    return sites(node, out, node.inputs[0].bits)


OPAQUE = Rule(dense, read_all, nothing_known)
POINTWISE = Rule(dense, read_pointwise, live_pointwise)
ZERO_PRESERVING = Rule(zeros_first, read_first, live_first)
