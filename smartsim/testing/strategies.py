"""Hypothesis strategies that draw small networks for tests of counts.

Hypothesis is not needed to run smartsim, so this module is imported by name and not by
`smartsim.testing`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from smartsim.errors import SmartsimError
from smartsim.testing.networks.layers import Network


class MissingHypothesisError(SmartsimError, ImportError):
    """Hypothesis is not installed."""


try:
    from hypothesis import strategies as st
    from hypothesis.strategies import DrawFn
except ImportError as error:
    raise MissingHypothesisError(
        "smartsim.testing.strategies draws networks with hypothesis, which is not installed; "
        "install smartsim with its extra `test`"
    ) from error

__all__ = ["MissingHypothesisError", "NetworkCase", "networks", "patterned_calls"]

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
def patterned_calls(draw: DrawFn) -> NetworkCase:
    """Draw a call of any op on operands with patterns of zeros, whose result is needed in part."""
    from smartsim.testing.networks.patterned import CALLS, draw_call

    name = draw(st.sampled_from(sorted(CALLS)), label="op")
    call = draw(st.sampled_from(CALLS[name]), label="call")
    model, inputs = draw_call(call, draw(st.integers(0, 2**32 - 1), label="seed"))
    return NetworkCase(model=model, inputs=inputs, condition={})


@st.composite
def networks(draw: DrawFn, *, max_layers: int = 4, max_products: int = 2500) -> NetworkCase:
    """Draw a small network: chained and branched, noisy and masked, in place and by views.

    Args:
        draw: Hypothesis' own argument.
        max_layers: Layers one after the other; some of them hold layers of their own.
        max_products: Bound on the products of all contractions, so that the oracle stays fast.
    """
    from smartsim.testing.networks.builder import LayerBuilder

    builder = LayerBuilder(draw, max_products)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(draw(st.integers(0, 2**16), label="seed of weights and data"))
        rank = draw(st.sampled_from([2, 1, 2, 2, 0, 3]), label="spatial dimensions")
        sizes = [draw(st.integers(1, 3 if rank == 3 else 6)) for _ in range(rank)]
        x = torch.randn(
            (draw(st.integers(1, 2)), draw(st.integers(1, 4)), *sizes), dtype=torch.float64
        )
        data, layers = x, [builder.contraction(x).eval()]
        # Small first, which is where failures shrink to; large more often.
        numbers = [*range(max_layers), *range(max_layers // 2, max_layers)] * 2
        for _ in range(draw(st.sampled_from(numbers), label="further layers")):
            data = layers[-1](data, torch.tensor(0.5, dtype=torch.float64))
            layers.append(builder.layer(data))
        return NetworkCase(
            model=Network(*layers).eval(),
            inputs=(x,),
            condition={"lam": draw(st.sampled_from(_LAMS), label="lam")},
        )
