"""Each method's gradient beside a transcription of its equation, on a network in float64."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, log_softmax

from smartsim.models import ConditionalModel
from smartsim.train.attacks import Pgd
from smartsim.train.methods import STEPS, Step, draw_lams
from smartsim.train.randomness import make_generator
from tests.unit.train.helpers import tiny_data, tiny_model

BATCH = 12
ATTACK = Pgd(epsilon=0.1, steps=2, step_size=0.05)


def _step(model: ConditionalModel, **changes: Any) -> Step:
    data = tiny_data()
    given: dict[str, Any] = {
        "model": model,
        "forward": model,
        "images": data.train_images[:BATCH].double() / 255,
        "labels": data.train_labels[:BATCH],
        "batch_size": BATCH,
        "share": slice(None),
        "attack": ATTACK,
        "redraw": "step",
        "attack_dtype": None,
        "lam": 1.0,
        "seed": 5,
        "number": 3,
    }
    return Step(**{**given, **changes})


def _gradients(model: ConditionalModel, loss: Tensor) -> dict[str, Tensor]:
    model.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def _starts(step: Step) -> Tensor:
    """The whole batch's random starts in [-1, 1], as the steps draw them: float32, made double."""
    generator = make_generator(step.seed, "attack", step.number)
    return torch.empty(BATCH, 3, 8, 8).uniform_(-1, 1, generator=generator).double()


def _attack(
    model: ConditionalModel, x: Tensor, y: Tensor, lam: float | Tensor, starts: Tensor
) -> Tensor:
    """x <- Proj(x + sigma sign(grad CE)), in eval mode."""
    model.eval()
    found = (x + ATTACK.epsilon * starts).clamp(0, 1)
    for _ in range(ATTACK.steps):
        point = found.clone().requires_grad_()
        (slope,) = torch.autograd.grad(cross_entropy(model(point, lam), y), point)
        found = found + ATTACK.step_size * slope.sign()
        found = torch.min(torch.max(found, x - ATTACK.epsilon), x + ATTACK.epsilon).clamp(0, 1)
    model.train()
    return found


def _entropy(logits: Tensor, y: Tensor) -> Tensor:
    """-log softmax(logits)[y], for each image."""
    return -log_softmax(logits, dim=1)[torch.arange(len(y)), y]


def _assert_same_gradients(model: ConditionalModel, ours: Tensor, plain: Tensor) -> None:
    torch.testing.assert_close(ours, plain)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    one, two = _gradients(model, ours), _gradients(model, plain)
    assert one.keys() == two.keys()
    for name, gradient in one.items():
        torch.testing.assert_close(gradient, two[name], rtol=1e-9, atol=1e-12)
    model.load_state_dict(state)


@pytest.mark.parametrize("lam", [0.0, 0.3, 1.0])
def test_pgdat_descends_the_mixture_of_both_losses(lam: float) -> None:
    model = tiny_model("pgdat")
    step = _step(model, lam=lam)
    ours = STEPS["pgdat"](step).loss
    x, y = step.images, step.labels
    # The model has moved its running statistics, which the attack in eval mode reads: start anew.
    model_anew = tiny_model("pgdat")
    adversarial = _attack(model_anew, x, y, 0.0, _starts(step))
    plain = (1 - lam) * _entropy(model_anew(x), y).mean()
    plain = plain + lam * _entropy(model_anew(adversarial), y).mean()
    assert ours.item() == pytest.approx(plain.item(), rel=1e-9)
    one, two = _gradients(model, ours), _gradients(model_anew, plain)
    for name, gradient in one.items():
        torch.testing.assert_close(gradient, two[name], rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("dimension", [1, 8])
def test_oat_descends_the_mean_over_images_each_with_its_own_lam(dimension: int) -> None:
    model, anew = (tiny_model("oat", film_dimension=dimension) for _ in range(2))
    step = _step(model)
    ours = STEPS["oat"](step).loss
    x, y = step.images, step.labels
    lams, clean = draw_lams(BATCH, make_generator(step.seed, "lam", step.number))
    assert clean == 2  # ceil(12 / 6)
    part = slice(clean, None)
    adversarial = _attack(anew, x[part], y[part], lams[part], _starts(step)[part])
    total = ((1 - lams) * _entropy(anew(x, lams), y)).sum()
    total = total + (lams[part] * _entropy(anew(adversarial, lams[part]), y[part])).sum()
    one, two = _gradients(model, ours), _gradients(anew, total / BATCH)
    assert one.keys() == two.keys()
    for name, gradient in one.items():
        torch.testing.assert_close(gradient, two[name], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("method", ["float", "smart"])
def test_float_and_smart_descend_half_a_clean_and_half_an_adversarial_loss(method: str) -> None:
    # Frozen noise, so that both see the same draw.
    model, anew = (tiny_model(method, noise="frozen") for _ in range(2))
    step = _step(model)
    ours = STEPS[method](step).loss
    x, y, half = step.images, step.labels, BATCH // 2
    adversarial = _attack(anew, x[half:], y[half:], 1.0, _starts(step)[half:])
    plain = 0.5 * _entropy(anew(x[:half], 0.0), y[:half]).mean()
    plain = plain + 0.5 * _entropy(anew(adversarial, 1.0), y[half:]).mean()
    one, two = _gradients(model, ours), _gradients(anew, plain)
    assert one.keys() == two.keys()
    for name, gradient in one.items():
        torch.testing.assert_close(gradient, two[name], rtol=1e-7, atol=1e-10)


def test_smart_gives_no_gradient_to_weights_that_both_masks_drop() -> None:
    model = tiny_model("smart")
    gradients = _gradients(model, STEPS["smart"](_step(model)).loss)
    masked = [name for name, _ in model.named_buffers() if name.endswith("mask_clean")]
    assert masked
    for name in masked:
        layer: Any = model.get_submodule(name.removesuffix(".mask_clean"))
        dropped = ~(layer.mask_clean | layer.mask_adversarial)
        assert bool(dropped.any())
        weight = gradients[name.removesuffix("mask_clean") + "weight"]
        assert not bool(weight[dropped].any())


@pytest.mark.parametrize("method", ["oat", "float", "smart"])
def test_each_batch_norm_sees_the_images_of_its_own_path(method: str) -> None:
    model = tiny_model(method)
    STEPS[method](_step(model))
    norm: Any = model.get_submodule("bn1.norm" if method == "oat" else "bn1")
    # OAT: the clean norm sees the clean pass; the other one the clean and the adversarial pass.
    passes = (1, 2) if method == "oat" else (1, 1)
    assert (norm.clean.num_batches_tracked.item(), norm.adversarial.num_batches_tracked.item()) == (
        passes
    )


def test_the_attack_of_a_step_teaches_no_batch_norm() -> None:
    model = tiny_model("pgdat")
    STEPS["pgdat"](_step(model, lam=1.0))
    # One pass of training, none of the two passes of the attack.
    assert model.get_buffer("bn1.num_batches_tracked").item() == 1


def _note_states(layer: nn.Module, generator: torch.Generator, seen: list[Tensor]) -> None:
    """Note the generator's state before each forward pass of a layer."""

    def note(*arguments: Any) -> None:
        del arguments
        seen.append(generator.get_state())

    layer.register_forward_pre_hook(note)


@pytest.mark.parametrize("method", ["pgdat", "oat", "float", "smart"])
@pytest.mark.parametrize("redraw", ["step", "attack"])
def test_attacks_on_the_folded_model_train_the_same(method: str, redraw: str) -> None:
    losses = []
    for dtype in (None, torch.float64):
        model = tiny_model(method)
        noise = torch.Generator().manual_seed(0)
        model.draw_fresh_noise_from(noise)
        step = _step(model, attack_dtype=dtype, redraw=redraw, noise=noise)
        losses.append(STEPS[method](step).loss.item())
    # Where noise is kept for an attack, the folded model draws it once and the plain one rewinds,
    # so that both leave the generator at the same place.
    assert losses[0] == pytest.approx(losses[1], rel=1e-9)


def test_noise_is_drawn_at_each_step_of_the_attack_or_once() -> None:
    draws = {}
    for redraw in ("step", "attack"):
        model = tiny_model("float")
        generator = torch.Generator().manual_seed(0)
        model.draw_fresh_noise_from(generator)
        seen: list[Tensor] = []
        _note_states(model.get_submodule("conv1"), generator, seen)
        STEPS["float"](_step(model, redraw=redraw, noise=generator))
        # Two passes of the attack, then the clean and the adversarial pass of training.
        assert len(seen) == 4
        draws[redraw] = torch.equal(seen[0], seen[1])
    assert draws == {"step": False, "attack": True}


@pytest.mark.parametrize("method", ["pgdat", "oat", "float"])
def test_the_shares_of_two_processes_add_up_to_the_whole_loss_without_batch_norm(
    method: str,
) -> None:
    # In eval mode a batch norm mixes no images, so the loss is a sum over images.
    changes = {"noise": "frozen"} if method == "float" else {}
    model = tiny_model(method, **changes)
    whole = _step(model)

    def loss(share: slice) -> Tensor:
        step = _step(model, images=whole.images[share], labels=whole.labels[share], share=share)
        model.eval()
        return STEPS[method](step).loss

    parts = loss(slice(0, None, 2)) + loss(slice(1, None, 2))
    torch.testing.assert_close(parts, loss(slice(None)))


def test_lams_are_the_official_ones() -> None:
    lams, clean = draw_lams(6_000, torch.Generator().manual_seed(0))
    values, counts = lams.unique(return_counts=True)  # type: ignore[no-untyped-call]
    torch.testing.assert_close(values, torch.tensor([0.0, 0.1, 0.2, 0.3, 0.4, 1.0]))
    assert clean == 1_000
    # Each other value is Binomial(5000, 1/5): 1000 with a standard deviation of 28.3.
    assert all(abs(count - 1_000) < 5 * 28.3 for count in counts.tolist())
