"""The folder of a training run: settings, metrics, checkpoints; each whole or not at all.

A checkpoint is one safetensors file: model, momentum and masks as tensors, and the place in the run
as JSON in its header. Reading one executes nothing.
"""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from smartsim.errors import ConfigurationError, FileFormatError
from smartsim.records.files import (
    read_json,
    write_bytes_atomically,
    write_json_atomically,
    write_text_atomically,
)
from smartsim.train.settings import TrainSettings

__all__ = ["Checkpoint", "Place", "RunFolder", "load_checkpoint", "save_checkpoint"]

_FORMAT = "smartsim-run"
_KEY = "smartsim"
METRICS = (
    "step",
    "epoch",
    "learning_rate",
    "loss",
    "clean_correct",
    "clean_images",
    "robust_correct",
    "robust_images",
)
EPOCHS = ("epoch", "clean_accuracy", "robust_accuracy", "score", "seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How far a run has come.

    Attributes:
        epoch: Epochs that are whole.
        batch: Batches of the next epoch that are done.
        step: Batches since the start.
        best_score: The best validation score so far; None before the first.
        seconds: Time spent so far.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    best_score: float | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Checkpoint:
    """Everything that a resumed run needs.

    Attributes:
        place: How far the run has come.
        model: The model's state.
        momentum: SGD's buffer of each parameter, by name.
        masks: Of sparse learning.
    """

    place: Place
    model: Mapping[str, Tensor]
    momentum: Mapping[str, Tensor] = field(default_factory=dict)
    masks: Mapping[str, Tensor] = field(default_factory=dict)


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; the file before it stays until the new one is complete."""
    parts = {
        "model": checkpoint.model,
        "momentum": checkpoint.momentum,
        "mask": checkpoint.masks,
    }
    tensors = {
        f"{part}/{name}": tensor.detach().cpu().contiguous()
        for part, named in parts.items()
        for name, tensor in named.items()
    }
    place = {name: getattr(checkpoint.place, name) for name in Place.__dataclass_fields__}
    write_bytes_atomically(path, save(tensors, metadata={_KEY: json.dumps(place)}))


def load_checkpoint(path: Path) -> Checkpoint:
    """Read what `save_checkpoint` wrote.

    Raises:
        FileFormatError: If the file is missing, truncated, or something else.
    """
    parts: dict[str, dict[str, Tensor]] = {"model": {}, "momentum": {}, "mask": {}}
    try:
        with safe_open(path, framework="pt") as file:
            place = Place(**json.loads((file.metadata() or {})[_KEY]))
            for name in file.keys():  # noqa: SIM118 (no mapping)
                part, _, key = name.partition("/")
                parts[part][key] = file.get_tensor(name)
    except (SafetensorError, OSError) as error:
        raise FileFormatError(f"{path}: is no readable checkpoint: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise FileFormatError(
            f"{path}: is a safetensors file, but no checkpoint of smartsim's"
        ) from error
    return Checkpoint(
        place=place, model=parts["model"], momentum=parts["momentum"], masks=parts["mask"]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFolder:
    """The files of one run.

    Attributes:
        path: The folder.
    """

    path: Path

    @property
    def last(self) -> Path:
        """The newest checkpoint."""
        return self.path / "last.safetensors"

    @property
    def best(self) -> Path:
        """The checkpoint with the best validation score."""
        return self.path / "best.safetensors"

    def create(self, settings: TrainSettings, facts: Mapping[str, Any]) -> None:
        """Start the folder with the run's settings and what it is made with.

        Raises:
            ConfigurationError: If the folder holds a run already.
            OSError: If it cannot be written to.
        """
        if (self.path / "run.json").exists():
            raise ConfigurationError(
                f"{self.path} holds a run already; continue it with --resume or choose another "
                "folder with --output"
            )
        self.path.mkdir(parents=True, exist_ok=True)
        facts = {"format": _FORMAT, "version": 1, **facts, "settings": settings.to_dict()}
        write_text_atomically(self.path / "metrics.csv", ",".join(METRICS) + "\n")
        write_text_atomically(self.path / "epochs.csv", ",".join(EPOCHS) + "\n")
        # Last, for it is what makes the folder a run's: a kill before leaves none to be resumed.
        write_json_atomically(self.path / "run.json", facts)

    def read(self) -> tuple[TrainSettings, dict[str, Any]]:
        """The run's settings, and all that its folder says of it.

        Raises:
            FileFormatError: If this is no folder of a run.
        """
        facts = read_json(self.path / "run.json", "the folder of a training run")
        if facts.get("format") != _FORMAT or "settings" not in facts:
            raise FileFormatError(f"{self.path}: is no folder of a training run")
        try:
            return TrainSettings.from_dict(facts["settings"]), facts
        except (TypeError, ConfigurationError) as error:
            raise FileFormatError(f"{self.path}/run.json: is damaged: {error}") from error

    def rewind(self, place: Place) -> None:
        """Drop what a killed run left behind after its last checkpoint."""
        _keep_rows(self.path / "metrics.csv", "step", place.step)
        _keep_rows(self.path / "epochs.csv", "epoch", place.epoch)
        for leftover in self.path.glob(".*.safetensors.*"):
            leftover.unlink(missing_ok=True)

    def append(self, name: str, rows: Iterable[Sequence[Any]]) -> None:
        """Add rows to `metrics.csv` or `epochs.csv`.

        Raises:
            OSError: If that fails; it names the file.
        """
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        path = self.path / name
        try:
            with path.open("a", encoding="utf-8") as stream:
                stream.write(text.getvalue())
        except OSError as error:  # that of a write names no file
            raise OSError(error.errno, error.strerror, str(path)) from error


def _keep_rows(path: Path, column: str, below: int) -> None:
    """Keep the rows of a table whose `column` is less than `below`, and no half row."""
    with path.open(encoding="utf-8", newline="") as stream:
        header, *rows = csv.reader(stream)
    place = header.index(column)
    kept = [row for row in rows if len(row) == len(header) and int(row[place]) < below]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *kept])
    write_text_atomically(path, text.getvalue())
