"""The training loop that all methods share.

It looks at no number on the device between two flushes of the metrics, every `FLUSH_EVERY` steps,
or oftener where steps are slow: there losses are checked and written, and there a checkpoint is
due when enough time has passed.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from smartsim.models import make_condition
from smartsim.train.attacks import Pgd, official_step_size
from smartsim.train.augment import pick_batch
from smartsim.train.data import Dataset
from smartsim.train.distributed import Processes, sum_gradients, sum_numbers
from smartsim.train.folder import Place, RunFolder
from smartsim.train.measure import attack_in_batches, measure_correct
from smartsim.train.methods import STEPS, Outcome, Step
from smartsim.train.optimise import learning_rate
from smartsim.train.randomness import make_generator, make_seed
from smartsim.train.run import Run, not_finite, prepare_run, restore_run, save_run
from smartsim.train.settings import TrainSettings

__all__ = ["Progress", "Trained", "take_step", "train"]

FLUSH_EVERY = 20
"""Steps between two looks at the metrics, at most."""

_FLUSH_SECONDS = 5.0

_VALIDATION_BATCH = 250


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
        ConfigurationError: If settings and data do not fit, or the folder is taken.
        FileFormatError: If a checkpoint is damaged or of another network.
        TrainingError: If the loss or a weight is no longer finite.
    """
    run = prepare_run(settings, dataset, RunFolder(path=folder), device, processes or Processes())
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


def take_step(run: Run, places: Tensor) -> Outcome:
    """One batch: images, loss, gradients, update."""
    settings, number = run.settings, run.place.step
    whole = pick_batch(
        run.padded,
        places,
        size=run.dataset.shape[1:],
        flips=settings.augment == "crop-flip" and run.dataset.flips,
        generator=make_generator(settings.seed, "augment", number),
    )
    layout = torch.channels_last if settings.channels_last else torch.contiguous_format
    share = run.processes.share
    if run.noise is not None:
        run.noise.manual_seed(make_seed(settings.seed, "noise", number))
    step = Step(
        model=run.model,
        forward=run.forward,
        images=whole[share].contiguous(memory_format=layout),
        labels=run.labels[places][share],
        batch_size=settings.batch_size,
        share=share,
        attack=Pgd(
            epsilon=settings.epsilon,
            steps=settings.attack_steps,
            step_size=_step_size(settings, settings.attack_steps),
        ),
        redraw=settings.redraw,
        attack_dtype=_attack_dtype(settings),
        lam=settings.lam,
        seed=settings.seed,
        number=number,
        noise=run.noise,
    )
    run.model.train()
    with _dropout_seed(settings, number), _autocast(settings, run.device):
        outcome = STEPS[settings.method](step)
    run.optimizer.zero_grad(set_to_none=True)
    outcome.loss.backward()  # type: ignore[no-untyped-call]
    if run.processes.count > 1:
        sum_gradients(run.model)
    run.optimizer.step()
    if run.learner is not None:
        run.learner.apply()
    return replace(outcome, loss=outcome.loss.detach())


def _step_size(settings: TrainSettings, steps: int) -> float:
    if settings.step_size is not None:
        return settings.step_size
    return official_step_size(settings.epsilon, steps)


def _attack_dtype(settings: TrainSettings) -> torch.dtype | None:
    if not settings.fold_attack:
        return None
    return torch.bfloat16 if settings.precision == "bf16" else torch.float32


def _autocast(settings: TrainSettings, device: torch.device) -> Any:
    wanted = settings.precision == "bf16"
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=wanted)


@contextlib.contextmanager
def _dropout_seed(settings: TrainSettings, number: int) -> Iterator[None]:
    """Dropout alone draws from torch's global generator: seed it for the step, then restore it."""
    if not settings.model.dropout:
        yield
        return
    with torch.random.fork_rng():
        torch.manual_seed(make_seed(settings.seed, "dropout", number))
        yield


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
        clean, robust = _validate(run)
        weight = settings.lam if settings.method in ("pgdat", "sparse") else 0.5
        score = (1 - weight) * clean + weight * robust
        run.folder.append("epochs.csv", [(epoch - 1, clean, robust, score, run.place.seconds)])
        better = run.place.best_score is None or score > run.place.best_score
        if better:
            run.place = replace(run.place, best_score=score)
    if better:
        save_run(run, run.folder.best)


def _validate(run: Run) -> tuple[float, float]:
    """CA at lam = 0 and RA at lam = 1, in percent, of the images that were held out."""
    settings = run.settings
    images = run.dataset.train_images[-settings.validation_images :].to(run.device)
    labels = run.dataset.train_labels[-settings.validation_images :].to(run.device)
    generator = make_generator(settings.seed, "evaluate", run.place.epoch, device=run.device)
    if run.noise is not None:
        run.noise.manual_seed(make_seed(settings.seed, "evaluate", run.place.epoch, 1))
    steps = settings.validation_attack_steps
    with _autocast(settings, run.device):
        clean = measure_correct(
            run.model, images, labels, make_condition(0.0), batch_size=_VALIDATION_BATCH
        )
        robust = clean
        if steps:
            noisy = make_condition(1.0)
            attack = Pgd(
                epsilon=settings.epsilon, steps=steps, step_size=_step_size(settings, steps)
            )
            found = attack_in_batches(
                run.model,
                images,
                labels,
                noisy,
                attack,
                generator,
                batch_size=_VALIDATION_BATCH,
                dtype=_attack_dtype(settings),
            )
            robust = measure_correct(run.model, found, labels, noisy, batch_size=_VALIDATION_BATCH)
    return 100 * float(clean.float().mean()), 100 * float(robust.float().mean())
