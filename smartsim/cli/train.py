"""The verb `train`. Heavy imports happen inside."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from smartsim.cli.device import choose_device, device_option, read_local_rank
from smartsim.cli.door.answer import collect_facts, is_quiet, say
from smartsim.cli.door.kinds import ARCHITECTURE_NAME, FOLDER
from smartsim.cli.door.verb import reads, verb
from smartsim.cli.progress import watch_training
from smartsim.errors import ConfigurationError

if TYPE_CHECKING:
    from smartsim.train.loop.train import Trained
    from smartsim.train.settings import TrainSettings

__all__ = ["train"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOptions:
    """What `train` is asked."""

    method: str
    arch: str | None
    dataset: str | None
    preset: str | None
    changes: tuple[str, ...]
    output: Path | None
    resume: bool
    device: str
    minutes: float | None
    checkpoint_seconds: float

    @property
    def folder(self) -> Path:
        """Of the run."""
        return self.output or Path("runs") / self.method


@verb(
    example=(
        "smartsim train smart --preset laptop -o runs/smart",
        "smartsim train smart -o runs/smart --resume",
    )
)
@click.argument("method", help="pgdat, oat, float, smart, or sparse.")
@click.option("--arch", type=ARCHITECTURE_NAME, help="Backbone, such as resnet34.")
@click.option("--data", "dataset", metavar="NAME", help="Data set, such as cifar10.")
@click.option(
    "--preset",
    metavar="NAME",
    help="paper (each data set's official numbers), laptop, or study.",
)
@click.option(
    "--set", "changes", multiple=True, metavar="KEY=VALUE", help="Any setting, as epochs=3."
)
@click.option("-o", "--output", type=FOLDER, help="Folder of the run.  [default: runs/METHOD]")
@click.option("--resume", is_flag=True, help="Go on from the folder's last checkpoint.")
@device_option
@click.option("--minutes", type=float, metavar="NUMBER", help="Stop after so long.")
@click.option(
    "--checkpoint-seconds",
    default=60.0,
    type=float,
    metavar="NUMBER",
    help="Between two checkpoints.",
)
@reads(TrainOptions)
def train(options: TrainOptions) -> None:
    """Train METHOD on images: what it will do is said before it begins.

    Ctrl-C saves and stops; --resume goes on from there. Under torchrun, all processes train one
    model.
    """
    settings = _choose_settings(options)
    ended = _train(settings, options)
    if ended is None:
        return
    if ended.finished:
        say(f"finished: {options.folder} after {ended.place.epoch} epochs")
    else:
        say(
            f"stopped and saved: {options.folder} at step {ended.place.step}; go on with "
            f"`smartsim train {options.method} --output {options.folder} --resume`"
        )


def _choose_settings(options: TrainOptions) -> "TrainSettings":
    """Those of the command line, or those that the run was begun with."""
    from smartsim.train.settings import make_settings

    named = {"arch": options.arch, "data": options.dataset}
    spelled = [f"{key}={value}" for key, value in named.items() if value is not None]
    if not options.resume:
        changes = [*spelled, *options.changes]
        return make_settings(options.method, preset=options.preset, changes=changes)
    if options.preset or options.changes or spelled:
        raise ConfigurationError(
            "--resume goes on with the settings of the run; leave out --preset, --set, "
            "--arch and --data"
        )
    from smartsim.train.loop.folder import RunFolder

    settings, _ = RunFolder(path=options.folder).read()
    if settings.method != options.method:
        raise ConfigurationError(
            f"{options.folder} holds a run of {settings.method}, not of {options.method}"
        )
    return settings


def _train(settings: "TrainSettings", options: TrainOptions) -> "Trained | None":
    """Run the loop with a bar; None in a process that does not lead."""
    from smartsim.train.data import load_dataset
    from smartsim.train.loop.distributed import join_processes
    from smartsim.train.loop.train import train as run_loop

    here = choose_device(options.device, read_local_rank())
    dataset = load_dataset(settings.data)
    facts = {"provenance": dict(collect_facts())}
    ends_at = None if options.minutes is None else time.monotonic() + 60 * options.minutes
    with (
        join_processes(here) as processes,
        _interrupts() as interrupted,
        watch_training(processes.leads and not is_quiet(), settings, dataset, here) as show,
    ):

        def stop() -> bool:
            return bool(interrupted) or (ends_at is not None and time.monotonic() >= ends_at)

        ended = run_loop(
            settings,
            dataset,
            options.folder,
            device=here,
            processes=processes,
            resume=options.resume,
            facts=facts,
            stop=stop,
            progress=show,
            checkpoint_seconds=options.checkpoint_seconds,
        )
    return ended if processes.leads else None


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """Collects Ctrl-C and SIGTERM in a list; the second one breaks off at once."""
    caught: list[int] = []

    def note(number: int, frame: object) -> None:
        del frame
        if caught:
            raise KeyboardInterrupt
        caught.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
