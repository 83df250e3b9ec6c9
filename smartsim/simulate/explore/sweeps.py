"""A sweep over millions of designs: a grid cut into chunks that are independent and resumable.

A chunk is named by its number and is done when its summary is there; a sweep that was stopped goes
on with the chunks that are missing. Memory holds one chunk a worker, and the Pareto front.
"""

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, as_completed
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smartsim.cost import Table
from smartsim.errors import ConfigurationError
from smartsim.records.files import read_json, write_json_atomically, write_text_atomically
from smartsim.simulate.explore.designs import (
    DesignPrices,
    Designs,
    Results,
    price_designs,
)
from smartsim.simulate.explore.evaluate import evaluate_designs
from smartsim.simulate.explore.fronts import Front, front_of, merge_fronts
from smartsim.simulate.explore.grids import Grid
from smartsim.simulate.explore.tabulate import NetworkTable
from smartsim.simulate.machine.accelerators import Accelerator

__all__ = [
    "COLUMNS",
    "Sweep",
    "SweepResult",
    "plan_sweep",
    "run_chunk",
    "run_sweep",
]

COLUMNS = (
    *("dataflow", "rows", "cols", "buffer_bits", "bits"),
    *("cycles", "energy_pj", "dram_bits", "macs", "utilization"),
)
"""Columns of a file of points."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """Everything that a worker needs.

    Attributes:
        network: The network as arrays.
        base: What a design does not say.
        grid: The designs.
        prices: Prices from a table, or none.
        table: Name of the table; "" for none.
        chunk_points: Designs of one chunk.
        fingerprint: What tells this sweep from others.
    """

    network: NetworkTable
    base: Accelerator
    grid: Grid
    prices: DesignPrices
    table: str
    chunk_points: int
    fingerprint: str

    @property
    def chunks(self) -> int:
        """How many chunks the grid is cut into."""
        return -(-len(self.grid) // self.chunk_points)

    @property
    def goal(self) -> str:
        """What is weighed against cycles."""
        return "energy_pj" if self.table else "dram_bits"


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepResult:
    """What a sweep found.

    Attributes:
        points: Designs that were evaluated.
        feasible: Designs whose buffers hold one tile.
        front: The designs that no other of their width beats in cycles and in the goal.
        goal: "energy_pj", or "dram_bits" without a table.
        unpriced: Names of what has no price and is in no energy.
    """

    points: int
    feasible: int
    front: Front
    goal: str
    unpriced: tuple[str, ...]


def plan_sweep(
    network: NetworkTable,
    base: Accelerator,
    grid: Grid,
    *,
    table: Table | None = None,
    chunk_points: int = 65_536,
) -> Sweep:
    """Cut a sweep into chunks.

    Args:
        network: What `tabulate_network` returned for `base`.
        base: What a design does not say: bandwidth, accumulators, vector unit, zeros.
        grid: The designs.
        table: Published energies; None weighs cycles against DRAM traffic.
        chunk_points: Designs of one chunk, at least one.

    Raises:
        ConfigurationError: If the table cannot price a MAC, or the chunk is empty.
    """
    if chunk_points < 1:
        raise ConfigurationError(f"chunks of {chunk_points} points; at least 1 is needed")
    prices = price_designs(network, base, table)
    with np.printoptions(threshold=10**9):
        told = repr((network, base, grid, None if table is None else table.rows, chunk_points))
    return Sweep(
        network=network,
        base=base,
        grid=grid,
        prices=prices,
        table="" if table is None else table.name,
        chunk_points=chunk_points,
        fingerprint=hashlib.sha256(told.encode()).hexdigest()[:16],
    )


def run_chunk(
    sweep: Sweep, number: int, folder: Path | None = None, *, points: bool = False
) -> dict[str, Any]:
    """Evaluate one chunk, unless its summary is already in `folder`.

    Args:
        sweep: The sweep.
        number: Which chunk, from 0.
        folder: Where its files go: chunk-000012.json, and chunk-000012.csv with `points`.
        points: Whether every feasible point is written, or only the chunk's Pareto front.

    Returns:
        The summary as JSON-ready values: points, feasible, front.
    """
    summary_path = None if folder is None else folder / f"chunk-{number:06d}.json"
    if summary_path is not None and summary_path.is_file():
        found = read_json(summary_path, "a chunk of a sweep")
        if found.get("fingerprint") == sweep.fingerprint:
            return found
    start = number * sweep.chunk_points
    stop = min(start + sweep.chunk_points, len(sweep.grid))
    front, feasible = Front(), 0
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for designs in sweep.grid.designs(start, stop):
        results = evaluate_designs(sweep.network, designs, sweep.base, sweep.prices)
        feasible += int(results.feasible.sum())
        columns = _columns(designs, results)
        front = merge_fronts(front, front_of(columns, sweep.goal))
        if points and folder is not None:
            writer.writerows(zip(*(c.tolist() for c in columns.values()), strict=True))
    summary = {
        "fingerprint": sweep.fingerprint,
        "chunk": number,
        "points": stop - start,
        "feasible": feasible,
        "front": front.to_dict(),
    }
    if folder is not None and summary_path is not None:
        if points:
            write_text_atomically(folder / f"chunk-{number:06d}.csv", text.getvalue())
        write_json_atomically(summary_path, summary)
    return summary


def run_sweep(
    sweep: Sweep,
    *,
    folder: str | Path | None = None,
    points: bool = False,
    executor: Executor | None = None,
    on_chunk: Callable[[dict[str, Any]], None] | None = None,
) -> SweepResult:
    """Evaluate all chunks, here or on an executor, and merge their Pareto fronts.

    Args:
        sweep: The sweep.
        folder: Where chunks leave their files; a sweep that was stopped goes on from there.
        points: Whether every feasible point is written to CSV files, one a chunk.
        executor: Anything with the interface of `concurrent.futures`: processes, submitit, Dask.
        on_chunk: Called with each summary as it comes, for progress.

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
    front, done, feasible = Front(), 0, 0
    for summary in summaries:
        front = merge_fronts(front, Front.from_dict(summary["front"]))
        done += int(summary["points"])
        feasible += int(summary["feasible"])
        if on_chunk is not None:
            on_chunk(summary)
    result = SweepResult(
        points=done,
        feasible=feasible,
        front=front,
        goal=sweep.goal,
        unpriced=sweep.prices.unpriced,
    )
    if target is not None:
        write_text_atomically(target / "pareto.csv", front.to_csv())
    return result


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
    path = folder / "sweep.json"
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
        "points": len(sweep.grid),
        "chunks": sweep.chunks,
        "chunk_points": sweep.chunk_points,
        "columns": list(COLUMNS),
    }
    write_text_atomically(path, json.dumps(description, indent=1) + "\n")


def _columns(designs: Designs, results: Results) -> dict[str, NDArray[Any]]:
    """The feasible points, an array for each of `COLUMNS`."""
    kept = results.feasible
    columns: dict[str, NDArray[Any]] = {
        "dataflow": np.full(int(kept.sum()), designs.dataflow),
    }
    for name in COLUMNS[1:]:
        source = designs if name in ("rows", "cols", "buffer_bits", "bits") else results
        columns[name] = getattr(source, name)[kept]
    return columns
