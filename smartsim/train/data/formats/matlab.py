"""Numeric arrays from MATLAB files of version 5, which is all that SVHN needs.

A file is a header of 128 bytes and a row of elements, each with a tag of a type and a size; an
element may be packed with zlib. An array is an element that holds its flags, sizes, name and
values as elements again.

Source: MAT-File Format, The MathWorks, version 5, chapter 1.
"""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smartsim.errors import FileFormatError
from smartsim.records.files import quote
from smartsim.train.data.catalogue import DatasetSpec
from smartsim.train.data.formats.files import read_bytes

__all__ = ["read_matlab"]

_TYPES = {1: "<i1", 2: "<u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4", 7: "<f4", 9: "<f8"}
_MATRIX, _PACKED = 14, 15


def read_matlab(spec: DatasetSpec, path: Path) -> dict[str, NDArray[Any]]:
    """Read every numeric array of a MATLAB file, by name.

    Raises:
        FileFormatError: If the file is truncated or of another format.
    """
    data = read_bytes(spec, path)
    if len(data) < 136 or data[126:128] != b"IM":
        raise FileFormatError(f"{path}: is no little-endian MATLAB file of version 5")
    arrays = {}
    try:
        for element in _elements(memoryview(data)[128:]):
            kind, body = _unpack(*element, spec.most_bytes)
            if kind == _MATRIX:
                name, array = _read_array(body)
                arrays[name] = array
    except (zlib.error, ValueError, KeyError, StopIteration) as error:
        raise FileFormatError(f"{path}: is a truncated or altered MATLAB file: {error}") from error
    return arrays


def _elements(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """The type and the bytes of each element."""
    place = 0
    while place + 8 <= len(data):
        tag = int.from_bytes(data[place : place + 4], "little")
        if tag >> 16:  # a small element: type and size share 4 bytes, the data are the next 4
            kind, size, start = tag & 0xFFFF, tag >> 16, place + 4
            following = place + 8
        else:
            kind, size = tag, int.from_bytes(data[place + 4 : place + 8], "little")
            start = place + 8
            # Packed elements are not padded to 8 bytes; all others are.
            following = start + (size if kind == _PACKED else -(-size // 8) * 8)
        if start + size > len(data):
            raise ValueError(f"an element of {size} bytes ends past the end")
        yield kind, data[start : start + size]
        place = following


def _unpack(kind: int, body: memoryview, most: int) -> tuple[int, memoryview]:
    """The element inside a packed one, of at most so many bytes; any other as it is."""
    if kind != _PACKED:
        return kind, body
    unpacker = zlib.decompressobj()
    data = unpacker.decompress(body, most)
    if unpacker.unconsumed_tail:
        raise ValueError(f"it unpacks to more than the {most >> 20} MiB its data set can have")
    if not unpacker.eof:
        raise ValueError("a packed element ends early")
    return next(_elements(memoryview(data)))


def _read_array(body: memoryview) -> tuple[str, NDArray[Any]]:
    """Name and values of an array, which MATLAB stores column by column."""
    _, (_, sizes), (_, name), (kind, values) = list(_elements(body))[:4]
    shape = np.frombuffer(sizes, "<i4").tolist()
    if any(size < 0 for size in shape):
        raise ValueError(f"an array has the sizes {quote(shape)}")
    array = np.frombuffer(values, _TYPES[kind]).reshape(shape, order="F")
    return bytes(name).decode("latin-1"), array
