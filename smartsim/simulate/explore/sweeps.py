"""A sweep over millions of designs: chunks that are independent and resumable, merged.

A sweep that was stopped goes on with the chunks that are missing. Memory holds one chunk a worker,
the Pareto fronts and the cells of the cloud.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, as_completed
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

from smartsim.cost import Table, load_table
from smartsim.errors import ConfigurationError
from smartsim.graph import Graph
from smartsim.records.accept import expect
from smartsim.records.document import STRICT, Document, Nonnegative, Whole
from smartsim.records.files import read_json, write_text_atomically
from smartsim.records.shown import Shown
from smartsim.simulate.explore.chunks import Summary, merge_summaries, run_chunk
from smartsim.simulate.explore.clouds import Cloud
from smartsim.simulate.explore.fronts import Axes, Front
from smartsim.simulate.explore.grids import Grid, Limits
from smartsim.simulate.explore.plans import Sweep, plan_sweep
from smartsim.simulate.explore.tabulate import tabulate_network
from smartsim.simulate.machine.accelerators import Accelerator
from smartsim.simulate.machine.load import load_accelerator

__all__ = ["SWEEP_FILES", "SweepResult", "load_sweep", "run_sweep", "save_sweep", "sweep_designs"]


SWEEP_FILES = ("sweep.json", "pareto.csv")
"""What a sweep leaves in its folder beside its chunks: what it is, and its front."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepResult(Shown):
    """What a sweep found.

    Attributes:
        model: How the model was named.
        condition: Its condition, as "lam=1".
        base: Name of the machine that says what a design does not.
        table: Name of the energy table; "" for none.
        points: Designs of the grid.
        within: Designs within the limits, which were evaluated.
        feasible: Designs of these whose buffers hold one tile.
        used: Designs of these that meet the least utilization.
        front: The feasible designs that no other of their width beats on two axes.
        used_front: The same of those that meet the least utilization; its knees are recommended.
        cloud: Where the feasible designs lie.
        most_elements: The limit of processing elements, or None.
        most_area_um2: The limit of area, or None.
        least_utilization: What a recommended design has at least, in [0, 1].
        area_scope: What an area contains; "" where there is none.
        element_areas: By width, what an element's area is made of.
        unpriced: Names of what has no price and is in no energy.
    """

    __pydantic_config__ = STRICT

    model: str
    condition: str
    base: str
    table: str
    points: Whole
    within: Whole
    feasible: Whole
    used: Whole
    front: Front
    used_front: Front
    cloud: Cloud
    most_elements: Whole | None
    most_area_um2: Nonnegative | None
    least_utilization: Nonnegative
    area_scope: str
    element_areas: Mapping[str, str]
    unpriced: tuple[str, ...]

    def __repr__(self) -> str:
        return (
            f"<SweepResult of {self.model} on designs like {self.base}: {len(self.front)} of "
            f"{self.points:,} designs on the front of {' and '.join(self.axes)}>"
        )

    @property
    def axes(self) -> Axes:
        """The two columns that were weighed."""
        return self.front.axes

    @property
    def widths(self) -> tuple[int, ...]:
        """Widths of the designs on the front."""
        return tuple(dict.fromkeys(self.front.column("bits"))) if self.front.points else ()

    @property
    def best_utilization(self) -> float:
        """The best that any design reaches, to three digits."""
        return max(self.cloud.utilization, default=0) / 1000


def save_sweep(result: SweepResult, path: str | Path) -> None:
    """Write `result` as JSON to `path`, whole or not at all."""
    _DOCUMENT.save(result, path)


def load_sweep(path: str | Path) -> SweepResult:
    """Read a result that `save_sweep` wrote.

    Raises:
        FileFormatError: If the file is missing, damaged, or something else; the sentence names it.
    """
    return _DOCUMENT.load(path)


_DOCUMENT = Document(
    record=SweepResult,
    format="smartsim-sweep",
    version=1,
    what="a sweep's result",
    remedy="make one with `smartsim sweep GRAPH --output FILE.json`",
)


def sweep_designs(
    graph: Graph,
    accelerator: Accelerator | str | Path = "edge_npu",
    *,
    table: Table | str | Path | None = None,
    grid: Grid | None = None,
    limits: Limits | None = None,
    least_utilization: float = 0.5,
    axes: Axes | None = None,
    dram_level: str | None = None,
    executor: Executor | None = None,
) -> SweepResult:
    """Evaluate one inference of `graph` on every design of a grid.

    Args:
        graph: What `smartsim.trace.trace_model` returned.
        accelerator: What a design does not say, by name, path or as a record.
        table: Published energies and areas, likewise; without it there are neither.
        grid: The designs; by default 5,376 of 8 bits.
        limits: What designs may cost to build.
        least_utilization: Share of the elements' cycles that a recommended design uses, in [0, 1].
        axes: As `plan_sweep` takes them, such as `("area", "cycles")`.
        dram_level: Memory of the table in place of the accelerator's own.
        executor: As `run_sweep` takes it.

    Raises:
        ConfigurationError: If the machine cannot be tabulated, or an axis or a limit needs what
            the table does not have.
    """
    base = load_accelerator(accelerator)
    planned = plan_sweep(
        tabulate_network(expect(graph, Graph, "graph"), base),
        base,
        grid or Grid(),
        table=None if table is None else load_table(table),
        dram_level=dram_level,
        limits=limits,
        least_utilization=least_utilization,
        axes=axes,
    )
    return run_sweep(planned, executor=executor)


def run_sweep(
    sweep: Sweep,
    *,
    folder: str | Path | None = None,
    points: bool = False,
    executor: Executor | None = None,
    on_chunk: Callable[[dict[str, Any]], None] | None = None,
) -> SweepResult:
    """Evaluate all chunks, here or on an executor, and merge what they found.

    Args:
        sweep: The sweep.
        folder: Where chunks leave their files; a sweep that was stopped goes on from there.
        points: Whether every feasible point is written to CSV files, one a chunk.
        executor: Anything with the interface of `concurrent.futures`: processes, submitit, Dask.
        on_chunk: Called with each chunk's summary as it comes, for progress.

    Raises:
        ConfigurationError: If `folder` holds another sweep.
    """
    target = None if folder is None else Path(folder)
    if target is not None:
        _claim(target, sweep)
    work = partial(run_chunk, sweep, folder=target, points=points)
    summaries: Iterator[dict[str, Any]]
    if executor is None:
        summaries = (work(number) for number in range(sweep.chunks))
    else:
        summaries = _on_executor(executor, work, sweep.chunks)
    found = Summary.empty(sweep)
    for summary in summaries:
        found = merge_summaries(found, Summary.from_dict(summary))
        if on_chunk is not None:
            on_chunk(summary)
    if target is not None:
        write_text_atomically(target / SWEEP_FILES[1], found.front.to_csv())
    return _result(sweep, found)


def _result(sweep: Sweep, found: Summary) -> SweepResult:
    areas = sweep.areas
    widths = sweep.grid.bits
    return SweepResult(
        model=sweep.network.model,
        condition=sweep.network.condition,
        base=sweep.base.name,
        table=sweep.table,
        **{f.name: getattr(found, f.name) for f in fields(found)},
        most_elements=sweep.limits.most_elements,
        most_area_um2=sweep.limits.most_area_um2,
        least_utilization=float(sweep.least_utilization),
        area_scope="" if areas is None else areas.scope,
        element_areas={} if areas is None else {f"int{b}": areas.parts[b] for b in widths},
        unpriced=sweep.prices.unpriced,
    )


_MOST_WAITING = 64


def _on_executor(
    executor: Executor, work: Callable[[int], dict[str, Any]], chunks: int
) -> Iterator[dict[str, Any]]:
    """Summaries as they come; only so many chunks wait at a time."""
    waiting: set[Future[dict[str, Any]]] = set()
    for number in range(chunks):
        waiting.add(executor.submit(work, number))
        if len(waiting) >= _MOST_WAITING:
            done = _first(waiting)
            waiting.discard(done)
            yield done.result()
    while waiting:
        done = _first(waiting)
        waiting.discard(done)
        yield done.result()


def _first(waiting: set[Future[dict[str, Any]]]) -> Future[dict[str, Any]]:
    """The next future that is done; executors of other makes only know `result`."""
    if all(isinstance(future, Future) for future in waiting):
        return next(as_completed(waiting))
    return next(iter(waiting))


def _claim(folder: Path, sweep: Sweep) -> None:
    """Write what the sweep is into its folder, or check that it is this sweep's."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / SWEEP_FILES[0]
    if path.is_file():
        known = read_json(path, "a sweep's description")
        if known.get("fingerprint") != sweep.fingerprint:
            raise ConfigurationError(
                f"{folder} holds another sweep ({known.get('model')} on {known.get('base')}, "
                f"{known.get('points')} points); give another folder, or empty this one"
            )
        return
    grid = {f.name: list(getattr(sweep.grid, f.name)) for f in fields(sweep.grid)}
    description = {
        "fingerprint": sweep.fingerprint,
        "model": sweep.network.model,
        "condition": sweep.network.condition,
        "base": sweep.base.name,
        "table": sweep.table,
        "grid": grid,
        "limits": {f.name: getattr(sweep.limits, f.name) for f in fields(sweep.limits)},
        "least_utilization": sweep.least_utilization,
        "axes": list(sweep.axes),
        "points": len(sweep.grid),
        "chunks": sweep.chunks,
        "chunk_points": sweep.chunk_points,
        "columns": list(sweep.columns),
    }
    write_text_atomically(path, json.dumps(description, indent=1) + "\n")
