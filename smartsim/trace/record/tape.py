"""What a forward pass left on the tape: nodes, the operands they read and wrote, and their values.

A value is the content of a piece of memory between two writes: an in-place op makes a new value of
the same memory, and every view of a piece of memory reads the value that is current then. That is
why views need no rule of their own anywhere in this room.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from smartsim.graph import Role, Work
from smartsim.trace.record.geometry import NOTHING, Bits, Need, View, any_along

__all__ = ["DEPLOY", "INPUT", "NOISE", "SWITCH", "Node", "Operand", "Value", "narrow"]

DEPLOY, SWITCH, NOISE, INPUT = range(4)


@dataclass(slots=True, eq=False)
class Value:
    """The content of a piece of memory between two writes.

    Attributes:
        index: Order of creation.
        size: Elements of the memory.
        stage: Latest thing that any element depends on, as a place in `graph.STAGES`.
        role: Where it comes from.
        name: Qualified name of a leaf.
        node: The node that wrote it; None for a leaf.
        previous: The value before an in-place write, where that write may have left some of it.
        leaf: The real tensor behind a leaf; None if there is none, as on the meta device.
        known: Whether its elements can be computed at trace time.
        tiny: Whether computing it costs next to nothing.
        bits: Flat booleans, false where an element is known to be zero; None when dense.
        mask: Whether it holds only zeros and ones, by construction and not by chance.
        need: What any op needs of it.
        held: What the device must hold of it after deployment.
    """

    index: int
    size: int
    stage: int
    role: Role = "activation"
    name: str = ""
    node: "Node | None" = None
    previous: "Value | None" = None
    leaf: torch.Tensor | None = None
    known: bool = False
    tiny: bool = False
    bits: Bits | None = None
    mask: bool = False
    tested: bool = False
    need: Need = NOTHING
    held: Need = NOTHING
    content: torch.Tensor | None = None
    cut: Bits | None = None  # of scores, where they are known to be minus infinity
    cut_is_known: bool = False


@dataclass(slots=True, eq=False)
class Operand:
    """A tensor as a node reads or writes it: a value through a view."""

    argument: str
    value: Value
    view: View
    dtype: torch.dtype
    converted: bool = False
    seen: tuple[int, ...] | None = None  # its own shape, where it is read as another type

    @property
    def shape(self) -> tuple[int, ...]:
        """The tensor's shape; where its memory is read as another type, of all the memory."""
        return self.view.shape

    @property
    def bits(self) -> Bits | None:
        """Elements not known to be zero, in the tensor's shape; None when dense."""
        if self.value.bits is None or self.converted:
            return None
        return self.view.take(self.value.bits)

    def written_bits(self) -> Bits:
        """`bits`, with those of a dense tensor as a view of one; not to be written to."""
        bits = self.bits
        return np.broadcast_to(np.True_, self.view.shape) if bits is None else bits


@dataclass(slots=True, eq=False)
class Node:
    """One op on the tape."""

    name: str
    module: str
    module_type: str
    stage: int
    inputs: list[Operand]
    outputs: list[Operand]
    attributes: Mapping[str, Any]
    function: Any
    arguments: tuple[Any, ...]
    keywords: Mapping[str, Any]
    in_place: bool = False
    target_dropped: bool = False
    gating: bool = False
    live: Work | None = None
    rule: Any = None  # what it does with known zeros, chosen when it is first asked for

    def operand(self, argument: str) -> Operand | None:
        """The first input under the operator's own name `argument`."""
        for operand in self.inputs:
            if operand.argument == argument:
                return operand
        return None


def narrow(bits: Bits | None, operand: Operand) -> Bits | None:
    """What an operand that was broadcast must deliver: wherever any of its copies is asked for."""
    if bits is None:
        return None
    if all(n == 1 for n in operand.shape):
        return np.full(operand.shape, bits.any())
    lead = bits.ndim - len(operand.shape)
    bits = any_along(bits, range(lead)) if lead else bits
    axes = tuple(i for i, n in enumerate(operand.shape) if n == 1 and bits.shape[i] != 1)
    return np.asarray(bits.any(axis=axes, keepdims=True)) if axes else bits
