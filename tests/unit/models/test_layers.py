"""The layers against slow twins: weights and norms written out by hand, one number at a time."""

import math

import pytest
import torch
from torch import Tensor

from smartsim.models.condition import CLEAN, Condition, make_condition
from smartsim.models.layers import NoisyConv2d, NoisyLinear, NoisyWeight
from smartsim.models.norms import LAM_GRID, BatchNorm2d, DualBatchNorm2d, Film, LamEncoding


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noisy_conv(*, noise: str = "frozen", masked: bool = True) -> NoisyConv2d:
    assert noise == "frozen" or noise == "fresh"
    layer = NoisyConv2d(3, 4, noise="frozen" if noise == "frozen" else "fresh", masked=masked)
    layer.draw_weights(generator(1))
    layer.draw_masks(0.5, 0.25, generator(2))
    layer.draw_noise(generator(3))
    return layer


def slow_weight(layer: NoisyWeight, lam: float) -> list[float]:
    """FLOAT's and SMART's weight by their equations, in Python floats, in row-major order."""
    weights = layer.weight.flatten().tolist()
    mean = math.fsum(weights) / len(weights)
    std = math.sqrt(math.fsum((w - mean) ** 2 for w in weights) / (len(weights) - 1))
    mask = layer.mask_clean if lam == 0 else layer.mask_adversarial
    kept = [1] * len(weights) if mask is None else mask.int().flatten().tolist()
    assert layer.noise is not None
    eta = layer.noise.flatten().tolist()
    alpha = layer.alpha.item()
    if lam == 0:
        return [w * m for w, m in zip(weights, kept, strict=True)]
    return [(w + lam * alpha * std * n) * m for w, n, m in zip(weights, eta, kept, strict=True)]


@pytest.mark.parametrize("lam", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("masked", [False, True])
def test_a_noisy_convolution_is_a_convolution_with_the_papers_weight(
    lam: float, masked: bool
) -> None:
    layer = noisy_conv(masked=masked)
    x = torch.randn(2, 3, 5, 5, generator=generator(4))
    expected = torch.nn.functional.conv2d(
        x, torch.tensor(slow_weight(layer, lam)).reshape(4, 3, 3, 3), padding=1
    )
    torch.testing.assert_close(layer(x, make_condition(lam)), expected)


@pytest.mark.parametrize("lam", [0.0, 0.4, 1.0])
def test_a_noisy_linear_layer_has_noise_on_its_weight_and_none_on_its_bias(lam: float) -> None:
    layer = NoisyLinear(5, 3, noise="frozen")
    layer.draw_weights(generator(1))
    layer.draw_noise(generator(2))
    torch.nn.init.normal_(layer.bias, generator=generator(3))
    x = torch.randn(2, 5, generator=generator(4))
    expected = x @ torch.tensor(slow_weight(layer, lam)).reshape(3, 5).T + layer.bias
    torch.testing.assert_close(layer(x, make_condition(lam)), expected)


def test_masked_weights_are_exactly_zero_on_both_paths() -> None:
    layer = noisy_conv()
    assert layer.mask_clean is not None
    assert layer.mask_adversarial is not None
    for condition, mask in (
        (CLEAN, layer.mask_clean),
        (make_condition(1.0), layer.mask_adversarial),
    ):
        weight = layer.effective_weight(condition)
        assert torch.equal(weight != 0, mask)


def test_fresh_noise_differs_between_forwards_and_frozen_noise_does_not() -> None:
    x = torch.randn(1, 3, 4, 4, generator=generator(0))
    adversarial = make_condition(1.0)
    fresh, frozen = noisy_conv(noise="fresh"), noisy_conv(noise="frozen")
    assert not torch.equal(fresh(x, adversarial), fresh(x, adversarial))
    assert torch.equal(frozen(x, adversarial), frozen(x, adversarial))
    before = frozen(x, adversarial)
    frozen.draw_noise(generator(9))
    assert not torch.equal(frozen(x, adversarial), before)


def test_fresh_noise_from_a_generator_can_be_repeated() -> None:
    x = torch.randn(1, 3, 4, 4, generator=generator(0))
    layer = noisy_conv(noise="fresh")
    outputs = []
    for _ in range(2):
        layer.noise_generator = generator(7)
        outputs.append(layer(x, make_condition(1.0)))
    assert torch.equal(*outputs)


def test_fresh_noise_has_the_standard_deviation_of_lam_alpha_std() -> None:
    layer = NoisyConv2d(64, 64)
    layer.draw_weights(generator(1))
    layer.noise_generator = generator(2)
    noise = layer.effective_weight(make_condition(0.5)) - layer.weight
    # 36,864 draws find a standard deviation to within 1 / sqrt(2 * 36,864) = 0.4 %; 2 % is five.
    expected = 0.5 * 0.25 * layer.weight.std().item()
    assert noise.std().item() == pytest.approx(expected, rel=0.02)
    assert abs(noise.mean().item()) < 5 * expected / math.sqrt(36_864)


def test_the_clean_path_draws_no_noise() -> None:
    layer = noisy_conv(noise="fresh")
    layer.noise_generator = generator(5)
    state = layer.noise_generator.get_state()
    layer(torch.zeros(1, 3, 4, 4), CLEAN)
    assert torch.equal(layer.noise_generator.get_state(), state)


def test_the_gradient_of_a_noisy_layer_treats_the_standard_deviation_as_a_number() -> None:
    layer = noisy_conv(masked=False)
    assert layer.noise is not None
    total = layer.effective_weight(make_condition(0.5)).sum()
    by_weight, by_alpha = torch.autograd.grad(total, (layer.weight, layer.alpha))
    # d sum(W + lam alpha std eta) / dW is 1 everywhere; / dalpha is lam std sum(eta).
    assert torch.equal(by_weight, torch.ones_like(layer.weight))
    expected = 0.5 * layer.weight.detach().std() * layer.noise.sum()
    torch.testing.assert_close(by_alpha, expected)


def slow_batch_norm(x: Tensor, norm: BatchNorm2d) -> Tensor:
    """Eval-mode batch norm of (n, c, h, w), channel by channel."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    out = torch.empty_like(x)
    for c in range(x.shape[1]):
        scale = norm.weight[c] / torch.sqrt(norm.running_var[c] + norm.eps)
        out[:, c] = (x[:, c] - norm.running_mean[c]) * scale + norm.bias[c]
    return out


def dual_norm(channels: int) -> DualBatchNorm2d:
    norm = DualBatchNorm2d(channels)
    for place, values in enumerate(norm.state_dict().values()):
        if values.is_floating_point():
            values.copy_(torch.rand(values.shape, generator=generator(place)) + 0.5)
    return norm.eval()


@torch.no_grad()
def test_dual_batch_norm_routes_clean_and_adversarial_samples_to_their_own() -> None:
    norm = dual_norm(3)
    x = torch.randn(4, 3, 2, 2, generator=generator(0))
    clean, adversarial = slow_batch_norm(x, norm.clean), slow_batch_norm(x, norm.adversarial)
    torch.testing.assert_close(norm(x, make_condition(0.0)), clean)
    torch.testing.assert_close(norm(x, make_condition(0.1)), adversarial)
    torch.testing.assert_close(norm(x, make_condition(1.0)), adversarial)
    mixed = norm(x, make_condition(torch.tensor([0.0, 0.0, 0.0, 0.4])))
    torch.testing.assert_close(mixed, torch.cat([clean[:3], adversarial[3:]]))


def test_training_moves_only_the_batch_norm_of_the_path() -> None:
    x = torch.randn(4, 3, 2, 2, generator=generator(0))
    for lam, moved, still in ((0.0, "clean", "adversarial"), (0.3, "adversarial", "clean")):
        norm = DualBatchNorm2d(3)
        norm(x, make_condition(lam))
        state = norm.state_dict()
        assert state[f"{moved}.num_batches_tracked"] == 1
        assert state[f"{still}.num_batches_tracked"] == 0
        # Running mean: 0.9 * 0 + 0.1 * mean of the batch.
        torch.testing.assert_close(state[f"{moved}.running_mean"], 0.1 * x.mean(dim=(0, 2, 3)))


def leaky(value: float) -> float:
    return value if value > 0 else 0.01 * value


@torch.no_grad()
@pytest.mark.parametrize("dimension", [1, 6])
def test_film_is_an_mlp_of_the_encoding_then_a_gain_and_an_offset(dimension: int) -> None:
    channels = 2
    film = Film(channels, dimension)
    film.draw_weights(generator(0))
    encoding = torch.randn(1, dimension, generator=generator(1))
    x = torch.randn(1, channels, 2, 2, generator=generator(2))
    first, _, second, _ = film.mlp
    assert isinstance(first, torch.nn.Linear)
    assert isinstance(second, torch.nn.Linear)
    code = encoding[0].tolist()
    hidden = [
        leaky(sum(w * e for w, e in zip(row, code, strict=True)) + b)
        for row, b in zip(first.weight.tolist(), first.bias.tolist(), strict=True)
    ]
    assert len(hidden) == 2 * channels
    outputs = [
        leaky(sum(w * h for w, h in zip(row, hidden, strict=True)) + b)
        for row, b in zip(second.weight.tolist(), second.bias.tolist(), strict=True)
    ]
    gamma, beta = outputs[:channels], outputs[channels:]
    expected = torch.stack([gamma[c] * x[:, c] + beta[c] for c in range(channels)], dim=1)
    condition = Condition(lam=0.5, path="adversarial", encoding=encoding)
    torch.testing.assert_close(film(x, condition), expected)


def encoding_of(lam: float | Tensor, dimension: int) -> Tensor:
    encoding = LamEncoding(dimension)
    encoding.draw_rows(generator(0))
    encoded: Tensor = encoding(make_condition(lam), torch.zeros(()))
    return encoded


def test_the_encoding_of_dimension_1_is_lam_itself() -> None:
    assert encoding_of(0.3, 1).tolist() == [[pytest.approx(0.3)]]
    assert encoding_of(torch.tensor([0.0, 0.5]), 1).tolist() == [[0.0], [0.5]]


def test_the_rows_of_the_encoding_are_orthonormal() -> None:
    rows = torch.cat([encoding_of(lam, 128) for lam in LAM_GRID])
    torch.testing.assert_close(rows @ rows.T, torch.eye(6), atol=1e-5, rtol=0)


@pytest.mark.parametrize("place", range(6))
def test_at_a_lam_of_training_the_encoding_is_a_row_however_lam_is_given(place: int) -> None:
    encoding = LamEncoding(8)
    encoding.draw_rows(generator(0))
    assert encoding.rows is not None
    lam = LAM_GRID[place]
    for given in (lam, torch.tensor(lam), torch.tensor(lam, dtype=torch.float64)):
        assert torch.equal(encoding_of(given, 8), encoding.rows[place : place + 1])
    assert torch.equal(encoding_of(torch.tensor([0.0, lam]), 8), encoding.rows[[0, place]])


@pytest.mark.parametrize(
    ("lam", "lower", "share"), [(0.05, 0, 0.5), (0.325, 3, 0.25), (0.7, 4, 0.5), (0.85, 4, 0.75)]
)
def test_between_lams_of_training_the_encoding_is_interpolated(
    lam: float, lower: int, share: float
) -> None:
    start, end = encoding_of(LAM_GRID[lower], 8), encoding_of(LAM_GRID[lower + 1], 8)
    expected = (1 - share) * start + share * end
    torch.testing.assert_close(encoding_of(lam, 8), expected)
    torch.testing.assert_close(encoding_of(torch.tensor([lam]), 8), expected)
