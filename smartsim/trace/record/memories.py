"""TENSOR -> OPERAND: which value each piece of memory holds now, and how a tensor shows it."""

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import _disable_current_modes

from smartsim.graph import Role
from smartsim.trace.record.geometry import View
from smartsim.trace.record.kernels import META
from smartsim.trace.record.parameters import ModelTensor
from smartsim.trace.record.tape import DEPLOY, Node, Operand, Value
from smartsim.trace.record.unchanged import put_back_versions

__all__ = ["TINY_ELEMENTS", "Memories", "Memory"]

TINY_ELEMENTS = 64
"""Up to so many, the value of a known tensor is computed wherever it helps."""


class Memory:
    """A piece of memory, the value that it holds now, and how the tensor that made it shows it."""

    __slots__ = ("itemsize", "keep", "value", "view")

    def __init__(self, value: Value, itemsize: int, keep: torch.Tensor, view: View) -> None:
        self.value = value
        self.itemsize = itemsize
        self.keep = keep  # while it lives, nobody else gets its address
        self.view = view


class Memories:
    """Every piece of memory that a forward pass has met.

    Args:
        model_tensors: The parameters and buffers of the model; where several share one memory,
            the first gives it its name.

    Attributes:
        leaves: Values that no op made: inputs, the condition, parameters, buffers, constants.
    """

    def __init__(self, model_tensors: Sequence[ModelTensor]) -> None:
        self.leaves: list[Value] = []
        self._names: dict[int, tuple[Role, str]] = {}
        for kind, name, tensor in model_tensors:
            self._names.setdefault(tensor.untyped_storage()._cdata, (kind, name))
        self._at: dict[int, Memory] = {}
        self._views: dict[Any, View] = {}
        self._versions: list[tuple[torch.Tensor, int]] = []
        self._count = 0

    def clear(self) -> None:
        """Forget everything, since values and nodes hold each other, and the model."""
        put_back_versions(self._versions)
        self._versions.clear()
        self.leaves.clear()
        self._at.clear()

    def find(self, tensor: torch.Tensor) -> Memory | None:
        """The memory that `tensor` shows, if an op or the caller has made it known."""
        return self._at.get(tensor.untyped_storage()._cdata)

    def holds(self, storage: torch.UntypedStorage) -> bool:
        """Whether it is the model's, or one that the forward pass has met."""
        return storage._cdata in self._names or storage._cdata in self._at

    def name(self, tensor: torch.Tensor) -> tuple[Role, str]:
        """Role and name of the memory in the model; a constant has no name."""
        return self._names.get(tensor.untyped_storage()._cdata, ("constant", ""))

    def declare(self, tensor: torch.Tensor, stage: int, role: Role, name: str) -> None:
        """Make `tensor` a leaf of the given stage, before the forward pass starts."""
        self._declare(tensor, tensor.untyped_storage(), stage, role, name)

    def _declare(
        self, tensor: torch.Tensor, storage: Any, stage: int, role: Role, name: str
    ) -> Memory:
        known = tensor.device != META
        itemsize = tensor.element_size()
        size = storage.nbytes() // itemsize
        value = self.new_value(size, stage, role=role, name=name)
        value.leaf = tensor if known else None
        value.known, value.tiny = known, known and size <= TINY_ELEMENTS
        self.leaves.append(value)
        if not tensor.is_inference():
            self._versions.append((tensor, tensor._version))
        memory = Memory(value, itemsize, tensor, self.view(tensor, size))
        self._at[storage._cdata] = memory
        return memory

    def stand_in(self, tensor: torch.Tensor) -> torch.Tensor:
        """A tensor on the meta device that reads as `tensor` does."""
        if tensor.device == META:
            return tensor
        value = self.operand(tensor, "").value
        with _disable_current_modes():
            flat = torch.empty(value.size, dtype=tensor.dtype, device=META)
            twin = flat.as_strided(tensor.shape, tensor.stride(), tensor.storage_offset())
        memory = Memory(value, tensor.element_size(), twin, self.view(twin, value.size))
        self._at[twin.untyped_storage()._cdata] = memory
        return twin

    def operand(self, tensor: torch.Tensor, argument: str) -> Operand:
        """`tensor` as the current value of its memory, through its view."""
        storage = tensor.untyped_storage()
        memory = self._at.get(storage._cdata)
        if memory is None:
            role, name = self.name(tensor)
            memory = self._declare(tensor, storage, DEPLOY, role, name)
        value = memory.value
        if tensor is memory.keep:
            return Operand(argument, value, memory.view, tensor.dtype)
        if tensor.element_size() == memory.itemsize:
            return Operand(argument, value, self.view(tensor, value.size), tensor.dtype)
        view = self._view_of_all(value.size)
        return Operand(argument, value, view, tensor.dtype, True, tuple(tensor.shape))

    def view(self, tensor: torch.Tensor, size: int) -> View:
        """The tensor's window on `size` elements; equal windows are one object."""
        key = (size, tensor.shape, tensor.stride(), tensor.storage_offset())
        view = self._views.get(key)
        if view is None:
            shape, offset = tuple(tensor.shape), int(tensor.storage_offset())
            if tensor.numel() == size and offset == 0 and tensor.is_contiguous():
                view = self._views.setdefault((size, shape), View(size, shape))
            else:
                view = View(size, shape, tensor.stride(), offset)
            self._views[key] = view
        return view

    def _view_of_all(self, size: int) -> View:
        """All the data in a row: what an op reads or writes when the element type is another."""
        return self._views.setdefault(size, View(size, (size,)))

    def hold(self, tensor: torch.Tensor, node: Node, place: int) -> Operand | None:
        """A new tensor, the output of `node` at `place`; None if it shows what is known already."""
        storage = tensor.untyped_storage()
        address = storage._cdata
        if address in self._at:
            return None
        itemsize = tensor.element_size()
        size = storage.nbytes() // itemsize
        value = self.new_value(size, node.stage, node=node)
        view = self.view(tensor, size)
        self._at[address] = Memory(value, itemsize, tensor, view)
        return Operand(str(place), value, view, tensor.dtype)

    def replace(self, tensor: torch.Tensor, value: Value) -> None:
        """The memory that `tensor` shows holds `value` from now on."""
        self._at[tensor.untyped_storage()._cdata].value = value

    def new_value(
        self,
        size: int,
        stage: int,
        *,
        role: Role = "activation",
        name: str = "",
        node: Node | None = None,
    ) -> Value:
        """The next value, numbered."""
        self._count += 1
        return Value(self._count - 1, size, stage, role=role, name=name, node=node)
