"""Recurrent layers, whose kernels insist that weights lie where the data does."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map_only

from smartsim.trace.record.recorder import Recorder

__all__ = ["stand_in_for_recurrent_weights"]

_KERNELS = frozenset(("lstm", "gru", "rnn_tanh", "rnn_relu"))


class _StandIns(TorchFunctionMode):
    """Gives the kernels stand-ins on the meta device for the weights."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._recorder = recorder

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        name = getattr(func, "__name__", "")
        if name in _KERNELS:
            args = tree_map_only(torch.Tensor, self._stand_in, args)
        if name == "_pad_packed_sequence":
            return _pad_packed_sequence(*args)
        return func(*args, **(kwargs or {}))

    def _stand_in(self, tensor: torch.Tensor) -> torch.Tensor:
        """The sizes of a packed sequence's batches stay as they are: the kernels read them."""
        return self._recorder.memories.stand_in(tensor) if tensor.is_floating_point() else tensor


def _pad_packed_sequence(
    data: torch.Tensor, batch_sizes: torch.Tensor, batch_first: bool, value: float, length: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """As torch's own, which writes the lengths to memory that a trace does not give it."""
    sizes: list[int] = batch_sizes.tolist()
    padded = data.new_full((max(length, len(sizes)), sizes[0], *data.shape[1:]), value)
    parts = torch.split(data, sizes)
    for step, (size, part) in enumerate(zip(sizes, parts, strict=True)):
        padded[step, :size].copy_(part)
    lengths = [sum(size > place for size in sizes) for place in range(sizes[0])]
    return (padded.transpose(0, 1) if batch_first else padded), torch.tensor(lengths, device="cpu")


@contextmanager
def stand_in_for_recurrent_weights(model: torch.nn.Module, recorder: Recorder) -> Iterator[None]:
    """Let the recurrent layers of `model` run; other models pay nothing for it."""
    if any(isinstance(module, torch.nn.RNNBase) for module in model.modules()):
        with _StandIns(recorder):
            yield
    else:
        yield
