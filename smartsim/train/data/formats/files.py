"""ONE FILE -> bytes, records, an image, labels: each no larger than its data set can be."""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from smartsim.errors import FileFormatError
from smartsim.records.files import parse_json, quote
from smartsim.train.data.catalogue import DatasetSpec

__all__ = [
    "Bytes",
    "as_labels",
    "read_bytes",
    "read_idx",
    "read_image",
    "read_json_labels",
    "read_lines",
    "read_records",
]

Bytes = NDArray[np.uint8]

_LINE_BYTES = 200
"""More than a list has for each image."""

_IMAGE_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    OverflowError,
    ArithmeticError,
    LookupError,
    EOFError,
    RuntimeError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
"""What Pillow's decoders raise on damaged files."""


def read_bytes(spec: DatasetSpec, path: Path, most: int | None = None) -> bytes:
    """A regular file, whole.

    Args:
        spec: The data set.
        path: The file.
        most: Bytes that it may have; None is as many as the data set.

    Raises:
        FileFormatError: If there is none, it cannot be read, or the data set has no such large one.
    """
    try:
        if path.exists() and not path.is_file():
            raise FileFormatError(f"{path}: cannot be read (it is no regular file)")
        most = spec.most_bytes if most is None else most
        if path.stat().st_size > most:
            raise FileFormatError(f"{path}: {_too_large(spec, most)}")
        return path.read_bytes()
    except OSError as error:
        raise FileFormatError(f"{path}: cannot be read ({error.strerror})") from error


def _too_large(spec: DatasetSpec, most: int) -> str:
    return f"holds more than the {most >> 10} KiB that such a file of {spec.name} can have"


def read_lines(spec: DatasetSpec, path: Path) -> list[str]:
    """The lines of a text that are not empty."""
    lines = (
        read_bytes(spec, path, spec.most_files * _LINE_BYTES)
        .decode("utf-8", errors="replace")
        .splitlines()
    )
    return [line for line in lines if line.strip()]


def read_records(spec: DatasetSpec, path: Path, size: int) -> Bytes:
    """A file of records of `size` bytes, as (n, size)."""
    data = np.frombuffer(read_bytes(spec, path), np.uint8)
    if not len(data) or len(data) % size:
        raise FileFormatError(
            f"{path}: has {len(data)} bytes, no whole number of records of {size}; "
            "it is truncated or altered"
        )
    return data.reshape(-1, size)


def read_idx(spec: DatasetSpec, folder: Path, name: str, shape: tuple[int, ...]) -> Bytes:
    """An idx file of unsigned bytes: two zeros, 8, the rank, each size in 4 bytes, the data.

    Args:
        spec: The data set.
        folder: Where the file is, packed with gzip or not.
        name: Its name, without .gz.
        shape: Of each of its items.

    Returns:
        Shape (n, *shape).
    """
    packed = folder / f"{name}.gz"
    path = packed if packed.exists() else folder / name
    data = _unzip(spec, path) if path == packed else read_bytes(spec, path)
    rank = data[3] if len(data) > 3 else 0
    start = 4 + 4 * rank
    if data[:3] != b"\0\0\x08" or len(data) < start:
        raise FileFormatError(f"{path}: is no idx file of unsigned bytes")
    sizes = [int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(rank)]
    if rank != 1 + len(shape) or tuple(sizes[1:]) != shape:
        raise FileFormatError(f"{path}: has sizes {quote(sizes)}; expected (n, *{shape})")
    if len(data) - start != math.prod(sizes):
        raise FileFormatError(
            f"{path}: holds {len(data) - start} bytes of data where its header announces "
            f"{math.prod(sizes)}; it is truncated or altered"
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(sizes)


def _unzip(spec: DatasetSpec, path: Path) -> bytes:
    try:
        with gzip.open(path) as stream:
            data = stream.read(spec.most_bytes + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise FileFormatError(f"{path}: is truncated or no gzip file: {error}") from error
    if len(data) > spec.most_bytes:
        raise FileFormatError(f"{path}: {_too_large(spec, spec.most_bytes)}")
    return data


def read_image(path: Path, kind: str, size: tuple[int, int], *, most_rows: int = 0) -> Bytes:
    """An image as (h, w, 3).

    Args:
        path: The file.
        kind: Its format, as Pillow calls it.
        size: Its height and width.
        most_rows: That it may have instead of its height.
    """
    try:
        if path.exists() and not path.is_file():
            raise FileFormatError(f"{path}: cannot be read as an image: it is no regular file")
        with Image.open(path, formats=[kind]) as image:
            width, height = image.size
            if width != size[1] or (height > most_rows if most_rows else height != size[0]):
                expected = f"at most {most_rows}" if most_rows else f"{size[0]}"
                raise FileFormatError(
                    f"{path}: has {height} rows of {width} pixels; expected {expected} of {size[1]}"
                )
            return np.asarray(image.convert("RGB"))
    except FileFormatError:
        raise
    except _IMAGE_DAMAGE as error:
        words = " ".join(str(error).split())[:200]
        raise FileFormatError(f"{path}: cannot be read as an image: {words}") from error


def read_json_labels(spec: DatasetSpec, path: Path) -> NDArray[np.int64]:
    """A JSON list of classes."""
    try:
        text = read_bytes(spec, path, spec.most_files * _LINE_BYTES).decode("utf-8-sig")
        labels: list[Any] = parse_json(f'{{"labels": {text}}}')["labels"]
    except ValueError as error:
        if isinstance(error, FileFormatError):
            raise
        raise FileFormatError(f"{path}: is no JSON list of labels: {error}") from error
    if not isinstance(labels, list):
        raise FileFormatError(f"{path}: is no JSON list of labels: it is {quote(labels)}")
    return as_labels(path, labels)


def as_labels(path: Path, labels: list[Any] | NDArray[Any]) -> NDArray[np.int64]:
    """Labels of shape (n,), each a whole number as a class can be.

    Raises:
        FileFormatError: If one is none.
    """
    values = labels.tolist() if isinstance(labels, np.ndarray) else labels
    for place, value in enumerate(values):
        whole = isinstance(value, float) and value.is_integer()  # as MATLAB keeps them
        if not (whole or type(value) is int) or not 0 <= value < 1 << 15:
            raise FileFormatError(f"{path}: label {place} is {quote(value)}, which is no class")
    return np.array(values, dtype=np.int64)
