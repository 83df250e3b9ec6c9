"""Indices that a forward gives as lists.

Torch makes a tensor of a list where the data lies, which is the meta device: its values are lost
before anything can be seen. A trace that meets such a tensor starts anew with every index watched,
which takes time that other models need not pay.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from smartsim.trace.record.tape import Operand

__all__ = ["ListIndexError", "WatchedIndices", "demand_seen_indices"]


class ListIndexError(BaseException):
    """An index came as a list, and was not watched; no forward may catch it."""


def demand_seen_indices(operands: Sequence[Operand]) -> None:
    """Of an index that nobody has seen, nobody knows what it chooses.

    Raises:
        ListIndexError: If there is one.
    """
    for operand in operands:
        value = operand.value
        if operand.argument == "indices" and value.role == "constant" and not value.known:
            raise ListIndexError


class WatchedIndices(TorchFunctionMode):
    """Makes tensors of indices that are lists, whose values a trace knows."""

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func in (torch.Tensor.__getitem__, torch.Tensor.__setitem__):
            data, index, *rest = args
            seen = tuple(map(_see, index)) if isinstance(index, tuple) else _see(index)
            args = (data, seen, *rest)
        return func(*args, **(kwargs or {}))


def _see(index: Any) -> Any:
    if isinstance(index, range):
        index = list(index)
    if isinstance(index, np.ndarray) or (isinstance(index, list) and _holds_numbers(index)):
        return torch.tensor(index, device="cpu")
    return index


def _holds_numbers(index: list[Any]) -> bool:
    return bool(index) and all(
        isinstance(item, int) or (isinstance(item, list) and _holds_numbers(item)) for item in index
    )
