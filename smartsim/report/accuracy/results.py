"""Accuracies that our own evaluator measured, as result files; knows nothing of how."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from smartsim.records.accuracies import AccuracyRow, ResultFile, read_result_file

__all__ = [
    "WORST",
    "Measured",
    "Point",
    "collect_points",
    "common_attacks",
    "group_variants",
    "load_measured",
    "network_of",
]

WORST = "worst"
"""The attack of each model that left least, in place of an attack's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One accuracy of one model.

    Attributes:
        method: As the report's columns call it, such as "SMART".
        lam: The condition.
        attack: "clean", or the attack that was survived.
        accuracy: In percent.
        images: How many images were tried.
        standard_error: Of `accuracy`, in percent, over the choice of images.
        before: Of an attack on what others left: their worst case on the same images, in percent.
        setting: Network, data, epochs, in a few words.
    """

    method: str
    lam: float
    attack: str
    accuracy: float
    images: int
    standard_error: float
    setting: str
    before: float | None = None

    @property
    def network(self) -> str:
        """The network that was tried."""
        return network_of(self.setting)

    @property
    def is_attack(self) -> bool:
        """Whether somebody tried to change the answer; `clean-known` only fixes the noise."""
        return not self.attack.startswith("clean")


def network_of(setting: str) -> str:
    """The network of a setting, which names it first.

    >>> network_of("resnet10 of width 0.25, cifar10, 6 epochs")
    'resnet10 of width 0.25'
    """
    return setting.partition(",")[0].strip()


def load_measured(paths: Iterable[str | Path]) -> tuple[Measured, ...]:
    """Read result files.

    A file is a JSON object with `"format": "smartsim-accuracies"`, the model's `method` and
    `setting`, and `results`: rows of lam, attack, accuracy (percent) and images, and perhaps
    standard_error and before.

    Raises:
        FileFormatError: If a file is damaged or something else; the sentence names it.
    """
    files = [read_result_file(path)[0] for path in paths]
    return tuple(_measure(file, row) for file in files for row in file.results)


def _measure(file: ResultFile, row: AccuracyRow) -> Measured:
    share = row.accuracy / 100
    # Of an image that is either right or wrong; the evaluator knows better where noise is drawn.
    error = 100 * math.sqrt(share * (1 - share) / row.images)
    return Measured(
        method=file.method,
        lam=row.lam,
        attack=row.attack,
        accuracy=row.accuracy,
        images=row.images,
        standard_error=error if row.standard_error is None else row.standard_error,
        setting=file.setting,
        before=row.before,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One model at one lam.

    Attributes:
        method: Label of the model.
        lam: The condition.
        clean: CA in percent.
        robust: RA in percent.
        robust_error: Its standard error, in percent.
        attack: What the RA was measured with.
        images: On how many images.
        clean_error: Standard error of CA, in percent.
    """

    method: str
    lam: float
    clean: float
    robust: float
    robust_error: float
    attack: str
    images: int
    clean_error: float


def collect_points(rows: Iterable[Measured], attack: str) -> tuple[Point, ...]:
    """Clean accuracy beside robust accuracy, for each model and lam that has both.

    Args:
        rows: Of result files.
        attack: Name of one, or "worst" for the lowest accuracy that any attack left.
    """
    groups: dict[tuple[str, float], list[Measured]] = {}
    for row in rows:
        groups.setdefault((row.method, row.lam), []).append(row)
    points = []
    for (method, lam), group in groups.items():
        clean = [row for row in group if row.attack == "clean"]
        attacked = [row for row in group if row.is_attack and attack in (WORST, row.attack)]
        if clean and attacked:
            least = min(attacked, key=lambda row: row.accuracy)
            points.append(
                Point(
                    method=method,
                    lam=lam,
                    clean=clean[0].accuracy,
                    robust=least.accuracy,
                    robust_error=least.standard_error,
                    attack=least.attack,
                    images=least.images,
                    clean_error=clean[0].standard_error,
                )
            )
    return tuple(sorted(points, key=lambda point: (point.method, point.lam)))


def common_attacks(rows: Sequence[Measured]) -> tuple[Measured, ...]:
    """Without the attacks that some model at some lam has not: the worst of the rest compares."""
    has: dict[tuple[str, float], set[str]] = {}
    for row in rows:
        has.setdefault((row.method, row.lam), set()).add(row.attack)
    common = set.intersection(*has.values()) if has else set()
    return tuple(row for row in rows if row.attack in common)


def group_variants(methods: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Label of a method -> itself and its variants, whose labels go on where its own ends.

    >>> group_variants(["SMART", "FLOAT", "SMART [SSSS] overlap 0"])
    {'SMART': ('SMART', 'SMART [SSSS] overlap 0'), 'FLOAT': ('FLOAT',)}
    """
    labels = list(dict.fromkeys(methods))

    def varies(label: str, base: str) -> bool:
        return label.startswith(f"{base} ")

    return {
        base: (base, *(label for label in labels if varies(label, base)))
        for base in labels
        if not any(varies(base, other) for other in labels)
    }
