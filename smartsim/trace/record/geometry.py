"""Where the elements of a view lie in the data behind it. Knows numpy only.

A tensor is a window on flat data: a shape, a stride for each dimension, and an offset. Which
elements of the data are needed is kept as one period of a repeating pattern, so that a split of a
large tensor costs as much as its last dimension, and "all of it" costs nothing.
"""

import weakref
from collections.abc import Collection
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from smartsim.errors import InvalidModelError

__all__ = [
    "ALL",
    "MOST_BITS",
    "NOTHING",
    "Bits",
    "Need",
    "View",
    "any_along",
    "check_size",
    "count_true",
    "is_same_memory",
    "join_needs",
    "need_of_view",
    "need_within_view",
    "take_once",
]

Bits = NDArray[np.bool_]
Scalar = TypeVar("Scalar", bound=np.generic)


MOST_BITS = 1 << 32
"""Elements of the largest pattern."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A window of `shape` on flat data of `size` elements; `strides` None means all, in order.

    A recorder makes equal windows once, so that they are one object and compare as such.
    """

    size: int
    shape: tuple[int, ...]
    strides: tuple[int, ...] | None = None
    offset: int = 0

    def take(self, flat: NDArray[Scalar]) -> NDArray[Scalar]:
        """The elements of `flat` that the window shows, in the window's shape, as a view."""
        if self.strides is None:
            return flat.reshape(self.shape)
        return np.lib.stride_tricks.as_strided(
            flat[self.offset :], self.shape, [s * flat.itemsize for s in self.strides]
        )

    def put(self, flat: Bits, bits: Bits) -> None:
        """Write `bits`, of the window's shape, where it lies; what it shows twice is ORed."""
        if self.strides is None:
            flat.reshape(self.shape)[...] = bits
        elif self.is_overlapping:
            places = self.take(np.arange(self.size))
            flat[places] = False
            flat[places[bits]] = True
        else:
            self.take(flat)[...] = bits

    @property
    def is_overlapping(self) -> bool:
        """Whether two places of the window may show the same element."""
        reach = 0
        dims = zip(self.strides or (), self.shape, strict=False)
        for stride, size in sorted((stride, size) for stride, size in dims if size > 1):
            if stride <= reach:
                return True
            reach += stride * (size - 1)
        return False

    @property
    def is_whole(self) -> bool:
        """Whether the window shows all the data, in order."""
        return self.strides is None


@dataclass(frozen=True, slots=True, eq=False)
class Need:
    """Which elements of flat data are needed: element i is, if `period[i % len(period)]`."""

    period: Bits

    def flat(self, size: int) -> Bits:
        """The need written out for `size` elements."""
        if len(self.period) == size:
            return self.period
        check_size(size)
        return np.tile(self.period, size // len(self.period))

    def within(self, view: View) -> Bits:
        """The need of what `view` shows, in its shape; where it repeats, elements are shared."""
        if not view.is_whole:
            return view.take(self.flat(view.size))
        inner, elements = view.shape, view.size
        while inner and elements and elements // inner[0] % len(self.period) == 0:
            elements //= inner[0]
            inner = inner[1:]
        return np.broadcast_to(self.flat(elements).reshape(inner), view.shape)


ALL = Need(np.ones(1, dtype=np.bool_))
NOTHING = Need(np.zeros(1, dtype=np.bool_))


def is_same_memory(first: Bits, second: Bits) -> bool:
    """Whether both are the same window on the same memory: far cheaper than to compare them."""
    return first is second or (
        first.shape == second.shape
        and first.strides == second.strides
        and first.__array_interface__["data"][0] == second.__array_interface__["data"][0]
    )


_MANY_BITS = 1 << 16
_MOST_COUNTED = 256
_COUNTED: dict[tuple[int, int], tuple[weakref.ref[Bits], int]] = {}


def count_true(bits: Bits) -> int:
    """How many of the bits are true.

    A large pattern is shared by all who know of it and never written to, so that its memory is
    counted once while it lives.
    """
    once = take_once(bits)
    if once is not bits:
        return count_true(once) * (bits.size // once.size)
    if bits.size < _MANY_BITS or not bits.flags.c_contiguous:
        return int(np.count_nonzero(bits))
    owner = bits.base if isinstance(bits.base, np.ndarray) else bits
    key = (bits.__array_interface__["data"][0], bits.size)
    known = _COUNTED.get(key)
    if known is None or known[0]() is not owner:
        if len(_COUNTED) > _MOST_COUNTED:
            _COUNTED.clear()
        known = (weakref.ref(owner), int(np.count_nonzero(bits)))
        _COUNTED[key] = known
    return known[1]


def join_needs(first: Need, second: Need, size: int) -> Need:
    """What either needs."""
    if first is second or second is NOTHING or first is ALL:
        return first
    if first is NOTHING or second is ALL or is_same_memory(first.period, second.period):
        return second
    short, long = sorted((first.period, second.period), key=len)
    if len(long) % len(short):
        short, long = first.flat(size), second.flat(size)
    period = np.tile(short, len(long) // len(short)) | long
    return ALL if period.all() else Need(period)


def need_of_view(view: View) -> Need:
    """The need of an op that reads everything `view` shows."""
    if view.strides is None:
        return ALL
    if 0 in view.shape:
        return NOTHING
    period = view.size
    dims = sorted(
        ((s, n) for s, n in zip(view.strides, view.shape, strict=True) if n > 1 and s > 0),
        reverse=True,
    )
    while dims and dims[0][0] * dims[0][1] == period and view.offset < dims[0][0]:
        period = dims.pop(0)[0]
    extent = view.offset + sum(s * (n - 1) for s, n in dims)
    if extent >= period:  # the window leans over the period's end
        period, dims = view.size, [(s, n) for s, n in zip(view.strides, view.shape, strict=True)]
    check_size(period)
    bits = np.zeros(period, dtype=np.bool_)
    np.lib.stride_tricks.as_strided(
        bits[view.offset :], [n for _, n in dims], [s for s, _ in dims]
    )[...] = True
    return ALL if bits.all() else Need(bits)


def need_within_view(view: View, bits: Bits) -> Need:
    """The need of an op that reads, of what `view` shows, the elements where `bits` is true."""
    bits = np.broadcast_to(bits, view.shape)
    once = take_once(bits)
    if once.all():
        return need_of_view(view)
    if not once.any():
        return NOTHING
    if view.is_whole:
        repeated = next(axis for axis, stride in enumerate(bits.strides) if stride)
        return Need(np.ascontiguousarray(bits[(0,) * repeated]).reshape(-1))
    check_size(view.size)
    flat = np.zeros(view.size, dtype=np.bool_)
    view.put(flat, bits)
    return Need(flat)


def check_size(size: int) -> None:
    """Refuse a pattern that would not fit into memory, before it is made.

    Raises:
        InvalidModelError: If it has too many elements.
    """
    if size > MOST_BITS:
        raise InvalidModelError(
            f"a tensor of {size:.3g} elements has zeros or parts that nobody needs, which are kept "
            f"element by element up to {MOST_BITS}; trace a smaller batch, whose counts scale"
        )


def any_along(bits: Bits, axes: Collection[int]) -> Bits:
    """Whether there is any along `axes`, each from 0; these are gone from the result's shape."""
    kept = [size for axis, size in enumerate(bits.shape) if axis not in axes]
    return np.broadcast_to(take_once(bits).any(axis=tuple(axes)), kept)


def take_once(bits: NDArray[Scalar]) -> NDArray[Scalar]:
    """The elements once along each axis on which they do not depend: any and all are the same."""
    repeated = [n > 1 and stride == 0 for n, stride in zip(bits.shape, bits.strides, strict=True)]
    if not any(repeated):
        return bits
    return bits[tuple(slice(0, 1) if again else slice(None) for again in repeated)]
