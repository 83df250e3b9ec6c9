"""Accuracies that our own evaluator measured, as result files; knows nothing of how."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smartsim.errors import FileFormatError
from smartsim.files import read_json

__all__ = ["Measured", "load_measured"]

_FORMAT = "smartsim-accuracies"


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


def load_measured(paths: Iterable[str | Path]) -> tuple[Measured, ...]:
    """Read result files.

    A file is a JSON object with `"format": "smartsim-accuracies"`, the model's `method` and
    `setting`, and `results`: rows of lam, attack, accuracy (percent) and images, and perhaps
    standard_error and before.

    Raises:
        FileFormatError: If a file is damaged or something else; the sentence names it.
    """
    rows: list[Measured] = []
    for path in paths:
        data = read_json(path, "a result file of the evaluator")
        if data.get("format") != _FORMAT:
            raise FileFormatError(
                f"{path}: is no result file of the evaluator (its format is "
                f"{data.get('format')!r}, expected {_FORMAT!r})"
            )
        try:
            rows += [_read_row(data, row) for row in data["results"]]
        except (KeyError, TypeError, ValueError) as error:
            reason = f"no field {error}" if isinstance(error, KeyError) else str(error)
            raise FileFormatError(f"{path}: a damaged result file: {reason}") from error
    return tuple(rows)


def _read_row(data: Mapping[str, Any], row: Mapping[str, Any]) -> Measured:
    accuracy, images = float(row["accuracy"]), int(row["images"])
    if not 0 <= accuracy <= 100 or images < 1:
        raise ValueError(f"accuracy {accuracy} % of {images} images cannot be")
    lam = float(row["lam"])
    if not 0 <= lam <= 1:
        raise ValueError(f"lam {lam} is not in [0, 1]")
    share = accuracy / 100
    # Of an image that is either right or wrong; the evaluator knows better where noise is drawn.
    error = row.get("standard_error", 100 * math.sqrt(share * (1 - share) / images))
    return Measured(
        method=str(data["method"]),
        lam=lam,
        attack=str(row["attack"]),
        accuracy=accuracy,
        images=images,
        standard_error=float(error),
        setting=str(data["setting"]),
        before=None if row.get("before") is None else float(row["before"]),
    )
