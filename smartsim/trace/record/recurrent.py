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
        if getattr(func, "__name__", "") in _KERNELS:
            args = tree_map_only(torch.Tensor, self._recorder.memories.stand_in, args)
        return func(*args, **(kwargs or {}))


@contextmanager
def stand_in_for_recurrent_weights(model: torch.nn.Module, recorder: Recorder) -> Iterator[None]:
    """Let the recurrent layers of `model` run; other models pay nothing for it."""
    if any(isinstance(module, torch.nn.RNNBase) for module in model.modules()):
        with _StandIns(recorder):
            yield
    else:
        yield
