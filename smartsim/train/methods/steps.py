"""The training steps of the methods, one beside the other: what each does with a batch.

Each takes a `Step`, and returns the loss that is descended. Sums over the images of this process
are divided by counts over all processes, so that gradients of several processes add up to those of
one process with the whole batch.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from smartsim.models import LAM_GRID, Condition, ConditionalModel, make_condition
from smartsim.train.attack.folded import fold_model
from smartsim.train.attack.pgd import Pgd, attack_images, undisturbed
from smartsim.train.randomness import make_generator, send

__all__ = ["STEPS", "Outcome", "Step", "draw_lams", "float_step", "oat_step", "pgdat_step"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Step:
    """One batch, and all that a method needs to train on it.

    Attributes:
        model: The network.
        forward: The same as a function, perhaps compiled.
        images: This process's share of the batch, (n, c, h, w) in [0, 1].
        labels: Likewise, (n,).
        batch_size: Images of the whole batch.
        share: Which of the whole batch are this process's.
        attack: How adversarial images are made.
        redraw: Whether noise is drawn at each step of the attack, or once an attack.
        attack_dtype: What the folded attack computes in; None attacks through `forward`.
        lam: What PGD-AT trains for.
        seed: Of the run.
        number: Of the step, from 0.
        noise: Where the model's fresh noise comes from.
    """

    model: ConditionalModel
    forward: Callable[[Tensor, Condition], Tensor]
    images: Tensor
    labels: Tensor
    batch_size: int
    share: slice
    attack: Pgd
    redraw: str
    attack_dtype: torch.dtype | None
    lam: float
    seed: int
    number: int
    noise: torch.Generator | None = None

    def make_adversarial(self, part: slice, condition: Condition) -> Tensor:
        """Adversarial images of a part of the share, with the model in eval mode.

        Random starts are drawn for the whole batch, whatever the share.
        """
        images, labels = self.images[part], self.labels[part]
        generator = make_generator(self.seed, "attack", self.number, device=images.device)
        whole = torch.empty(self.batch_size, *images.shape[1:], device=images.device)
        starts = whole.uniform_(-1, 1, generator=generator)[self.share][part].to(images.dtype)
        with undisturbed(self.model):
            predict = self._victim(condition)
            return attack_images(predict, images, labels, self.attack, starts=starts)

    def _victim(self, condition: Condition) -> Callable[[Tensor], Tensor]:
        """What is attacked: the model, folded or not, with noise drawn as `redraw` says."""
        redraw, noise = self.redraw == "step", self.noise
        if self.attack_dtype is not None:
            return fold_model(self.model, condition, dtype=self.attack_dtype, redraw=redraw)
        if redraw or noise is None:
            return lambda images: self.forward(images, condition)
        state = noise.get_state()

        def predict(images: Tensor) -> Tensor:
            noise.set_state(state)
            return self.forward(images, condition)

        return predict


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """What a step came to, on the device and not looked at.

    Attributes:
        loss: This process's share of the loss, shape ().
        clean_correct: Clean images classified correctly, shape ().
        clean_images: How many there were.
        robust_correct: Adversarial images classified correctly, shape ().
        robust_images: How many there were.
    """

    loss: Tensor
    clean_correct: Tensor
    clean_images: int
    robust_correct: Tensor
    robust_images: int


def pgdat_step(step: Step) -> Outcome:
    """PGD-AT: `(1 - lam) CE(f(x), y) + lam CE(f(x_adv), y)`, one lam for the whole run.

    Source: Madry et al., arXiv 1706.06083; the mixture, arXiv 1412.6572, section 6.
    """
    condition = make_condition(0.0)
    everything = slice(None)
    clean_logits = adversarial_logits = None
    loss = torch.zeros((), device=step.images.device)
    if step.lam > 0:
        adversarial = step.make_adversarial(everything, condition)
    if step.lam < 1:
        clean_logits = step.forward(step.images, condition)
        loss = loss + (1 - step.lam) * _sum_entropy(clean_logits, step.labels) / step.batch_size
    if step.lam > 0:
        adversarial_logits = step.forward(adversarial, condition)
        loss = loss + step.lam * _sum_entropy(adversarial_logits, step.labels) / step.batch_size
    return _outcome(loss, (clean_logits, step.labels), (adversarial_logits, step.labels))


def oat_step(step: Step) -> Outcome:
    """OAT: `mean_i (1 - lam_i) CE(f(x_i, lam_i), y_i) + lam_i CE(f(x_adv_i, lam_i), y_i)`.

    Each image has its own lam; where it is 0 there is nothing to attack. Images with lam = 0 come
    first, so that the two batch norms split the batch by a slice.

    Source: Wang et al., arXiv 2010.11828, Algorithm 1, and the official code.
    """
    generator = make_generator(step.seed, "lam", step.number)
    whole, clean = draw_lams(step.batch_size, generator)
    lams = send(whole[step.share], step.images.device)
    # How many of the first `clean` images of the batch are this process's.
    part = slice(len(range(clean)[step.share]), None)
    every = Condition(lam=lams, path="mixed", clean_count=part.start)
    attacked = Condition(lam=lams[part], path="adversarial")
    adversarial = step.make_adversarial(part, attacked)
    clean_logits = step.forward(step.images, every)
    adversarial_logits = step.forward(adversarial, attacked)
    loss = (
        _sum_entropy(clean_logits, step.labels, 1 - lams)
        + _sum_entropy(adversarial_logits, step.labels[part], lams[part])
    ) / step.batch_size
    return _outcome(loss, (clean_logits, step.labels), (adversarial_logits, step.labels[part]))


def float_step(step: Step) -> Outcome:
    """FLOAT and SMART: half the batch clean at lam = 0, half adversarial at lam = 1.

    `0.5 mean CE(f(x, 0), y) + 0.5 mean CE(f(x_adv, 1), y)`, each half through its own weights and
    batch norm. The two methods differ in their weights alone.

    Source: Kundu et al., arXiv 2204.00426, Algorithm 1; SMART, arXiv 2302.03523, section 3.
    """
    half = step.batch_size // 2
    split = len(range(half)[step.share])
    front, back = slice(split), slice(split, None)
    clean, noisy = make_condition(0.0), make_condition(1.0)
    adversarial = step.make_adversarial(back, noisy)
    clean_logits = step.forward(step.images[front], clean)
    adversarial_logits = step.forward(adversarial, noisy)
    clean_loss = _sum_entropy(clean_logits, step.labels[front]) / half
    adversarial_loss = _sum_entropy(adversarial_logits, step.labels[back]) / (
        step.batch_size - half
    )
    loss = 0.5 * clean_loss + 0.5 * adversarial_loss
    return _outcome(
        loss, (clean_logits, step.labels[front]), (adversarial_logits, step.labels[back])
    )


STEPS: Mapping[str, Callable[[Step], Outcome]] = {
    "pgdat": pgdat_step,
    "oat": oat_step,
    "float": float_step,
    "smart": float_step,
    "sparse": pgdat_step,
}
"""The step of each method; sparse learning does more: see `smartsim.train.methods.sparse`."""


def draw_lams(count: int, generator: torch.Generator) -> tuple[Tensor, int]:
    """OAT's lam for each image of a batch, and how many are 0.

    The first sixth, rounded up, is 0; the rest is uniform over the other values.

    >>> lams, clean = draw_lams(128, torch.Generator().manual_seed(0))
    >>> clean, int((lams == 0).sum())
    (22, 22)
    """
    clean = math.ceil(count / len(LAM_GRID))
    choices = torch.tensor(LAM_GRID[1:])
    drawn = choices[torch.randint(len(choices), (count - clean,), generator=generator)]
    return torch.cat([torch.zeros(clean), drawn]), clean


def _sum_entropy(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """Cross-entropy in at least float32, weighted and summed over images."""
    logits = logits if logits.dtype == torch.float64 else logits.float()
    losses = cross_entropy(logits, labels, reduction="none")
    return (losses if weights is None else losses * weights).sum()


def _outcome(
    loss: Tensor, clean: tuple[Tensor | None, Tensor], robust: tuple[Tensor | None, Tensor]
) -> Outcome:
    clean_correct, clean_images = _count_correct(*clean)
    robust_correct, robust_images = _count_correct(*robust)
    return Outcome(
        loss=loss,
        clean_correct=clean_correct,
        clean_images=clean_images,
        robust_correct=robust_correct,
        robust_images=robust_images,
    )


def _count_correct(logits: Tensor | None, labels: Tensor) -> tuple[Tensor, int]:
    if logits is None:
        return torch.zeros((), dtype=torch.int64, device=labels.device), 0
    return (logits.detach().argmax(1) == labels).sum(), len(labels)
