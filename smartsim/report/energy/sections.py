"""What else a reader of energies asks: break-even, memory, sensitivity to tables, real weights.

Each answer is one section: a title, a small table, and what it means in numbers.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import get_args

import pandas as pd

from smartsim.cost import (
    BreakEven,
    Energy,
    Table,
    estimate_energy,
    estimate_memory,
    find_break_even,
    list_arithmetic_tables,
    parse_format,
    price_actions,
)
from smartsim.counts import ACTIONS, Counts
from smartsim.counts.conventions import Accumulator
from smartsim.counts.passes import fold_batch_norm
from smartsim.graph import Graph
from smartsim.report.energy.data import EnergyVsBits
from smartsim.report.style.numbers import format_energy, format_microjoules
from smartsim.report.style.sections import Section

__all__ = [
    "accumulator_section",
    "break_even_section",
    "energy_section",
    "memory_section",
    "readings_section",
    "sensitivity_section",
]


def energy_section(data: EnergyVsBits, formats: Sequence[str]) -> Section:
    """Energy of an inference and overhead of each method in a few formats."""
    frame = data.frame[data.frame["table"] == data.tables[0].name]
    lams = sorted(frame["lam"].unique())
    rows = []
    for name in formats:
        for lam in lams:
            cells = frame[(frame["format"] == name) & (frame["lam"] == lam)].set_index("method")
            rows.append((f"{name}, lam = {lam:g}", *(_cell(cells, m) for m in data.methods)))
    return Section(
        title=f"Energy of an inference in µJ + what is conditional in % of {data.baseline}",
        head=("", *data.methods),
        rows=tuple(rows),
        remarks=(f"{data.tables[0].name}, {data.tables[0].technology}; arithmetic only",),
    )


def _cell(cells: pd.DataFrame, method: str) -> str:
    if method not in cells.index:
        return "-"
    row = cells.loc[method]
    value: float = row["energy_uj"]  # type: ignore[assignment]
    extra = f" +{row['overhead_percent']:.2f}%" if row["overhead_percent"] else ""
    return f"{format_microjoules(value)}{extra}"


def break_even_section(
    rivals: Mapping[str, Counts],
    reference: tuple[str, Counts],
    table: Table,
    formats: Sequence[str],
) -> Section:
    """From how many inferences a switch each rival costs no more than the reference.

    Args:
        rivals: Counts by name, such as OAT and FLOAT with frozen noise.
        reference: Name and counts of the model that they are held against, such as SMART.
        table: Energy table.
        formats: Number formats.
    """
    name, counts = reference
    rows = []
    for label, rival in rivals.items():
        for quantity in ("conditional", "total"):
            cells = []
            for number_format in formats:
                found = find_break_even(
                    estimate_energy(rival, table, number_format),
                    estimate_energy(counts, table, number_format),
                    quantity="conditional" if quantity == "conditional" else "total",
                )
                cells.append(_verdict(found))
            what = "overhead" if quantity == "conditional" else "all of it"
            rows.append((f"{label}, {what}", *cells))
    return Section(
        title=f"Inferences per lam switch at which a method breaks even with {name}",
        head=("", *formats),
        rows=tuple(rows),
        remarks=(
            "a number: from so many inferences a switch on it costs no more; never: it costs more "
            "however rarely lam moves; overhead: what is there only because the model is "
            "conditional; all of it: all arithmetic",
        ),
    )


def _verdict(found: BreakEven) -> str:
    if found.inferences is None:
        return found.verdict
    return f"{'up to ' if found.verdict == 'up to' else ''}{found.inferences:.1f}"


def memory_section(
    graphs: Mapping[str, Graph], counts: Mapping[str, Counts], table: Table, widths: Sequence[int]
) -> Section:
    """Arithmetic beside the movement of weights and activations, over the width.

    Args:
        graphs: Traces by method.
        counts: Their counts.
        table: A table that prices arithmetic and memory.
        widths: Bits of integers.
    """
    levels = [level for level in table.levels if level.startswith(("sram:1024", "dram"))]
    rows, ratios = [], []
    for method, graph in graphs.items():
        folded = fold_batch_norm(graph) if counts[method].convention.fold_batch_norm else graph
        for bits in widths:
            name = f"int{bits}"
            arithmetic = estimate_energy(counts[method], table, name).per_inference_pj
            moved = [
                sum(m.energy_pj for m in estimate_memory(folded, table, name, level=level))
                for level in levels
            ]
            cells = [format_energy(value) for value in (arithmetic, *moved)]
            rows.append((f"{method}, {name}", *cells))
            ratios.append((moved[-1] / arithmetic, method, bits))
    most = max(ratios)
    return Section(
        title="Moving weights and activations once, beside the arithmetic",
        head=("", "arithmetic", *levels),
        rows=tuple(rows),
        remarks=(
            f"weights are read once an inference, without known zeros and with a bitmap of where "
            f"they belong; at {most[2]} bits {levels[-1]} alone costs {most[0]:.0f} times the "
            f"arithmetic of {most[1]}: the fewer bits, the more memory decides",
            "a batch of one and no reuse between layers: `smartsim simulate` knows buffers",
        ),
    )


def accumulator_section(
    counts: Counts, baseline: Counts, table: Table, widths: Sequence[int], name: str
) -> Section:
    """The overhead of one method over the width, with narrow and with 32-bit accumulators.

    Args:
        counts: Counts of the method.
        baseline: Counts of the model that its overhead is a share of.
        table: Energy table.
        widths: Bits of integers.
        name: What to call the method.
    """
    shares = {
        accumulator: [
            _overhead_percent(counts, baseline, table, f"int{bits}", accumulator) for bits in widths
        ]
        for accumulator in get_args(Accumulator)
    }
    narrow, wide = shares["paper"], shares["hardware"]
    return Section(
        title=f"Overhead of {name} in %, by the width of the accumulator",
        head=("", "as wide as the operand", "32 bits"),
        rows=tuple(
            (f"int{bits}", f"{one:.3f}", f"{other:.3f}")
            for bits, one, other in zip(widths, narrow, wide, strict=True)
        ),
        remarks=(
            f"from {widths[-1]} to {widths[0]} bits the overhead goes from {narrow[-1]:.2f} to "
            f"{narrow[0]:.2f} % with accumulators as wide as operands, as the paper has it, and "
            f"from {wide[-1]:.2f} to {wide[0]:.2f} % with 32-bit accumulators, as integer hardware "
            "has them: there a MAC keeps its wide accumulation and cannot become cheap",
        ),
    )


def _overhead_percent(
    counts: Counts, baseline: Counts, table: Table, number_format: str, accumulator: Accumulator
) -> float:
    extra, whole = (
        estimate_energy(
            dataclasses.replace(
                one, convention=dataclasses.replace(one.convention, accumulator=accumulator)
            ),
            table,
            number_format,
        )
        for one in (counts, baseline)
    )
    return 100 * extra.conditional_pj / whole.per_inference_pj


def sensitivity_section(tables: Sequence[Table] = ()) -> Section:
    """The paper's two ratios from every table that can give them; by default all shipped ones."""
    rows = []
    for table in tables or list_arithmetic_tables():
        gaps = [_ratio(table, f"int{bits}", "mac") for bits in (32, 8)]
        gap = f"{gaps[0] / gaps[1]:.2f}" if gaps[0] and gaps[1] else "-"
        shifts = [_ratio(table, f"shift{bits}", "shift_add") for bits in (8, 32)]
        rows.append((table.name, gap, *(f"{value:.2f}" if value else "-" for value in shifts)))
    return Section(
        title="How far the paper's 4.2x and 1.8x depend on the table",
        head=("table", "MAC/ADD, 32 over 8", "shift-add/ADD, 8", "at 32"),
        rows=tuple(rows),
        remarks=(
            "the paper prints 4.2 and 1.8; Aladdin publishes 32 bits only, so its other widths are "
            "extrapolated; accumulators as wide as operands",
        ),
    )


def _ratio(table: Table, number_format: str, action: str) -> float:
    """An action over an addition of the same width; 0 where the table has no price."""
    prices = price_actions([table], [parse_format(number_format)], "paper")
    place, add = ACTIONS.index(action), ACTIONS.index("add")
    energy = prices.energy_pj.sum(axis=0)[0, 0]
    return float(energy[place] / energy[add]) if prices.priced[0, 0, place] else 0.0


def readings_section(readings: Mapping[str, Mapping[str, Energy]], remark: str = "") -> Section:
    """Shift-adds read in three ways, beside the integer MACs that they replace.

    Args:
        readings: Method -> what `compare_shift_readings` returned.
        remark: What weights these are.
    """
    head = next(iter(readings.values()))
    rows = [
        (method, *(format_energy(energy.per_inference_pj) for energy in by_name.values()))
        for method, by_name in readings.items()
    ]
    return Section(
        title="Shift-adds of real weights",
        head=("", *head),
        rows=tuple(rows),
        remarks=(remark,) if remark else (),
    )
