"""The experiments behind the measured numbers of the reports.

Run them with `python -m smartsim.train.experiments`. Each is a training and an evaluation, run by
the ordinary verbs in processes of one thread each. What is finished is seen from the files; the
rest goes on from where it was stopped.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from smartsim.errors import ConfigurationError, FileFormatError, suggest_name
from smartsim.records.files import read_json
from smartsim.train.evaluate.results import default_lams
from smartsim.train.loop.folder import RunFolder, load_checkpoint
from smartsim.train.settings import TrainSettings, make_settings

__all__ = ["EXPERIMENTS", "Experiment", "Task", "next_tasks", "run_tasks"]

_CHEAP = "clean,fgsm,pgd7"
_NOISE = f"{_CHEAP},pgd50,eot,pgd7-known,pgd50-known"
ATTACKS = "clean,fgsm,pgd7,pgd50,eot,pgd7-known,pgd50-known,autoattack,autoattack-rand"


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """One training and its evaluation.

    Attributes:
        name: Of its folder and its result file.
        method: As `smartsim train` takes it.
        changes: Settings that differ from the preset.
        question: What it is for.
        attacks: Of its evaluation.
        lams: Of its evaluation; None is the four of a model that takes lam, or its own.
    """

    name: str
    method: str
    changes: Mapping[str, str] = field(default_factory=dict)
    question: str
    attacks: str = ATTACKS
    lams: tuple[float, ...] | None = None


_TABLE2, _TABLE1 = "Table 2 and Figures 4 and 5", "Table 1"
_ABLATION = "does re-scaled noise trade CA for RA, or only the batch norm switch?"
_UTILITY = "Figure 2"

EXPERIMENTS: Mapping[str, Experiment] = {
    one.name: one
    for one in (
        Experiment(name="smart", method="smart", question=_TABLE2),
        Experiment(name="float", method="float", question=_TABLE2),
        Experiment(name="pgdat-lam1", method="pgdat", changes={"lam": "1"}, question=_TABLE2),
        Experiment(name="oat", method="oat", question=_TABLE2),
        Experiment(name="pgdat-lam0", method="pgdat", changes={"lam": "0"}, question=_TABLE2),
        Experiment(name="pgdat-lam05", method="pgdat", changes={"lam": "0.5"}, question=_TABLE2),
        Experiment(
            name="smart-overlap0",
            method="smart",
            changes={"overlap": "0"},
            question=_TABLE1,
            lams=(0.0, 1.0),
        ),
        Experiment(
            name="smart-ssss",
            method="smart",
            changes={"overlap": "0", "stages": "SSSS"},
            question=_TABLE1,
            lams=(0.0, 1.0),
        ),
        Experiment(
            name="float-one-norm",
            method="float",
            changes={"norm": "single"},
            question=_ABLATION,
            attacks=_NOISE,
        ),
        Experiment(
            name="float-no-noise",
            method="float",
            changes={"alpha": "0"},
            question=_ABLATION,
            attacks=_NOISE,
        ),
        *(
            Experiment(
                name=f"sparse-{density}",
                method="sparse",
                changes={"sparse_density": f"0.{density}", "lam": "0.5", "epochs": "3"},
                question=_UTILITY,
                attacks=_CHEAP,
            )
            for density in ("05", "10", "20")
        ),
    )
}
"""Every experiment, the most wanted first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One process to run.

    Attributes:
        name: Of the experiment, and what of it.
        command: Arguments of `smartsim`.
    """

    name: str
    command: tuple[str, ...]


def next_tasks(
    names: Sequence[str],
    *,
    runs: Path,
    results: Path,
    preset: str = "study",
    images: int = 1_000,
    extra: Sequence[str] = (),
) -> tuple[Task, ...]:
    """The next process of each experiment that is not finished.

    Args:
        names: Which experiments, in order.
        runs: Folder of the runs' folders.
        results: Folder of the result files.
        preset: Of every training.
        images: Of every evaluation.
        extra: Further settings of every training, as "key=value".

    Raises:
        ConfigurationError: If an experiment is unknown.
        FileFormatError: If a run or a result file is damaged.
    """
    tasks = []
    for name in names:
        if name not in EXPERIMENTS:
            raise ConfigurationError(
                f"unknown experiment {name!r}{suggest_name(name, EXPERIMENTS)}"
            )
        one = EXPERIMENTS[name]
        changes = [f"{key}={value}" for key, value in one.changes.items()]
        changes += ["threads=1", *extra]
        settings = make_settings(one.method, preset=preset, changes=changes)
        folder = RunFolder(path=runs / name)
        if not _is_trained(folder, settings):
            tasks.append(_training(one, folder.path, preset, changes))
        elif not _is_evaluated(results / f"{name}.json", one.lams or default_lams(settings)):
            tasks.append(_evaluation(one, folder.path, results / f"{name}.json", images))
    return tuple(tasks)


def _is_trained(folder: RunFolder, settings: TrainSettings) -> bool:
    if not (folder.path / "run.json").exists():
        return False
    stored, _ = folder.read()
    if stored != settings:
        raise FileFormatError(
            f"{folder.path}: holds a run with other settings; choose another folder with --runs"
        )
    return folder.last.exists() and load_checkpoint(folder.last).place.epoch >= settings.epochs


def _is_evaluated(path: Path, lams: Sequence[float]) -> bool:
    if not path.exists():
        return False
    rows = read_json(path, "a result file of the evaluator").get("results", [])
    return {row["lam"] for row in rows} >= set(lams)


def _training(one: Experiment, folder: Path, preset: str, changes: Sequence[str]) -> Task:
    command = ["train", one.method, "--output", str(folder), "--device", "cpu"]
    if (folder / "run.json").exists():
        command.append("--resume")
    else:
        command += ["--preset", preset]
        command += [part for change in changes for part in ("--set", change)]
    return Task(name=f"{one.name}: training", command=tuple(command))


def _evaluation(one: Experiment, folder: Path, path: Path, images: int) -> Task:
    command = ["evaluate", str(folder), "--attacks", one.attacks, "--autoattack-lam", "0,1"]
    if one.lams is not None:
        command += ["--lam", ",".join(f"{lam:g}" for lam in one.lams)]
    command += ["--images", str(images), "--device", "cpu", "--output", str(path)]
    return Task(name=f"{one.name}: evaluation", command=tuple(command))


def run_tasks(
    find: Callable[[], Sequence[Task]],
    logs: Path,
    *,
    jobs: int,
    until: float,
    tell: Callable[[str], None] = lambda line: None,
) -> list[str]:
    """Run processes side by side until there is nothing left to do.

    Args:
        find: What there is to do; asked whenever there is room for a process.
        logs: Folder of the processes' words.
        jobs: How many processes at a time.
        until: When to stop, by the monotonic clock: all are then asked to save.
        tell: Told what begins and ends.

    Returns:
        The names of those that failed, which are not tried again.
    """
    running, failed = dict[Task, subprocess.Popen[bytes]](), list[str]()
    asked = False
    try:
        while True:
            busy = {task.name for task in running} | set(failed)
            idle = [] if asked else [task for task in find() if task.name not in busy]
            for task in idle[: jobs - len(running)]:
                tell(f"begins: {task.name}")
                running[task] = _start(task, logs)
            if not running:
                return failed
            while all(process.poll() is None for process in running.values()):
                if time.monotonic() >= until and not asked:
                    asked = True
                    _interrupt(running)
                time.sleep(0.1)
            for task, process in list(running.items()):
                if process.poll() is not None:
                    del running[task]
                    bad = bool(process.returncode) and not asked
                    tell(f"{'failed' if bad else 'ended'}: {task.name}")
                    failed += [task.name] if bad else []
            asked = asked or time.monotonic() >= until
    finally:
        if not asked:
            _interrupt(running)
        for process in running.values():
            process.wait()


def _start(task: Task, logs: Path) -> "subprocess.Popen[bytes]":
    """A process of one thread, in a session of its own: Ctrl-C reaches it through us, once."""
    with (logs / f"{task.name.replace(': ', '-')}.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "smartsim", *task.command],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )


def _interrupt(running: Mapping[Task, "subprocess.Popen[bytes]"]) -> None:
    """Trainings save on this; evaluations keep the lam that are finished."""
    for process in running.values():
        if process.poll() is None:
            process.send_signal(signal.SIGINT)


@click.command()
@click.argument("names", nargs=-1)
@click.option("--runs", default="runs/study", show_default=True, type=click.Path(path_type=Path))
@click.option(
    "--results", default="reports/results", show_default=True, type=click.Path(path_type=Path)
)
@click.option("--jobs", default=2, show_default=True, help="Processes side by side.")
@click.option("--minutes", type=float, help="Stop after so long; a later call goes on.")
@click.option("--preset", default="study", show_default=True)
@click.option("--images", default=1_000, show_default=True, help="Of each evaluation.")
@click.option("--set", "extra", multiple=True, help="Further setting of every training.")
@click.option("--list", "only_list", is_flag=True, help="Say what there is to do, and do nothing.")
def main(
    names: tuple[str, ...],
    runs: Path,
    results: Path,
    jobs: int,
    minutes: float | None,
    preset: str,
    images: int,
    extra: tuple[str, ...],
    only_list: bool,
) -> None:
    """Run the experiments NAMES, or all that are not finished."""
    chosen = names or tuple(EXPERIMENTS)
    until = time.monotonic() + 60 * minutes if minutes is not None else float("inf")
    runs.mkdir(parents=True, exist_ok=True)
    results.mkdir(parents=True, exist_ok=True)

    def find() -> tuple[Task, ...]:
        return next_tasks(
            chosen, runs=runs, results=results, preset=preset, images=images, extra=extra
        )

    if only_list:
        for task in find():
            click.echo(f"{task.name:<28} smartsim {' '.join(task.command)}")
        return
    failed = run_tasks(find, runs, jobs=jobs, until=until, tell=click.echo)
    click.echo(f"{len(find())} experiments left to do, {len(failed)} failed; words are in {runs}")


if __name__ == "__main__":
    main()
