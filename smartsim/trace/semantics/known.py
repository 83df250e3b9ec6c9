"""Which known tensors are masks, and which scalars are zero.

A zero is structure when it comes from a mask (a tensor of only zeros and ones, both present), from
zeros that the user declared, from a literal, from a multiplication by a known scalar zero, such as
lam = 0, or from a threshold of what is known before inference (see `cuts`). A fresh weight that
happens to hold 0.0 is no structure.
"""

from collections.abc import Collection, Iterator, Sequence

import torch

from smartsim.trace.record.evaluate import compute, plain_torch
from smartsim.trace.record.parameters import ModelTensor
from smartsim.trace.record.tape import Node, Operand, Value

__all__ = ["find_mask", "is_scalar_zero", "note_chance_zeros", "test_leaf"]

_GLANCE = 64
_MANY_ZEROS = 0.1
"""Share of exact zeros in a weight from which a note says that they were taken for chance."""


def find_mask(operand: Operand) -> bool:
    """Whether an operand of a product is a mask; if so its zeros are known from here on."""
    value = operand.value
    if not value.tested:
        value.tested = True
        if not value.mask and value.known and value.size > 1 and _may_be_mask(value):
            _test_mask(value)
    return value.mask


def _starts_as_mask(leaf: torch.Tensor) -> bool:
    """Whether the first element of its memory is 0 or 1; of an ordinary weight's it is not."""
    with plain_torch():
        return leaf.as_strided((), (), 0).item() in (0, 1)


def _may_be_mask(value: Value) -> bool:
    """Leaves may; what the forward computes may only where it follows from masks alone."""
    if value.node is None:
        return value.role != "condition" and value.leaf is not None and _starts_as_mask(value.leaf)
    if value.node.outputs[0].dtype == torch.bool:
        return True
    return bool(value.node.inputs) and all(
        find_mask(operand) or operand.dtype == torch.bool for operand in value.node.inputs
    )


def _test_mask(value: Value) -> None:
    content = compute(value)
    with plain_torch():
        for part in (content[:_GLANCE], content):
            if not bool(((part == 0) | (part == 1)).all()):
                return
        bits = (content != 0).cpu().numpy()
    if content.dtype != torch.bool and (bits.all() or not bits.any()):
        return
    value.bits, value.mask = bits, True


def test_leaf(value: Value, *, zeros_declared: bool) -> None:
    """Boolean leaves are masks; of a leaf whose zeros the user declared, these are known."""
    if value.leaf is None:
        return
    if value.leaf.dtype == torch.bool:
        value.bits, value.mask, value.tested = compute(value).cpu().numpy(), True, True
    elif zeros_declared:
        value.bits = (compute(value) != 0).cpu().numpy()


def note_chance_zeros(tensors: Sequence[ModelTensor], declared: Collection[str]) -> Iterator[str]:
    """A note on weights with many exact zeros that neither a mask nor the user makes structure.

    A glance at some elements of each weight finds them; only then are all looked at.
    """
    found = []
    with plain_torch():
        for kind, name, tensor in tensors:
            is_weight = kind == "parameter" and tensor.dim() > 1 and not tensor.is_meta
            if not is_weight or name in declared or tensor.numel() < _GLANCE:
                continue
            flat = tensor.detach().flatten()[:: tensor.numel() // _GLANCE]
            if int(torch.count_nonzero(flat)) > (1 - _MANY_ZEROS / 2) * len(flat):
                continue
            share = 1 - int(torch.count_nonzero(tensor)) / tensor.numel()
            if share >= _MANY_ZEROS:
                found.append((name, share))
    if found:
        name, share = max(found, key=lambda pair: pair[1])
        whose = f"weight {name!r} has" if len(found) == 1 else f"{len(found)} weights have"
        many = f"{share:.1%}" if len(found) == 1 else f"up to {share:.1%} ({name!r})"
        yield (
            f"{whose} {many} exact zeros and no mask, so all of them count; if the zeros are "
            f'structure, say so: declared_zeros=["{name}"], or "*" for every parameter '
            f"(--declare-zeros on the command line)"
        )


def is_scalar_zero(node: Node) -> bool:
    """Whether a product has a factor that is the known scalar zero: a number, or a 0-d tensor."""
    if node.attributes.get("other") == 0 and "other" in node.attributes:
        return True
    return any(
        operand.shape == ()
        and operand.value.tiny
        and not operand.converted
        and float(compute(operand.value)[operand.view.offset]) == 0.0
        for operand in node.inputs
    )
