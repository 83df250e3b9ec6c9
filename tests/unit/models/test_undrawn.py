"""Models whose weights have no values: the same masks, the same counts."""

import pytest
import torch

from smartsim.counts import CONVENTIONS, Counts, count_actions
from smartsim.models import (
    METHODS,
    ConditionalModel,
    build_model,
    build_named_model,
    freeze_noise,
)
from smartsim.trace import trace_model

NAMES = (
    *(f"{method}:resnet8" for method in METHODS),
    "oat:resnet8:film_dimension=6",
    "float:resnet8:noise=frozen",
    "smart:resnet8:noise=frozen",
    "smart:wrn16_8:width=0.125,stages=SDS,density=0.7,overlap=0.5,norm=single",
    "smart:resnet10:width=0.1,classes=3,seed=5",
)


def count_at(model: ConditionalModel, lam: float) -> list[Counts]:
    """The counts under every convention."""
    graph = trace_model(model, (1, 3, 16, 16), condition={"lam": lam}, name="net")
    return [count_actions(graph, convention) for convention in CONVENTIONS]


@pytest.mark.parametrize("name", NAMES)
def test_masks_are_bit_for_bit_those_of_the_drawn_model(name: str) -> None:
    drawn = build_named_model(name).state_dict()
    undrawn = build_named_model(name, draw=False).state_dict()
    assert list(undrawn) == list(drawn)
    for key, value in drawn.items():
        assert undrawn[key].shape == value.shape
        assert undrawn[key].dtype == value.dtype
        if not undrawn[key].is_meta and key != "encoding.rows":
            assert torch.equal(undrawn[key], value), key


@pytest.mark.parametrize("lam", [0.0, 0.3])
@pytest.mark.parametrize("name", NAMES)
def test_no_count_depends_on_the_weights(name: str, lam: float) -> None:
    drawn = count_at(build_named_model(name), lam)
    assert count_at(build_named_model(name, draw=False), lam) == drawn


@pytest.mark.parametrize("method", ["float", "smart"])
def test_noise_that_is_frozen_for_a_trace_counts_as_frozen_noise(method: str) -> None:
    model = build_named_model(f"{method}:resnet8", draw=False)
    drawn = freeze_noise(build_model(method, "resnet8"), torch.Generator().manual_seed(1))
    still = freeze_noise(model, torch.Generator())
    assert still.settings == drawn.settings
    assert count_at(still, 1.0) == count_at(drawn, 1.0)
