"""Models with stand-ins for their weights: the same masks, the same counts, shared memory."""

import pytest
import torch

from smartsim.counts import CONVENTIONS, Counts, count_actions
from smartsim.models import (
    METHODS,
    ConditionalModel,
    StandIns,
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
DRAWN = ("conv1.weight", "conv2.weight", "shortcut.weight", "linear.weight", "noise", "rows")


def count_at(model: ConditionalModel, lam: float) -> list[Counts]:
    """The counts under every convention."""
    graph = trace_model(model, (1, 3, 16, 16), condition={"lam": lam}, name="net")
    return [count_actions(graph, convention) for convention in CONVENTIONS]


@pytest.mark.parametrize("name", NAMES)
def test_masks_are_bit_for_bit_those_of_the_drawn_model(name: str) -> None:
    drawn = build_named_model(name).state_dict()
    stood_in = build_named_model(name, stand_ins=StandIns()).state_dict()
    assert list(stood_in) == list(drawn)
    for key, value in drawn.items():
        assert stood_in[key].shape == value.shape
        assert stood_in[key].dtype == value.dtype
        if "film" not in key and not key.endswith(("conv.weight", *DRAWN)):
            assert torch.equal(stood_in[key], value), key


@pytest.mark.parametrize("lam", [0.0, 0.3])
@pytest.mark.parametrize("name", NAMES)
def test_no_count_depends_on_the_weights(name: str, lam: float) -> None:
    drawn = count_at(build_named_model(name), lam)
    assert count_at(build_named_model(name, stand_ins=StandIns()), lam) == drawn


@pytest.mark.parametrize("method", ["float", "smart"])
def test_noise_that_is_frozen_for_a_trace_counts_as_frozen_noise(method: str) -> None:
    stand_ins = StandIns()
    model = build_named_model(f"{method}:resnet8", stand_ins=stand_ins)
    drawn = freeze_noise(build_model(method, "resnet8"), torch.Generator().manual_seed(1))
    still = stand_ins.freeze_noise(model)
    assert still.settings == drawn.settings
    assert count_at(still, 1.0) == count_at(drawn, 1.0)


def test_stand_ins_are_shared_between_models_and_never_within_one() -> None:
    stand_ins = StandIns()
    plain = build_named_model("pgdat:resnet8", stand_ins=stand_ins)
    noisy = build_named_model("float:resnet8", stand_ins=stand_ins)
    still = stand_ins.freeze_noise(noisy)
    assert plain.linear.weight.data_ptr() == noisy.linear.weight.data_ptr()
    places = [value.data_ptr() for value in still.state_dict().values()]
    assert len(set(places)) == len(places)


def test_stand_ins_are_neither_zero_nor_one_nor_all_the_same() -> None:
    model = build_named_model("float:resnet8:noise=frozen", stand_ins=StandIns())
    for name, value in model.state_dict().items():
        if name.endswith(("conv1.weight", "conv2.weight", "linear.weight", "noise")):
            assert not ((value == 0) | (value == 1) | value.isnan()).any()
            assert value.std() > 0
