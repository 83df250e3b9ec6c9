"""A Table 2 record -> terminal, Markdown, LaTeX, CSV, JSON. The one place that formats numbers."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from smartsim.counts import Counts
from smartsim.report.style.files import write_files
from smartsim.report.style.numbers import format_number
from smartsim.report.style.text import markdown_grid, wrap
from smartsim.report.table2.table import Number, Row, Table2

__all__ = [
    "FORMATS",
    "render_format",
    "render_latex",
    "render_markdown",
    "render_terminal",
    "table2_frame",
    "to_frame",
    "write_table2",
]

FORMATS = ("md", "tex", "csv", "json")
_KINDS = {"published": "paper", "derived": "ours", "measured": "measured"}
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_LABEL_WIDTH, _PAID_WIDTH, _KIND_WIDTH = 29, 13, 9


def to_frame(counts: Counts) -> pd.DataFrame:
    """Counts as a data frame: layer, op, stage, action, conditional, number."""
    columns = ["layer", "op", "stage", "action", "conditional", "number"]
    return pd.DataFrame(counts.records(), columns=columns)


def table2_frame(table: Table2) -> pd.DataFrame:
    """The table in long form, one row a cell, with its kind and its source."""
    records = [
        {
            "lam": row.lam,
            "metric": row.metric,
            "paid": row.paid,
            "kind": row.kind,
            "unit": row.unit,
            "method": method,
            "value": value,
            "source": row.source,
            "note": " ".join(table.notes[key] for key in row.notes),
        }
        for row in table.rows
        for method, value in row.values.items()
    ]
    frame = pd.DataFrame(records)
    # as objects from the start: beside ratios, pandas would make floats of exact counts
    frame["value"] = pd.Series([record["value"] for record in records], dtype=object)
    return frame


def _cells(table: Table2, row: Row) -> list[str]:
    """The row's numbers; a row of the paper keeps the paper's digits."""
    return [
        _printed(row, row.values[method]) if method in row.values else ""
        for method in table.methods
    ]


def _printed(row: Row, value: Number) -> str:
    if row.kind == "published" and row.unit == "count" and value:
        return f"{value / 1e6:g}M"
    return format_number(value, row.unit)


def _mark(table: Table2, row: Row) -> str:
    return "".join(_LETTERS[list(table.notes).index(key)] for key in row.notes)


def _heading(lam: float | None) -> str:
    if lam is None:
        return "over both paths"
    return f"lam = {lam:g}" + {0.0: " (clean)", 1.0: " (adversarial)"}.get(lam, "")


def render_terminal(table: Table2) -> str:
    """The table as plain text, 80 columns wide for four methods."""
    width = max(9, *(len(method) + 1 for method in table.methods))
    lines = [table.setting, f"counted under convention `{table.convention.name}`: "]
    lines[1:] = wrap(lines[1] + table.convention.description)
    head = " " * (_LABEL_WIDTH + _KIND_WIDTH) + " " * 3
    lines += ["", head + "".join(f"{method:>{width}}" for method in table.methods)]
    last: Any = "none"
    for row in table.rows:
        if row.lam != last:
            lines += ["", _heading(row.lam)]
            last = row.lam
        cells = "".join(f"{cell:>{width}}" for cell in _cells(table, row))
        label = f"  {_label(row)}"
        mark = _mark(table, row)
        lines.append(f"{label:<{_LABEL_WIDTH}}{_KINDS[row.kind]:<{_KIND_WIDTH}}{mark:<3}{cells}")
    lines.append("")
    for letter, sentence in zip(_LETTERS, table.notes.values(), strict=False):
        lines += wrap(f"{letter}  {sentence}", "   ")
    return "\n".join(line.rstrip() for line in lines) + "\n"


_SHORT = {
    "active parameters": "parameters, active",
    "normalised active parameters": "  normalised",
    "stored parameters": "parameters, stored",
    "normalised stored parameters": "  normalised",
    "all actions of a lam switch": "lam switch, all actions",
    "OAT's active parameters over SMART's": "active, OAT / SMART",
    "ADDs on noisy weights": "  on noisy weights alone",
    "ADD overhead, noise frozen": "ADDs/switch, noise frozen",
}
_PER = {"an inference": " / inference", "a switch": " / switch", "both": " in all"}


def _label(row: Row) -> str:
    if row.metric in _SHORT:
        return _SHORT[row.metric]
    name = {"MAC overhead": "MACs added", "ADD overhead": "ADDs added"}.get(row.metric, row.metric)
    if row.unit == "microjoule":
        return f"{name.replace('conditional energy', '  conditional')}, µJ"
    unit = ", %" if row.unit == "percent" else ""
    return f"{name}{_PER.get(row.paid, '')}{unit}"


def _lettered(table: Table2) -> list[str]:
    return [
        f"{letter}: {note}" for letter, note in zip(_LETTERS, table.notes.values(), strict=False)
    ]


def _grid(table: Table2) -> list[list[str]]:
    return [
        [
            "both" if row.lam is None else f"{row.lam:g}",
            row.metric + {"percent": " (%)", "microjoule": " (µJ)"}.get(row.unit, ""),
            row.paid,
            row.kind,
            *_cells(table, row),
            _mark(table, row),
        ]
        for row in table.rows
    ]


def _columns(table: Table2) -> list[str]:
    return ["lam", "metric", "paid", "kind", *table.methods, "note"]


def render_markdown(table: Table2) -> str:
    """The table as Markdown, with notes and provenance."""
    body = markdown_grid(_grid(table), _columns(table), "llll" + "r" * len(table.methods) + "l")
    notes = [
        f"- {letter}: {note}" for letter, note in zip(_LETTERS, table.notes.values(), strict=False)
    ]
    facts = [f"- {key}: `{value}`" for key, value in table.provenance.items()]
    convention = f"Convention `{table.convention.name}`: {table.convention.description}."
    kinds = (
        "Published numbers are the paper's, derived ones are counted from traced models, measured "
        "ones are accuracies of our own runs."
    )
    parts = [f"# {table.setting}", convention, kinds, body, "\n".join(notes), "\n".join(facts)]
    return "\n\n".join(part for part in parts if part) + "\n"


def render_latex(table: Table2) -> str:
    """The table as a LaTeX tabular with booktabs rules."""
    frame = pd.DataFrame(_grid(table), columns=_columns(table))
    style = frame.style.hide(axis="index").format(escape="latex")
    style = style.format_index(escape="latex", axis="columns")
    columns = "llll" + "r" * len(table.methods) + "l"
    facts = [f"{key}: {value}" for key, value in table.provenance.items()]
    comments = "".join(f"% {' '.join(line.split())}\n" for line in [*facts, *_lettered(table)])
    return comments + str(style.to_latex(hrules=True, column_format=columns))


def render_format(table: Table2, name: str) -> str:
    """The text of the table's file in one of `FORMATS`."""
    match name:
        case "md":
            return render_markdown(table)
        case "tex":
            return render_latex(table)
        case "csv":
            return str(table2_frame(table).to_csv(index=False, lineterminator="\n"))
        case _:
            return json.dumps(table.to_dict(), indent=1) + "\n"


def write_table2(
    table: Table2, folder: Path, formats: Sequence[str] = FORMATS, stem: str = "table2"
) -> tuple[Path, ...]:
    """Write the table into `folder`, one file a format, each whole or not at all.

    Raises:
        ConfigurationError: If a format is unknown.
    """
    makers = {name: partial(render_format, table, name) for name in FORMATS}
    return write_files(folder, stem, makers, formats)
