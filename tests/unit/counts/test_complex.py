"""Complex numbers: each op costs what its real parts cost, written out and counted as real ones."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from smartsim.counts import count_actions
from smartsim.errors import ConfigurationError
from smartsim.simulate import simulate_network
from smartsim.trace import trace_model

X = torch.randn(2, 3, dtype=torch.complex64)
REAL = torch.randn(2, 3)
OTHER = torch.complex(torch.randn(3), torch.randn(3))
WEIGHT = torch.randn(3, 4, dtype=torch.complex64)


class Does(nn.Module):
    """Applies a function."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def actions(function: Callable[[Tensor], Tensor], x: Tensor) -> dict[str, int]:
    counts = count_actions(trace_model(Does(function), x), "exact")
    return {action: int(number) for (action,), number in counts.group("action").items()}


def by_parts(a: Tensor, b: Tensor) -> Tensor:
    """A product as hardware for real numbers makes it; the last dimension holds the parts."""
    (ar, ai), (br, bi) = a.unbind(-1), b.unbind(-1)
    return torch.stack([ar * br - ai * bi, ar * bi + ai * br], -1)


def test_a_product_is_four_multiplications_and_two_additions() -> None:
    parts = torch.view_as_real(OTHER).clone()
    real = actions(lambda x: by_parts(x, parts), torch.view_as_real(X).clone())
    assert actions(lambda x: x * OTHER, X) == real == {"mul": 24, "add": 12}


def test_a_product_in_pairs_of_reals_is_the_same() -> None:
    def rotate(x: Tensor) -> Tensor:
        turned = torch.view_as_complex(x.reshape(2, 3, 2)) * OTHER
        return torch.view_as_real(turned).flatten(1)

    assert actions(rotate, torch.randn(2, 6)) == {"mul": 24, "add": 12}


EACH: list[tuple[Callable[[Tensor], Tensor], Tensor, dict[str, int]]] = [
    (lambda x: x * OTHER, REAL, {"mul": 12}),
    (lambda x: x * 2.0, X, {"mul": 12}),
    (lambda x: x * 2j, X, {"mul": 24, "add": 12}),
    (lambda x: x + OTHER, X, {"add": 12}),
    (lambda x: x + 1, X, {"add": 6}),
    (lambda x: x - OTHER, REAL, {"add": 6}),
    (lambda x: x / 2, X, {"div": 12}),
    (lambda x: x / OTHER, X, {"mul": 36, "add": 18, "div": 12}),
    (lambda x: x.reciprocal(), X, {"mul": 12, "add": 6, "div": 12}),
    (lambda x: x**2, X, {"mul": 24, "add": 12}),
    (lambda x: x.abs(), X, {"mul": 12, "add": 6, "sqrt": 6}),
    (lambda x: x.exp(), X, {"exp": 6, "trig": 12, "mul": 12}),
    (lambda x: x @ WEIGHT, X, {"mac": 96}),
    (lambda x: torch.bmm(x[None], WEIGHT[None]), X, {"mac": 96}),
    (lambda x: x.sum(), X, {"add": 10}),
    (lambda x: x.mean(), X, {"add": 10, "mul": 2}),
    (lambda x: torch.view_as_real(x).sum(), X, {"add": 11}),
    (lambda x: x.real.relu(), X, {"compare": 6}),
    (lambda x: (-x).conj().t(), X, {}),
    (lambda x: x * 1 + 0, X, {}),
]


@pytest.mark.parametrize(("function", "x", "expected"), EACH)
def test_each_op_costs_what_its_parts_cost(
    function: Callable[[Tensor], Tensor], x: Tensor, expected: dict[str, int]
) -> None:
    assert actions(function, x) == expected


@pytest.mark.parametrize("function", [torch.sqrt, torch.tanh, torch.log, lambda x: x**3])
def test_what_is_not_known_of_complex_numbers_is_a_sentence(
    function: Callable[[Tensor], Tensor],
) -> None:
    graph = trace_model(Does(function), X)
    with pytest.raises(ConfigurationError, match="on complex numbers is not counted"):
        count_actions(graph)
    with pytest.raises(ConfigurationError, match="on complex numbers is not counted"):
        simulate_network(graph, "edge_npu")
