"""What is built: every method on every backbone, from a seed, on any device."""

import copy
from collections.abc import Iterator
from unittest.mock import Mock

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from smartsim.errors import ConfigurationError
from smartsim.models import (
    ARCHITECTURES,
    METHODS,
    ConditionalModel,
    build_model,
    build_named_model,
    make_condition,
)
from smartsim.models.layers import NoisyWeight
from tests.unit.models.helpers import ARCHS, NAMES, lived_in_model, some_images


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("method", METHODS)
def test_every_method_on_every_backbone_classifies_images_of_any_size(
    method: str, arch: str
) -> None:
    model = build_model(method, arch, classes=7, width=0.0625)
    for pixels in (32, 9):
        for lam in (0.0, 0.3):
            logits = model(some_images(2, pixels), lam)
            assert logits.shape == (2, 7)
            assert bool(logits.isfinite().all())


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("method", METHODS)
def test_on_meta_every_full_size_model_has_shapes_and_no_values(method: str, arch: str) -> None:
    model = build_model(method, arch, classes=200, device="meta")
    assert all(tensor.is_meta for tensor in model.state_dict().values())
    x = torch.zeros(2, 3, 96, 96, device="meta")
    for lam in (0.0, 0.3, torch.tensor(1.0)):
        assert model.eval()(x, lam).shape == (2, 200)


def test_a_network_of_single_channels_still_halves_the_image() -> None:
    # Width 0.001 leaves one channel everywhere: only the stride calls for a shortcut then.
    for arch in ARCHS:
        model = build_model("pgdat", arch, width=0.001, classes=2)
        assert model.get_parameter("linear.weight").shape == (2, 1)
        assert model(some_images()).shape == (3, 2)


@pytest.mark.parametrize("method", ["float", "smart"])
def test_a_layer_of_one_weight_cannot_have_noise(method: str) -> None:
    # Of one weight there is no standard deviation: n - 1 is 0.
    with pytest.raises(ConfigurationError, match="has no standard deviation"):
        build_model(method, "resnet8", width=0.001, device="meta")


def test_a_generator_on_another_device_is_an_error() -> None:
    elsewhere = Mock(spec=torch.Generator, device=torch.device("cuda"))
    with pytest.raises(ConfigurationError, match="on cuda; models are drawn on the CPU"):
        build_model("pgdat", "resnet8", generator=elsewhere)


def fails_loudly_on_uninitialised_memory() -> Iterator[None]:
    """Fill fresh memory with NaN, integers with their largest value, as torch can."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(before)


nan_memory = pytest.fixture(fails_loudly_on_uninitialised_memory)


@pytest.mark.usefixtures("nan_memory")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("arch", ARCHS)
def test_every_parameter_and_buffer_is_given_a_value(name: str, arch: str) -> None:
    model = build_named_model(name, arch=arch, width=0.25)
    for key, value in model.state_dict().items():
        assert bool(value.isfinite().all()), key
        if key.endswith("num_batches_tracked"):
            assert value == 0
        if "mask" in key:
            assert 0 < int(value.sum()) < value.numel()
        if key.endswith("alpha"):
            assert value.shape == ()
            assert value == 0.25


@pytest.mark.parametrize("name", NAMES)
def test_one_seed_gives_one_model_and_another_seed_another(name: str) -> None:
    first, same, other = (build_named_model(name, arch="resnet8", seed=s) for s in (3, 3, 4))
    for (key, a), b, c in zip(
        first.state_dict().items(),
        same.state_dict().values(),
        other.state_dict().values(),
        strict=True,
    ):
        assert torch.equal(a, b), key
        if key.endswith(("conv1.weight", "linear.weight", "mask_clean", "noise", "rows")):
            assert not torch.equal(a, c), key


def test_with_one_seed_all_methods_start_from_the_same_weights_under_the_same_names() -> None:
    plain = build_model("pgdat", "resnet8", seed=5)
    shared = {k: v for k, v in plain.state_dict().items() if "bn" not in k}
    for method in ("oat", "float", "smart"):
        state = build_model(method, "resnet8", seed=5).state_dict()
        for key, value in shared.items():
            assert torch.equal(state[key], value), (method, key)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_submodules_have_the_same_names_under_every_method(arch: str) -> None:
    plain = {name for name, _ in build_model("pgdat", arch, device="meta").named_modules()}
    assert {"conv1", "layer1.0.conv1", "layer3.0.bn2", "layer3.0.shortcut", "linear"} <= plain
    for method in ("oat", "float", "smart"):
        assert plain <= {n for n, _ in build_model(method, arch, device="meta").named_modules()}


def test_a_given_generator_takes_the_place_of_the_seed() -> None:
    by_seed = build_model("smart", "resnet8", seed=6)
    given = build_model("smart", "resnet8", generator=torch.Generator().manual_seed(6))
    assert all(
        torch.equal(a, b)
        for a, b in zip(by_seed.state_dict().values(), given.state_dict().values(), strict=True)
    )


def test_building_leaves_torchs_global_random_state_alone() -> None:
    before = torch.get_rng_state()
    build_model("smart", "resnet8", noise="frozen")
    build_model("oat", "resnet8", device="meta")
    assert torch.equal(torch.get_rng_state(), before)


def test_the_first_weights_are_normal_with_variance_2_over_fan_out() -> None:
    # From 32 to 64 channels: 64 * 32 * 9 draws of standard deviation sqrt(2 / (64 * 9)), which
    # they find to within 1 / sqrt(2 * 18,432) = 0.5 %.
    weight = build_model("pgdat", "resnet20").get_parameter("layer3.0.conv1.weight")
    assert weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.02)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("arch", ARCHS)
@torch.no_grad()
def test_lam_as_a_float_and_as_a_0d_tensor_give_the_same_output(name: str, arch: str) -> None:
    model = lived_in_model(name, arch)
    x = some_images()
    for lam in (0.0, 0.1, 0.3, 0.7, 1.0):
        expected = model(x, lam)
        for dtype in (torch.float32, torch.float64):
            assert torch.equal(model(x, torch.tensor(lam, dtype=dtype)), expected)
        assert torch.equal(model(x, make_condition(lam)), expected)


@torch.no_grad()
def test_lam_changes_the_output_of_conditional_models_only() -> None:
    x = some_images()
    for name in NAMES:
        model = lived_in_model(name, "resnet8")
        outputs = [model(x, lam) for lam in (0.0, 0.3, 1.0)]
        assert torch.equal(model(x), outputs[0])
        for a, b in ((0, 1), (1, 2)):
            assert torch.equal(outputs[a], outputs[b]) == (name == "pgdat")


@pytest.mark.parametrize("name", ["pgdat", "oat", "oat:norm=single", "oat:film_dimension=8"])
@pytest.mark.parametrize("arch", ARCHS)
@torch.no_grad()
def test_a_lam_for_each_image_gives_what_each_image_gets_alone(name: str, arch: str) -> None:
    model = lived_in_model(name, arch)
    x = some_images(5)
    for lams in ([0.4, 0.0, 1.0, 0.0, 0.15], [0.0, 0.0, 0.1, 0.2, 1.0], [0.0] * 5, [0.3] * 5):
        together = model(x, torch.tensor(lams))
        alone = torch.cat([model(x[i : i + 1], lam) for i, lam in enumerate(lams)])
        torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("method", ["float", "smart"])
def test_noisy_models_refuse_a_lam_for_each_image(method: str) -> None:
    model = build_model(method, "resnet8", width=0.25)
    with pytest.raises(ConfigurationError, match="takes one lam in a forward"):
        model(some_images(2), torch.tensor([0.0, 1.0]))


def test_a_wrong_number_of_lams_or_wrong_images_get_one_sentence() -> None:
    model = build_model("oat", "resnet8", width=0.25)
    with pytest.raises(ConfigurationError, match=r"lam has shape \(2,\) for a batch of 3 images"):
        model(some_images(3), torch.tensor([0.0, 1.0]))
    for shape in ((2, 1, 8, 8), (3, 8, 8), (2, 8, 8, 3)):
        with pytest.raises(ConfigurationError, match=r"this model takes \(n, 3, height, width\)"):
            model(torch.zeros(shape), 0.0)


def test_masks_survive_an_optimiser_step_and_live_in_the_state_dict_as_booleans() -> None:
    model = build_model("smart", "resnet8")
    before = {k: v.clone() for k, v in model.state_dict().items() if "mask" in k}
    # Both masks of the two 3x3 convolutions of each of two sparse stages.
    assert len(before) == 2 * 2 * 2
    assert all(value.dtype == torch.bool for value in before.values())
    assert not any("mask" in name for name, _ in model.named_parameters())
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    for lam in (0.0, 1.0):
        optimiser.zero_grad()
        torch.autograd.backward(model(some_images(), lam).square().sum())
        optimiser.step()
    after = model.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())
    assert not torch.equal(
        after["linear.weight"], build_model("smart", "resnet8").state_dict()["linear.weight"]
    )


def test_a_weight_outside_the_mask_of_a_path_gets_no_gradient_from_it() -> None:
    model = build_model("smart", "resnet8")
    layer = model.get_submodule("layer3.0.conv1")
    assert isinstance(layer, NoisyWeight)
    for lam, mask in ((0.0, layer.mask_clean), (1.0, layer.mask_adversarial)):
        assert mask is not None
        (gradient,) = torch.autograd.grad(model(some_images(), lam).square().sum(), [layer.weight])
        assert not gradient[~mask].any()
        assert bool((gradient[mask] != 0).float().mean() > 0.9)


def test_every_trained_parameter_of_a_path_gets_a_gradient() -> None:
    for name in NAMES:
        model = build_named_model(name, arch="resnet8", width=0.25)
        for lam in (0.0, 1.0):
            model.zero_grad()
            torch.autograd.backward(model(some_images(), lam).square().sum())
            silent = {k for k, p in model.named_parameters() if p.grad is None}
            other_path = ".adversarial." if lam == 0 else ".clean."
            assert all(other_path in key or (lam == 0 and "alpha" in key) for key in silent)


@pytest.mark.parametrize(
    ("arch", "stages", "sparse", "shortcut"),
    [
        ("resnet18", "SDSD", (1, 3), "layer3.0.shortcut.conv"),
        ("wrn16_8", "DSD", (2,), "layer2.0.shortcut"),
    ],
)
def test_only_3x3_convolutions_of_sparse_stages_are_masked(
    arch: str, stages: str, sparse: tuple[int, ...], shortcut: str
) -> None:
    model = build_model("smart", arch, stages=stages, device="meta")
    masked = {k.removesuffix(".mask_clean") for k in model.state_dict() if "mask_clean" in k}
    assert masked == {
        f"layer{stage}.{block}.conv{number}"
        for stage in sparse
        for block in (0, 1)
        for number in (1, 2)
    }
    noisy = {name for name, layer in model.named_modules() if isinstance(layer, NoisyWeight)}
    assert noisy > masked | {"conv1", "linear", shortcut, "layer3.1.conv2"}


def test_an_all_dense_smart_model_has_no_masks() -> None:
    model = build_model("smart", "resnet8", stages="DDD")
    assert not any("mask" in key for key in model.state_dict())


def test_redrawing_frozen_noise_changes_the_noise_and_nothing_else() -> None:
    model = build_model("smart", "resnet8", noise="frozen")
    before = {k: v.clone() for k, v in model.state_dict().items()}
    model.redraw_noise(torch.Generator().manual_seed(8))
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]) == (not key.endswith(".noise")), key


def test_a_model_with_a_noise_generator_can_be_copied() -> None:
    model = build_model("float", "resnet8")
    model.draw_fresh_noise_from(torch.Generator().manual_seed(2))
    twin = copy.deepcopy(model)
    assert torch.equal(model(some_images(), 1.0), twin(some_images(), 1.0))


def slow_norm(x: Tensor, state: dict[str, Tensor], name: str) -> Tensor:
    return functional.batch_norm(
        x,
        state[f"{name}.running_mean"],
        state[f"{name}.running_var"],
        state[f"{name}.weight"],
        state[f"{name}.bias"],
    )


def slow_resnet(x: Tensor, state: dict[str, Tensor], blocks: tuple[int, ...]) -> Tensor:
    """The post-activation network, from its state dict alone."""
    x = functional.conv2d(x, state["conv1.weight"], padding=1)
    x = functional.relu(slow_norm(x, state, "bn1"))
    for stage, count in enumerate(blocks, start=1):
        for block in range(count):
            name = f"layer{stage}.{block}"
            stride = 2 if block == 0 and stage > 1 else 1
            out = functional.conv2d(x, state[f"{name}.conv1.weight"], stride=stride, padding=1)
            out = functional.relu(slow_norm(out, state, f"{name}.bn1"))
            out = functional.conv2d(out, state[f"{name}.conv2.weight"], padding=1)
            out = slow_norm(out, state, f"{name}.bn2")
            if f"{name}.shortcut.conv.weight" in state:
                x = functional.conv2d(x, state[f"{name}.shortcut.conv.weight"], stride=stride)
                x = slow_norm(x, state, f"{name}.shortcut.bn")
            x = functional.relu(out + x)
    return functional.linear(x.flatten(2).mean(2), state["linear.weight"], state["linear.bias"])


def slow_wide_resnet(x: Tensor, state: dict[str, Tensor], blocks: tuple[int, ...]) -> Tensor:
    """The pre-activation network, from its state dict alone."""
    x = functional.conv2d(x, state["conv1.weight"], padding=1)
    for stage, count in enumerate(blocks, start=1):
        for block in range(count):
            name = f"layer{stage}.{block}"
            stride = 2 if block == 0 and stage > 1 else 1
            active = functional.relu(slow_norm(x, state, f"{name}.bn1"))
            out = functional.conv2d(active, state[f"{name}.conv1.weight"], stride=stride, padding=1)
            out = functional.relu(slow_norm(out, state, f"{name}.bn2"))
            out = functional.conv2d(out, state[f"{name}.conv2.weight"], padding=1)
            if f"{name}.shortcut.weight" in state:
                x = functional.conv2d(active, state[f"{name}.shortcut.weight"], stride=stride)
            x = x + out
    x = functional.relu(slow_norm(x, state, "bn1"))
    return functional.linear(x.flatten(2).mean(2), state["linear.weight"], state["linear.bias"])


@pytest.mark.parametrize("arch", ARCHITECTURES)
@torch.no_grad()
def test_a_backbone_is_the_published_network(arch: str) -> None:
    model = lived_in_model("pgdat", arch, width=0.0625)
    slow = slow_resnet if ARCHITECTURES[arch].family == "resnet" else slow_wide_resnet
    x = some_images(2, 16)
    expected = slow(x, model.state_dict(), ARCHITECTURES[arch].blocks)
    torch.testing.assert_close(model(x), expected)


def test_dropout_acts_in_training_and_not_in_eval() -> None:
    model: ConditionalModel = build_model("pgdat", "wrn16_8", width=0.125, dropout=0.5)
    x = some_images()
    assert not torch.equal(model(x), model(x))
    model.eval()
    assert torch.equal(model(x), model(x))


@pytest.mark.parametrize("name", ["pgdat", "oat:film_dimension=8", "float", "smart"])
def test_a_model_compiles_as_one_graph(name: str) -> None:
    model = build_named_model(name, arch="resnet8", width=0.25).eval()
    torch.compiler.reset()
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    for lam in (0.0, 1.0):
        assert compiled(some_images(), lam).shape == (3, 10)
    if METHODS[name.partition(":")[0]].film:
        mixed = make_condition(torch.tensor([0.3, 0.0, 1.0]))
        torch.testing.assert_close(compiled(some_images(), mixed), model(some_images(), mixed))
