"""The attacks of an evaluation by their names, and on which images they run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from smartsim.errors import ConfigurationError, suggest_name
from smartsim.train.attack.pgd import Pgd, fgsm, official_step_size

__all__ = ["ATTACKS", "AttackPlan", "EvaluationSettings", "parse_epsilon", "parse_lams"]

Noise = Literal["live", "known"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttackPlan:
    """One attack of an evaluation.

    Attributes:
        name: As the command line and the results spell it.
        description: One sentence for a reader.
        strong: Whether it runs on fewer images, and only on those that still stand.
        noise: "live": the model draws noise as it is deployed. "known": one draw is frozen, and
            the attacker knows it.
        pgd: Radius -> the attack; None for no attack, and for AutoAttack.
        autoattack: Version of AutoAttack, "standard" or "rand"; "" for none.
    """

    name: str
    description: str
    strong: bool = False
    noise: Noise = "live"
    pgd: Callable[[float], Pgd] | None = None
    autoattack: str = ""


def _paper(epsilon: float) -> Pgd:
    return Pgd(epsilon=epsilon, steps=7, step_size=official_step_size(epsilon, 7))


def _named(*plans: AttackPlan) -> Mapping[str, AttackPlan]:
    return {plan.name: plan for plan in plans}


ATTACKS: Mapping[str, AttackPlan] = _named(
    AttackPlan(name="clean", description="no attack"),
    AttackPlan(name="fgsm", description="one step of the whole radius, from the image", pgd=fgsm),
    AttackPlan(
        name="pgd7", description="7 official steps from a random start: the paper's", pgd=_paper
    ),
    AttackPlan(
        name="pgd50",
        description="50 steps of 2/255 from 10 random starts",
        strong=True,
        pgd=lambda eps: Pgd(epsilon=eps, steps=50, step_size=eps / 4, restarts=10),
    ),
    AttackPlan(
        name="eot",
        description="20 steps of 2/255, each along the mean gradient of 20 draws of noise; of one "
        "where a model draws none",
        strong=True,
        pgd=lambda eps: Pgd(epsilon=eps, steps=20, step_size=eps / 4, draws=20),
    ),
    AttackPlan(
        name="pgd7-known",
        description="7 official steps against one draw of noise that the attacker knows; where a "
        "model draws none, pgd7 from another start",
        noise="known",
        pgd=_paper,
    ),
    AttackPlan(
        name="pgd50-known",
        description="50 steps of 2/255 against one draw of noise that the attacker knows; where a "
        "model draws none, pgd50 from one other start",
        strong=True,
        noise="known",
        pgd=lambda eps: Pgd(epsilon=eps, steps=50, step_size=eps / 4),
    ),
    AttackPlan(
        name="autoattack",
        description="AutoAttack's standard version, against one known draw of noise; where a "
        "model draws none, against the model",
        strong=True,
        noise="known",
        autoattack="standard",
    ),
    AttackPlan(
        name="autoattack-rand",
        description="AutoAttack's version for random models, against live noise; where a model "
        "draws none, the standard version, and none attacked if that has been run",
        strong=True,
        autoattack="rand",
    ),
    AttackPlan(
        name="clean-known",
        description="no attack, with the draw of noise that attackers know of",
        noise="known",
    ),
)
"""Every attack by its name. Steps of 2/255 are a quarter of 8/255.

Seeds go by an attack's place here: add at the end. Result files keep the descriptions, and are
added to as long as these begin with those kept: say more at the end, and give an attack that
changes another name.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationSettings:
    """How to evaluate.

    Attributes:
        attacks: Names in `ATTACKS`; they run in this order.
        images: The first so many test images, for the cheap attacks.
        strong_images: Likewise for the strong ones.
        autoattack_images: Likewise for AutoAttack.
        autoattack_lams: Where AutoAttack runs; None is everywhere.
        epsilon: Radius of the ball, in [0, 1].
        draws: Forward passes of a model that draws noise.
        batch_size: Images of one forward.
        seed: Of starts and noise.
    """

    attacks: tuple[str, ...] = ("clean", "fgsm", "pgd7")
    images: int = 1_000
    strong_images: int = 500
    autoattack_images: int = 200
    autoattack_lams: tuple[float, ...] | None = None
    epsilon: float = 8 / 255
    draws: int = 8
    batch_size: int = 250
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.attacks:
            raise ConfigurationError("no attacks are named; write for instance clean,pgd7")
        for name in self.attacks:
            if name not in ATTACKS:
                raise ConfigurationError(f"unknown attack {name!r}{suggest_name(name, ATTACKS)}")
        for name in ("images", "strong_images", "autoattack_images", "draws", "batch_size"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if not 0 <= self.epsilon <= 1:
            raise ConfigurationError(
                f"epsilon is {self.epsilon:g}; it is a share of a pixel's range, in [0, 1]"
            )

    def plans(self, lam: float) -> tuple[AttackPlan, ...]:
        """The attacks at one lam, in order."""
        everywhere = self.autoattack_lams is None or lam in self.autoattack_lams
        plans = [ATTACKS[name] for name in self.attacks]
        return tuple(plan for plan in plans if everywhere or not plan.autoattack)

    def count(self, plan: AttackPlan) -> int:
        """How many images an attack runs on."""
        if plan.autoattack:
            return min(self.autoattack_images, self.images)
        return min(self.strong_images, self.images) if plan.strong else self.images


def parse_lams(text: str) -> tuple[float, ...]:
    """`0,0.2,1` as numbers.

    Raises:
        ConfigurationError: If it is something else.
    """
    try:
        lams = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigurationError(f"--lam {text!r} must be numbers in [0, 1]: 0,1") from error
    if not all(0 <= lam <= 1 for lam in lams):
        raise ConfigurationError(f"--lam {text!r} must be numbers in [0, 1]: 0,1")
    return lams


def parse_epsilon(text: str) -> float:
    """`8/255` or `0.03` as a number.

    >>> round(parse_epsilon("8/255"), 4)
    0.0314
    """
    above, slash, below = text.partition("/")
    try:
        return float(above) / float(below) if slash else float(text)
    except (ValueError, ZeroDivisionError) as error:
        raise ConfigurationError(f"--epsilon {text!r} must be a number such as 8/255") from error
