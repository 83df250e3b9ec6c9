"""Small modules and short names for tests of the trace."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from smartsim.graph import Graph, Op
from smartsim.trace import trace_model

__all__ = ["Calling", "find_op", "ones_and_zeros", "op_stages", "trace_function"]


class Calling(nn.Module):
    """A module whose forward is any function of the module and its inputs.

    Parameters and modules among the keyword arguments are registered as such, tensors as buffers,
    anything else becomes an attribute.
    """

    def __init__(self, function: Callable[..., Any], **parts: Any) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            if isinstance(part, Tensor) and not isinstance(part, nn.Parameter):
                self.register_buffer(name, part)
            else:
                setattr(self, name, part)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(self, *args, **kwargs)


def trace_function(
    function: Callable[..., Any],
    inputs: Any = (2, 4),
    *,
    condition: Mapping[str, float] | None = None,
    **parts: Any,
) -> Graph:
    """Trace a `Calling` module."""
    return trace_model(Calling(function, **parts), inputs, condition=condition)


def find_op(graph: Graph, name: str) -> Op:
    """The one op of this name, without its "aten."."""
    (op,) = (op for op in graph.ops if op.name == f"aten.{name}")
    return op


def op_stages(graph: Graph) -> list[tuple[str, str]]:
    """Name and stage of every op, in order of execution."""
    return [(op.name.removeprefix("aten."), op.stage) for op in graph.ops]


def ones_and_zeros(*shape: int, seed: int = 0) -> Tensor:
    """A float tensor of zeros and ones, about half of each."""
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(shape, generator=generator) < 0.5).float()
