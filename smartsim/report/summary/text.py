"""A summary or a comparison -> text: a tree of modules whose numbers add up."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from smartsim.report.style.numbers import format_count, format_energy
from smartsim.report.style.text import grid, terminal_width, wrap_all
from smartsim.report.summary.compare import Comparison, Difference
from smartsim.report.summary.layers import LayerRow
from smartsim.report.summary.summary import Summary

__all__ = [
    "Column",
    "choose_columns",
    "describe_condition",
    "render_comparison",
    "render_summary",
    "tree_rows",
]


_LEAST_NAME = 20
"""Columns that a layer's name keeps before others give way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of the table by layer: its heading, and what a row prints in it.

    Attributes:
        head: Heading.
        cell: Row -> text.
        gives_way: In which order it is left out where there is no room; 0 never.
    """

    head: str
    cell: Callable[[LayerRow], str]
    gives_way: int = 0


def choose_columns(summary: Summary) -> tuple[Column, ...]:
    """The columns that say something about this model."""
    total = summary.total
    unit = "pJ" if summary.priced is None else summary.priced.unit

    def number(head: str, field: str, gives_way: int = 0) -> Column:
        cell = partial(_print_field, field)
        return Column(head=head, cell=cell, gives_way=gives_way)

    columns = [
        Column(head="type", cell=lambda row: row.kind, gives_way=1),
        Column(head="output", cell=lambda row: _shape(row.output)),
        number("params", "parameters"),
        number("active", "active") if total.active != total.parameters else None,
        number("MACs", "macs"),
        Column(head="%", cell=lambda row: _share(row.macs, total.macs), gives_way=4),
        number("ADDs", "adds") if total.adds else None,
        number("other", "others", 2) if total.others else None,
        number("switch", "switch", 3) if total.switch else None,
        Column(head="energy", cell=lambda row: format_energy(row.energy_pj or 0, unit))
        if summary.priced is not None
        else None,
        number("cycles", "cycles") if summary.simulated is not None else None,
    ]
    return tuple(column for column in columns if column is not None)


def _print_field(field: str, row: LayerRow) -> str:
    value = getattr(row, field)
    if not value:
        return "-"
    return format_count(value) if abs(value) >= 1e4 else f"{value:,.6g}"


def _shape(shape: tuple[int, ...] | None) -> str:
    return "" if shape is None else "x".join(map(str, shape)) or "scalar"


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f}" if part and whole else "-"


def tree_rows(summary: Summary) -> Iterator[tuple[str, LayerRow | None]]:
    """Each row with its indented name; a module without numbers of its own is None.

    Rows that were sorted or cut stand under their whole names.
    """
    if summary.sort is not None or summary.top is not None:
        for row in summary.rows:
            yield row.name or "(model)", row
        return
    own = {row.name: row for row in summary.rows}
    children: dict[str, dict[str, None]] = {"": {}}
    for row in summary.rows:
        parts = row.name.split(".") if row.name else []
        for depth, part in enumerate(parts):
            children.setdefault(".".join(parts[:depth]), {})[part] = None
    if "" in own:
        yield "(model)", own[""]
    yield from _walk("", children, own, 0)


def _walk(
    parent: str,
    children: Mapping[str, Mapping[str, None]],
    own: Mapping[str, LayerRow],
    depth: int,
) -> Iterator[tuple[str, LayerRow | None]]:
    """Children in the order in which they first ran, each with its own below it."""
    for part in children.get(parent, ()):
        name = f"{parent}.{part}" if parent else part
        yield "  " * depth + part, own.get(name)
        yield from _walk(name, children, own, depth + 1)


def render_summary(summary: Summary) -> str:
    """The summary for a terminal; where there is no room, a column is left out and named."""
    columns = list(choose_columns(summary))
    left_out = []
    while not _fits(summary, columns):
        first = min((c for c in columns if c.gives_way), key=lambda c: c.gives_way, default=None)
        if first is None:
            break
        columns.remove(first)
        left_out.append(first.head)
    rows = [
        [name, *("" if row is None else column.cell(row) for column in columns)]
        for name, row in tree_rows(summary)
    ]
    total = summary.total
    rows.append([""] * (len(columns) + 1))
    rows.append(["total", *(column.cell(total) for column in columns)])
    sides = "l" + "".join("l" if column.head == "type" else "r" for column in columns)
    body = grid(rows, ["layer", *(column.head for column in columns)], sides)
    return "\n".join([*_title(summary), body, *_remarks(summary, left_out)]) + "\n"


def _fits(summary: Summary, columns: Sequence[Column]) -> bool:
    rows = [row for _, row in tree_rows(summary) if row is not None] + [summary.total]
    names = max((len(name) for name, _ in tree_rows(summary)), default=0)
    widths = [max(len(c.head), *(len(c.cell(row)) for row in rows)) for c in columns]
    return min(names, _LEAST_NAME) + sum(widths) + 2 * len(columns) <= terminal_width()


def describe_condition(condition: object) -> str:
    """Conditions as "lam = 1", or "" for none."""
    return ", ".join(f"{k} = {v:g}" for k, v in dict(condition).items())  # type: ignore[call-overload]


def _title(summary: Summary) -> list[str]:
    at = describe_condition(summary.graph.condition)
    title = f"{summary.graph.model}{f' at {at}' if at else ''}"
    lines = [title, f"convention {summary.counts.convention.name}; numbers of one inference"]
    if summary.priced is not None:
        lines.append(f"energy in {summary.priced.plan} from {summary.priced.table}")
    if summary.simulated is not None:
        lines.append(f"cycles on {summary.simulated.accelerator} in {summary.simulated.plan}")
    return wrap_all(lines).split("\n")


def _remarks(summary: Summary, left_out: Sequence[str]) -> list[str]:
    total, counts = summary.total, summary.counts
    active = f", {total.active:,} of them active" if total.active != total.parameters else ""
    lines = [f"{total.parameters:,} parameters{active}; {total.macs:,} MACs"]
    lines += [f"left out of the counts: {', '.join(counts.ignored)}"] if counts.ignored else []
    lines += [f"columns that found no room: {', '.join(left_out)}"] if left_out else []
    if summary.priced is not None:
        lines += [
            f"without a price, so in no energy: {entry.number:,} {entry.action}"
            for entry in summary.priced.unpriced
            if entry.stage != "deploy"
        ]
    notes: Sequence[str] = dict.fromkeys(  # type: ignore[assignment]
        (*counts.notes, *(() if summary.priced is None else summary.priced.notes))
    )
    lines += [f"note: {note}" for note in notes]
    return wrap_all(lines, "  ").split("\n")


def render_comparison(comparison: Comparison, *, everything: bool = False) -> str:
    """Two records side by side: totals, then the layers whose numbers differ.

    Args:
        comparison: What `compare` returned.
        everything: Whether to show layers that are the same as well.
    """
    first, second = comparison.names
    shown = comparison.rows if everything else comparison.changed
    parts = [
        wrap_all([f"{comparison.kind} of A, {first}", f"{comparison.kind} of B, {second}"]),
        grid(
            [_beside("", row) for row in comparison.totals], ["total", "", *_SIDES], "ll" + "r" * 4
        ),
    ]
    if shown:
        rows = [_beside(row.layer or "(model)", row) for row in shown]
        parts.append(grid(rows, ["layer", "", *_SIDES], _ALIGN))
    same = len(comparison.rows) - len(comparison.changed)
    parts.append(f"{len(comparison.changed)} numbers differ, {same} are the same")
    return "\n\n".join(parts) + "\n"


_SIDES = ("A", "B", "B - A", "%")
_ALIGN = "llrrrr"


def _beside(layer: str, row: Difference) -> list[str]:
    change = row.second - row.first
    percent = f"{100 * change / abs(row.first):+.2f}" if row.first else "new" if change else ""
    cells = [
        f"{value:,.6g}" if isinstance(value, float) else f"{value:,}"
        for value in (row.first, row.second)
    ]
    difference = f"{change:+,.6g}" if isinstance(change, float) else f"{change:+,}"
    names = [layer, row.metric] if layer else [row.metric, ""]
    return [*names, *cells, difference if change else "=", percent if change else ""]
