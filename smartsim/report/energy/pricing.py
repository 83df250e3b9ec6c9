"""What `smartsim energy` does: a counts file, a table, a plan -> energies to print and to save."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smartsim.cost import (
    Encoding,
    Energy,
    MemoryEnergy,
    PrecisionPlan,
    Table,
    compare_shift_readings,
    estimate_energy,
    estimate_memory,
    load_plan,
    load_table,
)
from smartsim.counts import Counts, load_counts
from smartsim.counts.passes import fold_batch_norm
from smartsim.errors import ConfigurationError, FileFormatError
from smartsim.graph import load_graph
from smartsim.report.energy.sections import readings_section
from smartsim.report.style.sections import Section

__all__ = ["MemoryChoice", "Pricing", "choose_memory", "load_weights", "price_counts_file"]

_BESIDE_SHIFTS = "int8"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryChoice:
    """Where weights and activations are kept, for the memory column.

    Attributes:
        graph: Trace file of the counted model.
        level: Memory level of the table; "" is DRAM where it has one, but nothing at all under
            convention `paper`, which is about arithmetic.
        encoding: How zeros are left out of stored weights.
        table: Another table for the memory, such as one relative to a MAC; None is the same.
    """

    graph: Path
    level: str = ""
    encoding: Encoding = "bitmap"
    table: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pricing:
    """What was asked for, and what stands beside it.

    Attributes:
        energy: The energy in the plan that was asked for.
        beside: The same counts in int8, when the plan has shift-adds.
        sections: Shift-adds of real weights, when weights were given.
    """

    energy: Energy
    beside: tuple[Energy, ...] = ()
    sections: tuple[Section, ...] = ()


def choose_memory(
    graph: Path | None, level: str, encoding: Encoding, table: str | None
) -> MemoryChoice | None:
    """The memory column that was asked for; None where no trace was given.

    Raises:
        ConfigurationError: If a level or table is given without a trace to move data of.
    """
    if graph is not None:
        return MemoryChoice(graph=graph, level=level, encoding=encoding, table=table)
    if level or table:
        raise ConfigurationError(
            "memory is priced from the trace that was counted; give it with --graph"
        )
    return None


def price_counts_file(
    path: Path,
    table_name: str,
    format_or_plan: str,
    *,
    inferences_per_switch: float = 1,
    memory: MemoryChoice | None = None,
    weights: Path | None = None,
    terms: int = 2,
) -> Pricing:
    """Price a file that `smartsim count` wrote.

    Args:
        path: The counts.
        table_name: Table by name, path, or joined with "+".
        format_or_plan: A format's name, or a TOML or CSV plan.
        inferences_per_switch: Inferences over which a switch is spread.
        memory: Where weights and activations are kept; None leaves memory out.
        weights: Safetensors file with the model's effective weights, for shift-adds.
        terms: Most powers of two of a rounded weight.

    Raises:
        ConfigurationError: If table, plan, memory or weights do not fit the counts.
        FileFormatError: If a file is damaged.
    """
    counts, table, plan = load_counts(path), load_table(table_name), load_plan(format_or_plan)
    moved = _memory(counts, table, plan, memory)
    energy = estimate_energy(
        counts, table, plan, inferences_per_switch=inferences_per_switch, memory=moved
    )
    if memory is not None and _is_off(counts, memory):
        off = "memory is off under convention paper; ask for a level with --memory, such as dram"
        energy = dataclasses.replace(energy, notes=(*energy.notes, off))
    formats = plan.resolve(counts.layers).values()
    shifts = [number_format for number_format in formats if number_format.kind == "shift"]
    beside: tuple[Energy, ...] = ()
    if shifts:
        beside = (
            estimate_energy(
                counts,
                table,
                _BESIDE_SHIFTS,
                inferences_per_switch=inferences_per_switch,
                memory=_memory(counts, table, load_plan(_BESIDE_SHIFTS), memory),
            ),
        )
    sections: tuple[Section, ...] = ()
    if weights is not None:
        readings = compare_shift_readings(
            counts,
            table,
            load_weights(weights, counts),
            bits=shifts[0].bits if shifts else 8,
            terms=terms,
            inferences_per_switch=inferences_per_switch,
        )
        sections = (readings_section({counts.model: readings}, f"weights of {weights.name}"),)
    return Pricing(energy=energy, beside=beside, sections=sections)


def _memory(
    counts: Counts, table: Table, plan: PrecisionPlan, choice: MemoryChoice | None
) -> tuple[MemoryEnergy, ...]:
    if choice is None:
        return ()
    graph = load_graph(choice.graph)
    if (graph.model, graph.condition) != (counts.model, counts.condition):
        raise ConfigurationError(
            f"{choice.graph} is a trace of {graph.model} at {dict(graph.condition)}, the counts "
            f"are of {counts.model} at {dict(counts.condition)}; give the trace that was counted"
        )
    if _is_off(counts, choice):
        return ()
    if counts.convention.fold_batch_norm:
        graph = fold_batch_norm(graph)
    return estimate_memory(
        graph,
        load_table(choice.table) if choice.table else table,
        plan,
        level=choice.level or "dram",
        encoding=choice.encoding,
        arithmetic=table,
    )


def _is_off(counts: Counts, choice: MemoryChoice) -> bool:
    """Convention `paper` is about arithmetic: there a level must be asked for by name."""
    return not choice.level and counts.convention.name == "paper"


def load_weights(path: Path, counts: Counts) -> dict[str, NDArray[np.float64]]:
    """Weights by layer from a safetensors file: tensors called LAYER.weight with MACs in `counts`.

    Raises:
        FileFormatError: If the file is no safetensors.
        ConfigurationError: If it holds no weight of a layer that has MACs.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        tensors = load(path.read_bytes())
    except (SafetensorError, KeyError, ValueError) as error:
        raise FileFormatError(f"{path}: is no safetensors file that numpy can read") from error
    wanted = {layer for layer in counts.layers if counts.total("mac", layer=layer)}
    found = {
        layer: tensor.astype(np.float64)
        for name, tensor in tensors.items()
        if (layer := name.removesuffix(".weight")) in wanted and tensor.ndim > 1
    }
    if not found:
        some = ", ".join(sorted(wanted)[:3])
        raise ConfigurationError(
            f"{path}: holds no weight of a layer with MACs, such as {some}; its names should be "
            "those of the model that was counted"
        )
    return found
