"""Sweeps: grids, chunks that resume, fronts, executors."""

import csv
import itertools
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from smartsim.cost import load_table
from smartsim.errors import ConfigurationError, FileFormatError
from smartsim.graph import Graph
from smartsim.simulate.explore.chunks import run_chunk
from smartsim.simulate.explore.executors import open_executor
from smartsim.simulate.explore.fronts import Front, front_of, merge_fronts
from smartsim.simulate.explore.grids import Grid, Limits, parse_sizes, parse_values
from smartsim.simulate.explore.plans import Sweep, parse_axes, plan_sweep
from smartsim.simulate.explore.points import sweep_to_parquet, write_parquet
from smartsim.simulate.explore.sweeps import load_sweep, run_sweep, save_sweep
from smartsim.simulate.explore.tabulate import tabulate_network
from tests.unit.simulate.graphs import Builder, machine

TABLE = load_table("horowitz2014_45nm+han2015_45nm")


def network() -> Graph:
    make = Builder()
    value = make.relu(make.convolution(make.input(1, 3, 8, 8), 8, 3, padding=1))
    return make.graph(make.convolution(value, 12, 3, stride=2))


def a_sweep(
    *, chunk: int = 50, table: Any = TABLE, plan: dict[str, Any] | None = None, **changes: Any
) -> Sweep:
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
    grid = Grid(**lists)
    return plan_sweep(table_of, base, grid, table=table, chunk_points=chunk, **(plan or {}))


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
    assert tuple(rows[0]) == a_sweep().columns
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


def test_points_that_were_not_asked_for_before_are_made_up_for(tmp_path: Path) -> None:
    sweep = a_sweep(chunk=40)
    run_sweep(sweep, folder=tmp_path)
    assert not list(tmp_path.glob("*-*.csv"))
    found = run_sweep(sweep, folder=tmp_path, points=True)
    lines = sum(len(path.read_text().splitlines()) for path in tmp_path.glob("chunk-*.csv"))
    assert lines == found.feasible + sweep.chunks


def test_a_folder_of_an_older_description_is_refused(tmp_path: Path) -> None:
    run_sweep(a_sweep(), folder=tmp_path)
    path = tmp_path / "sweep.json"
    path.write_text(path.read_text().replace(a_sweep().fingerprint, "0123456789abcdef"))
    with pytest.raises(ConfigurationError, match="holds another sweep"):
        run_sweep(a_sweep(), folder=tmp_path)


@pytest.mark.parametrize(
    "plan",
    [
        {"limits": Limits(most_elements=63)},
        {"limits": Limits(most_area_um2=9000.0)},
        {"least_utilization": 0.5},
        {"axes": ("cycles", "area")},
        {"dram_level": "dram"},
    ],
)
def test_what_is_asked_tells_sweeps_apart(plan: dict[str, Any]) -> None:
    assert a_sweep(plan=plan).fingerprint != a_sweep().fingerprint


def test_limits_leave_out_what_is_beyond_them() -> None:
    grid = a_sweep().grid
    within = [
        (rows, cols, bits)
        for _, rows, cols, _, bits in itertools.product(
            grid.dataflows, grid.rows, grid.cols, grid.buffer_bits, grid.bits
        )
        # 282 and 70.5 um2 are multipliers of 8 and 4 bits, 137 um2 an adder of 32
        if rows * cols <= 16 and rows * cols * ({8: 282, 4: 70.5}[bits] + 137) <= 4000
    ]
    limits = Limits(most_elements=16, most_area_um2=4000)
    result = run_sweep(a_sweep(plan={"limits": limits}))
    assert (result.points, result.within) == (len(grid), len(within))
    assert 0 < len(within) < len(grid)
    assert max(result.front.column("pes")) <= 16
    assert max(result.front.column("array_area_um2")) <= 4000
    nothing = run_sweep(a_sweep(plan={"limits": Limits(most_elements=1)}))
    assert (nothing.within, nothing.feasible, len(nothing.front)) == (0, 0, 0)


def test_a_table_without_areas_limits_none() -> None:
    for plan in ({"limits": Limits(most_area_um2=1e6)}, {"axes": ("area", "cycles")}):
        with pytest.raises(ConfigurationError, match="no area of a multiplier and an adder"):
            a_sweep(table=load_table("jouppi2021_7nm"), plan={"dram_level": "dram:ddr", **plan})


@pytest.mark.parametrize("number", [0, -1, float("nan"), float("inf")])
def test_a_budget_is_above_nothing(number: float) -> None:
    with pytest.raises(ConfigurationError, match="a budget of"):
        Limits(most_area_um2=number)


def test_designs_that_use_too_little_have_no_knee() -> None:
    whole = run_sweep(a_sweep())
    assert whole.used == whole.feasible
    assert whole.used_front == whole.front
    half = run_sweep(a_sweep(plan={"least_utilization": whole.best_utilization / 2}))
    assert 0 < half.used < half.feasible
    assert min(half.used_front.column("utilization")) >= whole.best_utilization / 2
    assert half.front == whole.front
    none = run_sweep(a_sweep(plan={"least_utilization": 1.0}))
    assert (none.used, none.used_front.knees) == (0, {})


@pytest.mark.parametrize("axes", [("area", "cycles"), ("pes", "energy"), ("dram", "energy")])
def test_any_two_axes_are_weighed(axes: tuple[str, str]) -> None:
    found = run_sweep(a_sweep(plan={"axes": axes}))
    columns = {"area": "array_area_um2", "energy": "energy_pj", "dram": "dram_bits"}
    first, second = (columns.get(name, name) for name in axes)
    assert found.axes == (first, second)
    pairs = list(zip(found.front.column(first), found.front.column(second), strict=True))
    eight = [p for p, bits in zip(pairs, found.front.column("bits"), strict=True) if bits == 8]
    assert eight == sorted(eight)
    assert [y for _, y in eight] == sorted({y for _, y in eight}, reverse=True)


def test_axes_are_two_of_those_that_there_are() -> None:
    assert parse_axes("area, cycles") == ("area", "cycles")
    with pytest.raises(ConfigurationError, match="unknown axis 'aera'; possible: area"):
        parse_axes("aera,cycles")
    for text in ("area", "area,area", "area,cycles,pes"):
        with pytest.raises(ConfigurationError, match="not two different ones"):
            parse_axes(text)


def test_a_result_is_written_and_read_back(tmp_path: Path) -> None:
    result = run_sweep(a_sweep(plan={"limits": Limits(most_elements=40)}))
    save_sweep(result, tmp_path / "result.json")
    assert load_sweep(tmp_path / "result.json") == result
    (tmp_path / "result.json").write_text('{"format": "smartsim-run", "version": 1}')
    with pytest.raises(FileFormatError, match=r"result\.json: not a sweep's result"):
        load_sweep(tmp_path / "result.json")


def test_all_points_go_to_one_parquet_file(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    folder = tmp_path / "odd [1]*?"
    sweep = a_sweep(chunk=11)
    result = sweep_to_parquet(sweep, folder / "points.parquet")
    assert [path.name for path in folder.iterdir()] == ["points.parquet"]
    rows = duckdb.read_parquet(str(folder / "points.parquet"))
    assert tuple(rows.columns) == sweep.columns
    assert [str(kind) for kind in rows.types] == [
        *("VARCHAR", "BIGINT", "BIGINT", "BIGINT", "BIGINT", "BIGINT", "DOUBLE"),
        *("BIGINT", "DOUBLE", "BIGINT", "BIGINT", "DOUBLE"),
    ]
    found = rows.fetchall()
    run_sweep(sweep, folder=tmp_path / "csv", points=True)
    lines = [
        line
        for path in sorted((tmp_path / "csv").glob("chunk-*.csv"))
        for line in csv.reader(path.read_text().splitlines()[1:])
    ]
    assert [[str(cell) for cell in row] for row in found] == lines
    assert len(found) == result.feasible
    assert set(result.front.points) <= set(found)


def test_a_parquet_file_is_whole_or_not_there(tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    sweep, path = a_sweep(chunk=10), tmp_path / "points.parquet"

    class StoppedError(Exception):
        pass

    def stop(summary: dict[str, Any]) -> None:
        if summary["chunk"] == 4:
            raise StoppedError

    with pytest.raises(StoppedError):
        sweep_to_parquet(sweep, path, on_chunk=stop)
    assert not path.exists()
    left = {each: each.stat().st_mtime_ns for each in tmp_path.glob("*.chunks/chunk-*.json")}
    assert len(left) == 5
    seen: list[int] = []

    def look(summary: dict[str, Any]) -> None:
        seen.append(summary["chunk"])
        assert all(each.stat().st_mtime_ns == before for each, before in left.items())

    sweep_to_parquet(sweep, path, on_chunk=look)
    assert len(seen) == sweep.chunks
    with pytest.raises(ConfigurationError, match="cannot be written"):
        write_parquet([tmp_path / "absent.csv"], sweep.columns, tmp_path / "other.parquet")
    assert {each.name for each in tmp_path.iterdir()} == {"points.parquet"}


def test_without_duckdb_a_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(ConfigurationError, match="install the project's extra `parquet`"):
        sweep_to_parquet(a_sweep(), tmp_path / "points.parquet")
    assert not list(tmp_path.iterdir())


def test_a_memory_that_is_named_prices_the_traffic() -> None:
    table = load_table("jouppi2021_7nm")
    costs = [
        run_sweep(a_sweep(table=table, plan={"dram_level": level})).front.column("energy_pj")
        for level in ("dram:hbm2", "dram:ddr")
    ]
    assert costs[0] != costs[1]
    with pytest.raises(ConfigurationError, match="ambiguous"):
        a_sweep(table=table)


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
    assert result.axes == ("cycles", "dram_bits")
    assert not {"energy_pj", "area_um2"} & set(result.front.columns)  # not columns of nothing


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
    front = front_of(columns, ("cycles", "energy_pj"))
    assert set(front.points) == points - beaten
    halves = [
        front_of({name: column[part] for name, column in columns.items()})
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
    yield pytest.param({**good, "dataflows": ("os", "os")}, id="dataflow twice")
    yield pytest.param({**good, "cols": (4, 4)}, id="cols twice")
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


@pytest.mark.parametrize("ending", ["json", "csv"])
@settings(max_examples=25)
@given(place=st.integers(0, 10**9), byte=st.integers(0, 255))
def test_an_altered_chunk_is_never_gone_on_from(
    tmp_path_factory: pytest.TempPathFactory, ending: str, place: int, byte: int
) -> None:
    folder = tmp_path_factory.mktemp("sweep") / "at"
    planned = a_sweep(chunk=200)
    whole = run_sweep(planned, folder=folder, points=True)
    path = sorted(folder.glob(f"chunk-*.{ending}"))[0]
    content = bytearray(path.read_bytes())
    place %= len(content)
    assume(content[place] != byte)
    content[place] = byte
    path.write_bytes(bytes(content))
    said = ""
    try:
        assert run_sweep(planned, folder=folder, points=True) == whole  # a space more, for instance
    except FileFormatError as error:
        said = str(error)
    assert path.name in said or not said
