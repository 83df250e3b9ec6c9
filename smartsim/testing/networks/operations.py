"""Layers without weights of their own: arithmetic, reductions, data movement, aliasing.

Each takes data `(n, c, ...)` and the condition lam, and returns data of at least two dimensions.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["OPERATIONS", "SPATIAL_OPERATIONS", "Operation"]

_Function: TypeAlias = Callable[[Tensor, Tensor], Tensor]


class Operation(nn.Module):
    """One of the functions of this module, by name."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.scratch: Tensor
        self.register_buffer("scratch", torch.full((1,), 2.0, dtype=torch.float64))

    def forward(self, x: Tensor, lam: Tensor) -> Tensor:
        """Apply it."""
        if self.kind == "write to a buffer":
            return x * 1.5 + self.scratch.mul_(lam)
        return {**OPERATIONS, **SPATIAL_OPERATIONS}[self.kind](x, lam)

    def extra_repr(self) -> str:
        """What a failing example must show."""
        return self.kind


def _change_in_place(x: Tensor, lam: Tensor) -> Tensor:
    return (x * 1.5).relu_().mul_(0.5).add_(x)


def _scale_view_in_place(x: Tensor, lam: Tensor) -> Tensor:
    y = x * 1.5
    y[:, :1].mul_(lam)
    return y


def _copy_into_view(x: Tensor, lam: Tensor) -> Tensor:
    y = x * 1.5
    y[:, -1] = x[:, 0]
    return y


def _overwrite_after_reading(x: Tensor, lam: Tensor) -> Tensor:
    y = x * 1.5
    early = y + x
    y.zero_()
    return early + y


def _attend(x: Tensor, lam: Tensor) -> Tensor:
    rows = x.flatten(2) if x.dim() > 2 else x.unsqueeze(1)
    scores = torch.bmm(rows, rows.transpose(1, 2)).softmax(-1)
    return torch.bmm(scores, rows).reshape(x.shape)


def _standardise(x: Tensor, lam: Tensor) -> Tensor:
    spread = x.var(dim=1, keepdim=True, correction=0)
    return (x - x.mean(dim=1, keepdim=True)) / (spread + 0.1).sqrt()


def _normalise_images(x: Tensor, lam: Tensor) -> Tensor:
    return functional.instance_norm(x) if x[0, 0].numel() > 1 else x


OPERATIONS: Mapping[str, _Function] = {
    "x * 1.5 - lam": lambda x, lam: x * 1.5 - lam,
    "lam * x": lambda x, lam: lam * x,
    "1 - x": lambda x, lam: 1 - x,
    "x / 3": lambda x, lam: x / 3,
    "x ** 2": lambda x, lam: x**2,
    "-x.abs()": lambda x, lam: -x.abs(),
    "add with alpha": lambda x, lam: torch.add(x, x.tanh(), alpha=0.5),
    "subtract from zeros": lambda x, lam: torch.zeros_like(x) - x,
    "maximum with its negative": lambda x, lam: torch.maximum(x, -x),
    "clamp": lambda x, lam: x.clamp(-0.5, 0.5),
    "sum over channels": lambda x, lam: x.sum(dim=1, keepdim=True) + x,
    "mean of the rest": lambda x, lam: x.flatten(1).mean(dim=1, keepdim=True),
    "largest channel": lambda x, lam: x.amax(dim=1, keepdim=True),
    "layer norm": lambda x, lam: functional.layer_norm(x, x.shape[1:]),
    "standardise": _standardise,
    "instance norm": _normalise_images,
    "addcmul": lambda x, lam: torch.addcmul(x, x, x.tanh(), value=0.5),
    "normalise": lambda x, lam: functional.normalize(x, dim=1),
    "attend": _attend,
    "change in place": _change_in_place,
    "scale a view in place": _scale_view_in_place,
    "copy into a view": _copy_into_view,
    "overwrite after reading": _overwrite_after_reading,
    "write to a buffer": lambda x, lam: x,
    "flip": lambda x, lam: x.flip(-1),
    "drop a channel": lambda x, lam: x[:, 1:] if x.shape[1] > 1 else x,
    "reshape": lambda x, lam: x.flatten(1).reshape(x.shape),
    "concatenate with zeros": lambda x, lam: torch.cat([x, x.new_zeros(x.shape)], dim=1),
}
"""For data with any number of spatial dimensions."""

SPATIAL_OPERATIONS: Mapping[str, _Function] = {
    "pad": lambda x, lam: functional.pad(x, (1, 0)),
    "every second": lambda x, lam: x[..., ::2],
    "swap channels and space": lambda x, lam: x.transpose(1, -1),
    "swap and copy": lambda x, lam: x.transpose(1, -1).contiguous(),
}
"""For data with at least one spatial dimension."""
