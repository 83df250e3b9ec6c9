"""Which designs a sweep covers: every combination of a few lists, within a budget.

Lists and sizes may be given as text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from math import prod
from typing import cast

import numpy as np
from numpy.typing import NDArray

from smartsim.errors import ConfigurationError
from smartsim.records.files import parse_whole, quote
from smartsim.simulate.array.systolic import DATAFLOWS, Dataflow
from smartsim.simulate.explore.designs import Designs
from smartsim.simulate.machine.area import Areas

__all__ = ["Grid", "Limits", "parse_dataflows", "parse_sizes", "parse_values"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Every combination of these is a design.

    >>> len(Grid()), Grid().bits
    (5376, (8,))

    Attributes:
        dataflows: Which operand stays in the elements.
        rows: Rows of processing elements.
        cols: Columns of processing elements.
        buffer_bits: Capacity of each of the three buffers.
        bits: Widths of weights and activations.
    """

    dataflows: tuple[Dataflow, ...] = DATAFLOWS
    rows: tuple[int, ...] = tuple(range(8, 129, 8))
    cols: tuple[int, ...] = tuple(range(8, 129, 8))
    buffer_bits: tuple[int, ...] = tuple(2**n * 8192 for n in range(5, 12))  # 32 KiB to 2 MiB
    bits: tuple[int, ...] = (8,)

    def __post_init__(self) -> None:
        for name, least, most in (
            ("rows", 1, 2**20),
            ("cols", 1, 2**20),
            ("buffer_bits", 1, 2**50),
            ("bits", 2, 64),
        ):
            values = getattr(self, name)
            if not values:
                raise ConfigurationError(f"a sweep needs at least one value of {name}")
            bad = [value for value in values if not least <= value <= most]
            if bad:
                raise ConfigurationError(f"{name} {bad[0]} is outside {least} to {most}")
            self._check_doubles(name)
        unknown = [name for name in self.dataflows if name not in DATAFLOWS]
        if unknown or not self.dataflows:
            raise ConfigurationError(
                f"dataflow {', '.join(unknown) or 'is missing'}; possible: {', '.join(DATAFLOWS)}"
            )

        self._check_doubles("dataflows")

    def _check_doubles(self, name: str) -> None:
        values = getattr(self, name)
        twice = [value for value in dict.fromkeys(values) if values.count(value) > 1]
        if twice:
            raise ConfigurationError(f"{name} has {twice[0]} twice; a design is swept once")

    @property
    def shape(self) -> tuple[int, ...]:
        """Values of each field."""
        return tuple(len(getattr(self, f.name)) for f in fields(self))

    def __len__(self) -> int:
        return prod(self.shape)

    def designs(self, start: int, stop: int) -> Iterator[Designs]:
        """The designs from place `start` to `stop`, one dataflow after the other."""
        each = len(self) // len(self.dataflows)
        for place, dataflow in enumerate(self.dataflows):
            first, last = max(start, place * each), min(stop, (place + 1) * each)
            if first < last:
                places = np.unravel_index(np.arange(first, last) - place * each, self.shape[1:])
                names = ("rows", "cols", "buffer_bits", "bits")
                columns = {
                    name: np.asarray(getattr(self, name), dtype=np.int64)[index]
                    for name, index in zip(names, places, strict=True)
                }
                yield Designs(dataflow=dataflow, **columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a design may cost to build; None is no limit.

    Attributes:
        most_elements: Processing elements.
        most_area_um2: Area of what the table has areas of, see `smartsim.simulate.machine.area`.
    """

    most_elements: int | None = None
    most_area_um2: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("elements", self.most_elements), ("um2", self.most_area_um2)):
            if value is not None and not 0 < value < float("inf"):
                raise ConfigurationError(f"a budget of {value:g} {name}; must be above 0")

    def check(self, areas: Areas | None) -> None:
        """Raise if area is limited and there are no areas.

        Raises:
            ConfigurationError: Then.
        """
        if self.most_area_um2 is not None and areas is None:
            raise ConfigurationError(
                "area is limited, and the energy table has no area of a multiplier and an adder; "
                "leave the limit out, or take a table with areas such as horowitz2014_45nm"
            )

    def admit(self, designs: Designs, areas: Areas | None) -> NDArray[np.bool_]:
        """Whether each design is within the budget (points,)."""
        within = np.ones(len(designs), dtype=np.bool_)
        if self.most_elements is not None:
            within &= designs.processing_elements <= self.most_elements
        if self.most_area_um2 is not None and areas is not None:
            area = areas.measure(designs.rows, designs.cols, designs.bits, designs.buffer_bits)
            within &= area <= self.most_area_um2
        return within


_MOST_VALUES = 100_000
_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30}
_SIZE = re.compile(r"(\d+)\s*([kmg]?)(?:i?b)?", re.IGNORECASE)


def parse_dataflows(text: str) -> tuple[Dataflow, ...]:
    """Dataflows from "os,ws".

    Raises:
        ConfigurationError: If one is none.
    """
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    unknown = [name for name in names if name not in DATAFLOWS]
    if unknown:
        raise ConfigurationError(
            f"dataflow {unknown[0]} is unknown; possible: {', '.join(DATAFLOWS)}"
        )
    return cast(tuple[Dataflow, ...], names)


def parse_values(text: str, what: str) -> tuple[int, ...]:
    """Whole numbers from "8", "8,16,32", "8:128" (each one) or "8:128:8" (each eighth).

    >>> parse_values("2:16:7", "bits")
    (2, 9, 16)

    Raises:
        ConfigurationError: If it is none of these.
    """
    numbers: list[int] = []
    for part in text.split(","):
        found = [parse_whole(end.strip()) for end in part.split(":")]
        ends = [-1 if end is None else end for end in found]
        start, stop, step = [*ends, *([ends[0], 1] if len(ends) == 1 else [1])][:3]
        if min(ends) < 0 or len(ends) > 3 or step < 1 or stop < start:
            raise ConfigurationError(
                f"{what} {quote(part)} is no range; possible: 8, 8,16,32, 8:128 or 8:128:8"
            )
        if (stop - start) // step > _MOST_VALUES:
            raise ConfigurationError(
                f"{what} {quote(part)} has more than {_MOST_VALUES:,} values; take larger steps"
            )
        numbers += range(start, stop + 1, step)
    return tuple(sorted({*numbers}))


def parse_sizes(text: str, what: str) -> tuple[int, ...]:
    """Bits of memories given in bytes: "64k", "32k,64k" or "32k:2M" (doubling).

    >>> [bits // 8192 for bits in parse_sizes("32k:256k", "buffer")]
    [32, 64, 128, 256]

    Raises:
        ConfigurationError: If it is none of these.
    """
    sizes: list[int] = []
    for part in text.split(","):
        found = [_SIZE.fullmatch(end.strip()) for end in part.split(":")]
        ends = [(parse_whole(m[1]) or 0) * _UNITS[m[2].lower()] * 8 if m else 0 for m in found]
        if min(ends) < 1 or len(ends) > 2 or ends[-1] < ends[0]:
            raise ConfigurationError(
                f"{what} {quote(part)} is no size; possible: 64k, 32k,64k or 32k:2M (doubling)"
            )
        size = ends[0]
        while size <= ends[-1]:
            sizes.append(size)
            size *= 2
    return tuple(sorted({*sizes}))
