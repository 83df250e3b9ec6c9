"""The verbs of the simulator: `simulate`, `sweep`, `accelerators`. Heavy imports happen inside."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from smartsim.cli.door.kinds import LAMS
from smartsim.errors import ConfigurationError

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from smartsim.cost import Table
    from smartsim.graph import Graph
    from smartsim.simulate import Accelerator, Run

__all__ = ["TABLE", "accelerators", "of_machine", "read_machine", "simulate", "sweep"]

TABLE = "horowitz2014_45nm+shiftaddnet2020_asic_45nm+han2015_45nm"
_DEFAULT_MODEL = "pgdat:resnet34"
_ARCH = {"arch": "resnet34", "classes": 10, "shape": "1,3,32,32", "film_dimension": 1}


def of_machine(command: Any) -> Any:
    """The options that say which machine, with which energies, in which numbers."""
    options = (
        click.option(
            "--accelerator", default="edge_npu", show_default=True, help="A name, or a .toml file."
        ),
        click.option("--zeros", help="In place of its own: none, gating, skipping:8, 2:4."),
        click.option(
            "--table", default=TABLE, show_default=True, help="Energy table; none for no energies."
        ),
        click.option("--dram", help="Memory of the table, such as dram:hbm2."),
        click.option("--format", "plan", default="int8", show_default=True, help="Number format."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def read_machine(options: dict[str, Any]) -> "tuple[Accelerator, Table | None]":
    """The accelerator and the energy table that `of_machine`'s options name."""
    from smartsim.cost import load_table
    from smartsim.simulate import load_accelerator

    accelerator = load_accelerator(options["accelerator"])
    if options["zeros"]:
        accelerator = accelerator.with_zeros(options["zeros"])
    return accelerator, None if options["table"] == "none" else load_table(options["table"])


@click.command()
@click.argument("graphs", nargs=-1, type=click.Path(path_type=Path))
@of_machine
@click.option("--compare", is_flag=True, help="PGD-AT, OAT, FLOAT and SMART side by side.")
@click.option("--arch", default=_ARCH["arch"], show_default=True, help="Backbone for --compare.")
@click.option(
    "--lam", type=LAMS, default="0,1", show_default=True, help="Values of lam for --compare."
)
@click.option("--roofline", type=click.Path(path_type=Path), help="Figure to write.")
@click.option("--csv", "csv_file", type=click.Path(path_type=Path), help="Steps as CSV to write.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File to write: the run.")
def simulate(graphs: tuple[Path, ...], output: Path | None, **options: Any) -> None:
    """Simulate GRAPHS, files that `smartsim trace` wrote, on an accelerator.

    One graph: totals, energy by component, and a line a layer with what it waits for. Several, or
    --compare: one line a graph. JSON of the run goes to --output, or to a pipe.
    """
    from smartsim.report.simulate.text import render_comparison, render_csv, render_run
    from smartsim.simulate import save_run

    runs = _simulate_all(graphs, options)
    every = [run for of_model in runs.values() for run in of_model]
    if len(every) == 1 and output is not None:
        save_run(every[0], output)
    elif output is not None:
        raise ConfigurationError("--output holds one run; give one graph, or use --csv for several")
    written = [output] if output is not None else []
    if options["csv_file"] is not None:
        from smartsim.records.files import write_text_atomically

        write_text_atomically(options["csv_file"], render_csv(every))
        written.append(options["csv_file"])
    if options["roofline"] is not None:
        _draw_roofline(runs, options["roofline"])
        written.append(options["roofline"])
    if len(every) == 1 and output is None and not sys.stdout.isatty() and not written:
        import json

        click.echo(json.dumps(every[0].to_dict()))
        return
    click.echo(render_run(every[0]) if len(every) == 1 else render_comparison(runs), nl=False)
    for path in written:
        click.echo(f"written: {path}")


def _simulate_all(graphs: tuple[Path, ...], options: dict[str, Any]) -> "dict[str, list[Run]]":
    """Runs by label: the given graphs, then the four methods if they are to be compared."""
    from smartsim.graph import load_graph
    from smartsim.simulate import simulate_network

    if not graphs and not options["compare"]:
        raise ConfigurationError(
            "nothing to simulate; give a file that `smartsim trace MODEL --output FILE` wrote, "
            "or --compare"
        )
    accelerator, table = read_machine(options)
    given: dict[str, list[Graph]] = {}
    for path in graphs:
        graph = load_graph(path)
        given.setdefault(graph.model or path.stem, []).append(graph)
    if options["compare"]:
        from smartsim.cli.methods import MethodChoice, trace_methods

        for trace in trace_methods(MethodChoice(arch=options["arch"], lam=options["lam"])):
            given[trace.label] = list(trace.paths.values())
    return {
        label: [
            simulate_network(
                graph, accelerator, table=table, plan=_plan(options), dram_level=options["dram"]
            )
            for graph in of_model
        ]
        for label, of_model in given.items()
    }


def _plan(options: dict[str, Any]) -> Any:
    from smartsim.cost import load_plan

    return load_plan(options["plan"])


def _draw_roofline(runs: "dict[str, list[Run]]", path: Path) -> None:
    """The last run of each model."""
    from smartsim.report.simulate.figures import draw_roofline
    from smartsim.report.style.figures import save_figure

    save_figure(draw_roofline([(label, of_model[-1]) for label, of_model in runs.items()]), path)


@click.command()
@click.argument("graph", required=False, type=click.Path(path_type=Path))
@of_machine
@click.option("--rows", default="8:128:8", show_default=True, help="Such as 16,32 or 8:128.")
@click.option("--cols", default="8:128:8", show_default=True, help="Such as 16,32 or 8:128.")
@click.option("--dataflow", default="os,ws,is", show_default=True, help="Any of os, ws, is.")
@click.option("--buffer", default="32k:2M", show_default=True, help="Bytes a buffer, doubling.")
@click.option("--bits", default="2:16", show_default=True, help="Widths of integer operands.")
@click.option("--points", is_flag=True, help="Write every design, not only the Pareto fronts.")
@click.option("--chunk", default=65_536, show_default=True, help="Designs of one chunk.")
@click.option("--workers", type=click.IntRange(1), help="Processes, or jobs at a time.")
@click.option(
    "--executor",
    default="processes",
    show_default=True,
    type=click.Choice(["processes", "submitit", "dask"]),
    help="Where chunks run: here, on a Slurm cluster, or on a Dask cluster.",
)
@click.option("--cluster", help="Dask scheduler's address, or submitit's cluster (slurm, local).")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder; resumes from it.")
def sweep(graph: Path | None, output: Path | None, **options: Any) -> None:
    """Price every design of a grid for GRAPH: the Pareto fronts of cycles against energy.

    Without GRAPH, PGD-AT's ResNet-34. A sweep that was stopped goes on where its folder ends;
    chunks are independent, on this machine or on a cluster.
    """
    from smartsim.report.simulate.figures import draw_pareto
    from smartsim.report.simulate.text import render_sweep
    from smartsim.report.style.figures import save_figure
    from smartsim.simulate.explore.grids import Grid, parse_sizes, parse_values
    from smartsim.simulate.explore.sweeps import plan_sweep, run_sweep
    from smartsim.simulate.explore.tabulate import tabulate_network

    accelerator, table = read_machine(options)
    grid = Grid(
        dataflows=tuple(part.strip() for part in options["dataflow"].split(",")),
        rows=parse_values(options["rows"], "--rows"),
        cols=parse_values(options["cols"], "--cols"),
        buffer_bits=parse_sizes(options["buffer"], "--buffer"),
        bits=parse_values(options["bits"], "--bits"),
    )
    network = tabulate_network(_read_graph(graph), accelerator)
    planned = plan_sweep(network, accelerator, grid, table=table, chunk_points=options["chunk"])
    with _executor(options, planned.chunks) as executor, _bar(len(grid)) as bar:
        result = run_sweep(
            planned,
            folder=output,
            points=options["points"],
            executor=executor,
            on_chunk=lambda summary: bar.update(summary["points"]),
        )
    click.echo(render_sweep(result), nl=False)
    if output is not None:
        for name in ("pareto.svg", "pareto.png"):
            save_figure(
                draw_pareto(result, f"{network.model} on {accelerator.name}"), output / name
            )
            click.echo(f"written: {output / name}")
        click.echo(f"written: {output / 'pareto.csv'}")


def _read_graph(path: Path | None) -> "Graph":
    from smartsim.graph import load_graph

    if path is not None:
        return load_graph(path)
    from smartsim.trace import load_model, parse_shape, trace_model

    model = load_model(_DEFAULT_MODEL)
    shape = parse_shape(str(_ARCH["shape"]))
    return trace_model(model, shape, condition={"lam": 0.0}, name=_DEFAULT_MODEL)


@contextmanager
def _executor(options: dict[str, Any], chunks: int) -> "Iterator[Executor | None]":
    """Where chunks run; None runs them one after the other in this process."""
    from smartsim.simulate.explore.executors import open_executor

    workers = options["workers"] or min(os.cpu_count() or 1, chunks)
    with open_executor(options["executor"], workers, options["cluster"]) as executor:
        yield executor


def _bar(total: int) -> Any:
    """A bar on stderr for a terminal, nothing in a pipe."""
    from tqdm import tqdm

    return tqdm(
        total=total, desc="sweeping", unit=" designs", unit_scale=True, disable=None, leave=False
    )


@click.command()
@click.argument("name", required=False)
def accelerators(name: str | None) -> None:
    """List the accelerators, or show the values of one with their sources."""
    from smartsim.report.simulate.text import render_accelerator
    from smartsim.simulate import list_accelerators, load_accelerator

    if name:
        click.echo(render_accelerator(load_accelerator(name)), nl=False)
        return
    for each in list_accelerators():
        click.echo(f"{each:<20} {load_accelerator(each).description}")
    click.echo("\nsmartsim accelerators NAME shows each value with its source")
