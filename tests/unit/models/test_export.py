"""The plain network of one path, and models whose fresh noise is frozen."""

import math

import pytest
import torch
from torch import nn

from smartsim.errors import ConfigurationError
from smartsim.models import build_model, freeze_noise
from tests.unit.models.helpers import ARCHS, NAMES, lived_in_model, some_images


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("arch", ARCHS)
@torch.no_grad()
def test_the_exported_path_gives_the_outputs_of_the_path(name: str, arch: str) -> None:
    model = lived_in_model(name, arch)
    x = some_images()
    for lam in (0.0, 0.3, 0.65, 1.0):
        torch.testing.assert_close(model.export_path(lam)(x), model(x, lam))


@pytest.mark.parametrize("method", ["float", "smart"])
@pytest.mark.parametrize("arch", ARCHS)
@torch.no_grad()
def test_a_given_generator_bakes_one_draw_of_fresh_noise(method: str, arch: str) -> None:
    model = lived_in_model(method, arch)
    x = some_images()
    plain = model.export_path(0.7, generator=torch.Generator().manual_seed(4))
    model.draw_fresh_noise_from(torch.Generator().manual_seed(4))
    torch.testing.assert_close(plain(x), model(x, 0.7))


@torch.no_grad()
def test_without_a_generator_fresh_noise_is_baked_as_its_expectation() -> None:
    model = lived_in_model("float", "resnet8")
    plain = model.export_path(1.0)
    assert torch.equal(plain.get_parameter("conv1.weight"), model.get_parameter("conv1.weight"))


@pytest.mark.parametrize("name", NAMES)
def test_an_exported_path_has_nothing_conditional_left(name: str) -> None:
    plain = lived_in_model(name, "resnet8").export_path(0.3)
    bare = build_model("pgdat", "resnet8", width=0.125, classes=5, device="meta")
    assert plain.state_dict().keys() == bare.state_dict().keys()
    assert not plain.training
    leaves = [layer for layer in plain.modules() if not list(layer.children())]
    assert all(isinstance(leaf, nn.Conv2d | nn.Linear | nn.BatchNorm2d) for leaf in leaves)


def test_an_exported_weight_of_smart_has_the_zeros_of_its_mask() -> None:
    model = build_model("smart", "resnet8")
    for lam, mask in ((0.0, "mask_clean"), (1.0, "mask_adversarial")):
        weight = model.export_path(lam).get_parameter("layer3.0.conv2.weight")
        assert torch.equal(weight != 0, model.get_buffer(f"layer3.0.conv2.{mask}"))


@pytest.mark.parametrize("name", NAMES)
def test_exporting_leaves_the_model_as_it_was_and_shares_nothing_with_it(name: str) -> None:
    model = lived_in_model(name, "resnet8").train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    plain = model.export_path(0.0)
    for value in plain.state_dict().values():
        value.fill_(3)
    assert model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("lam", [-0.1, 1.5, math.nan])
def test_a_path_outside_0_to_1_is_an_error(lam: float) -> None:
    with pytest.raises(ConfigurationError, match=r"it must be in \[0, 1\]"):
        build_model("oat", "resnet8", width=0.25).export_path(lam)


def test_only_one_lam_at_a_time_is_exported() -> None:
    with pytest.raises(ConfigurationError, match="for one lam"):
        build_model("oat", "resnet8", width=0.25).export_path(torch.zeros(2))  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["float", "smart"])
@torch.no_grad()
def test_freezing_fresh_noise_keeps_everything_else(method: str) -> None:
    model = lived_in_model(method, "resnet8")
    frozen = freeze_noise(model, torch.Generator().manual_seed(1))
    x = some_images()
    assert frozen.settings.noise == "frozen"
    assert model.settings.noise == "fresh"
    assert torch.equal(frozen(x, 1.0), frozen(x, 1.0))
    assert torch.equal(frozen(x, 0.0), model(x, 0.0))
    state = frozen.state_dict()
    assert all(torch.equal(state[key], value) for key, value in model.state_dict().items())
    # The draw of a freezing generator is the draw of a forward with that generator.
    model.draw_fresh_noise_from(torch.Generator().manual_seed(1))
    assert torch.equal(frozen(x, 1.0), model(x, 1.0))


def test_a_model_without_noise_cannot_be_frozen() -> None:
    with pytest.raises(ConfigurationError, match="OAT has no noise"):
        freeze_noise(build_model("oat", "resnet8", width=0.25), torch.Generator())
