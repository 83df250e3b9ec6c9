"""What is left to do of each experiment, as is seen from the files of its run and its results."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from smartsim.errors import FileFormatError
from smartsim.records.files import read_json
from smartsim.train.evaluate.result_file import default_lams
from smartsim.train.experiments.catalogue import Experiment, find_experiment
from smartsim.train.loop.checkpoint import load_checkpoint
from smartsim.train.loop.folder import RunFolder
from smartsim.train.settings import TrainSettings, make_settings

__all__ = ["Task", "next_tasks"]


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
        one = find_experiment(name)
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
