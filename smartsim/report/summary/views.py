"""RECORD -> FRAME, HTML, BARS: what `smartsim.records.shown` asks for, one table of kinds."""

import dataclasses
import html
from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from smartsim.cost import Energy, PrecisionPlan, Table
from smartsim.counts import Convention, Counts
from smartsim.errors import ConfigurationError
from smartsim.graph import Graph
from smartsim.report.style.numbers import choose_energy_unit, format_energy
from smartsim.report.style.text import shorten
from smartsim.report.summary.compare import Comparison
from smartsim.report.summary.figure import draw_bars
from smartsim.report.summary.listing import OP_COLUMNS, op_rows
from smartsim.report.summary.summary import Summary
from smartsim.report.summary.text import choose_columns, tree_rows
from smartsim.simulate import Accelerator, Run, SweepResult

__all__ = ["frame_of", "plot_record", "render_html"]

_MOST_ROWS = 200


def frame_of(record: Any) -> pd.DataFrame:
    """A row an op, a count, an energy, a step, a layer, a price: what the record is a list of."""
    match record:
        case Graph():
            rows = [
                {
                    **{f.name: getattr(op, f.name) for f in dataclasses.fields(op)},
                    "shape": record.tensors[op.outputs[0]].shape,
                }
                for op in record.ops
            ]
        case Counts():
            names = ["layer", "op", "stage", "action", "conditional", "number"]
            return pd.DataFrame(record.records(), columns=names)
        case Energy():
            rows = record.records()
        case Run():
            from smartsim.report.simulate.text import run_frame

            return run_frame(record)
        case SweepResult():
            from smartsim.report.sweep.text import front_frame

            return front_frame(record.front)
        case Summary():
            rows = [_flat(row) for row in record.layers]
        case Comparison():
            rows = [
                {"layer": row.layer, "metric": row.metric, "first": row.first, "second": row.second}
                | {"change": row.second - row.first}
                for row in record.rows
            ]
        case Table():
            rows = [_flat(row) for row in record.rows]
        case Accelerator():
            rows = [_flat(citation) for citation in record.citations]
        case PrecisionPlan():
            rows = [{"pattern": pattern, "format": chosen.name} for pattern, chosen in record.rules]
            rows += [{"pattern": "*", "format": record.default.name}] if record.default else []
        case Convention():
            rows = [{"choice": key, "value": value} for key, value in _flat(record).items()]
        case _:
            raise ConfigurationError(f"no table is known for a {type(record).__name__}")
    return pd.DataFrame(rows)


def _flat(record: Any) -> dict[str, Any]:
    return {f.name: getattr(record, f.name) for f in dataclasses.fields(record)}


def plot_record(record: Any) -> Figure:
    """Bars by layer."""
    title = repr(record)[1:-1]
    match record:
        case Summary():
            rows = record.layers
            unit, scale = choose_energy_unit(max((row.energy_pj or 0.0 for row in rows), default=0))
            series: dict[str, Sequence[float]] = {
                "MACs": [float(row.macs) for row in rows],
                "parameters": [float(row.parameters) for row in rows],
                "ADDs": [float(row.adds) for row in rows],
                f"energy, {unit}": [(row.energy_pj or 0.0) / scale for row in rows],
                "cycles": [float(row.cycles or 0) for row in rows],
            }
            return draw_bars([row.name for row in rows], series, title=title)
        case Counts():
            layers = record.layers
            series = {
                action: [float(record.total(action, layer=layer)) for layer in layers]
                for action in ("mac", "add", "noise")
            }
        case Energy():
            energies = record.group("layer")
            layers = tuple(layer for (layer,) in energies)
            unit, scale = choose_energy_unit(max(energies.values(), default=0.0), record.unit)
            series = {f"energy, {unit}": [each / scale for each in energies.values()]}
            title = title.replace(
                f"{record.per_inference_pj:.4g} {record.unit}",
                format_energy(record.per_inference_pj, record.unit),
            )
        case Run():
            layers = tuple(dict.fromkeys(step.layer for step in record.steps))
            sums = {name: dict.fromkeys(layers, 0.0) for name in ("cycles", "energy, pJ")}
            for step in record.steps:
                sums["cycles"][step.layer] += step.cycles
                sums["energy, pJ"][step.layer] += step.total_energy_pj
            series = {name: list(by_layer.values()) for name, by_layer in sums.items()}
        case SweepResult():
            from smartsim.report.sweep.figure import draw_sweep

            return draw_sweep(record)
        case Graph():
            from smartsim.counts import count_actions

            return plot_record(Summary(graph=record, counts=count_actions(record)))
        case Comparison():
            layers = tuple(dict.fromkeys(row.layer for row in record.rows))
            series = {
                f"{metric}, change": [
                    sum(
                        float(row.second - row.first)
                        for row in record.rows
                        if (row.layer, row.metric) == (layer, metric)
                    )
                    for layer in layers
                ]
                for metric in record.metrics
            }
        case _:
            raise ConfigurationError(f"no figure is known for a {type(record).__name__}")
    return draw_bars(layers, series, title=title)


def render_html(record: Any) -> str:
    """A heading and a table; it takes its colours from the page, light or dark."""
    heading = html.escape(repr(record)[1:-1])
    if isinstance(record, Summary):
        columns = choose_columns(record)
        head = ["layer", *(column.head for column in columns)]
        rows = [
            [name, *("" if row is None else column.cell(row) for column in columns)]
            for name, row in tree_rows(record)
        ]
        rows.append(["total", *(column.cell(record.total) for column in columns)])
    elif isinstance(record, Graph):
        head, rows = list(OP_COLUMNS), _cut(op_rows(record))
    else:
        frame = frame_of(record)
        head = [str(name) for name in frame.columns]
        rows = _cut([[_cell(value) for value in row] for row in frame.to_numpy().tolist()])
    return f"<div><p><b>{heading}</b></p>{_table(head, rows)}</div>"


def _cut(rows: list[list[str]]) -> list[list[str]]:
    """As many rows as a page is for."""
    more = len(rows) - _MOST_ROWS
    return rows if more <= 0 else [*rows[:_MOST_ROWS], [f"and {more} more rows"]]


def _cell(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:.6g}" if isinstance(value, float) else shorten(str(value), 60)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    style = "padding:1px 8px;border-bottom:1px solid #8884;white-space:pre"
    columns = [[row[place] for row in rows if place < len(row)] for place in range(len(head))]
    sides = ["right" if _is_number(column) else "left" for column in columns]

    def line(cells: Sequence[str], tag: str) -> str:
        made = (
            f'<{tag} style="{style};text-align:{side}">{html.escape(cell)}</{tag}>'
            for cell, side in zip(cells, sides, strict=False)
        )
        return f"<tr>{''.join(made)}</tr>"

    body = "".join(line(row, "td") for row in rows)
    return (
        '<table style="border-collapse:collapse;font-variant-numeric:tabular-nums">'
        f"<thead>{line(head, 'th')}</thead><tbody>{body}</tbody></table>"
    )


def _is_number(cells: Sequence[str]) -> bool:
    """Whether a column holds numbers, and is read from the right."""
    words = ("", "none", "part", "scalar")
    return all(cell in words or cell[0].isdigit() or cell[0] == "-" for cell in cells)
