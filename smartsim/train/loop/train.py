"""The training loop that all methods share.

It looks at no number on the device between two flushes of the metrics, every `FLUSH_EVERY` steps,
or oftener where steps are slow: there losses are checked and written, and there a checkpoint is
due when enough time has passed.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from smartsim.train.data import Dataset
from smartsim.train.loop.checkpoint import Place
from smartsim.train.loop.distributed import Processes, sum_numbers
from smartsim.train.loop.folder import RunFolder
from smartsim.train.loop.restore import restore_run, save_run
from smartsim.train.loop.state import Run, not_finite, prepare_run
from smartsim.train.loop.step import take_step, validate
from smartsim.train.methods.optimise import learning_rate
from smartsim.train.randomness import make_generator
from smartsim.train.settings import TrainSettings

__all__ = ["Progress", "Trained", "train"]

FLUSH_EVERY = 20
"""Steps between two looks at the metrics, at most."""

_FLUSH_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What a progress bar shows, at each flush.

    Attributes:
        step: Steps done.
        steps: Steps of the whole run.
        loss: Mean since the last flush.
        clean_accuracy: In percent, of training images since the last flush; NaN without any.
        robust_accuracy: Likewise.
        images_per_second: Since the last flush.
    """

    step: int
    steps: int
    loss: float
    clean_accuracy: float
    robust_accuracy: float
    images_per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """How a call of `train` ended.

    Attributes:
        place: How far the run has come.
        finished: Whether all epochs are done, or it was stopped and can be resumed.
    """

    place: Place
    finished: bool


def train(
    settings: TrainSettings,
    dataset: Dataset,
    folder: Path,
    *,
    device: str | torch.device = "cpu",
    processes: Processes | None = None,
    resume: bool = False,
    facts: Mapping[str, Any] | None = None,
    stop: Callable[[], bool] = lambda: False,
    progress: Callable[[Progress], None] | None = None,
    checkpoint_seconds: float = 60.0,
) -> Trained:
    """Train a model, or go on with one.

    Args:
        settings: Everything that determines the run.
        dataset: The images.
        folder: Where settings, metrics and checkpoints go.
        device: Where to train.
        processes: This process and its peers, where there are several.
        resume: Whether to go on from the folder's last checkpoint.
        facts: What else the folder should say of the run: versions, command.
        stop: Asked after each step; true saves and ends the call.
        progress: Told how it goes.
        checkpoint_seconds: Time between two checkpoints within an epoch.

    Returns:
        How far it came. The weights are in the folder's checkpoints.

    Raises:
        ConfigurationError: If settings and data do not fit, the folder is taken, or another
            process trains in it.
        FileFormatError: If a checkpoint is damaged or of another network.
        TrainingError: If the loss or a weight is no longer finite.
    """
    run = prepare_run(settings, dataset, RunFolder(path=folder), device, processes or Processes())
    with run.folder.kept(resume=resume) if run.processes.leads else nullcontext():
        if resume:
            restore_run(run)
        elif run.processes.leads:
            data = {"name": dataset.name, "sha256": dataset.checksum}
            run.folder.create(settings, {**(facts or {}), "data": data, "device": str(device)})
        started = time.monotonic() - run.place.seconds
        run.saved_at = run.flushed_at = time.monotonic()
        while run.place.epoch < settings.epochs:
            stopped = _run_epoch(run, stop, progress, checkpoint_seconds, started)
            if stopped:
                return Trained(place=run.place, finished=False)
        return Trained(place=run.place, finished=True)


def _run_epoch(
    run: Run,
    stop: Callable[[], bool],
    progress: Callable[[Progress], None] | None,
    checkpoint_seconds: float,
    started: float,
) -> bool:
    """The rest of an epoch, then validation; true where it was stopped before the end."""
    settings, epoch = run.settings, run.place.epoch
    rate = learning_rate(settings, epoch)
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    order = torch.randperm(len(run.labels), generator=make_generator(settings.seed, "order", epoch))
    order = order.to(run.device)
    for batch in range(run.place.batch, run.batches):
        first = batch * settings.batch_size
        outcome = take_step(run, order[first : first + settings.batch_size])
        run.waiting.append((run.place.step, epoch, rate, outcome))
        run.place = replace(run.place, batch=batch + 1, step=run.place.step + 1)
        due = len(run.waiting) >= run.flush_every
        alone = run.processes.count == 1
        if due or batch + 1 == run.batches or (alone and stop()):
            stopped = _flush(run, stop(), progress)
            seconds = time.monotonic() - started
            run.place = replace(run.place, seconds=seconds)
            if stopped or time.monotonic() - run.saved_at >= checkpoint_seconds:
                save_run(run, run.folder.last)
            if stopped:
                return True
    _end_epoch(run, started)
    return False


def _flush(run: Run, stop: bool, progress: Callable[[Progress], None] | None) -> bool:
    """Look at the waiting metrics, check and write them; whether any process wants to stop."""
    numbers = torch.tensor(
        [[o.clean_images, o.robust_images] for *_, o in run.waiting], device=run.device
    )
    seen = torch.stack(
        [torch.stack([o.loss, o.clean_correct, o.robust_correct]) for *_, o in run.waiting]
    ).double()
    table = torch.cat([seen, numbers.double()], dim=1)
    now = time.monotonic()
    elapsed, run.flushed_at = now - run.flushed_at, now
    if run.processes.count > 1:
        wish = torch.tensor([float(stop), elapsed], device=run.device, dtype=torch.float64)
        table = sum_numbers(torch.cat([table.flatten(), wish]))
        stop, elapsed = bool(table[-2] > 0), float(table[-1]) / run.processes.count
        table = table[:-2].view(-1, 5)
    pace = _FLUSH_SECONDS * len(run.waiting) / max(elapsed, 1e-9)
    run.flush_every = min(max(int(pace), 1), FLUSH_EVERY)
    rows = table.tolist()
    written = []
    problem = None
    for (step, epoch, rate, _), (loss, clean, robust, clean_images, robust_images) in zip(
        run.waiting, rows, strict=True
    ):
        counts = (int(clean), int(clean_images), int(robust), int(robust_images))
        written.append((step, epoch, rate, loss, *counts))
        if not abs(loss) < float("inf"):  # also false for NaN
            problem = f"the loss became {loss} at step {step} (epoch {epoch})"
            break
    if run.processes.leads:
        run.folder.append("metrics.csv", written)
    if problem is not None:
        raise not_finite(run, problem)
    _tell(run, rows, elapsed, progress)
    run.waiting.clear()
    return stop


def _tell(
    run: Run,
    rows: list[list[float]],
    elapsed: float,
    progress: Callable[[Progress], None] | None,
) -> None:
    if progress is None or not rows:
        return
    losses, clean, robust, clean_images, robust_images = (
        sum(column) for column in zip(*rows, strict=True)
    )
    progress(
        Progress(
            step=run.place.step,
            steps=run.batches * run.settings.epochs,
            loss=losses / len(rows),
            clean_accuracy=100 * clean / clean_images if clean_images else float("nan"),
            robust_accuracy=100 * robust / robust_images if robust_images else float("nan"),
            images_per_second=len(rows) * run.settings.batch_size / max(elapsed, 1e-9),
        )
    )


def _end_epoch(run: Run, started: float) -> None:
    """Validate, regrow, and save the last checkpoint, and the best."""
    settings, epoch = run.settings, run.place.epoch + 1
    run.place = replace(run.place, epoch=epoch, batch=0, seconds=time.monotonic() - started)
    if run.processes.leads:
        _validate_and_keep(run)
    if run.learner is not None and epoch < settings.epochs:
        # After validation: what regrows begins as zeros, in the place of weights that were used.
        run.learner.regrow(run.optimizer, progress=epoch / settings.epochs)
    if run.processes.leads:
        save_run(run, run.folder.last)


def _validate_and_keep(run: Run) -> None:
    """Measure the epoch that has ended, where that is due, and save it if it is the best."""
    settings, epoch = run.settings, run.place.epoch
    due = epoch % settings.validate_every == 0 or epoch == settings.epochs
    better = not settings.validation_images and epoch == settings.epochs
    if settings.validation_images and due:
        clean, robust = validate(run)
        weight = settings.lam if settings.method in ("pgdat", "sparse") else 0.5
        score = (1 - weight) * clean + weight * robust
        run.folder.append("epochs.csv", [(epoch - 1, clean, robust, score, run.place.seconds)])
        better = run.place.best_score is None or score > run.place.best_score
        if better:
            run.place = replace(run.place, best_score=score)
    if better:
        save_run(run, run.folder.best)
