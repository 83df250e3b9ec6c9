"""GRAPH x TABLE -> energy of moving data: stored weights once, activations out and in once.

A first-order model of one level of memory: what is known before an inference (weights, prepared
weights, per-channel factors) is read once, without its zeros but with the bits that say where its
nonzeros belong; the data of every contraction is read once and its result written once, and what
is elementwise in between is computed on the way. Nothing is known here of buffers that are too
small, of tiles, or of reuse between layers: that is `smartsim.simulate`.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from smartsim.cost.energy.energy import MemoryEnergy
from smartsim.cost.formats.numbers import NumberFormat, parse_format
from smartsim.cost.formats.plans import PrecisionPlan, uniform_plan
from smartsim.cost.prices.recipes import price_actions
from smartsim.cost.tables.table import Table, memory_row
from smartsim.counts.records import ACTIONS
from smartsim.counts.work import MATMULS
from smartsim.errors import ConfigurationError, suggest_name
from smartsim.graph import Graph, Op, ParameterSpec, TensorSpec

__all__ = ["ENCODINGS", "Encoding", "StoredBits", "encode_weights", "estimate_memory"]

Encoding = Literal["dense", "bitmap", "csr", "run_length"]
"""How zeros are left out of a stored tensor."""

ENCODINGS: tuple[Encoding, ...] = get_args(Encoding)

_RELATIVE_TO = "int16"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBits:
    """Bits that a tensor takes in memory.

    Attributes:
        values: Bits of its values, padding included.
        index: Bits that say where the values belong.
    """

    values: int
    index: int


def encode_weights(
    shape: tuple[int, ...],
    nonzeros: int,
    bits: int,
    encoding: Encoding,
    *,
    pattern: NDArray[np.bool_] | None = None,
    run_bits: int = 4,
) -> StoredBits:
    """Bits of a tensor with zeros.

    `dense` stores every element. `bitmap` stores the nonzeros and a bit for each element. `csr`
    stores the nonzeros, the column of each one in `ceil(log2(columns))` bits (a row is one output
    channel), and for each row and the end where it begins, in `ceil(log2(nonzeros + 1))` bits.
    `run_length` stores with each nonzero the zeros before it in `run_bits` bits; a longer run takes
    a stored zero for every `2^run_bits` positions, and zeros after the last nonzero are free.

    Args:
        shape: The tensor's shape, output channels first.
        nonzeros: How many elements are not zero.
        bits: Bits of one value.
        encoding: One of `ENCODINGS`.
        pattern: Where the nonzeros are; `run_length` needs it.
        run_bits: Bits of a run, at least 1.

    >>> mask = np.array([[True, False, False, True], [False, False, False, True]])
    >>> encode_weights((2, 4), 3, 8, "bitmap")
    StoredBits(values=24, index=8)
    >>> encode_weights((2, 4), 3, 8, "csr")
    StoredBits(values=24, index=12)
    >>> encode_weights((2, 4), 3, 8, "run_length", pattern=mask, run_bits=1)
    StoredBits(values=40, index=5)

    Raises:
        ConfigurationError: If the encoding is unknown, or needs a pattern that is not known.
    """
    elements = math.prod(shape)
    match encoding:
        case "dense":
            return StoredBits(values=elements * bits, index=0)
        case "bitmap":
            return StoredBits(values=nonzeros * bits, index=elements)
        case "csr":
            rows = shape[0] if len(shape) > 1 else 1
            column_bits = math.ceil(math.log2(max(elements // max(rows, 1), 1)))
            pointer_bits = math.ceil(math.log2(nonzeros + 1))
            index = nonzeros * column_bits + (rows + 1) * pointer_bits
            return StoredBits(values=nonzeros * bits, index=index)
        case "run_length":
            if pattern is None:
                raise ConfigurationError(
                    "encoding run_length needs to know where the zeros are, and this graph kept "
                    "no pattern for a sparse tensor; use bitmap or csr"
                )
            places = np.flatnonzero(pattern)
            runs = np.diff(places, prepend=-1) - 1
            entries = nonzeros + int((runs >> run_bits).sum())
            return StoredBits(values=entries * bits, index=entries * run_bits)
    raise ConfigurationError(f"unknown encoding {encoding!r}{suggest_name(encoding, ENCODINGS)}")


def estimate_memory(
    graph: Graph,
    table: Table,
    plan: PrecisionPlan | NumberFormat | str = "int8",
    *,
    level: str = "dram",
    encoding: Encoding = "bitmap",
    run_bits: int = 4,
    arithmetic: Table | None = None,
) -> tuple[MemoryEnergy, ...]:
    """Energy of moving the weights and activations of one inference.

    Args:
        graph: What `trace_model` returned, with its batch norms folded where they should be.
        table: A table with memory energies.
        plan: Number formats, as for `estimate_energy`.
        level: Memory level of the table that everything moves to and from.
        encoding: How tensors with known zeros are stored; those without are stored dense.
        run_bits: Bits of a run in `run_length`.
        arithmetic: For a table relative to a 16-bit MAC, the table that prices this MAC.

    Returns:
        Energies by layer, for values, for what says where they belong, and for activations.

    Raises:
        ConfigurationError: If table, level, plan or encoding do not fit.
    """
    per_bit = _energy_per_bit(table, level, arithmetic)
    if not isinstance(plan, PrecisionPlan):
        plan = uniform_plan(plan)
    formats = plan.resolve(op.module for op in graph.ops)
    sums: dict[tuple[str, Literal["weights", "index", "activations"]], int] = {}
    for op, tensor, parameter in _stored_operands(graph):
        bits = formats[op.module].weight_bits if len(tensor.shape) > 1 else formats[op.module].bits
        stored = _store(graph, tensor, parameter, bits, encoding, run_bits)
        sums[op.module, "weights"] = sums.get((op.module, "weights"), 0) + stored.values
        sums[op.module, "index"] = sums.get((op.module, "index"), 0) + stored.index
    for op, elements in _moved_activations(graph):
        moved = sums.get((op.module, "activations"), 0)
        sums[op.module, "activations"] = moved + elements * formats[op.module].bits
    return tuple(
        MemoryEnergy(layer=layer, kind=kind, level=level, bits=bits, energy_pj=bits * per_bit)
        for (layer, kind), bits in sums.items()
        if bits
    )


def _energy_per_bit(table: Table, level: str, arithmetic: Table | None) -> float:
    row = memory_row(table, level)
    per_bit = row.energy_pj / row.bits
    if table.unit == "pJ":
        return per_bit
    if arithmetic is None:
        raise ConfigurationError(
            f"table {table.name} counts in 16-bit MACs; say which table prices such a MAC"
        )
    prices = price_actions([arithmetic], [parse_format(_RELATIVE_TO)], "paper")
    mac = ACTIONS.index("mac")
    if not prices.priced[0, 0, mac]:
        raise ConfigurationError(
            f"table {arithmetic.name} has no price for the {_RELATIVE_TO} MAC that table "
            f"{table.name} counts in"
        )
    return per_bit * float(prices.energy_pj[:, 0, 0, mac].sum())


def _stored_operands(graph: Graph) -> Iterator[tuple[Op, TensorSpec, ParameterSpec | None]]:
    """What an inference reads that was known before it, once each, but no masks."""
    parameters = {parameter.name: parameter for parameter in graph.parameters}
    seen: set[int] = set()
    for op in graph.ops:
        if op.stage not in ("noise", "input"):
            continue
        for tensor in graph.input_tensors(op):
            known = tensor.stage in ("deploy", "switch") and tensor.role != "condition"
            is_mask = op.gating and (tensor.dtype == "bool" or tensor.needed == 0)
            if known and not is_mask and tensor.value not in seen:
                seen.add(tensor.value)
                yield op, tensor, parameters.get(tensor.name) if tensor.name else None


def _store(
    graph: Graph,
    tensor: TensorSpec,
    parameter: ParameterSpec | None,
    bits: int,
    encoding: Encoding,
    run_bits: int,
) -> StoredBits:
    """Bits of one tensor; one without known zeros is stored dense."""
    place, nonzeros = tensor.pattern, tensor.nonzeros
    if parameter is not None and parameter.kind == "parameter":
        place, nonzeros = parameter.pattern, parameter.active
    elif nonzeros is None:
        nonzeros = tensor.elements
    return encode_weights(
        tensor.shape,
        nonzeros,
        bits,
        encoding if nonzeros < tensor.elements else "dense",
        pattern=None if place is None else graph.patterns[place].bits,
        run_bits=run_bits,
    )


def _moved_activations(graph: Graph) -> Iterator[tuple[Op, int]]:
    """Elements of data that each op reads from memory and writes to it.

    A contraction reads each of its data operands and writes its result. Another op takes its first
    operand as it comes, and reads the others, such as the second branch of a residual sum.
    """
    for op in graph.ops:
        if op.stage != "input" or op.name == "aten.cat":
            continue
        data = {t.value: t.elements for t in graph.input_tensors(op) if t.stage == "input"}
        if _is_contraction(op):
            yield op, sum(data.values()) + sum(t.elements for t in graph.output_tensors(op)[:1])
        elif len(data) > 1:
            yield op, sum(data.values()) - max(data.values())


def _is_contraction(op: Op) -> bool:
    return op.name in MATMULS or op.name == "aten.convolution" or "attention" in op.name
