"""Robust accuracies that stand up to scrutiny: several attacks, of which the worst counts.

Cheap attacks run on every image. Strong ones run on fewer, the first of them, and only on images
that still stand after all attacks before; their accuracy is that of the worst case so far. A model
that draws noise is asked several times: an image then stands with the share of forward passes in
which it was classified correctly. The worst of several attacks is chosen by these shares and then
measured with new draws, as the least of several noisy shares would be too low.

Where a model draws no noise (PGD-AT and OAT everywhere, every model at lam = 0) there is nothing
to average over or to know: `eot` takes one draw a step, what knows the noise is the same attack as
what does not, and both versions of AutoAttack are the standard one, which then runs once.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from smartsim.errors import ConfigurationError
from smartsim.models import ConditionalModel, make_condition
from smartsim.train.attack.measure import as_floats
from smartsim.train.evaluate.attempt import Attempt, freeze_model, keep_noise
from smartsim.train.evaluate.plans import ATTACKS, EvaluationSettings

__all__ = ["Score", "evaluate_lam"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What one attack left standing, at one lam.

    Attributes:
        lam: The condition.
        attack: Name in `ATTACKS`.
        accuracy: In percent: of this attack alone, or of the worst case so far.
        images: How many images it is a share of.
        standard_error: In percent, over the choice of images.
        scope: "alone", or "worst so far" of all attacks up to this one.
        before: Of a strong attack, the worst case before it, in percent of the same images.
        attacked: How many images still stood before it and were attacked; none where AutoAttack
            would run a second time on a model without noise.
        draws: Forward passes of each image.
        spread: Standard deviation of the accuracy over draws of noise, in percent.
        seconds: How long it took.
    """

    lam: float
    attack: str
    accuracy: float
    images: int
    standard_error: float
    scope: Literal["alone", "worst so far"]
    before: float | None
    attacked: int
    draws: int
    spread: float
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """The score as JSON-ready values."""
        return {name: getattr(self, name) for name in Score.__dataclass_fields__}


def evaluate_lam(
    model: ConditionalModel,
    images: Tensor,
    labels: Tensor,
    lam: float,
    settings: EvaluationSettings,
    *,
    tell: Callable[[Score], None] = lambda score: None,
) -> tuple[Score, ...]:
    """Attack a model at one lam.

    Args:
        model: Is left as it was, also after an error.
        images: Test images, bytes of shape (n, c, h, w), on the model's device.
        labels: Shape (n,).
        lam: The condition.
        settings: How.
        tell: Told each score when it is there.

    Raises:
        ConfigurationError: If lam cannot be, or there are fewer images than asked for.
    """
    condition = make_condition(lam)
    if len(images) < settings.images:
        raise ConfigurationError(
            f"images is {settings.images}; the data set has {len(images)} test images"
        )
    images, labels = images[: settings.images], labels[: settings.images]
    noisy = bool(condition.value) and model.settings.noise == "fresh"
    # With live noise an attacker who knows the draw is another adversary, with a chain of its own.
    chains = {kind: _Chain.start(images) for kind in ("live", "known")}
    scores: list[Score] = []
    with keep_noise(model):
        for plan in settings.plans(lam):
            begun = time.monotonic()
            live = noisy and plan.noise == "live"
            chain = chains[plan.noise if noisy else "live"]
            places = torch.arange(settings.count(plan), device=images.device)
            if plan.strong:
                places = places[chain.shares[places] > 0]
            if plan.autoattack and not noisy and any(ATTACKS[s.attack].autoattack for s in scores):
                places = places[:0]
            target = model if live or not noisy else freeze_model(model, settings.seed)
            attempt = Attempt(model=target, lam=lam, plan=plan, settings=settings, live=live)
            before, correct = _extend(chain, attempt, images, labels, places)
            shares = correct.double().mean(0)
            score = Score(
                lam=lam,
                attack=plan.name,
                accuracy=100 * float(shares.mean()),
                images=len(shares),
                standard_error=100 * _standard_error(shares),
                scope="worst so far" if plan.strong else "alone",
                before=None if before is None else 100 * float(before.double().mean()),
                attacked=len(places),
                draws=len(correct),
                spread=100 * float(correct.double().mean(1).std()) if len(correct) > 1 else 0.0,
                seconds=round(time.monotonic() - begun, 3),
            )
            scores.append(score)
            tell(score)
    return tuple(scores)


def _extend(
    chain: "_Chain", attempt: Attempt, images: Tensor, labels: Tensor, places: Tensor
) -> tuple[Tensor | None, Tensor]:
    """Attack the images at `places`: what stood before a strong attack, and what stands after."""
    strong, count = attempt.plan.strong, attempt.settings.count(attempt.plan)
    before = attempt.measure_anew(chain.found[:count], labels[:count]) if strong else None
    found = attempt.attack(images[places], labels[places])
    correct = attempt.measure(found, labels[places])
    chain.add(places, found, correct.float().mean(0))
    if strong:
        correct = attempt.measure_anew(chain.found[:count], labels[:count])
    return before, correct


@dataclass(slots=True, kw_only=True, eq=False)
class _Chain:
    """The worst that the attacks so far did to each image.

    Attributes:
        found: The worst images, floats (n, c, h, w).
        shares: The share of forward passes in which they were classified correctly, (n,).
    """

    found: Tensor
    shares: Tensor

    @staticmethod
    def start(images: Tensor) -> "_Chain":
        """Before any attack: also an image that is misclassified undisturbed has to be seen so."""
        found = as_floats(images).clone()
        return _Chain(found=found, shares=torch.ones(len(found), device=found.device))

    def add(self, places: Tensor, found: Tensor, shares: Tensor) -> None:
        """Keep what an attack found where it is worse."""
        worse = shares < self.shares[places]
        self.found[places[worse]] = found[worse]
        self.shares[places[worse]] = shares[worse]


def _standard_error(shares: Tensor) -> float:
    """Of the mean of n shares; for shares of 0 and 1 it is `sqrt(p (1 - p) / n)`."""
    values = shares.double()
    return math.sqrt(max(float((values**2).mean() - values.mean() ** 2), 0) / len(values))
