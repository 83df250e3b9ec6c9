"""The attack beside a slow twin of its definition, pixel by pixel, and beside foolbox."""

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from smartsim.train.attack.pgd import Pgd, attack_images, fgsm

with warnings.catch_warnings():  # foolbox imports names that SciPy has deprecated
    warnings.simplefilter("ignore", DeprecationWarning)
    import foolbox
    from foolbox.models.pytorch import PyTorchModel

EPSILON, STEP = 8 / 255, 2 / 255


def _network() -> nn.Sequential:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(6 * 16, 5)
    )
    return network.eval()


def _images() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    images = (1.4 * torch.rand(8, 3, 4, 4, generator=generator) - 0.2).clamp(0, 1)
    return images, torch.randint(5, (8,), generator=generator)


def _slow_pgd(network: nn.Module, image: Tensor, label: Tensor, steps: int) -> Tensor:
    """Madry et al., equation 2, for one image, in loops over its pixels."""
    found = image.clone()
    for _ in range(steps):
        point = found.clone().requires_grad_()
        logits = network(point[None])[0]
        (logits.exp().sum().log() - logits[label]).backward()
        assert point.grad is not None
        for place in range(found.numel()):
            slope = point.grad.flatten()[place].item()
            moved = found.flatten()[place].item() + STEP * ((slope > 0) - (slope < 0))
            middle = image.flatten()[place].item()
            moved = min(max(moved, middle - EPSILON), middle + EPSILON)
            found.view(-1)[place] = min(max(moved, 0.0), 1.0)
    return found


def test_pgd_finds_the_images_of_its_slow_twin() -> None:
    network = _network().double()
    images, labels = _images()
    images = images.double()
    attack = Pgd(epsilon=EPSILON, steps=5, step_size=STEP, random_start=False)
    found = attack_images(network, images, labels, attack)
    slow = torch.stack([_slow_pgd(network, x, y, 5) for x, y in zip(images, labels, strict=True)])
    # Both compute in float64; borders and sums differ by an ulp of 1 at most.
    torch.testing.assert_close(found, slow, rtol=0, atol=1e-15)


def _theirs(peer: Any, network: nn.Sequential, images: Tensor, labels: Tensor) -> Tensor:
    wrapped = PyTorchModel(network, bounds=(0, 1), device="cpu")
    criterion = foolbox.criteria.Misclassification(labels)
    found: Tensor = peer.run(wrapped, images, criterion, epsilon=EPSILON)
    return found


@pytest.mark.parametrize("steps", [1, 7])
def test_pgd_finds_the_images_of_foolbox(steps: int) -> None:
    network = _network()
    images, labels = _images()
    attack = Pgd(epsilon=EPSILON, steps=steps, step_size=STEP, random_start=False)
    found = attack_images(network, images, labels, attack)
    assert all(parameter.grad is None for parameter in network.parameters())
    peer = foolbox.attacks.LinfPGD(abs_stepsize=STEP, steps=steps, random_start=False)
    # foolbox clips the offset and adds it; we clip the sum: at most an ulp of 1 apart.
    torch.testing.assert_close(found, _theirs(peer, network, images, labels), rtol=0, atol=2**-23)


def test_fgsm_finds_the_images_of_foolbox() -> None:
    network = _network()
    images, labels = _images()
    found = attack_images(network, images, labels, fgsm(EPSILON))
    peer = foolbox.attacks.FGSM()
    torch.testing.assert_close(found, _theirs(peer, network, images, labels), rtol=0, atol=2**-23)


@pytest.mark.parametrize("steps", [1, 7])
def test_pgd_from_a_given_start_finds_the_images_of_foolbox(steps: int) -> None:
    network = _network()
    images, labels = _images()
    starts = 2 * torch.rand(images.shape, generator=torch.Generator().manual_seed(2)) - 1

    class FromStart(foolbox.attacks.LinfPGD):
        def get_random_start(self, x0: Any, epsilon: float) -> Any:
            return x0 + epsilon * type(x0)(starts)

    attack = Pgd(epsilon=EPSILON, steps=steps, step_size=STEP)
    found = attack_images(network, images, labels, attack, starts=starts)
    peer = FromStart(abs_stepsize=STEP, steps=steps, random_start=True)
    theirs = _theirs(peer, network, images, labels)
    # An ulp of 1 from each clipping, as above; the start is another sum that is rounded.
    torch.testing.assert_close(found, theirs, rtol=0, atol=2**-22)
    unmoved = attack_images(network, images, labels, attack, starts=torch.zeros_like(images))
    assert not torch.allclose(found, unmoved, rtol=0, atol=STEP / 2)
