"""Accelerators as frozen records: an array, its buffers, its memory. Reads no file.

Every number of an accelerator that was loaded from a file keeps its citation.
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from smartsim.cost import NumberFormat, Source
from smartsim.counts import Action
from smartsim.errors import ConfigurationError
from smartsim.records.document import Document
from smartsim.records.shown import Shown
from smartsim.simulate.array.systolic import Dataflow
from smartsim.simulate.machine.zeros import ZeroPolicy, parse_zero_policy

__all__ = [
    "COMPONENTS",
    "ELEMENTS",
    "Accelerator",
    "Buffer",
    "Citation",
    "Component",
    "Element",
    "VectorUnit",
]

Component = Literal[
    "array",
    "vector",
    "registers",
    "input_buffer",
    "weight_buffer",
    "output_buffer",
    "accumulators",
    "dram",
]
"""Part of a machine that energy goes to."""

Element = Literal["mac", "shift_add", "add"]
"""What a processing element can do each cycle."""

COMPONENTS: tuple[Component, ...] = get_args(Component)
ELEMENTS: tuple[Element, ...] = get_args(Element)


@dataclass(frozen=True, slots=True, kw_only=True)
class Buffer:
    """An on-chip memory for one operand.

    Attributes:
        capacity_bits: Its size.
        width_bits: What it delivers or takes in one cycle.
        double_buffered: Whether one half is filled while the other half is read.
    """

    capacity_bits: int
    width_bits: int
    double_buffered: bool = True

    @property
    def usable_bits(self) -> int:
        """What can be worked on at a time."""
        return self.capacity_bits // 2 if self.double_buffered else self.capacity_bits


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorUnit:
    """What does everything that is no contraction.

    Attributes:
        lanes: Elements that it works on at a time.
        cycles: Cycles that one action takes a lane; 1 where none is given.
        on_weight_path: Whether weights that it computes (noise, masks) can go straight into the
            array when they are needed once, without a way to memory and back.
    """

    lanes: int
    cycles: Mapping[Action, int] = field(default_factory=dict)
    on_weight_path: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """Where one value of an accelerator comes from.

    Attributes:
        key: Place in the file, such as "array.rows".
        value: The value as it stands there.
        source: Key of the publication, or "assumed".
        locator: Section, table or figure.
        status: Whether somebody has seen it there: "verified", "consistent", "unverified".
        note: What else a reader must know; for an assumption, why.
    """

    key: str
    value: str
    source: str
    locator: str = ""
    status: str = "verified"
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator(Shown):
    """A machine.

    Attributes:
        name: What reports print.
        description: One sentence.
        limits: What of the real machine this is not.
        rows: Rows of processing elements.
        cols: Columns of processing elements.
        dataflow: Which operand stays in the elements.
        elements: What an element can do.
        zeros: What it makes of known zeros of weights.
        clock_hz: Cycles in a second.
        input_buffer: For inputs of contractions.
        weight_buffer: For weights.
        output_buffer: For what the array and the vector unit write.
        accumulator_words: Partial sums that each column can hold (`ws`, `is`).
        accumulator_bits: Width of a partial sum.
        dram_bandwidth_bits_per_cycle: What the memory delivers or takes in a cycle.
        dram_level: Name of the memory in an energy table, such as "dram".
        vector: The vector unit.
        citations: Where each value comes from.
        sources: The publications behind the citations.
    """

    name: str
    rows: int
    cols: int
    dataflow: Dataflow
    input_buffer: Buffer
    weight_buffer: Buffer
    output_buffer: Buffer
    accumulator_words: int
    dram_bandwidth_bits_per_cycle: float
    vector: VectorUnit
    accumulator_bits: int = 32
    elements: tuple[Element, ...] = ("mac",)
    zeros: ZeroPolicy = field(default_factory=ZeroPolicy)
    clock_hz: float = 1e9
    dram_level: str = "dram"
    description: str = ""
    limits: str = ""
    citations: tuple[Citation, ...] = ()
    sources: tuple[Source, ...] = ()

    def __post_init__(self) -> None:
        for key, value in self._numbers():
            if not (math.isfinite(value) and value > 0):
                raise ConfigurationError(
                    f"accelerator {self.name}: {key} is {value:g}; must be above 0"
                )
        if not {"mac", "shift_add"} & set(self.elements):
            able = ", ".join(self.elements) or "nothing"
            raise ConfigurationError(
                f"accelerator {self.name}: its elements can do {able}; "
                "a contraction needs mac or shift_add"
            )
        if (
            self.zeros.skips
            and self.dataflow == "is"
            and self.accumulator_words % self.zeros.window
        ):
            raise ConfigurationError(
                f"accelerator {self.name}: accumulator.words_per_column is "
                f"{self.accumulator_words}; skipping with inputs stationary needs a multiple of "
                f"the window {self.zeros.window}"
            )
        self.check_tile(8, 8)

    def __repr__(self) -> str:
        return (
            f"<Accelerator {self.name}: {self.rows}x{self.cols} elements, {self.dataflow}, zeros "
            f"{self.zeros}, {self.clock_hz / 1e6:g} MHz>"
        )

    @property
    def processing_elements(self) -> int:
        """Elements in the array."""
        return self.rows * self.cols

    def with_zeros(self, zeros: str | ZeroPolicy) -> "Accelerator":
        """The same machine with another treatment of zeros; its name says so."""
        policy = parse_zero_policy(zeros) if isinstance(zeros, str) else zeros
        if policy == self.zeros:
            return self
        return dataclasses.replace(self, name=f"{self.name} ({policy})", zeros=policy)

    def check_format(self, number_format: NumberFormat) -> None:
        """Raise unless the elements can compute in `number_format`.

        Raises:
            ConfigurationError: If they multiply but weights are shifts, or the reverse.
        """
        needed: Element = "shift_add" if number_format.kind == "shift" else "mac"
        if needed not in self.elements:
            other = "a shift format such as shift8" if needed == "mac" else "a format such as int8"
            raise ConfigurationError(
                f"accelerator {self.name} has {' and '.join(self.elements)} elements, format "
                f"{number_format.name} needs {needed}; give {other}"
            )

    def check_tile(self, activation_bits: int, weight_bits: int) -> None:
        """Raise unless each buffer holds what the array takes in at a time.

        Raises:
            ConfigurationError: If a buffer is smaller than one tile of its operand.
        """
        held = self.processing_elements
        needs = {
            "input": self.rows if self.dataflow != "is" else held,
            "weight": self.cols if self.dataflow == "os" else held,
            "output": self.cols,
        }
        for name, words in needs.items():
            buffer: Buffer = getattr(self, f"{name}_buffer")
            bits = words * (weight_bits if name == "weight" else activation_bits)
            if buffer.usable_bits < bits:
                raise ConfigurationError(
                    f"accelerator {self.name}: buffers.{name} has {buffer.usable_bits} usable "
                    f"bits, less than one tile of {words} words ({bits} bits); make it larger"
                )

    def _numbers(self) -> list[tuple[str, float]]:
        """Every number that must be above 0, by its place in a file."""
        numbers: list[tuple[str, float]] = [
            ("array.rows", self.rows),
            ("array.cols", self.cols),
            ("array.clock_hz", self.clock_hz),
            ("accumulator.words_per_column", self.accumulator_words),
            ("accumulator.bits", self.accumulator_bits),
            ("dram.bandwidth_bits_per_cycle", self.dram_bandwidth_bits_per_cycle),
            ("vector.lanes", self.vector.lanes),
        ]
        for name in ("input", "weight", "output"):
            buffer: Buffer = getattr(self, f"{name}_buffer")
            numbers.append((f"buffers.{name}.capacity_bits", buffer.capacity_bits))
            numbers.append((f"buffers.{name}.width_bits", buffer.width_bits))
        return numbers + [(f"vector.cycles.{name}", n) for name, n in self.vector.cycles.items()]


_DOCUMENT = Document(
    record=Accelerator,
    format="smartsim-accelerator",
    version=1,
    what="a smartsim accelerator",
    remedy="make one with `load_accelerator(NAME).to_json()`",
)
