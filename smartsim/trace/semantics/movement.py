"""Moving and choosing over known zeros: each output element is one input element, or a constant.

What is chosen by masks that are known at trace time is known exactly; where data chooses, an output
may be any of the candidates.
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from smartsim.trace.record.evaluate import compute_arguments, plain_torch
from smartsim.trace.record.geometry import Bits, View
from smartsim.trace.record.tape import Node, Operand, Value, narrow

__all__ = ["CHOICES", "COPIES", "MOVES"]

Answers = tuple[Callable[[Node], Bits | None], Callable[[Node, Bits | None], list[Bits | None]]]

_LARGEST_MAP = 1 << 22
_CONTROLS = frozenset(("index", "indices", "lengths"))
_FILLERS = frozenset(f"aten.{name}" for name in ("scatter", "index_fill", "tril", "triu", "im2col"))
"""Moves that put a constant where no element goes: zero, or their argument `value`."""


# Moves: found by moving the elements' own numbers; 0 stands for a constant.


def _moved(node: Node) -> list[Operand]:
    return [operand for operand in node.inputs if operand.argument not in _CONTROLS]


def _map_sources(node: Node) -> NDArray[np.int64] | None:
    """For each output element the number of the input element that it is, 0 for a constant.

    The elements of all moved operands are numbered from 1. None where the tensors are too large
    for that, where data says what is moved, or where elements are added.
    """
    moved = _moved(node)
    sizes = [int(np.prod(operand.shape)) for operand in moved]
    controls = [operand for operand in node.inputs if operand.argument in _CONTROLS]
    adds = bool(node.attributes.get("accumulate")) or "reduce" in node.attributes
    if adds or sum(sizes) > _LARGEST_MAP or not all(operand.value.known for operand in controls):
        return None
    with plain_torch(), torch.no_grad():
        starts = iter(np.cumsum([1, *sizes]).tolist())
        operands = [
            operand if operand.argument in _CONTROLS else _number(operand, next(starts))
            for operand in node.inputs
        ]
        args, kwargs = compute_arguments(node.arguments, node.keywords, operands)
        names = [argument.name for argument in node.function._schema.arguments]
        args = tuple(
            0 if name == "value" and not isinstance(argument, torch.Tensor) else argument
            for name, argument in zip(names, args, strict=False)
        )
        moved_numbers = node.function(*args, **kwargs)
        first = moved_numbers[0] if isinstance(moved_numbers, tuple) else moved_numbers
        sources: NDArray[np.int64] = first.numpy().astype(np.int64)
        return sources


def _number(operand: Operand, start: int) -> Operand:
    """The operand with its elements' numbers for values."""
    size = int(np.prod(operand.shape))
    numbers = torch.arange(start, start + size, dtype=torch.float64)
    value = Value(-1, size, 0, known=True, content=numbers)
    return Operand(operand.argument, value, View(size, operand.shape), numbers.dtype)


def _move_zeros(node: Node) -> Bits | None:
    fills_zero = node.name in _FILLERS and not node.attributes.get("value", 0)
    moved = _moved(node)
    if not fills_zero and all(operand.bits is None for operand in moved):
        return None
    sources = _map_sources(node)
    if sources is None:
        return None
    parts = [operand.written_bits().reshape(-1) for operand in moved]
    return np.asarray(np.concatenate([[not fills_zero], *parts])[sources])


def _move_reads(node: Node, out: Bits | None) -> list[Bits | None]:
    sources = _map_sources(node)
    if sources is None:
        return [None] * len(node.inputs)
    moved = _moved(node)
    read = np.zeros(1 + sum(int(np.prod(operand.shape)) for operand in moved), dtype=np.bool_)
    read[sources if out is None else sources[out]] = True
    reads: list[Bits | None] = []
    start = 1
    for operand in node.inputs:
        if operand.argument in _CONTROLS:
            reads.append(None)
            continue
        size = int(np.prod(operand.shape))
        reads.append(read[start : start + size].reshape(operand.shape))
        start += size
    return reads


# Choices: one of two elements, by a condition.


def _choice(node: Node) -> tuple[Operand, Bits | None, Bits | None]:
    """The condition, and the nonzeros of what it chooses where it is true and where it is not."""
    named = {operand.argument: operand for operand in node.inputs}
    if node.name == "aten.masked_fill":
        value = named.get("value")
        filled = value.bits if value else _zero_if(node.attributes.get("value") == 0)
        return named["mask"], filled, named["self"].bits
    no = named["other"].bits if "other" in named else None
    return named["condition"], named["self"].bits if "self" in named else None, no


def _zero_if(is_zero: bool) -> Bits | None:
    return np.zeros((), dtype=np.bool_) if is_zero else None


def known_condition(condition: Operand) -> Bits | None:
    """What a condition chooses, if that is known."""
    if not condition.value.known or condition.converted:
        return None
    (content,), _ = compute_arguments((torch.empty(0),), {}, [condition])
    with plain_torch():
        return np.asarray((content != 0).cpu().numpy())


def _choice_zeros(node: Node) -> Bits | None:
    if len(node.inputs) < 2:
        return None
    condition, yes, no = _choice(node)
    if yes is None and no is None:
        return None
    dense = np.ones((), dtype=np.bool_)
    first, second = dense if yes is None else yes, dense if no is None else no
    known = known_condition(condition)
    bits = first | second if known is None else np.where(known, first, second)
    return np.broadcast_to(bits, node.outputs[0].shape)


def _choice_reads(node: Node, out: Bits | None) -> list[Bits | None]:
    condition = _choice(node)[0] if len(node.inputs) > 1 else None
    known = known_condition(condition) if condition is not None else None
    shape, bits = node.outputs[0].shape, node.outputs[0].bits
    if known is None:  # of two zeros, nobody asks which
        some = bits if out is None else out if bits is None else out & bits
        return [narrow(some, operand) for operand in node.inputs]
    wanted = np.ones(shape, dtype=np.bool_) if out is None else out
    if bits is not None:
        wanted = wanted & bits
    yes, no = wanted & known, wanted & ~known
    chosen = {"condition": wanted, "self": yes, "other": no}
    if node.name == "aten.masked_fill":
        chosen = {"mask": wanted, "value": yes, "self": no}
    return [
        np.zeros(operand.shape, dtype=np.bool_)
        if operand is condition and operand.value.node is None
        else narrow(chosen[operand.argument], operand)
        for operand in node.inputs
    ]


# Copies onto a target, of which nothing is left.


def _copy_zeros(node: Node) -> Bits | None:
    source = node.inputs[-1]
    node.outputs[0].value.mask = node.outputs[0].view.is_whole and source.value.mask
    bits = source.bits
    return None if bits is None else np.broadcast_to(bits, node.outputs[0].shape)


def _copy_reads(node: Node, out: Bits | None) -> list[Bits | None]:
    *targets, source = node.inputs
    nothing: list[Bits | None] = [np.zeros(operand.shape, dtype=np.bool_) for operand in targets]
    bits = source.bits
    if bits is not None:
        out = np.broadcast_to(bits, node.outputs[0].shape) if out is None else out & bits
    return [*nothing, narrow(out, source)]


_MOVES = """
    flip roll repeat reflection_pad1d reflection_pad2d replication_pad1d
    replication_pad2d index_select index gather im2col pixel_shuffle pixel_unshuffle
    channel_shuffle upsample_nearest1d upsample_nearest2d upsample_nearest3d take_along_dim
    tril triu index_put index_copy index_fill scatter slice_scatter select_scatter
    _pack_padded_sequence
""".split()

MOVES: Mapping[str, Answers] = {f"aten.{name}": (_move_zeros, _move_reads) for name in _MOVES}
CHOICES: Mapping[str, Answers] = {
    f"aten.{name}": (_choice_zeros, _choice_reads) for name in ("where", "masked_fill")
}
COPIES: Mapping[str, Answers] = {"aten.copy": (_copy_zeros, _copy_reads)}
