"""A model, left exactly as it was found."""

import types
from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import is_
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["keep_model_unchanged", "put_back_versions"]

_CONTAINERS = frozenset((dict, OrderedDict, defaultdict, list, set, deque))
_ATOMS = frozenset((bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device))
_FOREIGN = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType)
_MOST_OBJECTS = 100_000


@contextmanager
def keep_model_unchanged(model: torch.nn.Module) -> Iterator[None]:
    """Run `model` in eval mode, then put back all that its forward assigned.

    That is every attribute of its modules and of the objects, containers and arrays that these
    hold; of its tensors the memory behind them, their gradients, hooks and attributes. Values of
    tensors are safe already: under a trace no op is ever executed on a tensor of the model.
    """
    modules = [(module, module.training) for module in model.modules()]
    memory = _remember(model)
    try:
        for module, _ in modules:
            _set_mode(module, training=False)
        yield
    finally:
        _put_back(memory)
        for module, mode in modules:
            _set_mode(module, training=mode)


def _set_mode(module: torch.nn.Module, *, training: bool) -> None:
    if "training" in vars(module):  # past any setter of the user's
        vars(module)["training"] = training
    else:  # scripted and compiled modules keep it elsewhere
        module.training = training


def put_back_versions(versions: Iterable[tuple[torch.Tensor, int]]) -> None:
    """Let autograd forget in-place ops that were recorded and not executed.

    It counts writes to each tensor, and refuses a backward pass through one that was written to
    after the forward pass.
    """
    written = [(tensor, version) for tensor, version in versions if tensor._version != version]
    if written:
        tensors, before = zip(*written, strict=True)
        torch._C._autograd._unsafe_set_version_counter(tensors, before)


_HOOKS = ("_backward_hooks", "_post_accumulate_grad_hooks")
_Hooks = dict[str, tuple[dict[Any, Any], dict[Any, Any]]] | None
"""For each of a tensor's dictionaries of hooks: it, and what it held."""


class _TensorMemory(NamedTuple):
    """What a tensor looked like, its values apart; there are many, so it must be made fast."""

    tensor: torch.Tensor
    data: torch.Tensor
    requires_grad: bool
    grad: torch.Tensor | None
    hooks: _Hooks
    attributes: dict[str, Any] | None


@dataclass(slots=True)
class _Memory:
    """What the objects that a model holds looked like."""

    attributes: list[tuple[Any, dict[str, Any]]] = field(default_factory=list)
    contents: list[tuple[Any, Any]] = field(default_factory=list)
    empty: list[Any] = field(default_factory=list)
    arrays: list[tuple[NDArray[Any], NDArray[Any]]] = field(default_factory=list)
    tensors: list[_TensorMemory] = field(default_factory=list)


def _remember(model: torch.nn.Module) -> _Memory:
    memory = _Memory()
    seen: set[int] = set()
    waiting: list[Any] = [model]
    while waiting and len(seen) < _MOST_OBJECTS:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        for part in _remember_one(item, memory):
            kind = type(part)
            if kind in _CONTAINERS and not part:
                memory.empty.append(part)
            elif kind not in _ATOMS:
                waiting.append(part)
    return memory


def _remember_one(item: Any, memory: _Memory) -> Iterable[Any]:
    """Add one object to `memory`; returns what it holds."""
    kind = type(item)
    if kind in _CONTAINERS:
        memory.contents.append((item, item.copy()))
        held: Iterable[Any] = item.values() if isinstance(item, dict) else item
        return held
    if isinstance(item, torch.Tensor):
        grad = item.grad if item.is_leaf else None
        memory.tensors.append(
            _TensorMemory(item, item.data, item.requires_grad, grad, *_copy_dicts(item))
        )
        return ()
    if isinstance(item, np.ndarray):
        if item.flags.writeable and item.dtype != object:
            memory.arrays.append((item, item.copy()))
        return ()
    if kind is tuple:
        return tuple(item)
    if _has_attributes(item):
        attributes: dict[str, Any] = vars(item)
        memory.attributes.append((item, attributes.copy()))
        return attributes.values()
    return ()


def _has_attributes(item: Any) -> bool:
    """Modules, and objects of the user's; torch's own objects hold no state of the model."""
    if isinstance(item, torch.nn.Module):
        return True
    if isinstance(item, _FOREIGN) or type(item).__module__.partition(".")[0] == "torch":
        return False
    return isinstance(getattr(item, "__dict__", None), dict)


def _put_back(memory: _Memory) -> None:
    for item, attributes in memory.attributes:
        if not _is_same(vars(item), attributes):
            vars(item).clear()
            vars(item).update(attributes)
    for container in memory.empty:
        if container:
            container.clear()
    for container, content in memory.contents:
        if not _is_same(container, content):
            container.clear()
            (container.extend if isinstance(container, list | deque) else container.update)(content)
    for array, values in memory.arrays:
        if array.tobytes() != values.tobytes():
            array[...] = values
    for tensor in memory.tensors:
        _put_back_tensor(tensor)


def _copy_dicts(tensor: torch.Tensor) -> tuple[_Hooks, dict[str, Any] | None]:
    """A tensor's hooks, with their handles' own dictionary, and its attributes; None if none."""
    attributes = vars(tensor)
    hooks = {slot: (held, held.copy()) for slot in _HOOKS if (held := getattr(tensor, slot))}
    return hooks or None, attributes.copy() if attributes else None


def _put_back_tensor(memory: _TensorMemory) -> None:
    tensor, data, requires_grad, grad, hooks, attributes = memory
    if tensor.layout == torch.strided and not _shows_same(tensor, data):
        tensor.data = data
    for slot in _HOOKS:
        if getattr(tensor, slot) or hooks:
            _put_back_hooks(tensor, slot, (hooks or {}).get(slot))
    held = vars(tensor)
    if (held or attributes) and not _is_same(held, attributes or {}):
        held.clear()
        held.update(attributes or {})
    if tensor.requires_grad != requires_grad:
        tensor.requires_grad_(requires_grad)
    if tensor.is_leaf and tensor.grad is not grad:
        tensor.grad = grad


def _put_back_hooks(
    tensor: torch.Tensor, slot: str, hooks: tuple[dict[Any, Any], dict[Any, Any]] | None
) -> None:
    held, entries = hooks or (None, {})
    if getattr(tensor, slot) is not held:
        setattr(tensor, slot, held)
    if held is not None and not _is_same(held, entries):
        held.clear()
        held.update(entries)


def _shows_same(tensor: torch.Tensor, data: torch.Tensor) -> bool:
    """Whether both are the same window on the same memory, also on the meta device."""
    return (
        tensor.untyped_storage()._cdata == data.untyped_storage()._cdata
        and tensor.shape == data.shape
        and tensor.stride() == data.stride()
        and tensor.storage_offset() == data.storage_offset()
    )


def _is_same(container: Any, content: Any) -> bool:
    """Whether the same objects stand at the same places."""
    if len(container) != len(content):
        return False
    if isinstance(container, set):
        return bool(container == content)
    if isinstance(container, dict):
        return all(map(is_, container, content)) and all(
            map(is_, container.values(), content.values())
        )
    return all(map(is_, container, content))
