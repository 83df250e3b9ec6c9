"""The folder of a training run: settings, metrics, checkpoints; each whole or not at all."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smartsim.errors import ConfigurationError, FileFormatError
from smartsim.records.files import (
    parse_whole,
    quote,
    read_csv,
    read_json,
    write_json_atomically,
    write_text_atomically,
)
from smartsim.records.locks import keep_to_this_process
from smartsim.train.loop.checkpoint import Place
from smartsim.train.settings import TrainSettings

__all__ = ["RunFolder"]

_FORMAT = "smartsim-run"
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

    @contextmanager
    def kept(self, *, resume: bool) -> Iterator[None]:
        """Let no other process train here meanwhile.

        Raises:
            ConfigurationError: If one does.
        """
        if not resume:
            self.path.mkdir(parents=True, exist_ok=True)
        elif not self.path.is_dir():  # what follows says so better than a lock can
            yield
            return
        with keep_to_this_process(self.path / "run.lock", f"trains in {self.path}"):
            yield

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
        _keep_rows(self.path / "metrics.csv", METRICS, place.step)
        _keep_rows(self.path / "epochs.csv", EPOCHS, place.epoch)
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


def _keep_rows(path: Path, columns: Sequence[str], below: int) -> None:
    """Keep the rows of a table whose first column is less than `below`, and no half row.

    Raises:
        FileFormatError: If the file is no such table; what follows a last whole row may be.
    """
    header, *rows = read_csv(path, "a run's table")
    if tuple(header) != tuple(columns):
        raise FileFormatError(f"{path}: line 1 must be {','.join(columns)}")
    kept = []
    for line, row in enumerate(rows, start=2):
        is_last = line == len(rows) + 1
        if len(row) == len(header) and parse_whole(row[0]) is not None:
            kept += [row] if int(row[0]) < below else []
        elif not is_last:  # a killed run may leave half of its last row, and no other
            raise FileFormatError(f"{path}: line {line} is damaged: {quote(','.join(row))}")
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *kept])
    write_text_atomically(path, text.getvalue())
