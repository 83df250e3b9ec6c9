"""Patterns of zeros: which elements of a tensor may be nonzero, and how a file holds them."""

import base64
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import PlainSerializer, PlainValidator

from smartsim.records.files import quote

__all__ = ["MOST_ELEMENTS", "Pattern", "StoredPattern"]


MOST_ELEMENTS = 2**27
"""Of one pattern in a file. A mask without structure takes a byte for six elements, so that only
patterns of great regularity and size are refused."""


@dataclass(frozen=True, slots=True, eq=False)
class Pattern:
    """Which elements of a tensor are not known to be zero.

    Args:
        bits: Boolean array of the tensor's shape, true where an element may be nonzero. It is
            never written to after it is handed over.

    >>> Pattern(np.array([[True, False], [True, True]])).nonzeros
    3
    """

    bits: NDArray[np.bool_]
    nonzeros: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "nonzeros", int(np.count_nonzero(self.bits)))

    @property
    def shape(self) -> tuple[int, ...]:
        """The tensor's shape."""
        return self.bits.shape

    @property
    def density(self) -> float:
        """The share of elements that may be nonzero, in [0, 1]; 0 for an empty tensor."""
        return self.nonzeros / self.bits.size if self.bits.size else 0.0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pattern) and np.array_equal(self.bits, other.bits)

    def __hash__(self) -> int:
        return hash((self.shape, self.nonzeros))


def _encode(pattern: Pattern) -> dict[str, Any]:
    packed = zlib.compress(np.packbits(pattern.bits).tobytes(), level=1)
    return {"shape": list(pattern.shape), "bits": base64.b64encode(packed).decode("ascii")}


def _decode(row: Any) -> Pattern:
    """The pattern of a file; never more memory than its shape says."""
    if not isinstance(row, Mapping):
        raise ValueError(f"a pattern cannot be {quote(row)}")
    for name, kind in (("shape", list), ("bits", str)):
        if name not in row:
            raise ValueError(f"a pattern has no field {name!r}")
        if not isinstance(row[name], kind):
            raise ValueError(f"{name} of a pattern cannot be {quote(row[name])}")
    shape = tuple(row["shape"])
    if not all(type(size) is int and 0 <= size < 2**63 for size in shape):
        raise ValueError(f"shape of a pattern cannot be {quote(row['shape'])}")
    if math.prod(shape) > MOST_ELEMENTS + 64 * len(row["bits"]):
        raise ValueError(
            f"a pattern of shape {shape} in {len(row['bits'])} bytes is more than a file may "
            f"unpack to: {MOST_ELEMENTS} elements, and 64 more for each byte"
        )
    size = (math.prod(shape) + 7) // 8
    try:
        stream = zlib.decompressobj()
        packed = stream.decompress(base64.b64decode(row["bits"]), size + 1)
    except (ValueError, zlib.error, OverflowError) as error:
        raise ValueError(f"bits of a pattern of shape {shape} are damaged ({error})") from error
    if len(packed) != size or not stream.eof:
        raise ValueError(f"a pattern of shape {shape} holds other than {size} bytes")
    bits = np.unpackbits(np.frombuffer(packed, dtype=np.uint8), count=math.prod(shape))
    return Pattern(bits.astype(np.bool_).reshape(shape))


StoredPattern = Annotated[Pattern, PlainValidator(_decode), PlainSerializer(_encode)]
"""A pattern as a field of a record that goes to a file: deflated bits in base64."""
