"""CIFAR's Python batches without unpickling: their opcodes are read, and none is obeyed.

Unpickling a file can run any code. A batch is one dictionary with one large byte string, the
pixels, and one list of small integers after the key of the labels; both can be picked out of the
stream of opcodes as they pass.
"""

import math
import pickletools
import struct
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smartsim.errors import FileFormatError
from smartsim.train.data.catalogue import DatasetSpec
from smartsim.train.data.formats.files import Bytes, as_labels, read_bytes

__all__ = ["read_pickled_batch"]

_STRINGS = frozenset(
    "STRING BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8 UNICODE BINUNICODE "
    "SHORT_BINUNICODE".split()
)
_INTEGERS = frozenset(("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1"))


def read_pickled_batch(spec: DatasetSpec, path: Path, key: str) -> tuple[Bytes, NDArray[np.int64]]:
    """Read a batch of CIFAR's Python version.

    Args:
        spec: The data set.
        path: The file.
        key: Under which key the labels stand, "labels" or "fine_labels".

    Returns:
        Pixels of shape (n, pixels) and labels of shape (n,).

    Raises:
        FileFormatError: If the file is no such batch.
    """
    content, pixels = read_bytes(spec, path), math.prod(spec.shape)
    image_bytes, labels, current = b"", list[int](), ""
    try:
        for name, argument in _read_opcodes(content):
            if name in _STRINGS:
                text = argument if isinstance(argument, bytes) else str(argument).encode("latin-1")
                if len(text) > len(image_bytes) and len(text) >= pixels:
                    image_bytes = text
                elif len(text) < 40:
                    current = text.decode("latin-1")
            elif name in _INTEGERS and current == key:
                labels.append(int(argument or 0))
    except (ValueError, LookupError, OverflowError, struct.error) as error:
        raise FileFormatError(f"{path}: is no pickled CIFAR batch: {error}") from error
    if not labels or len(image_bytes) != pixels * len(labels):
        raise FileFormatError(
            f"{path}: holds {len(image_bytes)} bytes of pixels and {len(labels)} labels; "
            f"a CIFAR batch has {pixels} bytes for each label"
        )
    images = np.frombuffer(image_bytes, np.uint8).reshape(-1, pixels)
    return images, as_labels(path, labels)


def _read_opcodes(content: bytes) -> Iterator[tuple[str, Any]]:
    """The name and the argument of each opcode."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of escapes in texts that are none
        for opcode, argument, _ in pickletools.genops(content):
            yield opcode.name, argument
