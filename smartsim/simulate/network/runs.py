"""What a simulation leaves: steps with their cycles, traffic and energy, and their sums."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from smartsim.graph import Stage
from smartsim.records.document import STRICT, Count, Document, Nonnegative, Positive, Whole
from smartsim.records.files import quote
from smartsim.records.shown import Shown
from smartsim.simulate.machine.accelerators import COMPONENTS

__all__ = [
    "BOUNDS",
    "INFERENCE",
    "Bound",
    "Run",
    "StepRun",
    "Unpriced",
    "load_run",
    "save_run",
]

Bound = Literal["compute", "vector", "on-chip", "DRAM"]
"""What a step waits for: the array, the vector unit, a buffer's port, or memory."""

BOUNDS: tuple[Bound, ...] = get_args(Bound)
INFERENCE: tuple[Stage, ...] = ("noise", "input")
"""Stages that are paid for in every inference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRun:
    """What one step took.

    Attributes:
        index: Its place in the order of execution.
        layer: Qualified module name of its first op.
        ops: Operators that it performs.
        stage: How often it runs.
        format: Number format of its words.
        shapes: (m, k, n, repeats) of each product on the array.
        schedule: Loop nest that was best, per product; see `smartsim.simulate.network.memory`.
        products: Products with padding and known zeros.
        macs: Products that were executed.
        actions: Work of the vector unit.
        array_cycles: Cycles of the array when nothing makes it wait.
        vector_cycles: Cycles of the vector unit.
        onchip_cycles: Cycles of the busiest port of a buffer.
        dram_cycles: Cycles in which memory delivers and takes what it must.
        folds: Tiles that the array held.
        input_reads: Words that the array read from the input buffer.
        weight_reads: Words that it read from the weight buffer.
        accumulator_reads: Partial sums read back.
        accumulator_writes: Partial sums written.
        outputs: Words of results that were written, on the chip or off it.
        operand_moves: Operands latched in the elements.
        sum_moves: Partial sums latched in the elements.
        input_fetch_bits: Bits read from DRAM into the input buffer.
        weight_fetch_bits: Bits read from DRAM into the weight buffer.
        dram_write_bits: Bits written to DRAM.
        energy_pj: Energy by component; components without a price are left out.
    """

    __pydantic_config__ = STRICT

    index: Whole
    layer: str
    ops: tuple[str, ...]
    stage: Stage
    format: str
    shapes: tuple[tuple[Whole, Whole, Whole, Whole], ...] = ()
    schedule: tuple[str, ...] = ()
    products: Whole = 0
    macs: Whole = 0
    actions: Mapping[str, Whole] = field(default_factory=dict)
    array_cycles: Whole = 0
    vector_cycles: Whole = 0
    onchip_cycles: Whole = 0
    dram_cycles: Whole = 0
    folds: Whole = 0
    input_reads: Whole = 0
    weight_reads: Whole = 0
    accumulator_reads: Whole = 0
    accumulator_writes: Whole = 0
    outputs: Whole = 0
    operand_moves: Whole = 0
    sum_moves: Whole = 0
    input_fetch_bits: Whole = 0
    weight_fetch_bits: Whole = 0
    dram_write_bits: Whole = 0
    energy_pj: Mapping[str, Nonnegative] = field(default_factory=dict)

    @property
    def cycles(self) -> int:
        """What the step takes: the slowest of array, vector unit, ports and memory."""
        return max(self.array_cycles, self.vector_cycles, self.onchip_cycles, self.dram_cycles)

    @property
    def stall_cycles(self) -> int:
        """Cycles in which the array and the vector unit wait for data."""
        return self.cycles - max(self.array_cycles, self.vector_cycles)

    @property
    def bound(self) -> Bound:
        """What the step waits for."""
        times = (self.array_cycles, self.vector_cycles, self.onchip_cycles, self.dram_cycles)
        return BOUNDS[times.index(max(times))]

    @property
    def dram_bits(self) -> int:
        """Bits over the memory's pins."""
        return self.input_fetch_bits + self.weight_fetch_bits + self.dram_write_bits

    @property
    def total_energy_pj(self) -> float:
        """Sum over the components that have a price."""
        return sum(self.energy_pj.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpriced:
    """Something that happened and has no price in the table.

    Attributes:
        component: Where.
        what: What, such as "div" or "bits".
        number: How much of it, over all steps.
    """

    __pydantic_config__ = STRICT

    component: str
    what: str
    number: Whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Run(Shown):
    """What an accelerator makes of one graph.

    Attributes:
        model: How the model was named.
        condition: Value of each condition at which it was traced.
        accelerator: Name of the machine.
        processing_elements: Elements in its array.
        dataflow: Which operand stays in them.
        zeros: What it makes of known zeros.
        clock_hz: Cycles in a second.
        dram_bandwidth_bits_per_cycle: What its memory delivers.
        cycles_per_product: Cycles of an element for each product, by format.
        table: Name of the energy table; "" if none was used.
        unit: Unit of the energies, "pJ" or "relative".
        plan: Name of the precision plan.
        steps: What it did, in order.
        unpriced: What has no price and is in no energy.
        notes: What a reader of the numbers must know.
    """

    __pydantic_config__ = STRICT

    model: str
    condition: Mapping[str, float]
    accelerator: str
    processing_elements: Count
    dataflow: str
    zeros: str
    clock_hz: Positive
    dram_bandwidth_bits_per_cycle: Positive
    cycles_per_product: Mapping[str, Count]
    table: str
    unit: str
    plan: str
    steps: tuple[StepRun, ...]
    unpriced: tuple[Unpriced, ...] = ()
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        at = "".join(f", {name} = {value:g}" for name, value in self.condition.items())
        return (
            f"<Run of {self.model}{at} on {self.accelerator}: {self.total('cycles'):,} cycles an "
            f"inference, {100 * self.utilization:.1f} % used ({self.plan})>"
        )

    def total(
        self, what: str | Callable[[StepRun], float], stages: Iterable[Stage] = INFERENCE
    ) -> int | float:
        """Sum of a field or property of the steps, or of a function of them.

        Args:
            what: Such as "cycles", "macs", "dram_bits" or "total_energy_pj".
            stages: Which steps; by default those of an inference.
        """
        wanted = frozenset(stages)
        steps = [step for step in self.steps if step.stage in wanted]
        numbers: list[int | float]
        if isinstance(what, str):
            numbers = [getattr(step, what) for step in steps]
        else:
            numbers = [what(step) for step in steps]
        return sum(numbers)

    @property
    def utilization(self) -> float:
        """Share of the elements' cycles in an inference that execute products, in [0, 1]."""
        cycles = self.total("cycles")
        if not cycles:
            return 0.0
        busy = self.total(lambda step: step.macs * self.cycles_per_product[step.format])
        return busy / (cycles * self.processing_elements)

    def energy_by_component(self, stages: Iterable[Stage] = INFERENCE) -> dict[str, float]:
        """Energy of each component that has a price."""
        sums: dict[str, float] = {}
        wanted = frozenset(stages)
        for step in self.steps:
            if step.stage in wanted:
                for name, energy in step.energy_pj.items():
                    sums[name] = sums.get(name, 0.0) + energy
        return {name: sums[name] for name in COMPONENTS if name in sums}


def save_run(run: Run, path: str | Path) -> None:
    """Write `run` as JSON to `path`, whole or not at all."""
    _DOCUMENT.save(run, path)


def load_run(path: str | Path) -> Run:
    """Read a run that `save_run` wrote.

    Raises:
        FileFormatError: If the file is missing, damaged, or something else; the sentence names it.
    """
    return _DOCUMENT.load(path)


def _check_run(run: Run) -> None:
    """Every step has a format whose products' cycles are known, and components that there are."""
    for step in run.steps:
        if step.macs and step.format not in run.cycles_per_product:
            raise ValueError(f"step {step.index} is in {quote(step.format)}, which has no cycles")
        if not step.ops:
            raise ValueError(f"step {step.index} performs no op")
        for name in step.energy_pj.keys() - set(COMPONENTS):
            raise ValueError(f"step {step.index} has energy in {quote(name)}, no component")


_DOCUMENT = Document(
    record=Run,
    format="smartsim-run",
    version=1,
    what="a smartsim run",
    remedy="make one with `smartsim simulate GRAPH --output FILE`",
    check=_check_run,
)
