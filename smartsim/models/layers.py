"""Convolution and linear layers whose weight may depend on the path: noise, masks, or neither."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from smartsim.errors import ConfigurationError
from smartsim.models.condition import CLEAN, Condition
from smartsim.models.masks import draw_mask_pair

__all__ = ["INITIAL_ALPHA", "Conv2d", "Linear", "NoisyConv2d", "NoisyLinear", "NoisyWeight"]

INITIAL_ALPHA = 0.25
"""Where the trainable noise amplitude of each layer starts. Source: FLOAT, arXiv 2204.00426."""


class Conv2d(nn.Conv2d):
    """A square convolution without bias, padded to keep the size at stride 1; ignores lam."""

    def __init__(self, inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)

    def draw_weights(self, generator: torch.Generator) -> None:
        """Start as ResNets do: normal with variance 2 / (k * k * outputs)."""
        self.draw_into(self.weight, generator)

    def draw_into(self, weight: Tensor, generator: torch.Generator) -> None:
        """Draw first weights into a tensor of the weight's shape."""
        nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu", generator=generator)

    def effective_weight(self, condition: Condition) -> Tensor:
        """The weight that the path works with."""
        del condition
        return self.weight

    def bake_weight(self, condition: Condition, generator: torch.Generator | None) -> Tensor:
        """The same, with any fresh noise drawn from `generator`."""
        del generator
        return self.effective_weight(condition)

    def forward(self, input: Tensor, condition: Condition = CLEAN) -> Tensor:
        """Convolve (n, inputs, h, w) with the path's weight."""
        convolved: Tensor = self._conv_forward(input, self.effective_weight(condition), None)
        return convolved


class Linear(nn.Linear):
    """A linear layer with bias; ignores lam."""

    def draw_weights(self, generator: torch.Generator) -> None:
        """Start as torch's own linear layers do: uniform within 1 / sqrt(inputs); bias 0."""
        self.draw_into(self.weight, generator)
        nn.init.zeros_(self.bias)

    def draw_into(self, weight: Tensor, generator: torch.Generator) -> None:
        """Draw first weights into a tensor of the weight's shape."""
        bound = 1 / math.sqrt(self.in_features)
        nn.init.uniform_(weight, -bound, bound, generator=generator)

    def effective_weight(self, condition: Condition) -> Tensor:
        """The weight that the path works with."""
        del condition
        return self.weight

    def bake_weight(self, condition: Condition, generator: torch.Generator | None) -> Tensor:
        """The same, with any fresh noise drawn from `generator`."""
        del generator
        return self.effective_weight(condition)

    def forward(self, input: Tensor, condition: Condition = CLEAN) -> Tensor:
        """Multiply (n, inputs) with the path's weight."""
        return nn.functional.linear(input, self.effective_weight(condition), self.bias)


class NoisyWeight(nn.Module):
    """What noisy layers share: a weight that depends on the path.

    At lam = 0 it is `W`, or `W * M_c` where there are masks. At lam > 0 it is
    `W + lam * alpha * std(W) * eta`, or that times `M_a`, with eta standard normal of W's shape.
    The standard deviation is a number to the gradient, not a function of W.

    Attributes:
        alpha: Trainable amplitude, shape ().
        noise: The frozen eta, shaped as W; None where eta is fresh in every forward.
        mask_clean: M_c, boolean, shaped as W; None in dense layers.
        mask_adversarial: M_a, likewise.
        noise_generator: Where fresh eta comes from; None is torch's global one.

    Source: FLOAT, arXiv 2204.00426; SMART, arXiv 2302.03523; fresh noise as in PNI, arXiv
    1811.09310.
    """

    weight: Tensor
    alpha: nn.Parameter
    noise: Tensor | None
    mask_clean: Tensor | None
    mask_adversarial: Tensor | None
    noise_generator: torch.Generator | None

    def attach(self, *, noise: Literal["fresh", "frozen"], masked: bool) -> None:
        """Add the amplitude and the buffers, empty, to a layer that has its weight."""
        shape = self.weight.shape
        if shape.numel() < 2:
            raise ConfigurationError(
                f"a weight of shape {tuple(shape)} has no standard deviation, which noise would "
                "be scaled with; choose a greater width or more classes"
            )
        self.alpha = nn.Parameter(torch.tensor(INITIAL_ALPHA))
        self.noise_generator = None
        self.register_buffer("noise", torch.zeros(shape) if noise == "frozen" else None)
        for name in ("mask_clean", "mask_adversarial"):
            self.register_buffer(name, torch.ones(shape, dtype=torch.bool) if masked else None)

    def draw_masks(self, density: float, overlap: float, generator: torch.Generator) -> None:
        """Draw both masks anew, where the layer has masks."""
        if self.mask_clean is None or self.mask_adversarial is None:
            return
        clean, adversarial = draw_mask_pair(
            self.weight.shape, density=density, overlap=overlap, generator=generator
        )
        self.mask_clean.copy_(clean)
        self.mask_adversarial.copy_(adversarial)

    def draw_noise(self, generator: torch.Generator | None) -> None:
        """Draw the frozen noise anew, where the layer has frozen noise."""
        if self.noise is not None and not self.noise.is_meta:
            self.noise.copy_(_draw_normal(self.noise, generator))

    def effective_weight(self, condition: Condition, *, eta: Tensor | None = None) -> Tensor:
        """The weight that the path works with, with `eta` in place of the layer's own noise."""
        weight = self.weight
        mask = self.mask_clean
        if condition.path == "adversarial":
            amplitude = condition.lam * self.alpha * weight.detach().std()
            if eta is None:
                eta = self.noise
            if eta is None:
                eta = _draw_normal(weight, self.noise_generator)
            weight = weight + amplitude * eta
            mask = self.mask_adversarial
        return weight if mask is None else weight * mask

    def bake_weight(self, condition: Condition, generator: torch.Generator | None) -> Tensor:
        """The path's weight; fresh noise is drawn from `generator`, or is 0, its expectation."""
        if self.noise is not None or condition.path == "clean":
            return self.effective_weight(condition)
        if generator is None:
            return self.effective_weight(condition, eta=torch.zeros_like(self.weight))
        return self.effective_weight(condition, eta=_draw_normal(self.weight, generator))


def _draw_normal(like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Standard normal values of the shape, type and device of `like`.

    A generator draws on its own device, so one on the CPU gives the same noise everywhere.
    """
    if generator is None:
        return torch.randn_like(like)
    return torch.randn(
        like.shape, generator=generator, dtype=like.dtype, device=generator.device
    ).to(like.device)


class NoisyConv2d(NoisyWeight, Conv2d):
    """A convolution with a weight as `NoisyWeight` has it."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        kernel: int = 3,
        stride: int = 1,
        noise: Literal["fresh", "frozen"] = "fresh",
        masked: bool = False,
    ) -> None:
        super().__init__(inputs, outputs, kernel=kernel, stride=stride)
        self.attach(noise=noise, masked=masked)


class NoisyLinear(NoisyWeight, Linear):
    """A linear layer with a weight as `NoisyWeight` has it; its bias gets no noise."""

    def __init__(
        self, inputs: int, outputs: int, *, noise: Literal["fresh", "frozen"] = "fresh"
    ) -> None:
        super().__init__(inputs, outputs)
        self.attach(noise=noise, masked=False)
