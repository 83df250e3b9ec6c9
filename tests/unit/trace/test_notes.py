"""What a trace says of what it could not know: chance zeros, arguments that are missing."""

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from smartsim.counts import count_actions
from smartsim.errors import ConfigurationError
from smartsim.report.summary.listing import render_counts
from smartsim.trace import trace_model


def pruned(share: float) -> nn.Linear:
    torch.manual_seed(0)
    layer = nn.Linear(40, 20)
    prune.random_unstructured(  # type: ignore[no-untyped-call]
        layer, "weight", amount=share
    )
    prune.remove(layer, "weight")  # type: ignore[no-untyped-call]
    return layer


def notes_of(model: nn.Module, **options: object) -> list[str]:
    notes = trace_model(model, (1, 40), **options).notes  # type: ignore[arg-type]
    return [note for note in notes if "exact zeros" in note]


def test_a_pruned_weight_without_its_mask_counts_whole_and_says_so() -> None:
    graph = trace_model(pruned(0.5), (1, 40))
    counts = count_actions(graph)
    assert counts.macs == 800
    (note,) = notes_of(pruned(0.5))
    assert "weight 'weight' has 50.0% exact zeros and no mask" in note
    assert 'declared_zeros=["weight"]' in note
    assert "--declare-zeros" in " ".join(render_counts(counts).split())
    assert note in counts.notes


def test_declared_zeros_masks_and_few_zeros_are_not_remarked_on() -> None:
    assert notes_of(pruned(0.5), declared_zeros=["weight"]) == []
    assert notes_of(pruned(0.5), declared_zeros=["*"]) == []
    assert notes_of(pruned(0.04)) == []
    masked = nn.Linear(40, 20)
    prune.random_unstructured(  # type: ignore[no-untyped-call]
        masked, "weight", amount=0.5
    )
    assert notes_of(masked) == []
    assert notes_of(nn.Linear(40, 20)) == []


def test_several_weights_are_remarked_on_together() -> None:
    model = nn.Sequential(pruned(0.2), nn.Linear(20, 40), pruned(0.6))
    (note,) = notes_of(model)
    assert "2 weights have up to 60.0% ('2.weight') exact zeros" in note


def test_zeros_in_one_corner_are_found_too() -> None:
    layer = nn.Linear(400, 20)
    with torch.no_grad():
        layer.weight[17:] = 0
    (note,) = (n for n in trace_model(layer, (1, 400)).notes if "exact zeros" in n)
    assert "15.0%" in note


class NeedsLam(nn.Module):
    def forward(self, x: torch.Tensor, lam: torch.Tensor) -> torch.Tensor:
        return x * lam


def test_a_missing_condition_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r'^lam is missing.*condition=\{"lam": 1.0\}'):
        trace_model(NeedsLam(), (1, 4))
    assert trace_model(NeedsLam(), (1, 4), condition={"lam": 0.5}).condition == {"lam": 0.5}
    assert len(trace_model(NeedsLam(), [(1, 4), (1, 4)]).inputs) == 2
