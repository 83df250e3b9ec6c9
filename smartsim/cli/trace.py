"""The verbs `trace` and `count`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from smartsim.cli.door.answer import Output, Sheet, show_result, tell
from smartsim.cli.door.kinds import IN_FILE
from smartsim.cli.door.verb import reads, verb
from smartsim.cli.model import ModelChoice, model_options
from smartsim.cli.options import (
    convention_option,
    ignore_option,
    output_options,
)

if TYPE_CHECKING:
    from smartsim.counts import Counts
    from smartsim.graph import Graph

__all__ = ["count", "trace"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceOptions:
    """What `trace` is asked."""

    traced: ModelChoice
    answer: Output


@verb(
    example=(
        "smartsim trace smart:resnet34 --condition lam=1.0 -o smart.json",
        "smartsim trace mypackage.mymodule:build --input 1,3,224,224 --json",
    )
)
@model_options("a .pt2 file")
@output_options(".json", ".csv", ".md", ".html")
@reads(TraceOptions)
def trace(options: TraceOptions) -> None:
    """Trace MODEL by partial evaluation: every op, how often it is paid for, its known zeros."""
    from smartsim.graph import save_graph
    from smartsim.report.summary.listing import render_graph
    from smartsim.trace import load_model, trace_model

    traced = options.traced
    given, condition = traced.read_inputs(), traced.read_condition()
    graph = trace_model(
        load_model(traced.model),
        given,
        condition=condition,
        declared_zeros=traced.declare_zeros,
        known_inputs=traced.read_known(),
        name=traced.model,
    )
    tell(f"traced {traced.model}: {len(graph.ops)} ops, {len(graph.parameters)} parameters")
    show_result(
        options.answer,
        lambda: render_graph(graph),
        graph.to_dict,
        save=lambda path: save_graph(graph, path),
        sheet=lambda: _list_ops(graph),
    )


def _list_ops(graph: "Graph") -> Sheet:
    """A row an op."""
    head = ("layer", "op", "stage", "output_shape", "sites_left", "outputs_left")
    return Sheet(
        head=head,
        rows=[
            (
                op.module,
                op.name,
                op.stage,
                "x".join(str(n) for n in graph.tensors[op.outputs[0]].shape),
                None if op.live is None else op.live.sites,
                None if op.live is None else op.live.outputs,
            )
            for op in graph.ops
        ],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CountOptions:
    """What `count` is asked."""

    graph: Path
    convention: str
    ignore: tuple[str, ...]
    all_stages: bool
    answer: Output


@verb(
    example=(
        "smartsim count smart.json --convention paper",
        "smartsim trace pgdat:resnet8 --json | smartsim count - -o counts.json",
    )
)
@click.argument(
    "graph", type=IN_FILE, help="A file that `smartsim trace` wrote; - is the standard input."
)
@convention_option()
@ignore_option
@click.option("--all-stages", is_flag=True, help="Show what is done once at deployment as well.")
@output_options(".json", ".csv", ".md", ".html")
@reads(CountOptions)
def count(options: CountOptions) -> None:
    """Count the actions of GRAPH by layer and stage, under a convention."""
    from smartsim.counts import count_actions, save_counts
    from smartsim.counts.conventions import load_convention
    from smartsim.graph import load_graph
    from smartsim.report.summary.listing import render_counts

    counts = count_actions(
        load_graph(options.graph), load_convention(options.convention), ignore=options.ignore
    )
    tell(f"counted {counts.model} under convention {counts.convention.name}")
    show_result(
        options.answer,
        lambda: render_counts(counts, everything=options.all_stages),
        counts.to_dict,
        save=lambda path: save_counts(counts, path),
        sheet=lambda: _list_counts(counts),
    )


def _list_counts(counts: "Counts") -> Sheet:
    """A row a layer, op, stage and action."""
    return Sheet(
        head=("layer", "op", "stage", "action", "conditional", "number"),
        rows=[
            (item.layer, item.op, item.stage, item.action, item.conditional, item.number)
            for item in counts.items
        ],
    )
