"""Graphs and counts by layer, as a table for a terminal."""

from collections.abc import Sequence

from smartsim.counts import Counts
from smartsim.graph import STAGES, Graph, Op
from smartsim.report.style.numbers import format_amount
from smartsim.report.style.text import grid, wrap_all

__all__ = ["OP_COLUMNS", "op_rows", "render_counts", "render_graph"]

_COLUMNS = ("mac", "add", "mul", "compare")
OP_COLUMNS = ("layer", "op", "stage", "output", "left")


def render_counts(counts: Counts, *, everything: bool = False) -> str:
    """Counts by layer and stage; every column adds up to the totals below it.

    Args:
        counts: What to show.
        everything: Whether to show what is done once at deployment as well.
    """
    stages = STAGES if everything else STAGES[1:]
    cells: dict[tuple[str, str], dict[str, int | float]] = {}
    for (layer, stage, action), number in counts.group("layer", "stage", "action").items():
        if stage in stages:
            row = cells.setdefault((layer, stage), dict.fromkeys((*_COLUMNS, "other"), 0))
            row[action if action in _COLUMNS else "other"] += number
    places = {layer: place for place, layer in enumerate(counts.layers)}
    in_order = sorted(cells, key=lambda cell: (places[cell[0]], STAGES.index(cell[1])))
    rows = [
        [layer or "(model)", stage, *map(_print, cells[layer, stage].values())]
        for layer, stage in in_order
    ]
    totals: list[Sequence[str]] = []
    for stage in stages:
        sums = [row for (_, at), row in cells.items() if at == stage]
        if sums:
            whole = [sum(row[column] for row in sums) for column in (*_COLUMNS, "other")]
            totals.append(["total", stage, *(_print(number) for number in whole)])
    head = ["layer", "stage", "MACs", "ADDs", "muls", "compares", "other"]
    body = grid([*rows, *([] if not rows else [[""] * 7]), *totals], head, "llrrrrr")
    lines = [_title(counts.model, counts.condition), f"convention {counts.convention.name}", body]
    if counts.parameters is not None:
        active, total = counts.parameters.active, counts.parameters.total
        lines.append(f"parameters: {active:,} active of {total:,}")
    lines += [f"left out: {', '.join(counts.ignored)}"] if counts.ignored else []
    lines += [wrap_all((f"note: {note}" for note in counts.notes), "  ")] if counts.notes else []
    return "\n".join(lines) + "\n"


def _print(number: int | float) -> str:
    return format_amount(number) if number else "-"


def _title(model: str, condition: object) -> str:
    settings = ", ".join(f"{k} = {v:g}" for k, v in dict(condition).items())  # type: ignore[call-overload]
    return f"{model} at {settings}" if settings else model


def op_rows(graph: Graph) -> list[list[str]]:
    """A row an op, under `OP_COLUMNS`."""
    return [
        [
            op.module or "(model)",
            op.name.removeprefix("aten."),
            op.stage,
            "x".join(str(n) for n in graph.tensors[op.outputs[0]].shape) or "scalar",
            _print_live(graph, op),
        ]
        for op in graph.ops
    ]


def render_graph(graph: Graph) -> str:
    """The ops of a graph with their stages, shapes and what is left of them."""
    rows = op_rows(graph)
    body = grid(rows, OP_COLUMNS, "lllrr", shortened=(0, 1))
    lines = [_title(graph.model, graph.condition), body, f"{len(graph.ops)} ops"]
    lines += [wrap_all((f"note: {note}" for note in graph.notes), "  ")] if graph.notes else []
    return "\n".join(lines) + "\n"


def _print_live(graph: Graph, op: Op) -> str:
    """The share of the work that is left after known zeros; nothing where all is."""
    if op.live is None:
        return ""
    if op.live.sites == 0:
        return "none"
    weights = [graph.tensors[i] for i in op.inputs if graph.tensors[i].nonzeros is not None]
    if not weights:
        return "part"
    share = min((w.nonzeros or 0) / w.elements for w in weights)
    return f"{share:.1%}"
