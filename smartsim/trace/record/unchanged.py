"""A model, and torch itself, left exactly as they were found."""

import types
from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import is_
from typing import Any

import torch

__all__ = ["keep_buffers_unchanged", "keep_model_unchanged", "keep_torch_unchanged"]

_CONTAINERS = frozenset((dict, OrderedDict, defaultdict, list, set, deque))
_ATOMS = frozenset((bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device))
_FOREIGN = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType)
_MOST_OBJECTS = 100_000


@contextmanager
def keep_model_unchanged(model: torch.nn.Module) -> Iterator[None]:
    """Run `model` in eval mode, then put back all that its forward assigned.

    That is every attribute of its modules and of the objects and containers that these hold, the
    memory behind its tensors, and whether they require gradients. Values of tensors are safe
    already: under a trace no op is ever executed on a tensor of the model.
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


@contextmanager
def keep_buffers_unchanged(model: torch.nn.Module) -> Iterator[None]:
    """Put back the values of all buffers, for a pass that executes the model's ops."""
    values = [(buffer, buffer.clone()) for buffer in model.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, value in values:
                if not torch.equal(buffer, value):
                    buffer.copy_(value)


@contextmanager
def keep_torch_unchanged() -> Iterator[None]:
    """No gradients and no cache of autocast weights inside; torch's random state is put back."""
    state, caches = torch.get_rng_state(), torch.is_autocast_cache_enabled()
    torch.set_autocast_cache_enabled(False)
    try:
        with torch.no_grad():
            yield
    finally:
        torch.set_autocast_cache_enabled(caches)
        torch.set_rng_state(state)


def _set_mode(module: torch.nn.Module, *, training: bool) -> None:
    if isinstance(module, torch.jit.ScriptModule):
        module.training = training
    else:  # past any setter of the user's
        vars(module)["training"] = training


@dataclass(slots=True)
class _Memory:
    """What the objects that a model holds looked like."""

    attributes: list[tuple[Any, dict[str, Any]]] = field(default_factory=list)
    contents: list[tuple[Any, Any]] = field(default_factory=list)
    empty: list[Any] = field(default_factory=list)
    tensors: list[tuple[torch.Tensor, torch.Tensor, bool]] = field(default_factory=list)


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
        memory.tensors.append((item, item.data, item.requires_grad))
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
    for tensor, data, requires_grad in memory.tensors:
        if tensor.layout == torch.strided and not _shows_same(tensor, data):
            tensor.data = data
        if tensor.requires_grad != requires_grad:
            tensor.requires_grad_(requires_grad)


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
