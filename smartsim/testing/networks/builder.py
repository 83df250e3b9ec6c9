"""Draws layers that fit given data, within a budget of products. Needs hypothesis."""

from collections.abc import Callable
from typing import Any

import torch
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from torch import Tensor, nn

from smartsim.testing.networks import layers
from smartsim.testing.networks.operations import OPERATIONS, SPATIAL_OPERATIONS, Operation

__all__ = ["LayerBuilder"]

_MAX_ELEMENTS = 200
_LAM = torch.tensor(0.5, dtype=torch.float64)


class LayerBuilder:
    """Draws one layer after the other.

    Args:
        draw: Hypothesis' function that draws from a strategy.
        budget: Bound on the products of all contractions together.
    """

    def __init__(self, draw: DrawFn, budget: int) -> None:
        self._draw = draw
        self._budget = budget

    def layer(self, x: Tensor, *, depth: int = 0) -> nn.Module:
        """Any layer for data like `x`; one at a depth below 2 may hold further layers."""
        makers: list[Callable[[Tensor], nn.Module]] = [
            self.contraction,
            self.contraction,
            self.contraction,
            self.activation,
            self.operation,
            self.batch_norm,
            self.film,
            self.masked,
        ]
        if x.dim() > 2:
            makers.append(self.pooling)
        if depth < 2:
            makers += [
                lambda data: self.residual(data, depth),
                lambda data: self.branches(data, depth),
                lambda data: layers.Twice(self.layer(data, depth=depth + 1)),
                lambda data: layers.Unused(
                    self.layer(data, depth=depth + 1), uses_channel=self._draw(st.booleans())
                ),
            ]
        layer = self._draw(st.sampled_from(makers))(x).double().eval()
        return layer if layer(x, _LAM).numel() <= _MAX_ELEMENTS else layers.Plain(nn.ReLU())

    def contraction(self, x: Tensor) -> nn.Module:
        """A convolution, transposed convolution or linear layer."""
        module = (self._linear(x) if x.dim() == 2 else self._convolution(x)).double()
        is_transposed = isinstance(module, nn.ConvTranspose2d)
        products = (x if is_transposed else module(x)).numel() * module.weight[0].numel()
        if products > self._budget:
            return layers.Plain(nn.ReLU())
        self._budget -= products
        if self._draw(st.booleans(), label="a weight happens to be zero"):
            module.weight.view(-1)[0] = 0.0
        noise: layers.Noise = self._draw(st.sampled_from(["none", "fresh", "frozen"]))
        return layers.Contraction(
            module,
            noise=noise,
            mask=self._draw(st.none() | self._masks(tuple(module.weight.shape))),
            alpha=self._draw(st.sampled_from([0.25, 0.0])) if noise != "none" else 0.25,
        )

    def _linear(self, x: Tensor) -> Any:
        return nn.Linear(x.shape[1], self._draw(st.integers(1, 5)), bias=self._draw(st.booleans()))

    def _convolution(self, x: Tensor) -> Any:
        """A convolution that leaves at least one element along each dimension."""
        rank, inputs, sizes = x.dim() - 2, x.shape[1], x.shape[2:]
        groups = self._draw(st.sampled_from([g for g in (1, 2, 3, 4) if inputs % g == 0]))
        outputs = groups * self._draw(st.integers(1, max(1, 4 // groups)))
        stride, dilation = self._draw(st.integers(1, 2)), self._draw(st.integers(1, 2))
        settings: dict[str, Any] = {"stride": stride, "dilation": dilation, "groups": groups}
        settings["bias"] = self._draw(st.booleans())
        if rank == 2 and self._draw(st.booleans(), label="transposed"):
            kernel = self._draw(st.integers(1, 3))
            most = min((size - 1) * stride + dilation * (kernel - 1) for size in sizes) // 2
            settings["padding"] = self._draw(st.integers(0, min(2, most)))
            settings["output_padding"] = self._draw(st.integers(0, max(stride, dilation) - 1))
            return nn.ConvTranspose2d(inputs, outputs, kernel, **settings)
        settings["padding"] = self._draw(st.integers(0, 2))
        most = (min(sizes) + 2 * settings["padding"] - 1) // dilation + 1
        kernel = self._draw(st.integers(1, min(3, most)))
        kind = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[rank]
        return kind(inputs, outputs, kernel, **settings)

    def _masks(self, shape: tuple[int, ...]) -> SearchStrategy[Tensor]:
        """Masks over the elements or over the first dimension; boolean or not; also full ones."""
        per_row = (shape[0], *[1] * (len(shape) - 1))

        def build(whole: bool, density: float, seed: int, dtype: torch.dtype) -> Tensor:
            generator = torch.Generator().manual_seed(seed)
            size = shape if whole else per_row
            return (torch.rand(size, generator=generator) < density).to(dtype)

        return st.builds(
            build,
            st.booleans(),
            st.sampled_from([0.5, 0.2, 1.0]),
            st.integers(0, 99),
            st.sampled_from([torch.bool, torch.float64]),
        )

    def masked(self, x: Tensor) -> nn.Module:
        """A mask on channels or on every activation."""
        mask = self._draw(self._masks(tuple(x.shape[1:]))).unsqueeze(0)
        return layers.Masked(
            mask,
            kind=self._draw(st.sampled_from(["buffer", "complement", "score", "where", "fill"])),
        )

    def activation(self, x: Tensor) -> nn.Module:
        """An elementwise function, or a softmax over the channels."""
        functions: list[Callable[[], nn.Module]] = [
            nn.ReLU,
            lambda: nn.LeakyReLU(0.1),
            nn.ReLU6,
            nn.Hardtanh,
            nn.Sigmoid,
            nn.Tanh,
            nn.GELU,
            lambda: nn.GELU(approximate="tanh"),
            nn.SiLU,
            nn.ELU,
            nn.PReLU,
            nn.Softplus,
            nn.Hardswish,
            nn.Hardsigmoid,
            lambda: nn.Softmax(dim=1),
            lambda: nn.LogSoftmax(dim=1),
        ]
        return layers.Plain(self._draw(st.sampled_from(functions))())

    def operation(self, x: Tensor) -> nn.Module:
        """Arithmetic, a reduction, data movement, or something in place."""
        kinds = [*OPERATIONS, *(SPATIAL_OPERATIONS if x.dim() > 2 else ())]
        return Operation(self._draw(st.sampled_from(kinds)))

    def batch_norm(self, x: Tensor) -> nn.Module:
        """One batch norm, or one for each side of the condition; or a group norm."""
        if x[0].numel() > 4 and self._draw(st.integers(0, 4), label="0 for a group norm") == 0:
            groups = self._draw(st.sampled_from([g for g in (1, 2) if x.shape[1] % g == 0]))
            return layers.Plain(nn.GroupNorm(groups, x.shape[1], affine=self._draw(st.booleans())))
        kinds: tuple[Callable[..., nn.Module], ...] = (
            nn.BatchNorm1d,
            nn.BatchNorm1d,
            nn.BatchNorm2d,
            nn.BatchNorm3d,
        )

        def build() -> nn.Module:
            module = kinds[x.dim() - 2](x.shape[1], affine=self._draw(st.booleans()))
            module.running_mean.normal_()  # type: ignore[operator]
            module.running_var.uniform_(0.5, 2.0)  # type: ignore[operator]
            return module

        if self._draw(st.booleans(), label="dual batch norm"):
            return layers.DualBatchNorm(build(), build())
        return layers.Plain(build())

    def pooling(self, x: Tensor) -> nn.Module:
        """Maximum or average pooling, also adaptive."""
        rank = x.dim() - 2
        if self._draw(st.booleans(), label="adaptive"):
            adaptive = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)[rank - 1]
            return layers.Plain(adaptive(self._draw(st.integers(1, 2))))
        kernel = self._draw(st.integers(1, min(3, *x.shape[2:])))
        kinds: tuple[tuple[Callable[..., nn.Module], ...], ...] = (
            (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d),
            (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d),
        )
        return layers.Plain(
            self._draw(st.sampled_from(kinds))[rank - 1](
                kernel,
                stride=self._draw(st.integers(1, 2)),
                padding=self._draw(st.integers(0, kernel // 2)),
                ceil_mode=self._draw(st.booleans()),
            )
        )

    def film(self, x: Tensor) -> nn.Module:
        """FiLM of every channel."""
        return layers.Film(x.shape[1], self._draw(st.integers(1, 3)))

    def residual(self, x: Tensor, depth: int) -> nn.Module:
        """A sum with the data where the shapes allow it."""
        inner = self.layer(x, depth=depth + 1)
        return layers.Residual(inner, keeps_shape=inner(x, _LAM).shape == x.shape)

    def branches(self, x: Tensor, depth: int) -> nn.Module:
        """Two layers side by side, or the same one twice where the shapes differ."""
        left, right = (self.layer(x, depth=depth + 1) for _ in range(2))
        shapes = [layer(x, _LAM).shape for layer in (left, right)]
        fit = len(shapes[0]) == len(shapes[1]) and shapes[0][2:] == shapes[1][2:]
        return layers.Branches(left, right if fit else left)
