"""A Table 2 record -> terminal, Markdown, LaTeX, CSV, JSON. The terminal needs no pandas."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from smartsim.report.style.files import write_files
from smartsim.report.style.numbers import format_number, format_short
from smartsim.report.style.text import fold, markdown_grid, terminal_width, wrap
from smartsim.report.table2.table import Number, Row, Table2

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "FORMATS",
    "render_format",
    "render_latex",
    "render_markdown",
    "render_terminal",
    "table2_frame",
    "write_table2",
]

FORMATS = ("md", "tex", "csv", "json")
_KINDS = {"published": "paper", "derived": "ours", "measured": "measured"}
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def table2_frame(table: Table2) -> "pd.DataFrame":
    """The table in long form, one row a cell, with its kind and its source."""
    import pandas as pd

    records = [
        {
            "network": row.network,
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
        return format_short(value)
    return format_number(value, row.unit)


def _mark(table: Table2, row: Row) -> str:
    return "".join(_LETTERS[list(table.notes).index(key)] for key in row.notes)


def _heading(lam: float | None) -> str:
    if lam is None:
        return "over both paths"
    return f"lam = {lam:g}" + {0.0: " (clean)", 1.0: " (adversarial)"}.get(lam, "")


def _other(network: str) -> str:
    return f"Measured on another network: {network}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """Widths of the columns on a terminal; cells carry the space before them."""

    label: int
    kind: int
    mark: int
    cells: Mapping[str, int]

    def blocks(self, width: int) -> Iterator[tuple[str, ...]]:
        """Methods that stand beside each other, at least one at a time."""
        block: tuple[str, ...] = ()
        room = width - self.label - self.kind - self.mark
        for method in self.cells:
            if block and sum(self.cells[one] for one in (*block, method)) > room:
                yield block
                block = ()
            block = (*block, method)
        yield block


def _lay_out(table: Table2, width: int) -> _Layout:
    """As wide as names ask for, or where that is wider than the terminal as narrow as can be."""
    wide = max(9, *(len(method) + 1 for method in table.methods))
    even = dict.fromkeys(table.methods, wide)
    uneven = {method: max(9, len(method) + 1) for method in table.methods}
    for sizes in (even, uneven):
        if 29 + 9 + 3 + sum(sizes.values()) <= width:
            return _Layout(label=29, kind=9, mark=3, cells=sizes)
    cells = [_cells(table, row) for row in table.rows]
    body = [1 + max((len(row[p]) for row in cells), default=0) for p in range(len(table.methods))]
    label = max((len(_label(row)) + 3 for row in table.rows), default=3)
    kind = max((len(_KINDS[row.kind]) + 1 for row in table.rows), default=1)
    mark = max((len(_mark(table, row)) for row in table.rows), default=0)
    sizes = {
        method: max(size, min(len(method) + 1, 9))
        for method, size in zip(table.methods, body, strict=True)
    }
    for method in table.methods:  # what is left over goes to names that are folded
        spare = width - label - kind - mark - sum(sizes.values())
        sizes[method] += max(0, min(spare, len(method) + 1 - sizes[method]))
    return _Layout(label=label, kind=kind, mark=mark, cells=sizes)


def render_terminal(table: Table2) -> str:
    """The table as plain text; columns that do not fit beside the others stand below them."""
    width = terminal_width()
    layout = _lay_out(table, width)
    lines = [table.setting]
    lines += wrap(
        f"counted under convention `{table.convention.name}`: {table.convention.description}"
    )
    for block in layout.blocks(width):
        lines += _terminal_block(table, layout, block)
    lines.append("")
    for letter, sentence in zip(_LETTERS, table.notes.values(), strict=False):
        lines += wrap(f"{letter}  {sentence}", "   ")
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _terminal_block(table: Table2, layout: _Layout, methods: Sequence[str]) -> Iterator[str]:
    """The rows of some columns, below their headings."""
    yield ""
    indent = " " * (layout.label + layout.kind + layout.mark)
    heads = [fold(method, layout.cells[method] - 1) for method in methods]
    for parts in zip_longest(*heads, fillvalue=""):
        yield indent + "".join(
            f"{part:>{layout.cells[method]}}" for part, method in zip(parts, methods, strict=True)
        )
    last: tuple[str, float | None] | None = None
    for row in table.rows:
        if not set(row.values) & set(methods):
            continue
        if last is None or row.network != last[0]:
            yield from ["", *wrap(_other(row.network), "  ")] if row.network else []
        if last != (row.network, row.lam):
            yield from ["", _heading(row.lam)]
            last = row.network, row.lam
        numbers = dict(zip(table.methods, _cells(table, row), strict=True))
        cells = "".join(f"{numbers[method]:>{layout.cells[method]}}" for method in methods)
        label, kind = f"  {_label(row)}", _KINDS[row.kind]
        mark = _mark(table, row)
        yield f"{label:<{layout.label}}{kind:<{layout.kind}}{mark:<{layout.mark}}{cells}"


_SHORT = {
    "active parameters": "parameters, active",
    "normalised active parameters": "  normalised",
    "stored parameters": "parameters, stored",
    "normalised stored parameters": "  normalised",
    "all actions of a lam switch": "lam switch, all actions",
    "ADDs on noisy weights": "  on noisy weights alone",
    "ADD overhead, noise frozen": "ADDs/switch, noise frozen",
}
_PER = {"an inference": " / inference", "a switch": " / switch", "both": " in all"}


def _label(row: Row) -> str:
    if row.short or row.metric in _SHORT:
        return row.short or _SHORT[row.metric]
    name = {"MAC overhead": "MACs added", "ADD overhead": "ADDs added"}.get(row.metric, row.metric)
    if row.unit == "microjoule":
        return f"{name.replace('conditional energy', '  conditional')}, µJ"
    unit = ", %" if row.unit == "percent" else ""
    return f"{name}{_PER.get(row.paid, '')}{unit}"


def _lettered(table: Table2) -> list[str]:
    return [
        f"{letter}: {note}" for letter, note in zip(_LETTERS, table.notes.values(), strict=False)
    ]


def _grid(table: Table2, network: str) -> list[list[str]]:
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
        if row.network == network
    ]


def _columns(table: Table2) -> list[str]:
    return ["lam", "metric", "paid", "kind", *table.methods, "note"]


def render_markdown(table: Table2) -> str:
    """The table as Markdown, with notes and provenance."""
    align = "llll" + "r" * len(table.methods) + "l"
    convention = f"Convention `{table.convention.name}`: {table.convention.description}."
    kinds = (
        "Published numbers are the paper's, derived ones are counted from traced models, measured "
        "ones are accuracies of our own runs."
    )
    parts = [f"# {table.setting}", convention, kinds]
    for network in table.networks:
        parts.append(f"## {_other(network)}" if network else "")
        parts.append(markdown_grid(_grid(table, network), _columns(table), align))
    parts.append("\n".join(f"- {note}" for note in _lettered(table)))
    parts.append("\n".join(f"- {key}: `{value}`" for key, value in table.provenance.items()))
    return "\n\n".join(part for part in parts if part) + "\n"


def render_latex(table: Table2) -> str:
    """The table as a LaTeX tabular with booktabs rules, and one more for each other network."""
    import pandas as pd

    facts = [f"{key}: {value}" for key, value in table.provenance.items()]
    comments = "".join(f"% {' '.join(line.split())}\n" for line in [*facts, *_lettered(table)])
    parts = [comments]
    for network in table.networks:
        frame = pd.DataFrame(_grid(table, network), columns=_columns(table))
        style = frame.style.hide(axis="index").format(escape="latex")
        style = style.format_index(escape="latex", axis="columns")
        columns = "llll" + "r" * len(table.methods) + "l"
        if network:
            parts.append(f"\n\\par {_escape_latex(_other(network))}\n\n")
        parts.append(str(style.to_latex(hrules=True, column_format=columns)))
    return "".join(parts)


def _escape_latex(text: str) -> str:
    return re.sub(r"([&%$#_{}])", r"\\\1", text)


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
