"""Laws that hold for every attack, network, image and radius."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from smartsim.train.attack.pgd import Pgd, attack_images, loss_gradient

CLASSES = 3


def _network(seed: int) -> torch.nn.Module:
    generator = torch.Generator().manual_seed(seed)
    network = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(12, 8), torch.nn.Tanh(), torch.nn.Linear(8, CLASSES)
    )
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, generator=generator)
    return network.requires_grad_(False)


def _images(seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    # Also exact zeros and ones, where the box cuts the ball.
    images = (1.5 * torch.rand(4, 3, 2, 2, generator=generator) - 0.25).clamp(0, 1)
    return images, torch.randint(CLASSES, (4,), generator=generator)


seeds = st.integers(0, 10_000)
attacks = st.builds(
    Pgd,
    epsilon=st.floats(0, 1),
    steps=st.integers(1, 4),
    step_size=st.floats(0, 1),
    restarts=st.integers(1, 2),
    random_start=st.booleans(),
    draws=st.integers(1, 2),
)


@given(seed=seeds, attack=attacks)
@settings(max_examples=60)
def test_an_attack_stays_in_the_ball_and_in_the_box_to_one_ulp(seed: int, attack: Pgd) -> None:
    images, labels = _images(seed)
    found = attack_images(_network(seed), images, labels, attack, torch.Generator().manual_seed(1))
    assert found.shape == images.shape
    assert float(found.min()) >= 0
    assert float(found.max()) <= 1
    # The border x + eps is rounded to float32, whose ulp below 2 is 2 ** -23.
    assert float((found.double() - images.double()).abs().max()) <= attack.epsilon + 2**-23


@given(seed=seeds, steps=st.integers(1, 5), random_start=st.booleans())
@settings(max_examples=20)
def test_a_radius_of_zero_is_the_identity(seed: int, steps: int, random_start: bool) -> None:
    images, labels = _images(seed)
    attack = Pgd(epsilon=0.0, steps=steps, step_size=0.1, random_start=random_start)
    assert torch.equal(attack_images(_network(seed), images, labels, attack), images)


@given(seed=seeds)
@settings(max_examples=20)
def test_the_same_generator_finds_the_same_images(seed: int) -> None:
    images, labels = _images(seed)
    network = _network(seed)
    one, two = (
        attack_images(network, images, labels, Pgd(), torch.Generator().manual_seed(seed))
        for _ in range(2)
    )
    assert torch.equal(one, two)


@given(seed=seeds)
@settings(max_examples=30)
def test_an_image_does_not_depend_on_the_others_of_its_batch(seed: int) -> None:
    images, labels = _images(seed)
    network = _network(seed).double()
    attack = Pgd(epsilon=0.1, steps=3, step_size=0.03, random_start=False)
    whole = attack_images(network, images.double(), labels, attack)
    alone = attack_images(network, images[2:3].double(), labels[2:3], attack)
    torch.testing.assert_close(whole[2:3], alone)


def test_more_steps_from_the_same_start_never_lower_the_loss_on_average() -> None:
    # Each step is a sign step on a smooth loss, so a single image may overshoot; the mean over
    # 200 networks of 4 images each must not.
    losses = torch.zeros(6)
    for seed in range(200):
        images, labels = _images(seed)
        network = _network(seed)
        starts = torch.rand(images.shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1
        for steps in range(1, 7):
            attack = Pgd(epsilon=0.1, steps=steps, step_size=0.02)
            found = attack_images(network, images, labels, attack, starts=starts)
            losses[steps - 1] += torch.nn.functional.cross_entropy(network(found), labels)
    assert bool((losses.diff() >= 0).all())


@given(seed=seeds)
@settings(max_examples=20)
def test_the_gradient_is_that_of_finite_differences(seed: int) -> None:
    images, labels = _images(seed)
    images, network = images.double(), _network(seed).double()
    gradient = loss_gradient(network, images, labels, 1)
    step = 1e-5
    for place in ((0, 0, 0, 0), (3, 2, 1, 1)):
        offset = torch.zeros_like(images)
        offset[place] = step

        def loss(x: Tensor) -> float:
            return float(torch.nn.functional.cross_entropy(network(x), labels, reduction="sum"))

        slope = (loss(images + offset) - loss(images - offset)) / (2 * step)
        # cross_entropy sees float32 logits, good to 1e-7 of a loss of order 10, over 2e-5.
        assert abs(slope - float(gradient[place])) < 1e-3 * max(1, abs(slope))
