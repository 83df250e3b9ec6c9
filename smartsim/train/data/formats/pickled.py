"""CIFAR's Python batches without unpickling: their opcodes are read, and none is obeyed.

Unpickling a file can run any code. A batch is one dictionary with one large byte string, the
pixels, and one list of small integers after the key of the labels; both can be picked out of the
stream of opcodes as they pass.
"""

import pickletools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smartsim.errors import FileFormatError

__all__ = ["read_pickled_batch"]

_STRINGS = frozenset(
    "STRING BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8 UNICODE BINUNICODE "
    "SHORT_BINUNICODE".split()
)
_INTEGERS = frozenset(("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1"))


def read_pickled_batch(
    path: Path, key: str, pixels: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Read a batch of CIFAR's Python version.

    Args:
        path: The file.
        key: Under which key the labels stand, "labels" or "fine_labels".
        pixels: Bytes of one image.

    Returns:
        Pixels of shape (n, pixels) and labels of shape (n,).

    Raises:
        FileFormatError: If the file is no such batch.
    """
    image_bytes, labels, current = b"", list[int](), ""
    try:
        for opcode, argument, _ in pickletools.genops(path.read_bytes()):
            if opcode.name in _STRINGS:
                text = argument if isinstance(argument, bytes) else str(argument).encode("latin-1")
                if len(text) > len(image_bytes) and len(text) >= pixels:
                    image_bytes = text
                elif len(text) < 40:
                    current = text.decode("latin-1")
            elif opcode.name in _INTEGERS and current == key:
                labels.append(int(argument or 0))
    except OSError as error:
        raise FileFormatError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, UnicodeError) as error:
        raise FileFormatError(f"{path}: is no pickled CIFAR batch: {error}") from error
    if not labels or len(image_bytes) != pixels * len(labels):
        raise FileFormatError(
            f"{path}: holds {len(image_bytes)} bytes of pixels and {len(labels)} labels; "
            f"a CIFAR batch has {pixels} bytes for each label"
        )
    images = np.frombuffer(image_bytes, np.uint8).reshape(-1, pixels)
    return images, np.array(labels, dtype=np.int64)
