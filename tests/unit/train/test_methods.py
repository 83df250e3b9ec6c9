"""Each method's loss, gradients and statistics beside its equations written out, in float64."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from smartsim.models import ConditionalModel
from smartsim.train.attack.pgd import Pgd
from smartsim.train.methods.sparse import SparseLearner
from smartsim.train.methods.steps import STEPS, Step, draw_lams
from smartsim.train.randomness import make_generator
from tests.unit.train.helpers import tiny_data, tiny_model
from tests.unit.train.plain_network import GRID, PlainNetwork, plain_attack, plain_entropy

BATCH = 12
ATTACK = Pgd(epsilon=0.1, steps=2, step_size=0.05)
NOISE = 11


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


def _stirred(method: str, **changes: Any) -> ConditionalModel:
    """A model of which nothing has its first value: norms, alphas, masks and noise are our own."""
    model = tiny_model(method, **changes)
    generator = torch.Generator().manual_seed(2)
    drawn = {}
    for name, value in model.state_dict().items():
        kind, shape = name.rpartition(".")[2], value.shape
        if kind in ("mask_clean", "mask_adversarial"):
            drawn[name] = torch.rand(shape, generator=generator) < 0.5
        elif kind in ("noise", "rows"):
            drawn[name] = torch.randn(shape, generator=generator)
        elif kind in ("alpha", "running_var") or (kind == "weight" and len(shape) == 1):
            drawn[name] = 0.2 + torch.rand(shape, generator=generator)
        elif kind in ("bias", "running_mean"):
            drawn[name] = 0.2 * torch.randn(shape, generator=generator)
    model.load_state_dict(drawn, strict=False)
    return model


def _gradients(model: ConditionalModel, loss: Tensor) -> dict[str, Tensor]:
    model.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def _starts(step: Step) -> Tensor:
    """The whole batch's random starts in [-1, 1], as the steps draw them: float32, made double."""
    generator = make_generator(step.seed, "attack", step.number)
    return torch.empty(BATCH, 3, 8, 8).uniform_(-1, 1, generator=generator).double()


def _attack(plain: PlainNetwork, step: Step, part: slice, lam: Tensor) -> Tensor:
    """Adversarial images of a part of the batch, with the network in eval mode.

    Where noise is drawn once an attack, the first pass draws it and the others take it again.
    """
    plain.used.clear()
    plain.training = False

    def predict(x: Tensor) -> Tensor:
        return plain.logits(x, lam, keep_noise=step.redraw == "attack")

    found = plain_attack(
        predict,
        step.images[part],
        step.labels[part],
        _starts(step)[part],
        epsilon=ATTACK.epsilon,
        steps=ATTACK.steps,
        step_size=ATTACK.step_size,
    )
    plain.training = True
    return found


def _pgdat_loss(plain: PlainNetwork, step: Step, mixture: float) -> Tensor:
    """`(1 - lam) CE(f(x), y) + lam CE(f(x_adv), y)`."""
    x, y, none = step.images, step.labels, torch.zeros(BATCH)
    adversarial = _attack(plain, step, slice(None), none)
    loss = torch.tensor(0.0, dtype=torch.float64)
    # A part without weight is not computed, so that no batch norm sees its images.
    for share, images in ((1 - mixture, x), (mixture, adversarial)):
        if share:
            loss = loss + share * plain_entropy(plain.logits(images, none), y).mean()
    return loss


def _oat_loss(plain: PlainNetwork, step: Step) -> Tensor:
    """`mean_i (1 - lam_i) CE(f(x_i, lam_i), y_i) + lam_i CE(f(x_adv_i, lam_i), y_i)`.

    The first sixth of the batch, rounded up, has lam = 0, and nothing to attack.
    """
    clean, generator = math.ceil(BATCH / 6), make_generator(step.seed, "lam", step.number)
    drawn = torch.randint(5, (BATCH - clean,), generator=generator).tolist()
    lams = torch.tensor([0.0] * clean + [GRID[1 + place] for place in drawn])
    back = slice(clean, None)
    adversarial = _attack(plain, step, back, lams[back])
    losses = (1 - lams) * plain_entropy(plain.logits(step.images, lams), step.labels)
    robust = lams[back] * plain_entropy(plain.logits(adversarial, lams[back]), step.labels[back])
    return (losses.sum() + robust.sum()) / BATCH


def _float_loss(plain: PlainNetwork, step: Step) -> Tensor:
    """`0.5 mean CE(f(x, 0), y) + 0.5 mean CE(f(x_adv, 1), y)`, of either half of the batch."""
    half = BATCH // 2
    front, back, one = slice(half), slice(half, None), torch.ones(BATCH - half)
    adversarial = _attack(plain, step, back, one)
    clean = plain_entropy(plain.logits(step.images[front], 0 * one), step.labels[front])
    robust = plain_entropy(plain.logits(adversarial, one), step.labels[back])
    return 0.5 * clean.mean() + 0.5 * robust.mean()


def _assert_same_step(
    model: ConditionalModel, plain: PlainNetwork, ours: Tensor, theirs: Tensor, rtol: float
) -> dict[str, Tensor]:
    """Same loss, same gradient by every parameter, same running statistics of every norm.

    Returns the gradients.
    """
    torch.testing.assert_close(ours, theirs, rtol=rtol, atol=0)
    found, expected = _gradients(model, ours), plain.gradients(theirs)
    assert found.keys() == expected.keys() == dict(model.named_parameters()).keys()
    for name, gradient in expected.items():
        assert bool(gradient.any()), name
        torch.testing.assert_close(found[name], gradient, rtol=rtol, atol=rtol / 100)
    for name, buffer in model.named_buffers():
        if ".running_" in name:
            torch.testing.assert_close(buffer, plain.values[name], rtol=rtol, atol=rtol / 100)
    return found


@pytest.mark.parametrize("lam", [0.0, 0.3, 1.0])
def test_pgdat_descends_the_mixture_of_both_losses(lam: float) -> None:
    model = _stirred("pgdat")
    plain = PlainNetwork(model.state_dict())
    step = _step(model, lam=lam)
    ours = STEPS["pgdat"](step).loss
    _assert_same_step(model, plain, ours, _pgdat_loss(plain, step, lam), 1e-9)


def test_sparse_learning_descends_the_same_with_gradients_for_what_its_masks_drop() -> None:
    model = _stirred("pgdat")
    plain = PlainNetwork(model.state_dict())
    masks = SparseLearner(model, 0.3, seed=0).masks
    with torch.no_grad():
        for name, mask in masks.items():
            plain.values[name].mul_(mask)
    step = _step(model, lam=0.3)
    ours = STEPS["sparse"](step).loss
    gradients = _assert_same_step(model, plain, ours, _pgdat_loss(plain, step, 0.3), 1e-9)
    # What is dropped keeps its gradient, for its momentum decides what grows.
    assert all(bool(gradients[name][~mask].any()) for name, mask in masks.items())


@pytest.mark.parametrize("dimension", [1, 8])
def test_oat_descends_the_mean_over_images_each_with_its_own_lam(dimension: int) -> None:
    model = _stirred("oat", film_dimension=dimension)
    plain = PlainNetwork(model.state_dict())
    step = _step(model)
    ours = STEPS["oat"](step).loss
    # lam and 1 - lam are float32.
    _assert_same_step(model, plain, ours, _oat_loss(plain, step), 1e-6)


@pytest.mark.parametrize("method", ["float", "smart"])
@pytest.mark.parametrize(
    ("noise", "redraw"), [("frozen", "step"), ("fresh", "step"), ("fresh", "attack")]
)
def test_float_and_smart_descend_half_a_clean_and_half_an_adversarial_loss(
    method: str, noise: str, redraw: str
) -> None:
    model = _stirred(method, noise=noise)
    ours_from, theirs_from = (torch.Generator().manual_seed(NOISE) for _ in range(2))
    model.draw_fresh_noise_from(ours_from)
    plain = PlainNetwork(model.state_dict(), theirs_from)
    step = _step(model, redraw=redraw, noise=ours_from if noise == "fresh" else None)
    ours = STEPS[method](step).loss
    _assert_same_step(model, plain, ours, _float_loss(plain, step), 1e-9)
    assert torch.equal(ours_from.get_state(), theirs_from.get_state())


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
    changes = {} if method == "oat" else {"noise": "frozen"}
    model = tiny_model(method, **changes)
    # An attack of no size leaves the images, so that the first norm's inputs are known.
    step = _step(model, attack=Pgd(epsilon=0.0, steps=1, step_size=0.0))
    STEPS[method](step)
    norm: Any = model.get_submodule("bn1.norm" if method == "oat" else "bn1")
    stem: Any = model.get_submodule("conv1")
    weight = stem.weight.detach()
    noisy = weight if method == "oat" else weight + 0.25 * weight.std() * stem.noise
    clean = math.ceil(BATCH / 6) if method == "oat" else BATCH // 2
    front = conv2d(step.images[:clean], weight, padding=1).mean((0, 2, 3))
    back = conv2d(step.images[clean:], noisy, padding=1).mean((0, 2, 3))
    assert not torch.allclose(front, back, rtol=1e-3)
    # OAT's other norm sees its images twice, in the clean and in the adversarial pass.
    learned = 1 - 0.9**2 if method == "oat" else 0.1
    torch.testing.assert_close(norm.clean.running_mean, 0.1 * front)
    torch.testing.assert_close(norm.adversarial.running_mean, learned * back)


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
    assert draw_lams(13, torch.Generator())[1] == 3  # 13 / 6, rounded up
    # Each other value is Binomial(5000, 1/5): 1000 with a standard deviation of 28.3.
    assert all(abs(count - 1_000) < 5 * 28.3 for count in counts.tolist())
