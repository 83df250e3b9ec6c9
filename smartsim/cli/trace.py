"""The verbs `trace` and `count`."""

from pathlib import Path

import click

from smartsim.cli.options import (
    PAPER_INPUT,
    convention_option,
    ignore_option,
    output_option,
    read_convention,
    show_result,
)

__all__ = ["count", "trace"]


@click.command()
@click.argument("model")
@click.option(
    "--input",
    "inputs",
    multiple=True,
    help="Input shape, such as 1,3,32,32, or 1,16:int64; once for each input.",
)
@click.option("--condition", multiple=True, help="What the user sets, such as lam=1.0.")
@click.option(
    "--declare-zeros", multiple=True, help="Parameter whose zeros are structure; * for all."
)
@output_option
def trace(
    model: str,
    inputs: tuple[str, ...],
    condition: tuple[str, ...],
    declare_zeros: tuple[str, ...],
    output: Path | None,
) -> None:
    """Trace MODEL by partial evaluation: JSON to a file or a pipe, a table to a terminal.

    MODEL is a built-in such as smart:resnet34, package.module:callable of your own, or a file that
    torch.export.save wrote (.pt2).
    """
    from smartsim.graph import save_graph
    from smartsim.report.layers.text import render_graph
    from smartsim.trace import load_model, parse_condition, parse_input, trace_model

    given = [parse_input(text) for text in inputs or (PAPER_INPUT,)]
    conditions = parse_condition(condition)
    graph = trace_model(
        load_model(model), given, condition=conditions, declared_zeros=declare_zeros, name=model
    )
    if output is not None:
        save_graph(graph, output)
    show_result(output, render_graph(graph), graph.to_dict())


@click.command()
@click.argument("graph", type=click.Path(path_type=Path))
@convention_option
@ignore_option
@click.option("--all-stages", is_flag=True, help="Show what is done once at deployment as well.")
@output_option
def count(
    graph: Path, convention: str, ignore: tuple[str, ...], all_stages: bool, output: Path | None
) -> None:
    """Count the actions of GRAPH, a file that `smartsim trace` wrote; - is the standard input."""
    from smartsim.counts import count_actions, save_counts
    from smartsim.graph import load_graph
    from smartsim.report.layers.text import render_counts

    counts = count_actions(load_graph(graph), read_convention(convention), ignore=ignore)
    if output is not None:
        save_counts(counts, output)
    show_result(output, render_counts(counts, everything=all_stages), counts.to_dict())
