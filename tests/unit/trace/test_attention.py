"""Scores that are known to be cut off: neither they nor the values that they weigh are computed."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from smartsim.counts import count_actions
from smartsim.testing import assert_counts_agree
from smartsim.trace import trace_model

X = torch.rand(2, 5, 3, dtype=torch.float64)
LATER = torch.ones(5, 5, dtype=torch.bool).triu(1)
LEAST = torch.finfo(torch.float64).min


class Attends(nn.Module):
    """Attention by hand, whose scores a function changes before the softmax."""

    later: Tensor
    least: Tensor

    def __init__(self, change: Callable[["Attends", Tensor], Tensor]) -> None:
        super().__init__()
        self.change = change
        self.register_buffer("later", LATER)
        self.register_buffer("least", torch.zeros(5, 5).double().masked_fill(LATER, LEAST))

    def forward(self, x: Tensor) -> Tensor:
        scores = x @ (2 * x).transpose(-1, -2)
        return torch.softmax(self.change(self, scores), -1) @ (x + 1)


CAUSAL: list[Callable[[Attends, Tensor], Tensor]] = [
    lambda m, s: s.masked_fill(m.later, -math.inf),
    lambda m, s: s.masked_fill_(m.later, LEAST),
    lambda m, s: torch.where(m.later, torch.full((), -math.inf, dtype=s.dtype), s),
    lambda m, s: torch.where(~m.later, s, -math.inf),
    lambda m, s: s / 2 + m.least,
    lambda m, s: m.least + s,
    lambda m, s: s.masked_fill(torch.tril(torch.ones(5, 5, dtype=torch.bool)) == 0, -1e30),
    lambda m, s: s + (1.0 - (~m.later).double()) * LEAST,
    lambda m, s: s.masked_fill(m.later, -math.inf).clone().to(torch.float64),
]


@pytest.mark.parametrize("change", CAUSAL)
def test_the_masked_half_of_a_causal_attention_is_no_work(
    change: Callable[[Attends, Tensor], Tensor],
) -> None:
    model = Attends(change)
    assert_counts_agree(model, X)
    graph = trace_model(model, X)
    counts = count_actions(graph, "exact")
    # 15 of 25 scores have a weight: each is 3 products, and weighs 3 values.
    assert counts.macs == 2 * 15 * (3 + 3)
    assert counts.total("exp") == 2 * 15
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(X)
    assert 2 * count_actions(graph, "dense").macs == counter.get_total_flops()


OTHERS: list[tuple[Callable[[Attends, Tensor], Tensor], int]] = [
    (lambda m, s: s, 25),
    (lambda m, s: s.masked_fill(m.later, 0.0), 15),  # a known score is not computed, but weighs
    (lambda m, s: s.masked_fill(m.later, -1e3), 15),
    (lambda m, s: s.masked_fill(s > 1, -math.inf), 25),
    (lambda m, s: s - m.least, 25),
    (lambda m, s: s + m.least.transpose(0, 1) * 0, 25),
]


@pytest.mark.parametrize(("change", "scores"), OTHERS)
def test_what_is_not_known_to_be_cut_off_is_work(
    change: Callable[[Attends, Tensor], Tensor], scores: int
) -> None:
    model = Attends(change)
    counts = count_actions(trace_model(model, X), "exact")
    assert counts.macs == 2 * (scores * 3 + 25 * 3)
    assert_counts_agree(model, X)


def test_a_row_that_is_cut_off_altogether_is_left_as_it_is() -> None:
    padded = torch.tensor([True, False, False, False, True])
    rows = torch.zeros(5, 5, dtype=torch.bool)
    rows[1] = True  # all of one row: its weights are no numbers, or all the same

    def change(m: Attends, s: Tensor) -> Tensor:
        return s.masked_fill(padded | rows, LEAST)

    counts = count_actions(trace_model(Attends(change), X), "exact")
    assert counts.total("exp") == 2 * (4 * 3 + 5)


class Fused(nn.Module):
    """Torch's own attention."""

    def __init__(self, causal: bool, mask: Tensor | None = None) -> None:
        super().__init__()
        self.causal = causal
        self.register_buffer("mask", mask)

    def forward(self, x: Tensor) -> Tensor:
        q = x[:, None]
        made: Tensor = functional.scaled_dot_product_attention(
            q,
            q,
            q,
            attn_mask=self.mask,  # type: ignore[arg-type]
            is_causal=self.causal,
        )
        return made


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize(
    ("causal", "mask", "pairs"),
    [
        (False, None, 25),
        (True, None, 15),
        (False, ~LATER, 15),
        (False, torch.zeros(5, 5).masked_fill(LATER, -math.inf), 15),
        (False, torch.zeros(5, 5).masked_fill(LATER, -1.0), 25),
    ],
)
def test_torchs_own_attention_is_the_same(
    causal: bool, mask: Tensor | None, pairs: int, device: str
) -> None:
    model = Fused(causal, mask)
    inputs = X.float().to(device)
    graph = trace_model(model, inputs)
    assert count_actions(graph, "exact").macs == 2 * pairs * (3 + 3)
    assert count_actions(graph, "dense").macs == 2 * 25 * (3 + 3)


def test_rows_that_nobody_needs_are_not_computed() -> None:
    class Last(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.softmax(x @ x.transpose(-1, -2), -1)[:, -1:] @ x

    counts = count_actions(trace_model(Last(), X), "exact")
    assert (counts.macs, counts.total("exp")) == (2 * 5 * (3 + 3), 2 * 5)
    assert_counts_agree(Last(), X)
