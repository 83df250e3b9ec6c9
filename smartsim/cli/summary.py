"""The verbs `summary` and `compare`: one model by layer, and two records side by side."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from smartsim.cli.door.answer import Output, Sheet, say, show_result
from smartsim.cli.door.kinds import ACCELERATOR_NAME, FORMAT_NAME, IN_FILE
from smartsim.cli.door.verb import reads, verb
from smartsim.cli.model import ModelChoice, model_options
from smartsim.cli.options import (
    convention_option,
    ignore_option,
    output_options,
    table_option,
)

if TYPE_CHECKING:
    from smartsim.report.summary.compare import Comparison
    from smartsim.report.summary.summary import Sort, Summary

__all__ = ["compare", "summary"]

_SORTS: "tuple[Sort, ...]" = (
    *("parameters", "active", "macs", "adds", "others", "switch", "energy", "cycles"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryOptions:
    """What `summary` is asked."""

    traced: ModelChoice
    convention: str
    ignore: tuple[str, ...]
    format: str | None
    table: str
    accelerator: str | None
    depth: int | None
    sort: "str | None"
    top: int | None
    answer: Output


@verb(
    example=(
        "smartsim summary smart:resnet34 --condition lam=1.0 --format int8 --depth 2",
        "smartsim summary mypackage.mymodule:build --input 1,3,224,224 --sort macs --top 10",
    )
)
@model_options("a .pt2 file", "a graph's .json file")
@convention_option()
@ignore_option
@click.option("--format", type=FORMAT_NAME, help="Number format to price; without it no energies.")
@table_option()
@click.option(
    "--accelerator", type=ACCELERATOR_NAME, help="Machine to simulate; without it no cycles."
)
@click.option("--depth", type=click.IntRange(0), help="Sum modules below this depth.")
@click.option("--sort", type=click.Choice(_SORTS), help="Order rows by this, the largest first.")
@click.option("--top", type=click.IntRange(1), help="Rows to show; the others are summed.")
@output_options(".json", ".csv", ".md", ".html")
@reads(SummaryOptions)
def summary(options: SummaryOptions) -> None:
    """Show MODEL as a tree of its modules: shapes, parameters, MACs, ADDs, energy, cycles."""
    from smartsim.report.summary.summary import save_summary
    from smartsim.report.summary.text import render_summary

    made = _summarise(options)
    show_result(
        options.answer,
        lambda: render_summary(made),
        made.to_dict,
        save=lambda path: save_summary(made, path),
        sheet=lambda: _list_layers(made),
    )


def _summarise(options: SummaryOptions) -> "Summary":
    from smartsim.door import summary as summarise
    from smartsim.errors import ConfigurationError
    from smartsim.graph import load_graph
    from smartsim.trace import load_model

    traced = options.traced
    is_graph = traced.model.endswith(".json") or traced.model == "-"
    if is_graph and not traced.is_bare:
        raise ConfigurationError(
            "a graph has its inputs and its condition; leave out --input, --condition, "
            "--declare-zeros and --known"
        )
    given, condition = traced.read_inputs(), traced.read_condition()
    return summarise(
        load_graph(traced.model) if is_graph else load_model(traced.model),
        None if is_graph else given,
        condition=condition,
        name=None if is_graph else traced.model,
        convention=options.convention,
        format=options.format,
        table=options.table,
        accelerator=options.accelerator,
        depth=options.depth,
        sort=options.sort,  # type: ignore[arg-type]  # click has checked it
        top=options.top,
        declared_zeros=traced.declare_zeros,
        known_inputs=traced.read_known(),
        ignore=options.ignore,
        verbose=False,
    )


def _list_layers(made: "Summary") -> Sheet:
    """A row a module, whole names, exact numbers."""
    frame = made.to_dataframe()
    return Sheet(head=list(frame.columns), rows=frame.to_numpy().tolist())


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareOptions:
    """What `compare` is asked."""

    first: Path
    second: Path
    fail_if: tuple[str, ...]
    everything: bool
    answer: Output


@verb(
    example=(
        "smartsim compare before.json after.json",
        "smartsim compare before.json after.json --fail-if 'macs > +2%' --fail-if 'active > 1e6'",
    )
)
@click.argument("first", type=IN_FILE, help="A graph, counts, energy or run that a verb wrote.")
@click.argument("second", type=IN_FILE, help="Another of the same kind.")
@click.option(
    "--fail-if",
    multiple=True,
    metavar="LIMIT",
    help="End with exit code 1 where it holds: 'macs > +2%', 'energy > +1000', 'cycles > 1e6'.",
)
@click.option("--all", "everything", is_flag=True, help="Show layers that are the same as well.")
@output_options(".json", ".csv", ".md", ".html")
@reads(CompareOptions)
def compare(options: CompareOptions) -> None:
    """Hold two records of one kind against each other, by layer and in all."""
    from smartsim.report.summary.compare import compare as compare_records
    from smartsim.report.summary.limits import parse_limit
    from smartsim.report.summary.text import render_comparison

    limits = [parse_limit(text) for text in options.fail_if]
    made = compare_records(options.first, options.second)
    failed = [limit for limit in limits if limit.holds(made)]
    show_result(
        options.answer,
        lambda: render_comparison(made, everything=options.everything),
        made.to_dict,
        sheet=lambda: _list_differences(made),
    )
    for limit in failed:
        total = made.total(limit.metric)
        say(f"fails by {limit.text}: from {total.first:,} to {total.second:,}", err=True)
    if failed:
        raise SystemExit(1)


def _list_differences(made: "Comparison") -> Sheet:
    frame = made.to_dataframe()
    return Sheet(head=list(frame.columns), rows=frame.to_numpy().tolist())
