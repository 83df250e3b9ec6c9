"""TRACES x TABLES -> the report "energy against bit width": data, sections, files."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smartsim.cost import Table, compare_shift_readings, missing_price, parse_format, price_actions
from smartsim.counts import ACTIONS, Convention, count_actions
from smartsim.errors import ConfigurationError
from smartsim.report.energy.data import EnergyVsBits, build_energy_vs_bits
from smartsim.report.energy.figure import draw_energy_vs_bits
from smartsim.report.energy.sections import (
    accumulator_section,
    break_even_section,
    energy_section,
    memory_section,
    readings_section,
    sensitivity_section,
)
from smartsim.report.methods import MethodTraces
from smartsim.report.style.figures import FIGURE_FORMATS, figure_makers
from smartsim.report.style.files import write_files
from smartsim.report.style.sections import Section, render_sections

__all__ = [
    "DEFAULT_TABLES",
    "FORMATS",
    "build_energy_report",
    "write_energy_report",
]

DEFAULT_TABLES = (
    "horowitz2014_45nm+shiftaddnet2020_asic_45nm",
    "jouppi2021_7nm",
    "aladdin2014_40nm_1ns",
    "shiftaddnet2020_fpga_zc706",
)
"""The first is shown in full; the others say how far the answer depends on it."""

FORMATS = (*FIGURE_FORMATS, "csv", "md")

_SHOWN = ("int8", "int4", "fp16", "fp32", "shift8")
_WIDTHS = (2, 4, 8, 16, 32)
_REFERENCE = "SMART"


def build_energy_report(
    traces: Sequence[MethodTraces],
    tables: Sequence[Table],
    *,
    convention: Convention,
    setting: str = "",
    inferences_per_switch: float = 1,
    ignore: Iterable[str] = (),
    weights: Mapping[str, Mapping[str, NDArray[np.float64]]] | None = None,
    weights_note: str = "",
) -> tuple[EnergyVsBits, tuple[Section, ...]]:
    """Price the traces of several methods at every bit width, and answer what readers ask next.

    Args:
        traces: One entry a method; the first is the baseline.
        tables: Energy tables; the first is shown in full.
        convention: Counting choices.
        setting: Network, classes and input, for the heading.
        inferences_per_switch: Inferences over which a lam switch is spread.
        ignore: Operators to leave out of the counts.
        weights: Effective weights by method and layer at the largest lam, for shift-adds of real
            weights.
        weights_note: What weights these are.
    """
    left_out = tuple(ignore)
    counts = {
        trace.label: {
            lam: count_actions(graph, convention, ignore=left_out)
            for lam, graph in trace.paths.items()
        }
        for trace in traces
    }
    data = build_energy_vs_bits(
        counts, tables, setting=setting, inferences_per_switch=inferences_per_switch
    )
    last = {label: by_lam[max(by_lam)] for label, by_lam in counts.items()}
    table = tables[0]
    shown = _priced(table, _SHOWN)
    sections = [energy_section(data, shown)]
    rivals = {
        trace.label: last[trace.label]
        for trace in traces
        if last[trace.label].total(stages=("switch",), conditional=True)
        and trace.frozen is None
        and trace.label != _REFERENCE
    }
    rivals |= {
        f"{trace.label}, noise frozen": count_actions(trace.frozen, convention, ignore=left_out)
        for trace in traces
        if trace.frozen is not None and trace.label != _REFERENCE
    }
    if _REFERENCE in last and rivals:
        reference = (_REFERENCE, last[_REFERENCE])
        sections.append(break_even_section(rivals, reference, table, shown))
    noisy = next((trace.label for trace in traces if trace.frozen is not None), None)
    if noisy is not None and "int8" in shown:
        base = last[data.baseline]
        sections.append(accumulator_section(last[noisy], base, table, _WIDTHS, noisy))
    if table.levels:
        chosen = [t for t in traces if t.label in (data.baseline, _REFERENCE)]
        graphs = {t.label: t.paths[max(t.paths)] for t in chosen}
        sections.append(memory_section(graphs, last, table, _WIDTHS))
    if weights:
        readings = {
            label: compare_shift_readings(last[label], table, by_layer)
            for label, by_layer in weights.items()
        }
        sections.append(readings_section(readings, weights_note))
    sections.append(sensitivity_section())
    return data, tuple(sections)


def _priced(table: Table, names: Sequence[str]) -> list[str]:
    """Those formats whose MAC the table prices.

    Raises:
        ConfigurationError: If it prices none of them.
    """
    formats = [parse_format(name) for name in names]
    priced = price_actions([table], formats, "paper").priced[0, :, ACTIONS.index("mac")]
    found = [name for name, has in zip(names, priced, strict=True) if has]
    if not found:
        raise ConfigurationError(missing_price(table, formats[0]))
    return found


def write_energy_report(
    data: EnergyVsBits,
    sections: Sequence[Section],
    folder: Path,
    formats: Sequence[str] = FORMATS,
    *,
    provenance: Mapping[str, str] | None = None,
) -> tuple[Path, ...]:
    """Write the figure, the data behind it and the sections; returns the paths.

    Raises:
        ConfigurationError: If a format is unknown.
    """
    makers: dict[str, Callable[[], str | bytes]] = {
        **figure_makers(lambda: draw_energy_vs_bits(data)),
        "csv": lambda: data.frame.to_csv(index=False, float_format="%.10g"),
        "md": lambda: _markdown(data, sections, provenance or {}),
    }
    return write_files(folder, "energy_vs_bits", makers, formats)


def _markdown(
    data: EnergyVsBits, sections: Sequence[Section], provenance: Mapping[str, str]
) -> str:
    table, convention = data.tables[0], data.convention
    sources = [f"- {source.citation}" for t in data.tables for source in t.sources]
    missing = [
        f"- without a price, so in no energy: {number:,.0f} {action} an inference ({where})"
        for action, (number, where) in data.unpriced.items()
    ]
    accumulator = (
        "as wide as its operands" if convention.accumulator == "paper" else "32 bits for integers"
    )
    parts = [
        f"# Energy against bit width: {data.setting}",
        "![Energy against bit width](energy_vs_bits.svg)",
        f"Convention `{convention.name}`: {convention.description}. A MAC is a multiplication and "
        f"an accumulation, {accumulator}. Table {table.name}: {table.technology}; an energy "
        f"includes {table.includes}. Areas are in square micrometres.",
        "\n".join(missing),
        render_sections(sections, markdown=True).rstrip(),
        "## Sources",
        "\n".join(dict.fromkeys(sources)),
        "\n".join(f"- {key}: `{value}`" for key, value in provenance.items()),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"
