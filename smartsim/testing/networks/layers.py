"""Small conditional layers that networks for tests are built from.

Each takes data `(n, c, ...)` and the condition lam. Each has a weakness that a counter may trip
over: zeros, noise, aliasing, results that nobody needs.
"""

from typing import Literal, assert_never

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = [
    "Branches",
    "Contraction",
    "DualBatchNorm",
    "Film",
    "MaskKind",
    "Masked",
    "Network",
    "Noise",
    "Plain",
    "Residual",
    "Twice",
    "Unused",
]

Noise = Literal["none", "fresh", "frozen"]
MaskKind = Literal["buffer", "complement", "score", "where", "fill"]


class Network(nn.Module):
    """Layers one after the other."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor, lam: Tensor) -> Tensor:
        """Run every layer."""
        for layer in self.layers:
            x = layer(x, lam)
        return x


class Plain(nn.Module):
    """A module that knows nothing of the condition."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor, lam: Tensor) -> Tensor:
        """Run the module."""
        result: Tensor = self.module(x)
        return result


class Contraction(nn.Module):
    """A convolution or linear layer whose weight may be noisy and masked.

    The weight is `(W + lam * alpha * std(W) * noise) * mask`, with whatever of it was asked for.
    """

    def __init__(
        self,
        module: nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.Linear,
        *,
        noise: Noise = "none",
        mask: Tensor | None = None,
        alpha: float = 0.25,
    ) -> None:
        super().__init__()
        self.module = module
        self.noise = noise
        self.mask: Tensor | None
        self.register_buffer("mask", mask)
        if noise != "none":
            self.alpha = nn.Parameter(torch.tensor(alpha, dtype=module.weight.dtype))
        self.frozen: Tensor
        if noise == "frozen":
            self.register_buffer("frozen", torch.randn_like(module.weight))

    def forward(self, x: Tensor, lam: Tensor) -> Tensor:
        """Make the weight and contract."""
        weight: Tensor = self.module.weight
        if self.noise != "none":
            noise = torch.randn_like(weight) if self.noise == "fresh" else self.frozen
            weight = (
                weight
                + lam * self.alpha * weight.std(correction=min(1, weight.numel() - 1)) * noise
            )
        if self.mask is not None:
            weight = weight * self.mask
        result: Tensor
        if isinstance(self.module, nn.Linear):
            result = functional.linear(x, weight, self.module.bias)
        elif isinstance(self.module, nn.ConvTranspose2d):
            result = functional.conv_transpose2d(
                x,
                weight,
                self.module.bias,
                self.module.stride,
                self.module.padding,  # type: ignore[arg-type]
                self.module.output_padding,
                self.module.groups,
                self.module.dilation,
            )
        else:
            result = self.module._conv_forward(x, weight, self.module.bias)
        return result

    def extra_repr(self) -> str:
        """What a failing example must show."""
        mask = None if self.mask is None else f"{self.mask.dtype} {self.mask.int().tolist()}"
        alpha = f", alpha={self.alpha.item()}" if self.noise != "none" else ""
        return f"noise={self.noise}{alpha}, mask={mask}"


class Film(nn.Module):
    """An affine of each channel by an MLP of lam."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(1, hidden), nn.LeakyReLU(0.1), nn.Linear(hidden, 2 * channels)
        )

    def forward(self, x: Tensor, lam: Tensor) -> Tensor:
        """Compute `gamma * x + beta`."""
        gamma, beta = self.mlp(lam.to(x.dtype).reshape(1, 1)).chunk(2, dim=1)
        shape = (1, -1, *[1] * (x.dim() - 2))
        result: Tensor = gamma.reshape(shape) * x + beta.reshape(shape)
        return result


class DualBatchNorm(nn.Module):
    """One batch norm for lam = 0 and one for lam > 0."""

    def __init__(self, clean: nn.Module, adversarial: nn.Module) -> None:
        super().__init__()
        self.clean = clean
        self.adversarial = adversarial

    def forward(self, x: Tensor, lam: Tensor) -> Tensor:
        """Route by the condition."""
        result: Tensor = self.adversarial(x) if lam > 0 else self.clean(x)
        return result


class Residual(nn.Module):
    """Data plus what an inner layer makes of it, or the inner layer's result twice."""

    def __init__(self, inner: nn.Module, *, keeps_shape: bool) -> None:
        super().__init__()
        self.inner = inner
        self.keeps_shape = keeps_shape

    def forward(self, x: Tensor, lam: Tensor) -> Tensor:
        """Add both ways."""
        result: Tensor = self.inner(x, lam)
        return result + (x if self.keeps_shape else result)


class Branches(nn.Module):
    """Two layers side by side on the same data, concatenated along the channels."""

    def __init__(self, left: nn.Module, right: nn.Module) -> None:
        super().__init__()
        self.left = left
        self.right = right

    def forward(self, x: Tensor, lam: Tensor) -> Tensor:
        """Concatenate what both make, and drop the last channel if there are several."""
        both = torch.cat([self.left(x, lam), self.right(x, lam)], dim=1)
        return both[:, :-1] if both.shape[1] > 2 else both


class Twice(nn.Module):
    """One layer on two inputs: its weight and module are used twice."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor, lam: Tensor) -> Tensor:
        """Add the layer's results."""
        result: Tensor = self.inner(x, lam) - self.inner(x.relu(), lam)
        return result


class Masked(nn.Module):
    """Activations under a mask: a product with it or its complement, or a choice by it."""

    def __init__(self, mask: Tensor, *, kind: MaskKind) -> None:
        super().__init__()
        self.kind = kind
        self.mask: Tensor
        self.register_buffer("mask", mask)

    def forward(self, x: Tensor, lam: Tensor) -> Tensor:
        """Multiply."""
        match self.kind:
            case "buffer":
                return x * self.mask
            case "complement":
                return x * (~self.mask if self.mask.dtype == torch.bool else 1 - self.mask)
            case "score":
                return x * (self.mask.to(x.dtype) > 0.5)
            case "where":
                return torch.where(self.mask > 0, x, 0.0)
            case "fill":
                return x.masked_fill(self.mask == 0, 0.0)
            case _:
                assert_never(self.kind)

    def extra_repr(self) -> str:
        """What a failing example must show."""
        return f"{self.mask.dtype} {self.mask.int().flatten().tolist()}, {self.kind}"


class Unused(nn.Module):
    """A layer of whose result nothing, or one channel only, is used."""

    def __init__(self, inner: nn.Module, *, uses_channel: bool) -> None:
        super().__init__()
        self.inner = inner
        self.uses_channel = uses_channel

    def forward(self, x: Tensor, lam: Tensor) -> Tensor:
        """Compute, and throw away."""
        result: Tensor = self.inner(x, lam)
        return result[:, :1] if self.uses_channel else x

    def extra_repr(self) -> str:
        """What a failing example must show."""
        return f"uses_channel={self.uses_channel}"
