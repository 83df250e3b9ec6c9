"""Sweeps: grids, chunks that resume, fronts, executors."""

import csv
import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from smartsim.cost import load_table
from smartsim.errors import ConfigurationError
from smartsim.graph import Graph
from smartsim.simulate.explore.executors import open_executor
from smartsim.simulate.explore.fronts import Front, front_of, merge_fronts
from smartsim.simulate.explore.grids import Grid, parse_sizes, parse_values
from smartsim.simulate.explore.sweeps import COLUMNS, Sweep, plan_sweep, run_chunk, run_sweep
from smartsim.simulate.explore.tabulate import tabulate_network
from tests.unit.simulate.graphs import Builder, machine

TABLE = load_table("horowitz2014_45nm+han2015_45nm")


def network() -> Graph:
    make = Builder()
    value = make.relu(make.convolution(make.input(1, 3, 8, 8), 8, 3, padding=1))
    return make.graph(make.convolution(value, 12, 3, stride=2))


def a_sweep(*, chunk: int = 50, table: Any = TABLE, **changes: Any) -> Sweep:
    lists: dict[str, Any] = {
        "dataflows": ("os", "ws", "is"),
        "rows": (2, 4, 8),
        "cols": (2, 4, 8),
        "buffer_bits": (2**9, 2**14, 2**18),
        "bits": (4, 8),
        **changes,
    }
    base = machine()
    table_of = tabulate_network(network(), base)
    return plan_sweep(table_of, base, Grid(**lists), table=table, chunk_points=chunk)


def test_a_grid_holds_every_combination_once() -> None:
    grid = a_sweep().grid
    assert len(grid) == 3 * 3 * 3 * 3 * 2
    seen: list[tuple[Any, ...]] = []
    for start in range(0, len(grid), 40):
        for some in grid.designs(start, min(start + 40, len(grid))):
            columns = (some.rows, some.cols, some.buffer_bits, some.bits)
            seen += [(some.dataflow, *map(int, point)) for point in zip(*columns, strict=True)]
    wanted = itertools.product(grid.dataflows, grid.rows, grid.cols, grid.buffer_bits, grid.bits)
    assert seen == list(wanted)


def test_chunks_do_not_change_what_is_found(tmp_path: Path) -> None:
    whole = run_sweep(a_sweep(chunk=1000))
    parts = run_sweep(a_sweep(chunk=7), folder=tmp_path, points=True)
    assert whole == parts
    files = sorted(tmp_path.glob("chunk-*.csv"))
    assert len(files) == a_sweep(chunk=7).chunks
    rows = [row for path in files for row in csv.DictReader(path.read_text().splitlines())]
    assert len(rows) == whole.feasible < whole.points == 162
    assert tuple(rows[0]) == COLUMNS
    best = min(int(row["cycles"]) for row in rows if row["bits"] == "8")
    assert best in whole.front.column("cycles")
    assert set(whole.front.column("bits")) == {4, 8}


def test_a_stopped_sweep_goes_on_where_it_was(tmp_path: Path) -> None:
    sweep = a_sweep(chunk=10)

    class StoppedError(Exception):
        pass

    def stop(summary: dict[str, Any]) -> None:
        if summary["chunk"] == 4:
            raise StoppedError

    with pytest.raises(StoppedError):
        run_sweep(sweep, folder=tmp_path, on_chunk=stop)
    done = {path: path.stat().st_mtime_ns for path in tmp_path.glob("chunk-*.json")}
    assert len(done) == 5
    result = run_sweep(sweep, folder=tmp_path)
    assert all(path.stat().st_mtime_ns == before for path, before in done.items())
    assert result == run_sweep(sweep)


def test_a_folder_of_another_sweep_is_refused(tmp_path: Path) -> None:
    run_sweep(a_sweep(), folder=tmp_path)
    with pytest.raises(ConfigurationError, match="holds another sweep"):
        run_sweep(a_sweep(rows=(3,)), folder=tmp_path)


def test_an_executor_finds_the_same() -> None:
    sweep = a_sweep(chunk=3)
    with ThreadPoolExecutor(2) as executor:
        assert run_sweep(sweep, executor=executor) == run_sweep(sweep)


def test_processes_find_the_same() -> None:
    sweep = a_sweep(chunk=60)
    with open_executor("processes", 2) as executor:
        assert run_sweep(sweep, executor=executor) == run_sweep(sweep)


def test_a_submitit_cluster_finds_the_same(tmp_path: Path, monkeypatch: Any) -> None:
    pytest.importorskip("submitit")
    monkeypatch.chdir(tmp_path)
    sweep = a_sweep(chunk=100)
    with open_executor("submitit", 2, "local") as executor:
        found = run_sweep(sweep, folder=tmp_path / "sweep", executor=executor)
    assert found == run_sweep(sweep)


@pytest.mark.filterwarnings("ignore")  # Dask's own, at start and stop
def test_a_dask_cluster_finds_the_same() -> None:
    pytest.importorskip("distributed")
    sweep = a_sweep(chunk=100)
    with open_executor("dask", 1) as executor:
        assert run_sweep(sweep, executor=executor) == run_sweep(sweep)


def test_an_unknown_executor_is_an_error() -> None:
    with (
        pytest.raises(ConfigurationError, match="unknown executor 'cloud'"),
        open_executor("cloud", 1),
    ):
        pass


def test_without_a_table_traffic_is_weighed() -> None:
    result = run_sweep(a_sweep(table=None))
    assert result.goal == "dram_bits"
    assert all(np.isnan(value) for value in result.front.column("energy_pj"))


def test_what_has_no_price_is_named() -> None:
    result = run_sweep(a_sweep(table=load_table("shiftaddnet2020_asic_45nm")))
    assert result.unpriced == ("registers", "accumulators", "dram", "buffers")


def test_designs_whose_buffers_hold_no_tile_are_left_out() -> None:
    result = run_sweep(a_sweep(buffer_bits=(8,)))
    assert result.feasible == 0
    assert not result.front.points


def test_a_front_keeps_what_no_other_of_its_width_beats() -> None:
    rng = np.random.default_rng(3)
    columns = {
        "bits": rng.integers(1, 4, 300),
        "cycles": rng.integers(1, 40, 300),
        "energy_pj": rng.integers(1, 40, 300).astype(float),
    }
    points = set(zip(*(column.tolist() for column in columns.values()), strict=True))
    beaten = {
        a
        for a in points
        for b in points
        if a[0] == b[0] and a != b and b[1] <= a[1] and b[2] <= a[2]
    }
    front = front_of(columns, "energy_pj")
    assert set(front.points) == points - beaten
    halves = [
        front_of({name: column[part] for name, column in columns.items()}, "energy_pj")
        for part in (slice(0, 150), slice(150, 300))
    ]
    assert set(merge_fronts(*halves).points) == set(front.points)
    assert Front.from_dict(front.to_dict()) == front


def test_a_machine_that_skips_cannot_be_tabulated() -> None:
    with pytest.raises(ConfigurationError, match="zeros none or gating"):
        tabulate_network(network(), machine().with_zeros("skipping"))


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("8", (8,)), ("8,4", (4, 8)), ("2:5", (2, 3, 4, 5)), ("8:32:8,4", (4, 8, 16, 24, 32))],
)
def test_ranges_read_as_they_are_written(text: str, numbers: tuple[int, ...]) -> None:
    assert parse_values(text, "--rows") == numbers


@pytest.mark.parametrize("text", ["", "a", "5:2", "1:2:3:4", "1:9:0", "-3"])
def test_a_range_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is no range"):
        parse_values(text, "--rows")


def test_sizes_double() -> None:
    assert parse_sizes("32k:2M", "--buffer") == tuple(2**n * 8 for n in range(15, 22))
    assert parse_sizes("48KiB,1k", "--buffer") == (8192, 48 * 8192)


@pytest.mark.parametrize("text", ["", "x", "2M:1k", "0", "1k:2k:4k"])
def test_a_size_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is no size"):
        parse_sizes(text, "--buffer")


def bad_grids() -> Iterator[Any]:
    good: dict[str, Any] = {
        "dataflows": ("os",),
        "rows": (1,),
        "cols": (1,),
        "buffer_bits": (1,),
        "bits": (8,),
    }
    changes = {"rows": (0,), "cols": (), "bits": (1,), "buffer_bits": (0,), "dataflows": ("rs",)}
    for name, value in changes.items():
        yield pytest.param({**good, name: value}, id=name)


@pytest.mark.parametrize("lists", list(bad_grids()))
def test_a_grid_that_cannot_be_is_refused(lists: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Grid(**lists)


def test_a_chunk_has_points() -> None:
    with pytest.raises(ConfigurationError, match="at least 1"):
        a_sweep(chunk=0)
    assert run_chunk(a_sweep(chunk=100), 1)["points"] == 62
