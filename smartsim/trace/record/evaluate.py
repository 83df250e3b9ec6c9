"""Computing what is known at trace time, on demand, without touching the user's tensors."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch._C import _len_torch_dispatch_stack
from torch.utils._python_dispatch import _disable_current_modes

from smartsim.trace.record.geometry import View
from smartsim.trace.record.kernels import map_tensors
from smartsim.trace.record.tape import Node, Operand, Value

__all__ = ["compute", "compute_arguments", "plain_torch"]


def plain_torch() -> AbstractContextManager[object]:
    """Ops inside are executed, also where the caller is under a dispatch mode of his own."""
    return _disable_current_modes() if _len_torch_dispatch_stack() else nullcontext()


def compute(value: Value) -> torch.Tensor:
    """The flat content of a known value; it is kept, so that asking twice costs nothing more.

    Asked for a value at stage noise, it answers for noise that is zero, its mean.
    """
    if value.content is not None:
        return value.content
    with plain_torch(), torch.no_grad():
        return _content(value)


def _content(value: Value) -> torch.Tensor:
    if value.content is None:
        for missing in _list_missing(value):
            _fill(missing)
    if value.content is None:
        raise RuntimeError(f"value {value.index} was not written by its own node")
    return value.content


def _list_missing(value: Value) -> list[Value]:
    """What must be computed for `value`, in order of execution; recursion would be too deep."""
    missing: dict[int, Value] = {}
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if one.content is not None or one.index in missing:
            continue
        missing[one.index] = one
        if one.node is not None and not _is_random(one):
            waiting += [operand.value for operand in one.node.inputs]
            if one.previous is not None and one.previous.known:
                waiting.append(one.previous)
    return [missing[index] for index in sorted(missing)]


def _is_random(value: Value) -> bool:
    return value.node is not None and torch.Tag.nondeterministic_seeded in value.node.function.tags


def _fill(value: Value) -> None:
    """Compute one value, of which all that it follows from is computed already."""
    if value.content is not None:
        return  # another output of the same op
    if value.node is None:
        value.content = _flat(value.leaf, value.size)
    elif _is_random(value):
        value.content = torch.zeros(value.size, dtype=value.node.outputs[0].dtype)
    elif value.node.in_place and value.previous is not None:
        value.content = _compute_in_place(value.node, value.previous)
    else:
        _compute_outputs(value.node)


def compute_arguments(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], operands: list[Operand]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments with each tensor replaced by its real, known content."""
    with plain_torch(), torch.no_grad():
        return _real_arguments(args, kwargs, operands)


def _real_arguments(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], operands: list[Operand]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    contents = iter(operands)

    def real(tensor: torch.Tensor) -> torch.Tensor:
        operand = next(contents, None)
        return tensor if operand is None else _show(_content(operand.value), operand.view)

    real_args = map_tensors(real, args)
    return real_args, {name: map_tensors(real, value) for name, value in kwargs.items()}


def _flat(leaf: torch.Tensor | None, size: int) -> torch.Tensor:
    if leaf is None:
        raise RuntimeError("a leaf without data was called known")
    return leaf.as_strided((size,), (1,), 0)


def _compute_outputs(node: Node) -> None:
    """Run a node, and keep all that it wrote."""
    args, kwargs = _real_arguments(node.arguments, node.keywords, node.inputs)
    if "device" in kwargs:
        kwargs["device"] = torch.device("cpu")
    results = node.function(*args, **kwargs)
    results = results if isinstance(results, tuple | list) else (results,)
    for operand in node.outputs:
        result = results[int(operand.argument)]
        if operand.view.is_whole and result.is_contiguous():
            operand.value.content = result.view(-1)
            continue
        flat = torch.empty(operand.value.size, dtype=result.dtype)
        _show(flat, operand.view).copy_(result)
        operand.value.content = flat


def _compute_in_place(node: Node, before: Value) -> torch.Tensor:
    """Run an in-place node on a copy of what was there before."""
    target = node.outputs[0]
    known = (
        _content(before).clone() if before.known else torch.empty(before.size, dtype=target.dtype)
    )
    args, kwargs = _real_arguments(node.arguments, node.keywords, node.inputs)
    node.function(_show(known, target.view), *(args if node.target_dropped else args[1:]), **kwargs)
    return known


def _show(flat: torch.Tensor, view: View) -> torch.Tensor:
    """The window `view` of a flat tensor."""
    if view.strides is None:
        return flat.view(view.shape)
    return flat.as_strided(view.shape, view.strides, view.offset)
