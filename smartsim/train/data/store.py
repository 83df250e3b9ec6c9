"""The folder where data sets are kept, each checked whenever it is read.

A data set is one safetensors file with its origin and checksum in the header.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import platformdirs
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from smartsim.errors import ConfigurationError, FileFormatError
from smartsim.records.files import set_usual_mode
from smartsim.train.data.catalogue import DATASETS, Dataset, DatasetSpec, find_spec
from smartsim.train.data.formats.folders import Split
from smartsim.train.data.synthetic import make_synthetic

__all__ = [
    "StoredDataset",
    "data_folder",
    "list_datasets",
    "load_dataset",
    "read_dataset",
    "read_header",
    "read_origin",
    "write_dataset",
    "written_whole",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDataset:
    """One line of `smartsim data list`.

    Attributes:
        spec: The data set.
        path: Its file; None where it has not been fetched.
        origin: Where it came from, and whether without a published checksum.
    """

    spec: DatasetSpec
    path: Path | None = None
    origin: str = ""


def data_folder() -> Path:
    """The folder named by SMARTSIM_DATA, else smartsim's in the user's cache folder.

    What an older version stored in `~/.cache` is used where it lies.
    """
    named = os.environ.get("SMARTSIM_DATA")
    if named:
        return Path(named)
    before = Path.home() / ".cache" / "smartsim" / "data"
    usual = platformdirs.user_cache_path("smartsim") / "data"
    return before if before.is_dir() and not usual.is_dir() else usual


def list_datasets(folder: Path | None = None) -> tuple[StoredDataset, ...]:
    """Every data set, and whether it is there."""
    place = folder or data_folder()
    rows = []
    for name, spec in DATASETS.items():
        path = place / f"{name}.safetensors"
        if name == "synthetic":
            rows.append(StoredDataset(spec=spec, origin="drawn when used"))
        elif path.exists():
            rows.append(StoredDataset(spec=spec, path=path, origin=read_origin(path)))
        else:
            rows.append(StoredDataset(spec=spec))
    return tuple(rows)


def read_origin(path: Path) -> str:
    """Where the data set of a stored file came from, without reading the data.

    Raises:
        FileFormatError: If the file is damaged.
    """
    return read_header(path)["origin"]


def load_dataset(name: str, folder: Path | None = None) -> Dataset:
    """Load a data set that was fetched before, and check it.

    Raises:
        ConfigurationError: If it is unknown, or has not been fetched.
        FileFormatError: If its file is damaged.
    """
    spec = find_spec(name)
    if name == "synthetic":
        return make_synthetic(spec)
    path = (folder or data_folder()) / f"{name}.safetensors"
    if not path.exists():
        raise ConfigurationError(
            f"data set {name!r} is not in {path.parent}; bring it with `smartsim data fetch {name}`"
        )
    return read_dataset(spec, path)


_TENSORS = ("train_images", "train_labels", "test_images", "test_labels")


def write_dataset(spec: DatasetSpec, origin: str, train: Split, test: Split, place: Path) -> Path:
    """Store images and labels with their origin and their checksum."""
    arrays = (*train, *test)
    tensors = {
        name: torch.from_numpy(np.require(array, requirements="W").copy())
        for name, array in zip(_TENSORS, arrays, strict=True)
    }
    header = {"name": spec.name, "origin": origin, "sha256": _checksum(tensors)}
    target = place / f"{spec.name}.safetensors"
    with written_whole(target) as temporary:
        save_file(tensors, temporary, metadata=header)
    return target


@contextmanager
def written_whole(target: Path) -> Iterator[Path]:
    """A file to write beside `target`, which it replaces at the end if there was no error."""
    temporary = target.with_name(f".{target.stem}.{os.getpid()}.tmp")
    try:
        yield temporary
        set_usual_mode(temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def read_dataset(spec: DatasetSpec, path: Path) -> Dataset:
    """Read a stored file, and check it by its own checksum."""
    header = read_header(path)
    tensors = load_file(path)
    _check_tensors(spec, path, tensors)
    dataset = Dataset(
        name=spec.name,
        classes=spec.classes,
        **{key: tensors[key] for key in _TENSORS},
        checksum=_checksum(tensors),
        flips=spec.flips,
    )
    if dataset.checksum != header["sha256"]:
        raise FileFormatError(
            f"{path}: its contents do not have the checksum they were stored with; "
            f"fetch it again with `smartsim data fetch {spec.name}`"
        )
    return dataset


def _check_tensors(spec: DatasetSpec, path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """Refuse what no data set of ours can be, whatever checksum it bears."""
    for part in ("train", "test"):
        images, labels = tensors[f"{part}_images"], tensors[f"{part}_labels"]
        if images.dtype != torch.uint8 or tuple(images.shape[1:]) != spec.shape:
            raise FileFormatError(f"{path}: holds no {part} images of {spec.name}; fetch it again")
        if labels.dtype != torch.int64 or labels.shape != images.shape[:1] or not len(labels):
            raise FileFormatError(f"{path}: holds no {part} labels for its images; fetch it again")
        if labels.min() < 0 or labels.max() >= spec.classes:
            raise FileFormatError(f"{path}: has {part} labels of no class; fetch it again")


def read_header(path: Path) -> Mapping[str, str]:
    """What a stored file says of itself."""
    try:
        with safe_open(path, framework="pt") as file:
            header, names = file.metadata() or {}, set(file.keys())
    except (SafetensorError, OSError) as error:
        raise FileFormatError(f"{path}: is damaged ({error}); fetch it again") from error
    if names != set(_TENSORS) or not {"origin", "sha256"} <= header.keys():
        raise FileFormatError(f"{path}: is no data set of smartsim's; fetch it again")
    return header


def _checksum(tensors: Mapping[str, torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for name in _TENSORS:
        digest.update(np.ascontiguousarray(tensors[name].numpy()).view(np.uint8).data)
    return digest.hexdigest()
