"""STEPS -> TABLE: a network as arrays, so that many machines are priced at once.

Steps that are alike become one row that knows how often it occurs. What stays on the chip depends
on a machine's buffers, so a row says what could stay and how large it is.
"""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from smartsim.cost import parse_format
from smartsim.counts import ACTIONS
from smartsim.errors import ConfigurationError
from smartsim.graph import Graph
from smartsim.simulate.array.systolic import Integers
from smartsim.simulate.machine.accelerators import Accelerator, Buffer, VectorUnit
from smartsim.simulate.network.contractions import Contraction, Operand
from smartsim.simulate.network.layer import count_vector_cycles
from smartsim.simulate.network.lowering import Step, lower_graph
from smartsim.simulate.network.memory import LayerBits
from smartsim.simulate.network.reuse import Placement, place_values
from smartsim.simulate.network.runs import INFERENCE

__all__ = ["NetworkTable", "ProductRows", "tabulate_network"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One kind of step; equal rows are merged."""

    products: tuple[tuple[int, ...], ...] = ()
    always_read: int = 0
    boolean_bits: int = 0
    could_read: tuple[int, ...] = ()
    could_read_from: tuple[int, ...] = ()
    always_write: int = 0
    could_keep: tuple[int, ...] = ()
    keep_as_weight: tuple[int, ...] = ()
    outputs: int = 0
    vector_cycles: int = 0
    actions: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductRows:
    """The contractions of a network; each field an integer array (rows, 1).

    Attributes:
        step: Row of the table that the product belongs to.
        m: Rows of the first matrix.
        k: Its columns.
        n: Columns of the second matrix.
        repeats: How many such products.
        live_macs: Products with weights that may be nonzero.
        input_words: The first operand's tensor, all repeats.
        weight_words: The second operand's tensor.
        window_words: What must be at hand while windows slide.
        row_taps: How often an element is fetched when only one window is at hand.
        input_stays: Words of the result that the input is, if that could be on the chip; else 0.
        input_inside: Whether the input never leaves the chip.
        weight_stays: The same for the weights.
    """

    step: Integers
    m: Integers
    k: Integers
    n: Integers
    repeats: Integers
    live_macs: Integers
    input_words: Integers
    weight_words: Integers
    window_words: Integers
    row_taps: Integers
    input_stays: Integers
    input_inside: Integers
    weight_stays: Integers

    def in_bits(self, activation_bits: Integers, weight_bits: Integers) -> LayerBits:
        """Sizes of one repeat's operands at some widths (points,)."""
        return LayerBits(
            m=self.m,
            k=self.k,
            n=self.n,
            repeats=self.repeats,
            input_bits=-(-self.input_words * activation_bits // self.repeats),
            weight_bits=-(-self.weight_words * weight_bits // self.repeats),
            window_bits=self.window_words * activation_bits,
            row_taps=self.row_taps,
            activation_bits=activation_bits,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkTable:
    """An inference as arrays, for one treatment of zeros and one vector unit.

    Attributes:
        model: How the model was named.
        condition: Its condition, as "lam=1".
        times: How often each row's step occurs (rows, 1).
        products: The contractions.
        always_read: Words that a step fetches wherever it runs (rows, 1).
        boolean_bits: Bits of booleans that it fetches (rows, 1).
        could_read: Words of operands that could be on the chip, each (rows, 1).
        could_read_from: Words of the results that these are read from, each (rows, 1).
        always_write: Words that it writes wherever it runs (rows, 1).
        could_keep: Words of results that are written only if they do not fit, each (rows, 1).
        keep_as_weight: The same for results that are weights, each (rows, 1).
        outputs: Words of results (rows, 1).
        vector_cycles: Cycles of the vector unit (rows, 1).
        actions: Actions of the vector unit over the network, in the order of `ACTIONS`.
        steps: Steps before equal ones were merged.
    """

    model: str
    condition: str
    times: Integers
    products: ProductRows
    always_read: Integers
    boolean_bits: Integers
    could_read: tuple[Integers, ...]
    could_read_from: tuple[Integers, ...]
    always_write: Integers
    could_keep: tuple[Integers, ...]
    keep_as_weight: tuple[Integers, ...]
    outputs: Integers
    vector_cycles: Integers
    actions: Integers
    steps: int = field(default=0)

    @property
    def rows(self) -> int:
        """Kinds of steps."""
        return len(self.times)


def tabulate_network(graph: Graph, accelerator: Accelerator) -> NetworkTable:
    """One inference of `graph` as arrays.

    Args:
        graph: What `smartsim.trace.trace_model` returned.
        accelerator: Says how zeros are treated and what the vector unit does in a cycle; its
            array, buffers and formats are left open.

    Raises:
        ConfigurationError: If the machine's cycles depend on single masks, or on weights that never
            lie anywhere.
    """
    if accelerator.zeros.skips or accelerator.vector.on_weight_path:
        raise ConfigurationError(
            f"accelerator {accelerator.name} skips zeros or has its vector unit on the weight "
            "path, which a sweep cannot tabulate; sweep a machine without (zeros none or gating), "
            "and simulate single designs of this one with `smartsim simulate`"
        )
    steps = lower_graph(graph, skip_zeros=accelerator.zeros.kind != "none")
    roomy = _with_endless_room(accelerator)
    word = parse_format("int2")
    placement = place_values(steps, {step.layer: word for step in steps}, roomy)
    inference = [step for step in steps if step.stage in INFERENCE]
    gates = accelerator.zeros.kind != "none"
    rows = Counter(_row(step, placement, accelerator, gates=gates) for step in inference)
    condition = ", ".join(f"{name}={value:g}" for name, value in graph.condition.items())
    return _tabulate(graph.model, condition, rows, len(inference))


def _with_endless_room(accelerator: Accelerator) -> Accelerator:
    """The machine on which everything stays that no later result pushes out."""
    endless = Buffer(capacity_bits=2**62, width_bits=1)
    return dataclasses.replace(
        accelerator,
        input_buffer=endless,
        weight_buffer=endless,
        output_buffer=endless,
        vector=VectorUnit(lanes=1),
    )


def _row(step: Step, placement: Placement, accelerator: Accelerator, *, gates: bool) -> _Row:
    words = [operand for operand in step.reads if not operand.boolean]
    stay = [operand for operand in words if placement.is_on_chip(step, operand)]
    always = [operand for operand in words if operand not in stay]
    kept = [operand for operand in step.writes if not _leaves(step, operand, placement)]
    as_weight = [operand for operand in kept if placement.is_weight(step, operand)]
    activations = [operand for operand in kept if operand not in as_weight]
    return _Row(
        products=tuple(_product(c, step, placement, gates=gates) for c in step.contractions),
        always_read=_sum(always),
        boolean_bits=sum(operand.elements for operand in step.reads if operand.boolean),
        could_read=tuple(operand.elements for operand in stay),
        could_read_from=tuple(placement.result_size(step, operand) for operand in stay),
        always_write=_sum([o for o in step.writes if o not in kept]),
        could_keep=tuple(operand.elements for operand in activations),
        keep_as_weight=tuple(operand.elements for operand in as_weight),
        outputs=step.outputs,
        vector_cycles=count_vector_cycles(step.actions, accelerator),
        actions=tuple(step.actions.get(action, 0) for action in ACTIONS),
    )


def _product(
    contraction: Contraction, step: Step, placement: Placement, *, gates: bool
) -> tuple[int, ...]:
    c = contraction
    inside = c.input.value < 0
    input_stays = not inside and placement.is_on_chip(step, c.input)
    weight_stays = placement.is_on_chip(step, c.weight)
    return (
        *(c.m, c.k, c.n, c.repeats),
        c.live_products if gates else c.products,
        *(c.input.elements, c.weight.elements, c.window_elements, c.row_taps),
        placement.result_size(step, c.input) if input_stays else 0,
        int(inside),
        placement.result_size(step, c.weight) if weight_stays else 0,
    )


def _leaves(step: Step, operand: Operand, placement: Placement) -> bool:
    return placement.write_bits(step, operand) > 0 or operand.elements == 0


def _sum(operands: Sequence[Operand]) -> int:
    return sum(operand.elements for operand in operands)


def _tabulate(model: str, condition: str, rows: Counter[_Row], steps: int) -> NetworkTable:
    kinds = list(rows)
    products = [(place, *p) for place, row in enumerate(kinds) for p in row.products]
    names = [f.name for f in dataclasses.fields(ProductRows)]
    table = np.array(products, dtype=np.int64).reshape(-1, len(names))
    actions = np.array([row.actions for row in kinds], dtype=np.int64).reshape(-1, len(ACTIONS))
    times = _column([rows[row] for row in kinds])
    return NetworkTable(
        model=model,
        condition=condition,
        times=times,
        products=ProductRows(**{name: table[:, i : i + 1] for i, name in enumerate(names)}),
        always_read=_column([row.always_read for row in kinds]),
        boolean_bits=_column([row.boolean_bits for row in kinds]),
        could_read=_columns([row.could_read for row in kinds]),
        could_read_from=_columns([row.could_read_from for row in kinds]),
        always_write=_column([row.always_write for row in kinds]),
        could_keep=_columns([row.could_keep for row in kinds]),
        keep_as_weight=_columns([row.keep_as_weight for row in kinds]),
        outputs=_column([row.outputs for row in kinds]),
        vector_cycles=_column([row.vector_cycles for row in kinds]),
        actions=(actions * times).sum(axis=0),
        steps=steps,
    )


def _column(numbers: Sequence[int]) -> NDArray[np.int64]:
    return np.array(numbers, dtype=np.int64).reshape(-1, 1)


def _columns(rows: Sequence[tuple[int, ...]]) -> tuple[NDArray[np.int64], ...]:
    """Ragged rows as columns, short rows filled with 0."""
    width = max((len(row) for row in rows), default=0)
    return tuple(_column([row[i] if i < len(row) else 0 for row in rows]) for i in range(width))
