"""Literals that leave nothing to do, and thresholds of what is known: both are held to scalars."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from smartsim.counts import count_actions
from smartsim.testing import assert_counts_agree
from smartsim.trace import trace_model

INF = math.inf
X = torch.tensor([[0.5, -1.25, 2.0], [-0.75, 3.0, 1.5]], dtype=torch.float64)


class Does(nn.Module):
    """Applies a function to an exponential, so that what is not needed is seen to be saved."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x.exp())


def actions(model: nn.Module, x: Tensor = X) -> dict[str, int]:
    """What is done with data, all stages, after both countings were found to agree."""
    assert_counts_agree(model, x)
    counts = count_actions(trace_model(model, x), "exact")
    return {action: int(number) for (action,), number in counts.group("action").items()}


COPIES: list[Callable[[Tensor], Tensor]] = [
    lambda x: 0 + x,
    lambda x: x + 0.0,
    lambda x: x - 0,
    lambda x: 0 - x,
    lambda x: torch.sub(x, x, alpha=0),
    lambda x: x * 1,
    lambda x: 1.0 * x,
    lambda x: x / 1,
    lambda x: x**1,
    lambda x: x.clamp(-INF, INF),
    lambda x: x.clamp(min=-INF),
    lambda x: torch.maximum(x, torch.tensor(-INF)),
    lambda x: torch.fmin(torch.full((), INF, dtype=x.dtype), x),
    lambda x: x.add_(0),
    lambda x: x.mul_(1),
    lambda x: x.div_(1),
    lambda x: torch.ones_like(x) * x,
    lambda x: x + torch.zeros(3, dtype=x.dtype),
    lambda x: torch.tensor(0.0) + x,
    lambda x: x * torch.full((2, 1), 1.0, dtype=x.dtype),
    lambda x: torch.lerp(x, x, 0.0),
    lambda x: torch.addcmul(x, x, x, value=0),
    lambda x: torch.addcdiv(x, x, x, value=0),
    lambda x: 1 * (0 + x) / 1,
]


@pytest.mark.parametrize("copy", COPIES)
def test_a_neutral_literal_leaves_a_copy(copy: Callable[[Tensor], Tensor]) -> None:
    assert actions(Does(copy)) == {"exp": 6}


DECIDED: list[Callable[[Tensor], Tensor]] = [
    lambda x: x * 0,
    lambda x: 0.0 * x,
    lambda x: torch.zeros_like(x) * x,
    lambda x: x**0,
    lambda x: 1**x,
    lambda x: 0 / x,
    lambda x: torch.maximum(x, torch.tensor(INF)),
    lambda x: torch.fmin(x, torch.tensor(-INF)),
    lambda x: ((x > 1) & False).to(x.dtype),
    lambda x: ((x > 1) | True).to(x.dtype),
]


@pytest.mark.parametrize("decide", DECIDED)
def test_a_literal_that_decides_all_leaves_nothing(decide: Callable[[Tensor], Tensor]) -> None:
    assert actions(Does(decide)) == {}


ORDINARY: list[tuple[Callable[[Tensor], Tensor], dict[str, int]]] = [
    (lambda x: x + 1, {"add": 6}),
    (lambda x: x * 2, {"mul": 6}),
    (lambda x: x / 2, {"div": 6}),
    (lambda x: x**2, {"mul": 6}),
    (lambda x: x.clamp(0, INF), {"compare": 12}),
    (lambda x: torch.maximum(x, torch.tensor(0.0)), {"compare": 6}),
    (lambda x: torch.add(x, x, alpha=2), {"add": 6, "mul": 6}),
    (lambda x: sum([x, x], start=torch.zeros(()).double()), {"add": 6}),
    (lambda x: (x > 1).logical_and(x > 2).to(x.dtype), {"compare": 12, "logic": 6}),
]


@pytest.mark.parametrize(("function", "expected"), ORDINARY)
def test_any_other_literal_is_work(
    function: Callable[[Tensor], Tensor], expected: dict[str, int]
) -> None:
    assert actions(Does(function)) == {"exp": 6, **expected}


class OneByChance(nn.Module):
    """A parameter and a buffer that happen to be neutral."""

    offset: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones((), dtype=torch.float64))
        self.register_buffer("offset", torch.zeros(3, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gain + self.offset


def test_a_parameter_that_is_one_is_no_literal() -> None:
    assert actions(OneByChance()) == {"mul": 6, "add": 6}


_OPS: list[Callable[..., Tensor]] = [
    torch.add,
    torch.sub,
    torch.rsub,
    torch.mul,
    torch.div,
    lambda a, b: b - a,
    lambda a, b: torch.maximum(a, torch.as_tensor(b, dtype=a.dtype)),
    lambda a, b: torch.minimum(torch.as_tensor(b, dtype=a.dtype), a),
]
_NUMBERS = st.sampled_from([0, 1, 0.0, 1.0, -1, 2.5])


@settings(max_examples=150)
@given(
    op=st.sampled_from([*_OPS, torch.pow]),
    then=st.sampled_from(_OPS),
    number=_NUMBERS,
    other=_NUMBERS,
    how=st.sampled_from(["number", "ones", "full", "constant", "masked"]),
)
def test_literals_of_every_kind_count_as_scalars_do(
    op: Callable[..., Tensor],
    then: Callable[..., Tensor],
    number: float,
    other: float,
    how: str,
) -> None:
    assume(torch.div not in (op, then) or 0 not in (number, other))  # 0 / 0 is no number
    assume(op is not torch.pow or how != "masked" or number >= 0)
    mask = torch.tensor([True, False, True])

    def function(x: Tensor) -> Tensor:
        literal: float | Tensor = number
        if how == "ones":
            literal = torch.ones_like(x)
        elif how == "full":
            literal = torch.full((3,), float(number), dtype=x.dtype)
        elif how == "constant":
            literal = torch.tensor(float(number), dtype=x.dtype)
        elif how == "masked":
            x = x * mask
        return then(op(x, literal), other)

    class Masked(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return function(x)

    assert_counts_agree(Masked(), X.abs())


GATE = torch.tensor([1.0, -1.0, 0.5, -2.0], dtype=torch.float64).view(1, 4, 1, 1)
GATES: list[tuple[Callable[[Tensor], Tensor], int]] = [
    (lambda g: g.relu(), 24),
    (lambda g: g.clamp(0, 1), 24),
    (lambda g: g.clamp(min=0), 24),
    (lambda g: functional.threshold(g, 0.0, 0.0), 24),
    (lambda g: functional.threshold(g, 0.75, 0.0), 12),
    (lambda g: functional.hardshrink(g, 0.75), 36),
    (lambda g: functional.softshrink(g, 1.0), 12),
    (lambda g: functional.hardtanh(g, 0.0, 1.0), 24),
    (functional.relu6, 24),
    (lambda g: torch.maximum(g, torch.tensor(0.0)), 24),
    (lambda g: torch.maximum(g, torch.zeros_like(g)), 24),
    (lambda g: torch.minimum(g, torch.tensor(0.0)), 24),
    (lambda g: g * (g > 0), 24),
    (lambda g: torch.where(g > 0, g, 0.0), 24),
    (lambda g: ((5 * g).sigmoid() * 1.2 - 0.1).clamp(0, 1), 24),  # hard concrete, at its mean
    (lambda g: g.sign() * (g.abs() - 0.6).relu(), 36),  # soft threshold reparameterisation
    (lambda g: torch.heaviside(g, torch.zeros_like(g)), 24),
    (lambda g: g, 48),
    (lambda g: g.round() - g.round(), 48),  # a zero by chance
    (lambda g: functional.threshold(g, 0.0, 0.25), 48),
    (lambda g: g.clamp(-1, 1), 48),
]


class Gated(nn.Module):
    """A convolution whose channels a function of a parameter turns off."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1, bias=False, dtype=torch.float64)
        self.gate = nn.Parameter(GATE.clone())
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        gated: Tensor = self.conv(x) * self.function(self.gate)
        return gated


@pytest.mark.parametrize(("function", "macs"), GATES)
def test_what_a_threshold_turns_off_is_not_computed(
    function: Callable[[Tensor], Tensor], macs: int
) -> None:
    x = torch.rand(1, 3, 2, 2, dtype=torch.float64)
    assert actions(Gated(function), x)["mac"] == macs


class Conditional(nn.Module):
    """Channels that the condition turns off, one after the other."""

    at: Tensor

    def __init__(self, cut: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1, bias=False, dtype=torch.float64)
        self.register_buffer("at", torch.tensor([0.1, 0.4, 0.6, 0.9]).view(1, 4, 1, 1))
        self.cut = cut

    def forward(self, x: Tensor, lam: Tensor) -> Tensor:
        gate = lam.double() - self.at
        gated: Tensor = self.conv(x) * (gate.relu() if self.cut else gate)
        return gated


@pytest.mark.parametrize(
    ("lam", "cut", "macs"), [(0.5, True, 24), (0.05, True, 0), (0.95, True, 48), (0.5, False, 48)]
)
def test_the_condition_turns_off_what_it_cuts(lam: float, cut: bool, macs: int) -> None:
    x, model = torch.rand(1, 3, 2, 2, dtype=torch.float64), Conditional(cut)
    assert_counts_agree(model, x, condition={"lam": lam})
    assert count_actions(trace_model(model, x, condition={"lam": lam})).total("mac") == macs


def test_noise_and_data_are_not_cut() -> None:
    class Noisy(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * torch.randn(3, dtype=x.dtype).relu() + x.relu()

    assert actions(Noisy())["mul"] == 6
