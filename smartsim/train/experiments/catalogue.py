"""The experiments behind the measured numbers of the reports: a training and an evaluation each.

What each is for, and the settings in which it differs from the preset. Knows nothing of how they
are run.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from smartsim.errors import ConfigurationError, suggest_name

__all__ = ["EXPERIMENTS", "Experiment", "find_experiment"]

_CHEAP = "clean,fgsm,pgd7"
_NOISE = f"{_CHEAP},pgd50,eot,pgd7-known,pgd50-known"
ATTACKS = "clean,fgsm,pgd7,pgd50,eot,pgd7-known,pgd50-known,autoattack,autoattack-rand"


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """One training and its evaluation.

    Attributes:
        name: Of its folder and its result file.
        method: As `smartsim train` takes it.
        changes: Settings that differ from the preset.
        question: What it is for.
        attacks: Of its evaluation.
        lams: Of its evaluation; None is the four of a model that takes lam, or its own.
    """

    name: str
    method: str
    changes: Mapping[str, str] = field(default_factory=dict)
    question: str
    attacks: str = ATTACKS
    lams: tuple[float, ...] | None = None


_TABLE2, _TABLE1 = "Table 2 and Figures 4 and 5", "Table 1"
_ABLATION = "does re-scaled noise trade CA for RA, or only the batch norm switch?"
_UTILITY = "Figure 2"

EXPERIMENTS: Mapping[str, Experiment] = {
    one.name: one
    for one in (
        Experiment(name="smart", method="smart", question=_TABLE2),
        Experiment(name="float", method="float", question=_TABLE2),
        Experiment(name="pgdat-lam1", method="pgdat", changes={"lam": "1"}, question=_TABLE2),
        Experiment(name="oat", method="oat", question=_TABLE2),
        Experiment(name="pgdat-lam0", method="pgdat", changes={"lam": "0"}, question=_TABLE2),
        Experiment(name="pgdat-lam05", method="pgdat", changes={"lam": "0.5"}, question=_TABLE2),
        Experiment(
            name="smart-overlap0",
            method="smart",
            changes={"overlap": "0"},
            question=_TABLE1,
            lams=(0.0, 1.0),
        ),
        Experiment(
            name="smart-ssss",
            method="smart",
            changes={"overlap": "0", "stages": "SSSS"},
            question=_TABLE1,
            lams=(0.0, 1.0),
        ),
        Experiment(
            name="float-one-norm",
            method="float",
            changes={"norm": "single"},
            question=_ABLATION,
            attacks=_NOISE,
        ),
        Experiment(
            name="float-no-noise",
            method="float",
            changes={"alpha": "0"},
            question=_ABLATION,
            attacks=_NOISE,
        ),
        *(
            Experiment(
                name=f"sparse-{density}",
                method="sparse",
                changes={"sparse_density": f"0.{density}", "lam": "0.5", "epochs": "3"},
                question=_UTILITY,
                attacks=_CHEAP,
            )
            for density in ("05", "10", "20")
        ),
    )
}
"""Every experiment, the most wanted first."""


def find_experiment(name: str) -> Experiment:
    """The experiment called `name`.

    Raises:
        ConfigurationError: If there is none; the sentence suggests a near name.
    """
    if name not in EXPERIMENTS:
        raise ConfigurationError(f"unknown experiment {name!r}{suggest_name(name, EXPERIMENTS)}")
    return EXPERIMENTS[name]
