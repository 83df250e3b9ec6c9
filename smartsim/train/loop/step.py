"""One step of a run: images, loss, gradients, update; and the validation between epochs."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from smartsim.models import make_condition
from smartsim.train.attack.measure import attack_in_batches, measure_correct
from smartsim.train.attack.pgd import Pgd, official_step_size
from smartsim.train.data.augment import pick_batch
from smartsim.train.loop.distributed import sum_gradients
from smartsim.train.loop.state import Run
from smartsim.train.methods.steps import STEPS, Outcome, Step
from smartsim.train.randomness import make_generator, make_seed
from smartsim.train.settings import TrainSettings

__all__ = ["take_step", "validate"]

_VALIDATION_BATCH = 250


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
    share = run.processes.share
    if run.noise is not None:
        run.noise.manual_seed(make_seed(settings.seed, "noise", number))
    step = Step(
        model=run.model,
        forward=run.forward,
        images=whole[share].contiguous(memory_format=run.layout),
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


def validate(run: Run) -> tuple[float, float]:
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
