"""Which scalars lie in which torch storage.

Tensors of the model stay torch tensors; a side table maps each storage to a flat array of scalars.
A view has the storage of its base, so views alias here as they do in torch, and need no rule.
Knows where zeros are structure: in masks, and in parameters whose zeros the caller declares.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from smartsim.errors import InvalidModelError
from smartsim.graph import Stage
from smartsim.testing.scalars import Scalar, ScalarArray, latest_stage

__all__ = ["Memory", "Operand", "is_binary", "to_values"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operand:
    """A tensor as an op reads it.

    Attributes:
        scalars: Its numbers, in its shape.
        stage: The latest stage of anything that was written to its storage.
        is_mask: Whether it is a known mask: of zeros and ones, and nothing else can be there.
        is_number: Whether it is a Python number and no tensor.
        literal: The one number that the code put there: a Python number, what the program filled
            a tensor with, or a 0-d constant; None for anything else.
    """

    scalars: ScalarArray
    stage: Stage
    is_mask: bool = False
    is_number: bool = False
    literal: float | None = None


@dataclass(slots=True)
class _Block:
    """What is known of one storage. `shadow` is the copy that is written instead of a user's."""

    storage: torch.UntypedStorage
    scalars: ScalarArray
    stage: Stage
    element_bytes: int
    is_users: bool
    is_mask: bool = False
    literal: float | None = None
    shadow: torch.UntypedStorage | None = None


class Memory:
    """The side table of one run.

    Args:
        skips_zeros: Whether structure is looked at; if not, no scalar is ever known to be zero.
    """

    def __init__(self, *, skips_zeros: bool) -> None:
        self._skips_zeros = skips_zeros
        self._blocks: dict[int, _Block] = {}

    def knows(self, tensor: torch.Tensor) -> bool:
        """Whether the tensor's storage was seen before."""
        return _key(tensor) in self._blocks

    def is_users(self, tensor: torch.Tensor) -> bool:
        """Whether the tensor was there before the run."""
        return self._blocks[_key(tensor)].is_users

    def register_leaf(self, tensor: torch.Tensor, stage: Stage, *, zeros: bool = False) -> None:
        """Enter a tensor that the run did not compute: a parameter, an input, a constant.

        Args:
            tensor: The tensor.
            stage: Its stage; only what is known at deployment can be a mask.
            zeros: Whether its exact zeros are structure, as in a pruned checkpoint.
        """
        block = self._block(tensor, stage, is_users=True)
        places = _places(tensor)
        values = to_values(tensor)
        structure = self._skips_zeros and stage == "deploy"
        block.is_mask = block.is_mask or (structure and is_binary(tensor))
        for place, value in zip(places.flat, values.flat, strict=True):
            if block.scalars[place] is None:
                block.scalars[place] = Scalar(
                    float(value),
                    zero=structure and (block.is_mask or zeros) and value == 0,
                )

    def read(self, tensor: torch.Tensor) -> Operand:
        """The scalars of a tensor; one that was never seen is a constant of the program."""
        key = _key(tensor)
        if key not in self._blocks:
            self.register_leaf(tensor, "deploy")
            if tensor.untyped_storage().nbytes() == tensor.element_size():
                self._blocks[key].literal = float(to_values(tensor).item())
        block = self._block(tensor, "deploy", is_users=True)
        places = _places(tensor)
        if any(block.scalars[place] is None for place in places.flat):
            self.register_leaf(tensor, block.stage)
        scalars = block.scalars[places.ravel()].reshape(places.shape)
        return Operand(
            scalars=scalars, stage=block.stage, is_mask=block.is_mask, literal=block.literal
        )

    def write(
        self,
        tensor: torch.Tensor,
        scalars: ScalarArray,
        stage: Stage,
        *,
        is_mask: bool,
        literal: float | None = None,
    ) -> None:
        """Put scalars of a shape that broadcasts to the tensor's where the tensor lies."""
        block = self._block(tensor, stage, is_users=False)
        is_whole = tensor.numel() == block.scalars.size
        block.stage = stage if is_whole else latest_stage((block.stage, stage))
        block.is_mask = is_whole and is_mask and self._skips_zeros
        block.literal = literal if is_whole else None
        places = _places(tensor)
        block.scalars[places.ravel()] = np.broadcast_to(scalars, places.shape).ravel()

    def _block(self, tensor: torch.Tensor, stage: Stage, *, is_users: bool) -> _Block:
        """The block behind a tensor, made when there is none."""
        key = _key(tensor)
        if key not in self._blocks:
            storage = tensor.untyped_storage()
            scalars = np.full(storage.nbytes() // tensor.element_size(), None, dtype=object)
            self._blocks[key] = _Block(storage, scalars, stage, tensor.element_size(), is_users)
        block = self._blocks[key]
        if block.element_bytes != tensor.element_size():
            raise InvalidModelError(
                f"a view reads a tensor's memory as {tensor.dtype}, which was written in another "
                "dtype; the oracle computes with numbers and cannot see their bits"
            )
        return block

    def shadow(self, tensor: torch.Tensor) -> None:
        """From now on let the program work on a copy of a tensor that belongs to the user."""
        block = self._blocks[_key(tensor)]
        if block.is_users and block.shadow is None:
            block.shadow = block.storage.clone()  # type: ignore[no-untyped-call]
            self._blocks[block.shadow._cdata] = block

    def substitute(self, tensor: torch.Tensor) -> torch.Tensor:
        """The tensor, or the same place in the copy that `shadow` made."""
        block = self._blocks.get(_key(tensor))
        if block is None or block.shadow is None:
            return tensor
        return torch.empty(0, dtype=tensor.dtype, device=tensor.device).set_(
            block.shadow,
            tensor.storage_offset(),
            tensor.shape,
            tensor.stride(),
        )


def is_binary(tensor: torch.Tensor) -> bool:
    """Whether a tensor holds zeros and ones only; both must be there if it is no boolean."""
    values = to_values(tensor)
    zeros, ones = int((values == 0).sum()), int((values == 1).sum())
    both = tensor.dtype == torch.bool or (zeros > 0 and ones > 0)
    return both and zeros + ones == values.size


def to_values(tensor: torch.Tensor) -> NDArray[np.float64]:
    """The tensor's numbers in double precision."""
    if tensor.is_complex():
        raise InvalidModelError(
            f"a tensor of {tensor.dtype} cannot be counted by scalars; use a real dtype"
        )
    values: NDArray[np.float64] = tensor.detach().to("cpu", torch.float64).numpy()
    return values


def _key(tensor: torch.Tensor) -> int:
    if tensor.layout != torch.strided or tensor.is_meta:
        raise InvalidModelError(
            f"a tensor with layout {tensor.layout} on device {tensor.device} has no numbers to "
            "compute with; give the oracle a model with dense tensors on the CPU"
        )
    key: int = tensor.untyped_storage()._cdata
    return key


def _places(tensor: torch.Tensor) -> NDArray[np.int64]:
    """Where in its storage each element lies, in the tensor's shape."""
    places = np.array(tensor.storage_offset(), dtype=np.int64)
    steps: Iterable[tuple[int, int]] = zip(tensor.shape, tensor.stride(), strict=True)
    for size, stride in steps:
        places = places[..., None] + np.arange(size, dtype=np.int64) * stride
    return places
