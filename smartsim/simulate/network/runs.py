"""What a simulation leaves: steps with their cycles, traffic and energy, and their sums."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from smartsim.errors import FileFormatError
from smartsim.files import read_json, write_json_atomically
from smartsim.graph import STAGES, Stage

__all__ = [
    "BOUNDS",
    "COMPONENTS",
    "INFERENCE",
    "Bound",
    "Component",
    "Run",
    "StepRun",
    "Unpriced",
    "load_run",
    "save_run",
]

Bound = Literal["compute", "vector", "on-chip", "DRAM"]
"""What a step waits for: the array, the vector unit, a buffer's port, or memory."""

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
"""Where energy goes."""

BOUNDS: tuple[Bound, ...] = get_args(Bound)
COMPONENTS: tuple[Component, ...] = get_args(Component)
INFERENCE: tuple[Stage, ...] = ("noise", "input")
"""Stages that are paid for in every inference."""

_FORMAT = "smartsim-run"
_VERSION = 1


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

    index: int
    layer: str
    ops: tuple[str, ...]
    stage: Stage
    format: str
    shapes: tuple[tuple[int, int, int, int], ...] = ()
    schedule: tuple[str, ...] = ()
    products: int = 0
    macs: int = 0
    actions: Mapping[str, int] = field(default_factory=dict)
    array_cycles: int = 0
    vector_cycles: int = 0
    onchip_cycles: int = 0
    dram_cycles: int = 0
    folds: int = 0
    input_reads: int = 0
    weight_reads: int = 0
    accumulator_reads: int = 0
    accumulator_writes: int = 0
    outputs: int = 0
    operand_moves: int = 0
    sum_moves: int = 0
    input_fetch_bits: int = 0
    weight_fetch_bits: int = 0
    dram_write_bits: int = 0
    energy_pj: Mapping[str, float] = field(default_factory=dict)

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

    component: str
    what: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
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

    model: str
    condition: Mapping[str, float]
    accelerator: str
    processing_elements: int
    dataflow: str
    zeros: str
    clock_hz: float
    dram_bandwidth_bits_per_cycle: float
    cycles_per_product: Mapping[str, int]
    table: str
    unit: str
    plan: str
    steps: tuple[StepRun, ...]
    unpriced: tuple[Unpriced, ...] = ()
    notes: tuple[str, ...] = ()

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

    def to_dict(self) -> dict[str, Any]:
        """The run as JSON-ready values."""
        data = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {
            "format": _FORMAT,
            "version": _VERSION,
            **data,
            "condition": dict(self.condition),
            "cycles_per_product": dict(self.cycles_per_product),
            "steps": [dataclasses.asdict(step) for step in self.steps],
            "unpriced": [dataclasses.asdict(entry) for entry in self.unpriced],
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> "Run":
        """Rebuild a run from `to_dict`'s values.

        Raises:
            FileFormatError: If a field is missing, unknown, or holds what it cannot hold.
        """
        if data.get("format") != _FORMAT or data.get("version") != _VERSION:
            raise FileFormatError(
                f"not a smartsim run of version {_VERSION} (its format is "
                f"{data.get('format')!r}, version {data.get('version')!r}); "
                "make one with `smartsim simulate GRAPH --output FILE`"
            )
        fields = {key: value for key, value in data.items() if key not in ("format", "version")}
        try:
            fields["steps"] = tuple(_step(row) for row in fields["steps"])
            fields["unpriced"] = tuple(Unpriced(**row) for row in fields["unpriced"])
            fields["notes"] = tuple(str(note) for note in fields["notes"])
            return Run(**fields)
        except (KeyError, TypeError, ValueError) as error:
            reason = f"no field {error}" if isinstance(error, KeyError) else str(error)
            raise FileFormatError(f"a damaged smartsim run: {reason}") from error


def _step(row: Mapping[str, Any]) -> StepRun:
    if row["stage"] not in STAGES:
        raise ValueError(f"stage {row['stage']!r} is none of {', '.join(STAGES)}")
    return StepRun(
        **{
            **row,
            "ops": tuple(row["ops"]),
            "schedule": tuple(row["schedule"]),
            "shapes": tuple((int(m), int(k), int(n), int(r)) for m, k, n, r in row["shapes"]),
        }
    )


def save_run(run: Run, path: str | Path) -> None:
    """Write `run` as JSON to `path`, whole or not at all."""
    write_json_atomically(path, run.to_dict())


def load_run(path: str | Path) -> Run:
    """Read a run that `save_run` wrote.

    Raises:
        FileFormatError: If the file is missing, damaged, or something else; the sentence names it.
    """
    data = read_json(path, "a smartsim run")
    try:
        return Run.from_dict(data)
    except FileFormatError as error:
        raise FileFormatError(f"{path}: {error}") from error
