"""Which results stay on the chip between the steps that make and read them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from smartsim.cost import NumberFormat
from smartsim.simulate.machine.accelerators import Accelerator
from smartsim.simulate.network.contractions import Operand
from smartsim.simulate.network.lowering import Step

__all__ = ["Placement", "WeightSource", "place_values"]

WeightSource = Literal["dram", "chip", "stream"]
"""Where a contraction finds its weights: in memory, on the chip, or coming from the vector unit."""

_Key = tuple[bool, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where each result of a phase (a switch, an inference) lies.

    Attributes:
        formats: Number format by layer.
        compressed: Whether weights are stored without their zeros, with a bit map.
        until: Last step that finds a result on the chip, by phase and value.
        written: Results that go to memory.
        streamed: Weights that go from the vector unit straight into the array.
        sizes: Elements of each result.
        weights: Results that a contraction takes as weights.
    """

    formats: Mapping[str, NumberFormat]
    compressed: bool
    until: Mapping[_Key, int]
    written: frozenset[_Key]
    streamed: frozenset[_Key]
    sizes: Mapping[_Key, int]
    weights: frozenset[_Key]

    def is_on_chip(self, step: Step, operand: Operand) -> bool:
        """Whether `step` finds the operand on the chip."""
        return operand.value < 0 or self.until.get(_key(step, operand), -1) >= step.index

    def weight_source(self, step: Step, operand: Operand) -> WeightSource:
        """Where a contraction of `step` finds its weights."""
        if _key(step, operand) in self.streamed:
            return "stream"
        return "chip" if self.is_on_chip(step, operand) else "dram"

    def result_size(self, step: Step, operand: Operand) -> int:
        """Elements of the result that an operand of `step` is read from; 0 for no result."""
        return self.sizes.get(_key(step, operand), 0)

    def is_weight(self, step: Step, operand: Operand) -> bool:
        """Whether a contraction of the same phase takes the operand as its weights."""
        return _key(step, operand) in self.weights

    def size_bits(self, step: Step, operand: Operand) -> int:
        """What an elementwise operand or a result takes; zeros are left out if stored so."""
        if operand.boolean:
            return operand.elements
        words = operand.live if self.compressed else operand.elements
        return words * self.formats[step.layer].bits

    def weight_bits(self, step: Step, operand: Operand) -> int:
        """What a contraction's weights take: all, or the nonzero ones and a bit map."""
        bits = self.formats[step.layer].weight_bits
        whole = operand.elements * bits
        if self.compressed:
            return min(whole, operand.live * bits + operand.elements)
        return whole

    def read_bits(self, step: Step, operand: Operand) -> int:
        """What `step` fetches from memory for an elementwise operand."""
        return 0 if self.is_on_chip(step, operand) else self.size_bits(step, operand)

    def write_bits(self, step: Step, operand: Operand) -> int:
        """What `step` writes to memory of a result."""
        return self.size_bits(step, operand) if _key(step, operand) in self.written else 0


def place_values(
    steps: Sequence[Step], formats: Mapping[str, NumberFormat], accelerator: Accelerator
) -> Placement:
    """Decide what stays on the chip; see the module `smartsim.simulate.network.simulate`."""
    compressed = accelerator.zeros.skips
    readers: dict[_Key, list[Step]] = {}
    as_weight: dict[_Key, list[Step]] = {}
    for step in steps:
        operands = [*step.reads, *(c.input for c in step.contractions)]
        weights = [c.weight for c in step.contractions]
        for operand in (*operands, *weights):
            readers.setdefault(_key(step, operand), []).append(step)
        for operand in weights:
            as_weight.setdefault(_key(step, operand), []).append(step)
    until: dict[_Key, int] = {}
    written: set[_Key] = set()
    streamed: set[_Key] = set()
    replaced: dict[tuple[bool, bool], int] = {}  # the step that takes the place, by phase and kind
    for step in reversed(steps):
        kinds = set()
        for operand in step.writes:
            key = _key(step, operand)
            weight = key in as_weight
            inside = [reader for reader in readers.get(key, []) if reader.index > step.index]
            outside = operand.value in step.returned or (not key[0], key[1]) in readers
            if weight and _streams(step, inside, as_weight[key], outside, accelerator):
                streamed.add(key)
                continue
            kinds.add(weight)
            bits = operand.elements * formats[step.layer].bits
            if bits <= _room(weight, accelerator):
                until[key] = replaced.get((key[0], weight), len(steps))
            last = max((reader.index for reader in inside), default=-1)
            if outside or last > until.get(key, -1):
                written.add(key)
        for weight in kinds:
            replaced[_phase(step), weight] = step.index
    return Placement(
        formats=formats,
        compressed=compressed,
        until=until,
        written=frozenset(written),
        streamed=frozenset(streamed),
        sizes={_key(step, operand): operand.elements for step in steps for operand in step.writes},
        weights=frozenset(as_weight),
    )


def _streams(
    step: Step,
    inside: Sequence[Step],
    as_weight: Sequence[Step],
    outside: bool,
    accelerator: Accelerator,
) -> bool:
    """Whether a weight that the vector unit computes can go straight into the array."""
    alone = len(inside) == len(as_weight) == 1 and not outside
    return accelerator.vector.on_weight_path and alone and not step.contractions


def _room(weight: bool, accelerator: Accelerator) -> int:
    """What a result may take to stay on the chip."""
    if weight:
        return accelerator.weight_buffer.usable_bits
    return min(accelerator.output_buffer.usable_bits, accelerator.input_buffer.usable_bits)


def _phase(step: Step) -> bool:
    """True in a switch, false in an inference."""
    return step.stage == "switch"


def _key(step: Step, operand: Operand) -> _Key:
    return _phase(step), operand.value
