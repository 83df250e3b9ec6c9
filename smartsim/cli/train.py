"""The verbs `train` and `evaluate`. Heavy imports happen inside the verbs."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from smartsim.cli.door.answer import JsonLayout, is_quiet, say
from smartsim.cli.door.kinds import ARCHITECTURE_NAME, FOLDER, LAMS, OutFile
from smartsim.cli.door.verb import reads, verb
from smartsim.cli.options import json_option
from smartsim.errors import ConfigurationError

if TYPE_CHECKING:
    from smartsim.train.data import Dataset
    from smartsim.train.evaluate.worst_case import Score
    from smartsim.train.loop.train import Progress, Trained
    from smartsim.train.settings import TrainSettings

__all__ = ["choose_device", "evaluate", "train"]

_device_option = click.option(
    "--device", default="auto", metavar="NAME", help="cpu, cuda, or auto."
)


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
@_device_option
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
    from smartsim.report.style.provenance import collect_provenance
    from smartsim.train.data import load_dataset
    from smartsim.train.loop.distributed import join_processes
    from smartsim.train.loop.train import train as run_loop

    dataset = load_dataset(settings.data)
    facts = {"provenance": dict(collect_provenance(["smartsim", *sys.argv[1:]]))}
    ends_at = None if options.minutes is None else time.monotonic() + 60 * options.minutes
    here = choose_device(options.device, int(os.environ.get("LOCAL_RANK", "0")))
    with (
        join_processes(here) as processes,
        _interrupts() as interrupted,
        _watch(processes.leads and not is_quiet(), settings, dataset, here) as show,
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


def choose_device(name: str, local_rank: int = 0) -> str:
    """The device to use; of several GPUs, each process that torchrun started has its own."""
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigurationError(f"--device {name!r} is no device; write cpu or cuda") from error
    if device.type != "cuda":
        return name
    index = local_rank if device.index is None else device.index
    if index >= torch.cuda.device_count():
        raise ConfigurationError(
            f"torch finds {torch.cuda.device_count() or 'no'} CUDA devices here, and cuda:{index} "
            "is asked for; write --device cpu, or start fewer processes"
        )
    # Convolutions in fp32 are meant in fp32: TF32 has 10 bits of mantissa.
    torch.backends.cudnn.allow_tf32 = False
    return f"cuda:{index}"


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


@contextmanager
def _watch(
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


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateOptions:
    """What `evaluate` is asked."""

    run: Path
    lam: tuple[float, ...] | None
    attacks: str
    images: int
    strong_images: int
    autoattack_images: int
    autoattack_lam: tuple[float, ...] | None
    draws: int
    batch_size: int
    epsilon: str
    seed: int
    checkpoint: str
    label: str | None
    device: str
    output: Path | None
    json: JsonLayout | None


@verb(example="smartsim evaluate runs/smart --attacks clean,fgsm,pgd7,pgd50,eot -o smart.json")
@click.argument("run", type=FOLDER, help="Folder that `smartsim train` wrote.")
@click.option("--lam", type=LAMS, help="Values of lam.  [default: 0,0.2,0.7,1; PGD-AT: its own]")
@click.option("--attacks", default="clean,fgsm,pgd7", metavar="NAMES", help="In this order.")
@click.option("--images", default=1_000, type=int, help="For cheap attacks.")
@click.option("--strong-images", default=500, type=int, help="For strong attacks.")
@click.option("--autoattack-images", default=200, type=int, help="For AutoAttack.")
@click.option(
    "--autoattack-lam", type=LAMS, help="Where AutoAttack runs, such as 0,1.  [default: all]"
)
@click.option("--draws", default=8, type=int, help="Forward passes of a noisy model.")
@click.option("--batch-size", default=250, type=int, help="Images of one forward.")
@click.option("--epsilon", default="8/255", metavar="NUMBER", help="Radius, in [0, 1].")
@click.option("--seed", default=0, type=int, help="Of starts and noise.")
@click.option("--checkpoint", default="best", metavar="NAME", help="best or last.")
@click.option("--label", metavar="LABEL", help="What the report calls the model.")
@_device_option
@click.option("-o", "--output", type=OutFile(".json"), help="Result file.")
@json_option
@reads(EvaluateOptions)
def evaluate(options: EvaluateOptions) -> None:
    """Attack the model of RUN, and write what stands as a result file.

    Attacks: clean, fgsm, pgd7 (the paper's), pgd50, eot, pgd7-known, pgd50-known, autoattack,
    autoattack-rand. Strong ones run only on images that still stand. A file that is there
    already is added to, lam by lam.
    """
    from smartsim.report.style.provenance import collect_provenance
    from smartsim.train.evaluate.plans import EvaluationSettings, parse_epsilon
    from smartsim.train.evaluate.result_file import evaluate_run

    settings = EvaluationSettings(
        attacks=tuple(name.strip() for name in options.attacks.split(",") if name.strip()),
        images=options.images,
        strong_images=options.strong_images,
        autoattack_images=options.autoattack_images,
        autoattack_lams=options.autoattack_lam,
        epsilon=parse_epsilon(options.epsilon),
        draws=options.draws,
        batch_size=options.batch_size,
        seed=options.seed,
    )
    path = evaluate_run(
        options.run,
        settings,
        lams=options.lam,
        which=options.checkpoint,
        label=options.label,
        device=choose_device(options.device),
        output=options.output,
        facts={"provenance": dict(collect_provenance(["smartsim", *sys.argv[1:]]))},
        tell=_tell_score if options.json is None else _tell_nothing,
    )
    if options.json is not None:
        from smartsim.cli.door.answer import print_answer
        from smartsim.records.files import read_json

        content: dict[str, Any] = read_json(path, "a result file")
        print_answer(options.json, str, lambda: content)
    say(f"written: {path}", err=options.json is not None)


def _tell_score(score: "Score") -> None:
    say(
        f"lam {score.lam:<4g} {score.attack:<16} {score.accuracy:6.2f} % "
        f"+-{score.standard_error:.2f}  n={score.images:<5} {score.scope}"
    )


def _tell_nothing(score: "Score") -> None:
    """JSON is asked for, and comes at the end."""
