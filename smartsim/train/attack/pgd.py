"""Attacks in the l-inf ball: one loop of projected gradient ascent, from FGSM to EOT.

An attack knows a function from images to logits, and nothing of the model behind it; the model's
modes, gradients and buffers are looked after by `undisturbed`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from smartsim.errors import ConfigurationError

__all__ = ["Pgd", "attack_images", "fgsm", "official_step_size", "undisturbed"]

Predict = Callable[[Tensor], Tensor]
"""Images (n, c, h, w) to logits (n, classes)."""


def official_step_size(epsilon: float, steps: int) -> float:
    """The step of OAT's official code: `min(1.25 eps, eps + 4/255) / steps`.

    >>> round(255 * official_step_size(8 / 255, 7), 4)
    1.4286
    """
    return min(1.25 * epsilon, epsilon + 4 / 255) / steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Pgd:
    """Projected gradient ascent on the cross-entropy, by the gradient's signs.

    `x <- clip(x + step_size * sign(grad CE(f(x), y)))` into the ball around the image and into
    [0, 1]; images and their sizes are in units of the full range of a pixel.

    Attributes:
        epsilon: Radius of the ball, in [0, 1].
        steps: How many.
        step_size: Of each.
        restarts: Starts for each image, of which the worst counts.
        random_start: Whether to start uniformly in the ball, or at the image.
        draws: Forward passes whose gradients are averaged at each step: expectation over
            transformation, for models that draw noise.

    Source: Madry et al., arXiv 1706.06083, section 2.1; EOT: Athalye et al., arXiv 1802.00420.
    """

    epsilon: float = 8 / 255
    steps: int = 7
    step_size: float = 2 / 255
    restarts: int = 1
    random_start: bool = True
    draws: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.epsilon <= 1:
            raise ConfigurationError(
                f"epsilon is {self.epsilon:g}; it is a share of a pixel's range, in [0, 1], such "
                "as 8/255"
            )
        if not self.step_size >= 0:
            raise ConfigurationError(f"step_size is {self.step_size:g}; it must be at least 0")
        for name in ("steps", "restarts", "draws"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} is {getattr(self, name)}; it must be at least 1")


def fgsm(epsilon: float = 8 / 255) -> Pgd:
    """The fast gradient sign method: one step of the whole radius, from the image.

    Source: Goodfellow et al., arXiv 1412.6572, section 4.
    """
    return Pgd(epsilon=epsilon, steps=1, step_size=epsilon, random_start=False)


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Eval mode inside; outside, every module's own mode again, also after an error.

    In eval mode no batch norm learns. Gradients are safe because attacks ask for those of the
    images alone.
    """
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def attack_images(
    predict: Predict,
    images: Tensor,
    labels: Tensor,
    attack: Pgd,
    generator: torch.Generator | None = None,
    *,
    starts: Tensor | None = None,
) -> Tensor:
    """Look for images in the ball that are classified wrongly, or else have a large loss.

    Args:
        predict: The model, in the mode it is attacked in.
        images: Shape (n, c, h, w), in [0, 1].
        labels: Shape (n,).
        attack: What to do.
        generator: Where random starts come from, on the images' device; None is torch's own.
        starts: Offsets in [-1, 1] of the starts in units of epsilon, shaped as the images, in
            place of random ones.

    Returns:
        Images of the same shape, within the ball and [0, 1], without gradient.
    """
    low = (images - attack.epsilon).clamp_(min=0)
    high = (images + attack.epsilon).clamp_(max=1)
    start = _start(images, attack, generator, starts)
    best = _ascend(predict, images, labels, attack, start, (low, high))
    if attack.restarts == 1:
        return best
    fooled, loss = _judge(predict, best, labels, attack.draws)
    for _ in range(attack.restarts - 1):
        start = _start(images, attack, generator, None)
        found = _ascend(predict, images, labels, attack, start, (low, high))
        found_fooled, found_loss = _judge(predict, found, labels, attack.draws)
        better = (found_fooled > fooled) | ((found_fooled == fooled) & (found_loss > loss))
        best = torch.where(better[:, None, None, None], found, best)
        fooled = torch.where(better, found_fooled, fooled)
        loss = torch.where(better, found_loss, loss)
    return best


def _start(
    images: Tensor, attack: Pgd, generator: torch.Generator | None, starts: Tensor | None
) -> Tensor:
    if starts is None:
        if not attack.random_start:
            return images
        starts = torch.empty_like(images).uniform_(-1, 1, generator=generator)
    return images + attack.epsilon * starts


def _ascend(
    predict: Predict,
    images: Tensor,
    labels: Tensor,
    attack: Pgd,
    start: Tensor,
    box: tuple[Tensor, Tensor],
) -> Tensor:
    """All steps from one start."""
    found = start.detach().clamp(*box)
    for _ in range(attack.steps):
        gradient = loss_gradient(predict, found, labels, attack.draws)
        found = (found + attack.step_size * gradient.sign()).clamp(*box)
    return found


def loss_gradient(predict: Predict, images: Tensor, labels: Tensor, draws: int) -> Tensor:
    """The gradient by the images of the cross-entropy, summed over some forward passes.

    `torch.autograd.grad` asks for it alone: no weight gets a gradient, nor is one computed.
    """
    total = torch.zeros_like(images)
    with torch.enable_grad():
        for _ in range(draws):
            point = images.detach().requires_grad_()
            loss = cross_entropy(predict(point).float(), labels, reduction="sum")
            total += torch.autograd.grad(loss, point)[0]
    return total


@torch.no_grad()
def _judge(predict: Predict, images: Tensor, labels: Tensor, draws: int) -> tuple[Tensor, Tensor]:
    """For each image how often it is misclassified, in [0, 1], and its mean loss."""
    logits = [predict(images).float() for _ in range(draws)]
    fooled = torch.stack([(one.argmax(1) != labels).float() for one in logits]).mean(0)
    losses = torch.stack([cross_entropy(one, labels, reduction="none") for one in logits])
    return fooled, losses.mean(0)
