"""A run into its checkpoint and back, and a trained model out of it."""

import time
from pathlib import Path

import torch

from smartsim.errors import ConfigurationError, FileFormatError
from smartsim.models import ConditionalModel, build_from_settings
from smartsim.train.loop.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from smartsim.train.loop.folder import RunFolder
from smartsim.train.loop.state import Run, not_finite
from smartsim.train.methods.optimise import momenta, restore_momenta
from smartsim.train.settings import TrainSettings

__all__ = ["load_trained_model", "restore_run", "save_run"]


def save_run(run: Run, path: Path) -> None:
    """Write a checkpoint, unless a weight is no longer finite."""
    if not run.processes.leads:
        return
    finite = torch.stack([p.detach().isfinite().all() for p in run.model.parameters()]).all()
    if not finite:
        raise not_finite(run, f"a weight is no longer finite after step {run.place.step - 1}")
    save_checkpoint(
        path,
        Checkpoint(
            place=run.place,
            model=run.model.state_dict(),
            momentum=momenta(run.model, run.optimizer),
            masks={} if run.learner is None else run.learner.state(),
        ),
    )
    run.saved_at = time.monotonic()


def restore_run(run: Run) -> None:
    """Go back to the last checkpoint; without one, to the start.

    Raises:
        FileFormatError: If the run was trained on other data, or its checkpoint is damaged.
    """
    _, facts = run.folder.read()
    sum_then = facts.get("data", {}).get("sha256", run.dataset.checksum)
    if sum_then != run.dataset.checksum:
        raise FileFormatError(
            f"{run.folder.path}: was trained on {run.dataset.name} with the checksum "
            f"{sum_then[:12]}, and the one here has {run.dataset.checksum[:12]}"
        )
    if not run.folder.last.exists():
        if run.processes.leads:
            run.folder.rewind(run.place)
        return
    checkpoint = load_checkpoint(run.folder.last)
    _load_weights(run.model, checkpoint, run.folder.last)
    restore_momenta(run.model, run.optimizer, checkpoint.momentum)
    if run.learner is not None:
        run.learner.load(checkpoint.masks)
    run.place = checkpoint.place
    if run.processes.leads:
        run.folder.rewind(checkpoint.place)


def load_trained_model(folder: Path, which: str = "best") -> tuple[ConditionalModel, TrainSettings]:
    """The model of a run, in eval mode on the CPU, and the run's settings.

    Args:
        folder: Of the run.
        which: "best" or "last" checkpoint.

    Raises:
        ConfigurationError: If there is no such checkpoint.
        FileFormatError: If the folder is no run's, or the checkpoint is damaged.
    """
    run_folder = RunFolder(path=folder)
    settings, _ = run_folder.read()
    path = {"best": run_folder.best, "last": run_folder.last}.get(which)
    if path is None:
        raise ConfigurationError(f"checkpoint is {which!r}; possible: best, last")
    if not path.exists():
        last = which == "best" and run_folder.last.exists()
        raise ConfigurationError(
            f"{folder} has no checkpoint {path.name} yet"
            + ("; its newest one is --checkpoint last" if last else "")
        )
    model = build_from_settings(settings.model)
    _load_weights(model, load_checkpoint(path), path)
    return model.eval(), settings


def _load_weights(model: ConditionalModel, checkpoint: Checkpoint, path: Path) -> None:
    """Give the model a checkpoint's weights, or say in one sentence why not."""
    state = model.state_dict()
    for name in sorted(state.keys() | checkpoint.model.keys()):
        theirs, ours = checkpoint.model.get(name), state.get(name)
        if theirs is None or ours is None or theirs.shape != ours.shape:
            has = "nothing" if theirs is None else f"shape {tuple(theirs.shape)}"
            needs = "nothing" if ours is None else f"shape {tuple(ours.shape)}"
            raise FileFormatError(
                f"{path}: is a checkpoint of another network: for {name} it has {has}, "
                f"{model.settings.name} has {needs}"
            )
    model.load_state_dict(dict(checkpoint.model))
