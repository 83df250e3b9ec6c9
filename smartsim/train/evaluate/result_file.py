"""From the folder of a run to a result file, which a killed evaluation leaves whole, lam by lam."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from smartsim.errors import ConfigurationError, FileFormatError
from smartsim.models import ConditionalModel
from smartsim.models.layers import Conv2d, Linear
from smartsim.records.accuracies import FORMAT, read_result_file
from smartsim.records.files import write_json_atomically
from smartsim.records.locks import keep_to_this_process
from smartsim.train.data import Dataset, load_dataset
from smartsim.train.evaluate.naming import describe_setting, name_model
from smartsim.train.evaluate.plans import ATTACKS, EvaluationSettings
from smartsim.train.evaluate.worst_case import Score, evaluate_lam
from smartsim.train.loop.checkpoint import load_checkpoint
from smartsim.train.loop.folder import RunFolder
from smartsim.train.loop.restore import load_trained_model
from smartsim.train.loop.state import count_steps
from smartsim.train.settings import TrainSettings

__all__ = ["default_lams", "evaluate_run"]

_FOUR_LAMS = (0.0, 0.2, 0.7, 1.0)
"""Where a model that takes lam is evaluated unless told otherwise."""


def evaluate_run(
    folder: Path,
    settings: EvaluationSettings,
    *,
    lams: Sequence[float] | None = None,
    which: str = "best",
    label: str | None = None,
    device: str = "cpu",
    output: Path | None = None,
    dataset: Dataset | None = None,
    facts: Mapping[str, Any] | None = None,
    tell: Callable[[Score], None] = lambda score: None,
) -> Path:
    """Evaluate the model of a run at several lam, and write a result file.

    Args:
        folder: Of the run.
        settings: Attacks and images.
        lams: Values of lam; None is four of them, and for PGD-AT the one it was trained for.
        which: "best" or "last" checkpoint.
        label: What the report calls the model; None is `name_model`'s.
        device: Where to run.
        output: The file; None is `accuracies.json` in the folder. Its folder is made if missing.
        dataset: The images; None loads those that the run was trained on.
        facts: What else the file should say.
        tell: Told each score when it is there.

    Returns:
        The file.

    Raises:
        ConfigurationError: If settings do not fit, the file cannot be written, or another process
            writes it.
        FileFormatError: If the run, its checkpoint or a file to be added to is damaged, the file
            was made with other settings, or the run was trained on other data.
    """
    model, trained = load_trained_model(folder, which)
    model.to(device)
    if trained.threads is not None:
        torch.set_num_threads(trained.threads)
    data = dataset or load_dataset(trained.data)
    run_folder = RunFolder(path=folder)
    _check_data(run_folder, data)
    path = output or folder / "accuracies.json"
    progress = _describe_progress(run_folder, trained, data)
    asked = tuple(dict.fromkeys(lams or default_lams(trained)))
    head: dict[str, Any] = {
        "format": FORMAT,
        "version": 1,
        "method": label or name_model(trained),
        "setting": describe_setting(trained, progress),
        "protocol": {
            "attacks": {name: ATTACKS[name].description for name in settings.attacks},
            "images": settings.images,
            "strong_images": settings.strong_images,
            "autoattack_images": settings.autoattack_images,
            "autoattack_lams": settings.autoattack_lams and list(settings.autoattack_lams),
            "epsilon": settings.epsilon,
            "draws": settings.draws,
            "seed": settings.seed,
            "checkpoint": which,
        },
        "trained": trained.to_dict(),
        "progress": progress,
        "data": {"name": data.name, "sha256": data.checksum},
    }
    if trained.method == "sparse":
        checkpoint = run_folder.best if which == "best" else run_folder.last
        head["layers"] = _count_layers(model, load_checkpoint(checkpoint).masks)
    if not _lams_left(asked, _rows_of(path, head)):
        return path
    images, labels = data.test_images.to(device), data.test_labels.to(device)
    _prepare_output(path)
    with keep_to_this_process(path.with_name(f".{path.name}.lock"), f"writes {path}"):
        rows = _rows_of(path, head)
        for lam in _lams_left(asked, rows):
            scores = evaluate_lam(model, images, labels, lam, settings, tell=tell)
            rows += [score.to_dict() for score in scores]
            write_json_atomically(path, {**head, **(facts or {}), "results": rows})
    return path


def _lams_left(asked: Sequence[float], rows: Sequence[Mapping[str, Any]]) -> list[float]:
    done = {row["lam"] for row in rows}
    return [lam for lam in asked if lam not in done]


def _check_data(folder: RunFolder, data: Dataset) -> None:
    """Refuse other images than the run's; folders of old do not say which those are."""
    _, facts = folder.read()
    recorded = facts.get("data")
    trained_on = recorded.get("sha256") if isinstance(recorded, Mapping) else None
    if trained_on not in (None, data.checksum):
        raise FileFormatError(
            f"{folder.path}/run.json: the run was trained on data of SHA-256 {trained_on}, but "
            f"{data.name} has {data.checksum}; fetch the data set that it was trained on"
        )


def _prepare_output(path: Path) -> None:
    """Make the file's folder and write beside it as the results will be, hours before they are."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}."):
            pass
    except OSError as error:
        raise ConfigurationError(
            f"{path}: cannot be written ({error.strerror}); choose another file with --output"
        ) from error


def _count_layers(model: ConditionalModel, masks: Mapping[str, Tensor]) -> list[dict[str, Any]]:
    """Size and nonzeros of each layer's weight, of which Figure 2 shows the share.

    What has just grown is part of the network although it is zero yet: the masks know it.
    """
    return [
        {
            "name": name,
            "weights": layer.weight.numel(),
            "nonzeros": int(masks.get(f"{name}.weight", layer.weight).count_nonzero()),
        }
        for name, layer in model.named_modules()
        if isinstance(layer, Conv2d | Linear)
    ]


def _rows_of(path: Path, head: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The results that a file has already, if they were measured in the same way."""
    if not path.exists():
        return []
    _, found = read_result_file(path)
    for key in ("format", "method", "protocol", "trained", "progress", "data"):
        same = found.get(key) == head[key]
        if key == "progress":  # files of old do not say how far the training had come
            same |= key not in found
        if key == "protocol":
            same = _is_protocol(found.get(key), head[key])
        if not same:
            raise FileFormatError(
                f"{path}: was made with another {key}; choose another file with --output"
            )
    rows: list[dict[str, Any]] = list(found["results"])
    return rows


def _is_protocol(found: object, ours: Mapping[str, Any]) -> bool:
    """Whether a file's protocol is ours, which may say more of an attack at the end."""
    if not isinstance(found, Mapping) or not isinstance(found.get("attacks"), Mapping):
        return False
    theirs: Mapping[str, object] = found["attacks"]
    return (
        {**found, "attacks": None} == {**ours, "attacks": None}
        and theirs.keys() == ours["attacks"].keys()
        and all(text.startswith(str(theirs[name])) for name, text in ours["attacks"].items())
    )


def default_lams(settings: TrainSettings) -> tuple[float, ...]:
    """Four values; a method that is trained for one lam has that one."""
    return (settings.lam,) if settings.method in ("pgdat", "sparse") else _FOUR_LAMS


def _describe_progress(folder: RunFolder, settings: TrainSettings, data: Dataset) -> dict[str, Any]:
    """How far the run had come when it was evaluated, which may be less than was planned."""
    place, planned = load_checkpoint(folder.last).place, count_steps(settings, data)
    return {
        "steps_done": place.step,
        "steps_planned": planned,
        "epochs_done": round(settings.epochs * place.step / planned, 2) if planned else 0,
        "epochs_planned": settings.epochs,
        "finished": place.epoch >= settings.epochs,
    }
