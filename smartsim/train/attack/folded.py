"""The eval-mode forward pass of a model with all that does not change during an attack done once.

Each batch norm, and the FiLM layer on it, is one gain and one offset a channel. Where they are the
same for all images they become part of the convolution before them; else they are one fused
multiply-add. Weights are masked, scaled, cast and laid out once an attack, and noise is added as
often as the model is to draw it. The function is the model's own; only rounding differs.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear

from smartsim.models import Condition, ConditionalModel
from smartsim.models.backbones import BasicBlock, PreActivationBlock, ResNet, WideResNet
from smartsim.models.layers import Conv2d, Linear, NoisyWeight
from smartsim.models.norms import BatchNorm2d, DualBatchNorm2d, FilmedNorm

__all__ = ["fold_model"]

Block = TypeVar("Block", BasicBlock, PreActivationBlock)

_PIXELS = 8

Affine = tuple[Tensor, Tensor]
"""Gain and offset, each of shape (1 or n, c)."""


def fold_model(
    model: ConditionalModel, condition: Condition, *, dtype: torch.dtype, redraw: bool
) -> Callable[[Tensor], Tensor]:
    """The model at one condition as a function of images, for attacks.

    Args:
        model: Its weights are read now, and again at each call if noise is to be redrawn.
        condition: "clean" or "adversarial"; with a lam for each image it holds for that batch.
        dtype: What to compute in.
        redraw: Whether fresh noise is drawn at each call, or now.

    Returns:
        Images (n, c, h, w) to logits (n, classes) as the model in eval mode has them.
    """
    folded = _Folded(model, condition, dtype, redraw)
    return folded.classify


class _Folded:
    """A model at one condition; its layers are called, and noise is drawn, in its own order."""

    def __init__(
        self, model: ConditionalModel, condition: Condition, dtype: torch.dtype, redraw: bool
    ) -> None:
        self.model = model
        self.dtype = dtype
        with torch.no_grad():
            conditional = model.settings.features.conditional
            self.condition = model.encode(condition) if conditional else condition
        noisy = any(
            isinstance(layer, NoisyWeight) and layer.noise is None for layer in model.modules()
        )
        self.keep = not (redraw and noisy and condition.path == "adversarial")
        self.weights: dict[int, tuple[Tensor, Tensor | None]] = {}
        self.affines: dict[int, Affine] = {}

    def classify(self, images: Tensor) -> Tensor:
        """Images (n, c, h, w) to logits (n, classes)."""
        if not self.keep:
            self.weights.clear()
        model = self.model
        with torch.autocast(images.device.type, enabled=False):
            x = images.to(self.dtype)
            match model:
                case ResNet():
                    x = self.convolve(x, model.conv1, model.bn1).relu_()
                    for block in _blocks(model, BasicBlock):
                        x = self.run_basic(x, block)
                case WideResNet():
                    x = self.convolve(x, model.conv1, None)
                    for wide_block in _blocks(model, PreActivationBlock):
                        x = self.run_preactivation(x, wide_block)
                    x = self.modulate(x, model.bn1).relu_()
                case _:
                    logits: Tensor = model(images, self.condition)
                    return logits
            return self.multiply(x.mean(dim=(2, 3)), model.linear)

    def run_basic(self, x: Tensor, block: BasicBlock) -> Tensor:
        """Convolution, norm, relu, convolution, norm, plus the shortcut, relu."""
        out = self.convolve(x, block.conv1, block.bn1).relu_()
        out = self.convolve(out, block.conv2, block.bn2)
        if block.shortcut is not None:
            x = self.convolve(x, block.shortcut.conv, block.shortcut.bn)
        return out.add_(x).relu_()

    def run_preactivation(self, x: Tensor, block: PreActivationBlock) -> Tensor:
        """Norm, relu, convolution, norm, relu, convolution, plus the shortcut."""
        active = self.modulate(x, block.bn1).relu_()
        out = self.convolve(active, block.conv1, block.bn2).relu_()
        out = self.convolve(out, block.conv2, None)
        if isinstance(block.shortcut, Conv2d):
            x = self.convolve(active, block.shortcut, None)
        return out.add_(x)

    def convolve(self, x: Tensor, conv: Conv2d, norm: object) -> Tensor:
        """A convolution and the norm behind it."""
        affine = None if norm is None else self.affine(norm)
        shared = affine is not None and len(affine[0]) == 1
        if id(conv) not in self.weights:
            with torch.no_grad():
                weight, bias = conv.effective_weight(self.condition), None
                if affine is not None and shared:
                    weight = weight * affine[0][0][:, None, None, None]
                    bias = affine[1][0].to(self.dtype)
                weight = weight.to(self.dtype).contiguous(memory_format=_layout(x))
            self.weights[id(conv)] = (weight, bias)
        weight, bias = self.weights[id(conv)]
        out = conv2d(x, weight, bias, conv.stride, conv.padding)
        return out if affine is None or shared else _multiply_add(out, affine, self.dtype)

    def modulate(self, x: Tensor, norm: object) -> Tensor:
        """A norm that follows no convolution."""
        return _multiply_add(x, self.affine(norm), self.dtype)

    def multiply(self, x: Tensor, layer: nn.Linear) -> Tensor:
        """The classifier."""
        if id(layer) not in self.weights and isinstance(layer, Linear):
            with torch.no_grad():
                weight = layer.effective_weight(self.condition).to(self.dtype)
                self.weights[id(layer)] = (weight, layer.bias.detach().to(self.dtype))
        return linear(x, *self.weights[id(layer)])

    def affine(self, norm: object) -> Affine:
        """The norm's gain and offset at this condition."""
        if id(norm) not in self.affines:
            with torch.no_grad():
                self.affines[id(norm)] = _fold_norm(norm, self.condition)
        return self.affines[id(norm)]


def _layout(images: Tensor) -> torch.memory_format:
    """A CPU is faster with channels last; elsewhere weights follow the images."""
    last = images.device.type == "cpu" or images.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last else torch.contiguous_format


def _blocks(model: ResNet | WideResNet, kind: type[Block]) -> list[Block]:
    blocks = [b for name in model.stage_names for b in model.get_submodule(name).children()]
    return [block for block in blocks if isinstance(block, kind)]


class _MultiplyAdd(torch.autograd.Function):
    """`gain * x + offset` for each image and channel; gain and offset are constants."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gain: Tensor, offset: Tensor) -> Tensor:
        """Take x of shape (n, c, h, w), gain and offset of (1 or n, c)."""
        ctx.save_for_backward(gain)
        out = torch.empty_like(x)
        pixels, into, wide_gain, wide_offset = _widen(x, out, gain, offset)
        torch.addcmul(wide_offset, pixels, wide_gain, out=into)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """The gradient by x alone."""
        out = torch.empty_like(gradients[0])
        pixels, into, gain = _widen(gradients[0], out, *ctx.saved_tensors)
        torch.mul(pixels, gain, out=into)
        return out, None, None


def _widen(x: Tensor, out: Tensor, *factors: Tensor) -> list[Tensor]:
    """Views of images (n, c, h, w), and factors (1 or n, c) shaped to act on them.

    The CPU's vectors are longer than a pixel of few channels: take several pixels for one.
    """
    count, channels, height, width = x.shape
    layout = torch.channels_last
    together = x.is_contiguous(memory_format=layout) and out.is_contiguous(memory_format=layout)
    if not together or channels >= 64 or height * width % _PIXELS:
        return [x, out, *(factor[:, :, None, None] for factor in factors)]
    views = [part.permute(0, 2, 3, 1).view(count, -1, channels * _PIXELS) for part in (x, out)]
    return [*views, *(factor.repeat(1, _PIXELS)[:, None] for factor in factors)]


def _multiply_add(x: Tensor, affine: Affine, dtype: torch.dtype) -> Tensor:
    modulated: Tensor = _MultiplyAdd.apply(x, *(part.to(dtype) for part in affine))  # type: ignore[no-untyped-call]
    return modulated


def _fold_norm(norm: object, condition: Condition) -> Affine:
    """`gain * x + offset`: `(x - mean) / sqrt(var + eps) * weight + bias`, then FiLM."""
    match norm:
        case FilmedNorm():
            gain, offset = _fold_norm(norm.norm, condition)
            gamma, beta = norm.film.modulation(condition)
            return gamma * gain, gamma * offset + beta
        case DualBatchNorm2d():
            inner = norm.clean if condition.path == "clean" else norm.adversarial
            return _fold_norm(inner, condition)
        case BatchNorm2d(running_mean=Tensor() as mean, running_var=Tensor() as variance):
            gain = norm.weight * torch.rsqrt(variance + norm.eps)
            return gain[None], (norm.bias - mean * gain)[None]
    raise TypeError(f"no batch norm: {type(norm).__name__}")
