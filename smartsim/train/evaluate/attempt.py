"""One attack on one model at one lam, with seeds that make each noise and each start repeatable."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from smartsim.models import ConditionalModel, freeze_noise, make_condition
from smartsim.models.layers import NoisyWeight
from smartsim.train.attack.autoattack import run_autoattack
from smartsim.train.attack.measure import as_floats, attack_in_batches, measure_correct
from smartsim.train.evaluate.plans import ATTACKS, AttackPlan, EvaluationSettings
from smartsim.train.randomness import Stream, make_generator, make_seed

__all__ = ["Attempt", "freeze_model", "keep_noise"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Attempt:
    """One attack on one model at one lam.

    Attributes:
        model: The model, its noise frozen where the attacker knows it.
        lam: The condition.
        plan: The attack.
        settings: Of the evaluation.
        live: Whether the model draws noise at each forward pass.
    """

    model: ConditionalModel
    lam: float
    plan: AttackPlan
    settings: EvaluationSettings
    live: bool

    def measure(self, images: Tensor, labels: Tensor) -> Tensor:
        """Whether images are classified correctly, in each forward pass: (draws, n)."""
        return measure_correct(
            self.model,
            images,
            labels,
            make_condition(self.lam),
            batch_size=self.settings.batch_size,
            draws=self.settings.draws if self.live else 1,
        )

    def measure_anew(self, images: Tensor, labels: Tensor) -> Tensor:
        """The same with draws of noise of its own, each time the same ones."""
        self._seed_noise("evaluate")
        return self.measure(images, labels)

    def attack(self, images: Tensor, labels: Tensor) -> Tensor:
        """What the attack makes of images: floats (n, c, h, w)."""
        self._seed_noise("noise")
        found, settings = as_floats(images), self.settings
        if not len(images):
            return found
        condition = make_condition(self.lam)
        if self.plan.pgd is not None:
            attack = self.plan.pgd(settings.epsilon)
            if not self.live and attack.draws > 1:
                # Without live noise all draws are the same.
                attack = replace(attack, draws=1)
            device = images.device
            generator = make_generator(settings.seed, "attack", *self._place, device=device)
            return attack_in_batches(
                self.model,
                images,
                labels,
                condition,
                attack,
                generator,
                batch_size=settings.batch_size,
            )
        if self.plan.autoattack:
            return run_autoattack(
                self.model,
                found,
                labels,
                condition,
                version=self.plan.autoattack if self.live else "standard",
                epsilon=settings.epsilon,
                batch_size=settings.batch_size,
                seed=settings.seed,
            )
        return found

    @property
    def _place(self) -> tuple[int, int]:
        """Where in all evaluations this is, for seeds."""
        return tuple(ATTACKS).index(self.plan.name), round(self.lam * 1_000_000)

    def _seed_noise(self, stream: Stream) -> None:
        if self.live:
            generator = torch.Generator(self.model.linear.weight.device)
            generator.manual_seed(make_seed(self.settings.seed, stream, *self._place))
            self.model.draw_fresh_noise_from(generator)


def freeze_model(model: ConditionalModel, seed: int) -> ConditionalModel:
    """A copy with one draw of noise, the same for every attack that knows it."""
    device = model.linear.weight.device
    return freeze_noise(model, make_generator(seed, "noise", device=device))


@contextmanager
def keep_noise(model: ConditionalModel) -> Iterator[None]:
    """Inside, fresh noise may come from anywhere; outside, each layer's from where it did."""
    layers = [layer for layer in model.modules() if isinstance(layer, NoisyWeight)]
    sources = [layer.noise_generator for layer in layers]
    try:
        yield
    finally:
        for layer, source in zip(layers, sources, strict=True):
            layer.noise_generator = source
