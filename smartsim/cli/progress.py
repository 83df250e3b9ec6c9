"""What a terminal shows of long work: bars, and what a training will do and how long it takes."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from smartsim.cli.door.answer import is_quiet

if TYPE_CHECKING:
    from smartsim.train.data import Dataset
    from smartsim.train.loop.train import Progress
    from smartsim.train.settings import TrainSettings

__all__ = ["describe_plan", "describe_rest", "fit_postfix", "open_bar", "watch_training"]


def open_bar(total: int, what: str, unit: str = "it") -> Any:
    """A bar on stderr for a terminal, nothing in a pipe and under -q."""
    from tqdm import tqdm

    return tqdm(
        total=total,
        desc=what,
        unit=unit,
        unit_scale=total > 1_000_000,
        disable=is_quiet() or None,
        leave=False,
    )


def describe_plan(settings: "TrainSettings", dataset: "Dataset", device: str) -> str:
    """What a run will do, in one sentence."""
    from smartsim.train.loop.state import count_steps

    steps = count_steps(settings, dataset)
    each = steps // settings.epochs
    return (
        f"plan: {settings.method} on {settings.model.arch}"
        f"{'' if settings.model.width == 1 else f' of width {settings.model.width:g}'}, "
        f"{dataset.name}: epochs: {settings.epochs} of {each * settings.batch_size:,} images, "
        f"steps: {steps:,} of {settings.batch_size}, PGD-{settings.attack_steps}, "
        f"{settings.precision} on {device}"
    )


@contextmanager
def watch_training(
    shown: bool, settings: "TrainSettings", dataset: "Dataset", device: str
) -> Iterator[Callable[["Progress"], None]]:
    """The plan and how long it will take on stderr, and for a terminal a bar."""
    from tqdm import tqdm

    if shown:
        click.echo(describe_plan(settings, dataset, device), err=True)
    with tqdm(unit="step", disable=None if shown else True, leave=False) as bar:

        def show(state: "Progress") -> None:
            if bar.total is None:  # time left is reckoned from what this call did
                bar.initial, bar.start_t = state.step, time.time()
                if shown:
                    click.echo(describe_rest(state, settings.batch_size), err=True)
            bar.total = state.steps
            bar.n = state.step
            bar.set_postfix_str(fit_postfix(state, _columns()))

        yield show


def _columns() -> int:
    from smartsim.report.style.text import terminal_width

    return terminal_width()


def describe_rest(state: "Progress", batch_size: int) -> str:
    """How long the rest takes at the speed of the first steps."""
    seconds = (state.steps - state.step) * batch_size / max(state.images_per_second, 1e-9)
    hours, minutes = divmod(round(seconds / 60), 60)
    rest = f"{hours} h {minutes} min" if hours else f"{max(minutes, 1)} min"
    return (
        f"plan: about {rest} from here, at {state.images_per_second:,.0f} images a second "
        "(validation not counted)"
    )


_FIXED_COLUMNS = 46
"""What a bar takes beside its postfix: percent, twelve cells of bar, counts, times, rate."""


def fit_postfix(state: "Progress", columns: int) -> str:
    """As much of what there is to say as leaves the bar some cells."""
    parts = [
        f"loss {state.loss:.3f}",
        f"CA {state.clean_accuracy:.1f}",
        f"RA {state.robust_accuracy:.1f}",
        f"{state.images_per_second:.0f} images/s",
    ]
    while len(parts) > 1 and len(", ".join(parts)) + _FIXED_COLUMNS > columns:
        parts.pop()
    return ", ".join(parts)
