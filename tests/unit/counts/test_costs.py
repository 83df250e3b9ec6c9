"""What one element costs, written out for ops whose rules no scalar executes; found by mutants."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from smartsim.counts import count_actions
from smartsim.testing import assert_counts_agree
from smartsim.trace import trace_model


class Does(nn.Module):
    """Applies a function."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


EACH: list[tuple[Callable[[Tensor], Tensor], dict[str, int]]] = [
    (functional.logsigmoid, {"exp": 1, "add": 1, "log": 1}),
    (functional.softplus, {"exp": 1, "add": 1, "log": 1, "compare": 1}),
    (functional.mish, {"exp": 1, "add": 1, "log": 1, "tanh": 1, "mul": 1}),
    (functional.gelu, {"erf": 1, "mul": 3, "add": 1}),
    (lambda x: functional.gelu(x, approximate="tanh"), {"tanh": 1, "mul": 6, "add": 2}),
    (functional.silu, {"exp": 1, "add": 1, "div": 1}),
    (lambda x: x**2, {"mul": 1}),
    (lambda x: x**3, {"mul": 2}),
    (lambda x: x**0.5, {"sqrt": 1}),
    (lambda x: x**-0.5, {"sqrt": 1, "div": 1}),
    (lambda x: x**1.7, {"pow": 1}),
    (lambda x: torch.addcmul(x, x, x), {"mul": 1, "add": 1}),
    (lambda x: torch.addcmul(x, x, x, value=2), {"mul": 2, "add": 1}),
    (lambda x: torch.addcdiv(x, x, x), {"div": 1, "add": 1}),
    (lambda x: torch.addcdiv(x, x, x, value=2), {"div": 1, "add": 1, "mul": 1}),
]


@pytest.mark.parametrize(("function", "each"), EACH)
def test_an_element_costs_what_its_formula_says(
    function: Callable[[Tensor], Tensor], each: dict[str, int]
) -> None:
    counts = count_actions(trace_model(Does(function), (3, 7)))
    assert dict(counts.group("action")) == {(a,): 21 * number for a, number in each.items()}


POOLS: list[Callable[[Tensor], Tensor]] = [
    lambda x: functional.avg_pool2d(x, 3, stride=2),
    lambda x: functional.avg_pool2d(x, 2, stride=3, padding=1),
    lambda x: functional.max_pool2d(x, 2, stride=1),
    lambda x: functional.max_pool2d(x, 2, stride=3),
]


@pytest.mark.parametrize("pool", POOLS)
def test_a_pool_of_masked_data_steps_as_it_is_told(pool: Callable[[Tensor], Tensor]) -> None:
    mask = torch.zeros(1, 1, 7, 7, dtype=torch.bool)
    mask[..., 1:5, 2:6] = True

    def function(x: Tensor) -> Tensor:
        return pool(x.exp() * mask).sum() + 1

    assert_counts_agree(Does(function), torch.rand(1, 2, 7, 7, dtype=torch.float64))
