"""Hypothesis strategies that draw small networks for tests of counts.

Hypothesis is not needed to run smartsim, so this module is imported by name and not by
`smartsim.testing`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from smartsim.errors import SmartsimError
from smartsim.testing import layers

try:
    from hypothesis import strategies as st
    from hypothesis.strategies import DrawFn, SearchStrategy
except ImportError as error:

    class MissingHypothesisError(SmartsimError, ImportError):
        """Hypothesis is not installed."""

    raise MissingHypothesisError(
        "smartsim.testing.strategies draws networks with hypothesis, which is not installed; "
        "install smartsim with its extra `test`"
    ) from error

__all__ = ["NetworkCase", "networks"]

_LAMS = (0.0, 0.3, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class NetworkCase:
    """A network to count, what to feed it, and its condition.

    Attributes:
        model: In eval mode and double precision; takes `(x, lam)`.
        inputs: Its data.
        condition: The value of lam.
    """

    model: nn.Module
    inputs: tuple[Tensor, ...]
    condition: Mapping[str, float]

    def __repr__(self) -> str:
        shapes = ", ".join(str(tuple(x.shape)) for x in self.inputs)
        return f"NetworkCase(condition={dict(self.condition)}, inputs of {shapes}, {self.model})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """How hypothesis prints a failing example."""
        printer.text(repr(self))


@st.composite
def networks(draw: DrawFn, *, max_layers: int = 4, max_products: int = 2500) -> NetworkCase:
    """Draw a small network: chained and branched, noisy and masked, in place and by views.

    Args:
        draw: Hypothesis' own argument.
        max_layers: Layers one after the other; some of them hold layers of their own.
        max_products: Bound on the products of all contractions, so that the oracle stays fast.
    """
    torch_seed = draw(st.integers(0, 2**16), label="seed of weights and data")
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(torch_seed)
        rank = draw(st.sampled_from([2, 1, 2, 0, 3]), label="spatial dimensions")
        sizes = [draw(st.integers(1, 5 if rank < 3 else 3)) for _ in range(rank)]
        shape = (draw(st.integers(1, 2)), draw(st.integers(1, 4)), *sizes)
        x = torch.randn(shape, dtype=torch.float64)
        builder = _Builder(draw, max_products)
        parts: list[nn.Module] = []
        data = x
        for _ in range(draw(st.integers(1, max_layers), label="layers")):
            layer = builder.layer(data, depth=0)
            parts.append(layer)
            data = layer(data, torch.tensor(0.5, dtype=torch.float64))
        return NetworkCase(
            model=layers.Network(*parts).eval(),
            inputs=(x,),
            condition={"lam": draw(st.sampled_from(_LAMS), label="lam")},
        )


class _Builder:
    """Draws layers that fit given data, within a budget of products."""

    def __init__(self, draw: DrawFn, budget: int) -> None:
        self._draw = draw
        self._budget = budget

    def layer(self, x: Tensor, *, depth: int) -> nn.Module:
        """Any layer for data like `x`."""
        makers: list[Callable[[Tensor], nn.Module]] = [
            self.contraction,
            self.contraction,
            self.activation,
            self.batch_norm,
            self.film,
            self.masked,
            self.in_place,
            self.move,
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
        return self._draw(st.sampled_from(makers))(x).double().eval()

    def contraction(self, x: Tensor) -> nn.Module:
        """A convolution, transposed convolution or linear layer."""
        module = self._linear(x) if x.dim() == 2 else self._convolution(x)
        module = module.double().eval()
        products = module.weight.numel() * x.numel()
        if products > 40 * self._budget:
            return layers.Plain(nn.ReLU())
        try:
            result = module(x)
        except RuntimeError:  # the kernel is larger than the data
            return layers.Plain(nn.ReLU())
        at = x if isinstance(module, nn.ConvTranspose2d) else result
        products = at.numel() * module.weight[0].numel()
        if products > self._budget or not 0 < result.numel() <= 200:
            return layers.Plain(nn.ReLU())
        self._budget -= products
        if self._draw(st.booleans(), label="a weight that happens to be zero"):
            module.weight.view(-1)[0] = 0.0
        noise: layers.Noise = self._draw(st.sampled_from(["none", "fresh", "frozen"]))
        return layers.Contraction(
            module,
            noise=noise,
            mask=self._draw(st.none() | self._masks(tuple(module.weight.shape))),
            alpha=self._draw(st.sampled_from([0.25, 0.0])),
        )

    def _linear(self, x: Tensor) -> nn.Linear:
        return nn.Linear(x.shape[1], self._draw(st.integers(1, 5)), bias=self._draw(st.booleans()))

    def _convolution(self, x: Tensor) -> Any:
        rank = x.dim() - 2
        inputs = x.shape[1]
        groups = self._draw(st.sampled_from([g for g in (1, 2, 3, 4) if inputs % g == 0]))
        outputs = groups * self._draw(st.integers(1, max(1, 4 // groups)))
        settings: dict[str, Any] = {
            "kernel_size": self._draw(st.integers(1, 3)),
            "stride": self._draw(st.integers(1, 2)),
            "padding": self._draw(st.integers(0, 2)),
            "dilation": self._draw(st.integers(1, 2)),
            "groups": groups,
            "bias": self._draw(st.booleans()),
        }
        if rank == 2 and self._draw(st.booleans(), label="transposed"):
            return nn.ConvTranspose2d(inputs, outputs, **settings)
        return {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[rank](inputs, outputs, **settings)

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
        return layers.Masked(mask, scored=mask.dtype != torch.bool and self._draw(st.booleans()))

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
            nn.SiLU,
            lambda: nn.Softmax(dim=1),
        ]
        return layers.Plain(self._draw(st.sampled_from(functions))())

    def batch_norm(self, x: Tensor) -> nn.Module:
        """One batch norm, or one for each side of the condition."""
        kind: Callable[..., nn.Module] = {
            2: nn.BatchNorm1d,
            3: nn.BatchNorm1d,
            4: nn.BatchNorm2d,
            5: nn.BatchNorm3d,
        }[x.dim()]

        def build() -> nn.Module:
            module = kind(x.shape[1], affine=self._draw(st.booleans()))
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

    def in_place(self, x: Tensor) -> nn.Module:
        """Arithmetic in place."""
        return layers.InPlace(self._draw(st.sampled_from(["whole", "view", "copy", "buffer"])))

    def move(self, x: Tensor) -> nn.Module:
        """Data movement."""
        kinds = ["flip", "reshape", "transpose"]
        kinds += ["slice", "pad"] if x.dim() > 2 else []
        return layers.Move(self._draw(st.sampled_from(kinds)))

    def residual(self, x: Tensor, depth: int) -> nn.Module:
        """A sum with the data where the shapes allow it."""
        inner = self.layer(x, depth=depth + 1)
        result = inner(x, torch.tensor(0.5, dtype=torch.float64))
        return layers.Residual(inner, keeps_shape=result.shape == x.shape)

    def branches(self, x: Tensor, depth: int) -> nn.Module:
        """Two layers side by side, where the shapes allow it."""
        lam = torch.tensor(0.5, dtype=torch.float64)
        left, right = (self.layer(x, depth=depth + 1) for _ in range(2))
        if left(x, lam).shape[2:] != right(x, lam).shape[2:]:
            right = left
        return layers.Branches(left, right)
