"""The verb `sweep`. Heavy imports happen inside."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from smartsim.cli.door.answer import JsonLayout, print_answer, say_written, tell
from smartsim.cli.door.kinds import FORMATS, IN_FILE
from smartsim.cli.door.verb import reads, verb
from smartsim.cli.machine import MachineChoice, hardware_options
from smartsim.cli.options import PAPER_INPUT, json_option
from smartsim.cli.progress import open_bar
from smartsim.errors import ConfigurationError

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from smartsim.graph import Graph
    from smartsim.simulate.explore.plans import Sweep
    from smartsim.simulate.explore.sweeps import SweepResult

__all__ = ["sweep"]

_DEFAULT_MODEL = "pgdat:resnet34"
_FIGURES = (".svg", ".png", ".pdf")
_ENDINGS = (".parquet", ".csv", ".json", *_FIGURES)


@dataclass(frozen=True, slots=True, kw_only=True)
class GridChoice:
    """Which designs, lists and ranges as text."""

    rows: str
    cols: str
    dataflow: str
    buffer: str
    bits: str | None
    formats: tuple[str, ...]
    max_pes: int | None
    max_area_mm2: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepOptions:
    """What `sweep` is asked."""

    graph: Path | None
    machine: MachineChoice
    grid: GridChoice
    axes: str | None
    min_utilization: float
    points: bool
    chunk: int
    workers: int | None
    executor: Literal["processes", "submitit", "dask"]
    cluster: str | None
    output: Path | None
    json: JsonLayout | None


class _Target(click.Path):
    """A file whose ending says what is in it, or a folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path, if it can be written to."""
        del param
        path = Path(value)
        if not path.is_dir() and path.suffix and path.suffix.lower() not in _ENDINGS:
            raise click.UsageError(
                f"{path}: a sweep is written as .parquet (all designs), .csv (the front), .json "
                f"(the record), {', '.join(_FIGURES)} (the figure), or into a folder, whose name "
                "has no ending",
                ctx,
            )
        return path


@verb(
    example=(
        "smartsim sweep graph.json --max-pes 4096 --max-area-mm2 1.5",
        "smartsim sweep --axes area,cycles --format int4,int8 -o designs.parquet",
    )
)
@click.argument("graph", required=False, type=IN_FILE, help="A file that `smartsim trace` wrote.")
@hardware_options
@click.option("--rows", default="8:128:8", metavar="RANGE", help="Such as 16,32 or 8:128.")
@click.option("--cols", default="8:128:8", metavar="RANGE", help="Such as 16,32 or 8:128.")
@click.option("--dataflow", default="os,ws,is", metavar="NAMES", help="Any of os, ws, is.")
@click.option("--buffer", default="32k:2M", metavar="SIZES", help="Bytes a buffer, doubling.")
@click.option(
    "--format",
    "formats",
    type=FORMATS,
    default="int8",
    help="Integer formats, such as int4,int8.",
)
@click.option("--bits", metavar="RANGE", help="In place of --format: widths such as 4,8 or 2:16.")
@click.option(
    "--max-pes", type=click.IntRange(1), metavar="INTEGER", help="Most processing elements."
)
@click.option(
    "--max-area-mm2",
    type=click.FloatRange(0, min_open=True),
    metavar="NUMBER",
    help="Largest area of what the table has areas of.",
)
@click.option(
    "--axes",
    metavar="NAMES",
    help="Weigh two of cycles, energy, dram, area, pes; cycles,energy unless there is no table.",
)
@click.option(
    "--min-utilization",
    default=0.5,
    type=click.FloatRange(0, 1),
    metavar="NUMBER",
    help="Share of its elements' cycles that a design must use to be recommended.",
)
@click.option("--points", is_flag=True, help="Leave every design in the folder, as CSV.")
@click.option("--chunk", default=65_536, help="Designs of one chunk.")
@click.option(
    "--workers", type=click.IntRange(1), metavar="INTEGER", help="Processes, or jobs at a time."
)
@click.option(
    "--executor",
    default="processes",
    type=click.Choice(["processes", "submitit", "dask"]),
    help="Where chunks run: here, on a Slurm cluster, or on a Dask cluster.",
)
@click.option(
    "--cluster",
    metavar="NAME",
    help="Dask scheduler's address, or submitit's cluster (slurm, local).",
)
@click.option(
    "-o",
    "--output",
    type=_Target(),
    metavar="FILE|FOLDER",
    help="Folder for front and figure, resumed from; or .parquet (all designs), .csv (the front), "
    ".json (the record), .svg, .png, .pdf.",
)
@json_option
@reads(SweepOptions)
def sweep(options: SweepOptions) -> None:
    """Find what to build for GRAPH: every design of a grid, and those that no other beats.

    Without GRAPH, PGD-AT's ResNet-34. A sweep that was stopped goes on where its folder, or its
    .parquet file, ends; chunks are independent, on this machine or on a cluster.
    """
    from smartsim.report.sweep.text import render_sweep

    ending = "" if options.output is None else options.output.suffix.lower()
    into_folder = options.output is not None and ending not in _ENDINGS
    if ending == ".parquet":
        from smartsim.simulate.explore.points import require_duckdb

        require_duckdb()
    planned = _plan(options)
    tell(f"sweeping {len(planned.grid):,} designs in {planned.chunks} chunks")
    result = _run(planned, options, into_folder=into_folder)
    print_answer(options.json, lambda: render_sweep(result), result.to_dict)
    if options.output is not None:
        paths = _write(result, options.output, into_folder=into_folder)
        say_written(*paths, err=options.json is not None)


def _plan(options: SweepOptions) -> "Sweep":
    from smartsim.simulate.explore.grids import (
        Grid,
        Limits,
        parse_dataflows,
        parse_sizes,
        parse_values,
    )
    from smartsim.simulate.explore.plans import parse_axes, plan_sweep
    from smartsim.simulate.explore.tabulate import tabulate_network

    accelerator, choice = options.machine.load_accelerator(), options.grid
    area = None if choice.max_area_mm2 is None else 1e6 * choice.max_area_mm2
    grid = Grid(
        dataflows=parse_dataflows(choice.dataflow),
        rows=parse_values(choice.rows, "--rows"),
        cols=parse_values(choice.cols, "--cols"),
        buffer_bits=parse_sizes(choice.buffer, "--buffer"),
        bits=_read_bits(choice),
    )
    return plan_sweep(
        tabulate_network(_read_graph(options.graph), accelerator),
        accelerator,
        grid,
        table=options.machine.load_table(),
        dram_level=options.machine.dram,
        limits=Limits(most_elements=choice.max_pes, most_area_um2=area),
        least_utilization=options.min_utilization,
        axes=None if options.axes is None else parse_axes(options.axes),
        chunk_points=options.chunk,
    )


def _read_bits(choice: GridChoice) -> tuple[int, ...]:
    """The widths: of `--bits` if it is given, else of the formats."""
    from smartsim.cost import parse_format
    from smartsim.simulate.explore.grids import parse_values

    if choice.bits is not None:
        return parse_values(choice.bits, "--bits")
    formats = [parse_format(name) for name in choice.formats]
    other = next((each.name for each in formats if each.kind != "int"), None)
    if other is not None:
        raise ConfigurationError(
            f"--format {other}: a sweep's arrays multiply integers; give formats such as int8, "
            "and simulate single designs in others with `smartsim simulate`"
        )
    return tuple(sorted({each.bits for each in formats}))


def _run(planned: "Sweep", options: SweepOptions, *, into_folder: bool) -> "SweepResult":
    from smartsim.simulate.explore.points import sweep_to_parquet
    from smartsim.simulate.explore.sweeps import run_sweep

    with (
        _executor(options, planned.chunks) as executor,
        open_bar(len(planned.grid), "sweeping", " designs") as bar,
    ):

        def on_chunk(summary: dict[str, Any]) -> None:
            bar.update(summary["points"])

        if options.output is not None and options.output.suffix.lower() == ".parquet":
            return sweep_to_parquet(planned, options.output, executor=executor, on_chunk=on_chunk)
        if options.points and not into_folder:
            raise ConfigurationError("--points leaves files in a folder; give -o FOLDER")
        return run_sweep(
            planned,
            folder=options.output if into_folder else None,
            points=options.points,
            executor=executor,
            on_chunk=on_chunk,
        )


def _write(result: "SweepResult", target: Path, *, into_folder: bool) -> list[Path]:
    """The files that the sweep itself has not written yet; returns all of interest."""
    from smartsim.records.files import write_text_atomically
    from smartsim.report.style.figures import save_figure
    from smartsim.report.sweep.figure import draw_sweep
    from smartsim.simulate.explore.sweeps import save_sweep

    if into_folder:
        figure = draw_sweep(result)
        paths = [target / f"pareto{ending}" for ending in (".svg", ".png")]
        for path in paths:
            save_figure(figure, path)
        return [*paths, target / "pareto.csv"]
    match target.suffix.lower():
        case ".csv":
            write_text_atomically(target, result.front.to_csv())
        case ".json":
            save_sweep(result, target)
        case ".parquet":
            pass
        case _:
            save_figure(draw_sweep(result), target)
    return [target]


def _read_graph(path: Path | None) -> "Graph":
    from smartsim.graph import load_graph

    if path is not None:
        return load_graph(path)
    from smartsim.trace import load_model, parse_shape, trace_model

    model = load_model(_DEFAULT_MODEL)
    shape = parse_shape(PAPER_INPUT)
    return trace_model(model, shape, condition={"lam": 0.0}, name=_DEFAULT_MODEL)


@contextmanager
def _executor(options: SweepOptions, chunks: int) -> "Iterator[Executor | None]":
    """Where chunks run; None runs them one after the other in this process."""
    from smartsim.simulate.explore.executors import open_executor

    workers = options.workers or min(os.cpu_count() or 1, chunks)
    with open_executor(options.executor, workers, options.cluster) as executor:
        yield executor
