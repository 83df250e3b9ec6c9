"""The verb, the text and the figure of a sweep."""

import csv
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from matplotlib.axes import Axes

import smartsim
from smartsim.cli import cli
from smartsim.cli.machine import MEMORY_TABLE
from smartsim.errors import ConfigurationError
from smartsim.graph import load_graph, save_graph
from smartsim.report.style.figures import render_figure, save_figure
from smartsim.report.sweep.figure import draw_sweep
from smartsim.report.sweep.text import front_frame, render_sweep
from smartsim.report.sweep.words import MEASURES, format_size
from smartsim.simulate.explore.fronts import AXES
from smartsim.simulate.explore.grids import Limits
from smartsim.simulate.explore.sweeps import SweepResult, load_sweep, run_sweep
from tests.unit.simulate.test_network import chain
from tests.unit.simulate.test_sweeps import a_sweep

GRID = (
    *("--rows", "4,8", "--cols", "4:8:2", "--buffer", "1k:4k"),
    *("--workers", "1", "--min-utilization", "0.1"),
)


def verb(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.fixture(name="graph_file")
def _graph_file(tmp_path: Path) -> Path:
    path = tmp_path / "graph.json"
    save_graph(chain(), path)
    return path


def found(**plan: Any) -> SweepResult:
    return run_sweep(a_sweep(bits=(8,), plan=plan))


def table_of(text: str) -> tuple[list[str], list[str]]:
    """The headings and the rows of a text's table."""
    lines = text.splitlines()
    rule = next(place for place, line in enumerate(lines) if set(line) == {"-", " "})
    top = max(place for place in range(rule) if not lines[place])
    spans = [match.span() for match in re.finditer("-+", lines[rule])]
    head = [" ".join(line[a:b].strip() for line in lines[top:rule]).strip() for a, b in spans]
    return head, lines[rule + 1 :]


def test_sweep_writes_front_and_figures_and_resumes(graph_file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    arguments = ("sweep", graph_file, *GRID, "--bits", "4,8", "--points", "-o", folder)
    first, second = verb(*arguments), verb(*arguments)
    assert first.exit_code == 0, first.output
    assert first.output == second.output
    assert "108 designs" in first.output  # 3 dataflows, 2 x 3 arrays, 3 buffers, 2 widths
    names = {path.name for path in folder.iterdir()}
    assert {"pareto.csv", "pareto.svg", "sweep.json", "chunk-000000.csv"} <= names


def test_sweep_is_of_one_width_unless_asked(graph_file: Path) -> None:
    output = verb("sweep", graph_file, *GRID).output
    first, second, *_ = output.splitlines()
    assert first.endswith("on designs like edge_npu, int8")
    assert second.startswith("54 designs")


def test_widths_are_given_as_formats_or_as_a_range(graph_file: Path) -> None:
    formats = verb("sweep", graph_file, *GRID, "--format", "int8,int4").output
    assert formats == verb("sweep", graph_file, *GRID, "--bits", "4,8").output
    assert "knee of int4: " in formats


def test_sweep_writes_by_the_ending(graph_file: Path, tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    for name in ("front.csv", "record.json", "cloud.svg", "points.parquet"):
        result = verb("sweep", graph_file, *GRID, "-o", tmp_path / name)
        assert result.exit_code == 0, result.output
        assert result.output.endswith(f"written: {tmp_path / name}\n")
    record = load_sweep(tmp_path / "record.json")
    rows = list(csv.DictReader((tmp_path / "front.csv").read_text().splitlines()))
    assert len(rows) == len(record.front)
    assert {path.name for path in tmp_path.iterdir()} == {
        *("graph.json", "front.csv", "record.json", "cloud.svg", "points.parquet")
    }
    printed = json.loads(verb("sweep", graph_file, *GRID, "--json").output)
    assert SweepResult.from_dict(printed) == record


def test_sweep_needs_duckdb_for_parquet_alone(
    graph_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    result = verb("sweep", graph_file, *GRID, "-o", tmp_path / "points.parquet")
    assert (result.exit_code, result.output.count("\n")) == (2, 1)
    assert "extra `parquet`" in result.output
    assert verb("sweep", graph_file, *GRID).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--rows", "9:1"), "--rows '9:1' is no range"),
        (("--dataflow", "rs"), "dataflow rs"),
        (("--accelerator", "edge_npu_skipping"), "cannot tabulate"),
        (("--chunk", "0"), "at least 1"),
        (("--buffer", "1", "-o", "{folder}/s", "--workers", "1"), "one tile"),
        (("--axes", "cycles"), "not two different ones"),
        (("--axes", "cycles,energy", "--table", "none"), "energy is an axis"),
        (("--max-area-mm2", "1", "--table", "han2015_45nm+shiftaddnet2020_asic_45nm"), "no area"),
        (("--max-area-mm2", "0"), "--max-area-mm2"),
        (("--max-pes", "none"), "--max-pes"),
        (("--min-utilization", "50"), "--min-utilization"),
        (("--points",), "give -o FOLDER"),
        (("--format", "shift8"), "--format shift8: a sweep's arrays multiply integers"),
        (("--format", "int99"), "int99"),
        (("-o", "{folder}/x.xlsx"), ".parquet (all designs), .csv (the front)"),
    ],
)
def test_bad_input_gets_one_sentence_and_code_2(
    graph_file: Path, tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    result = verb("sweep", graph_file, *(a.format(folder=tmp_path) for a in arguments))
    assert result.exit_code == 2, result.output
    assert sentence in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("columns", [80, 200])
@pytest.mark.parametrize("bits", [(8,), (4, 8), tuple(range(2, 17))])
def test_the_text_fits_the_terminal(
    columns: int, bits: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    limits = Limits(most_elements=50, most_area_um2=1e6)
    text = render_sweep(run_sweep(a_sweep(bits=bits, plan={"limits": limits})))
    assert max(map(len, text.splitlines())) <= columns
    assert "..." not in text
    head, rows = table_of(text)
    assert all(head)
    assert {"array", "buffers", "array area", "cycles", "use %", "energy"} <= set(head)
    assert ("bits" in head) == (len(bits) > 1)
    assert len(set(rows)) == len(rows)  # no row twice


def test_the_text_names_knees_limits_and_what_an_area_is() -> None:
    result = found(least_utilization=0.2, limits=Limits(most_elements=64, most_area_um2=2e4))
    text = " ".join(render_sweep(result).split())
    (knee,) = result.used_front.knees.values()
    point = result.used_front.points[knee]
    design: dict[str, Any] = dict(zip(result.used_front.columns, point, strict=True))
    array = f"{design['rows']}x{design['cols']} {design['dataflow']}"
    assert f"knee: {array}, {format_size(design['buffer_bits'])} a buffer" in text
    assert f"{result.within} within 64 PEs and 0.02 mm²" in text
    assert "multipliers and adders of the array alone; the table has no area of buffers" in text
    assert "mul int8 282 um2 + add int32 137 um2 (area unverified)" in text
    assert "at least 20 % of their elements' cycles" in text


def test_a_width_between_published_points_is_marked() -> None:
    text = render_sweep(run_sweep(a_sweep(bits=(16,))))
    assert "mul int16 924.6 um2 (interpolated)" in " ".join(text.split())


def test_no_design_that_idles_is_recommended() -> None:
    text = " ".join(render_sweep(found(least_utilization=0.999)).split())
    assert "no design is recommended: none uses 99.9 % of its elements' cycles" in text
    assert "knee" not in text
    nothing = render_sweep(found(limits=Limits(most_elements=1)))
    assert "no design is recommended: none holds a tile" in nothing
    assert "best" not in nothing


def test_without_prices_or_areas_there_are_no_columns_of_them() -> None:
    result = run_sweep(a_sweep(table=None))
    head, _ = table_of(render_sweep(result))
    assert "energy" not in head
    assert "area" not in head
    assert set(AXES.values()) - set(result.front.columns) == {"energy_pj", "area_um2"}


def test_every_axis_can_be_written() -> None:
    assert set(AXES.values()) | {"array_area_um2"} == set(MEASURES)


def labelled(ax: Axes, label: str) -> Sequence[tuple[float, float]]:
    (line,) = [line for line in ax.lines if line.get_label() == label]
    return [(float(x), float(y)) for x, y in np.asarray(line.get_xydata())]


def test_the_figure_draws_the_cloud_its_fronts_and_the_knee() -> None:
    result = found(least_utilization=0.6)
    ax, bar = draw_sweep(result).axes
    assert ax.get_ylabel() == "energy of an inference (nJ)"
    assert "use of the elements' cycles" in bar.get_ylabel()
    (dots,) = ax.collections
    assert len(np.asarray(dots.get_offsets())) == len(result.cloud)
    for front, label in ((result.front, "_8 bits"), (result.used_front, "_8 bits, used")):
        xs, ys = zip(*labelled(ax, label), strict=True)
        assert list(xs) == front.column("cycles")
        assert [1e3 * y for y in ys] == pytest.approx(front.column("energy_pj"))
    (place,) = result.used_front.knees.values()
    knee = dict(zip(result.used_front.columns, result.used_front.points[place], strict=True))
    rings = [line for line in ax.lines if line.get_label() == "_8 bits, knee"]
    assert {float(np.asarray(ring.get_xdata())[0]) for ring in rings} == {knee["cycles"]}
    assert f"{knee['rows']}x{knee['cols']} {knee['dataflow']}" in ax.get_title(loc="left")
    low, high = ax.get_xlim()
    cycles = result.front.column("cycles") + result.used_front.column("cycles")
    assert low < min(cycles) <= max(cycles) <= high


def test_the_figure_of_several_widths_has_a_front_for_each() -> None:
    result = run_sweep(a_sweep())
    (ax,) = draw_sweep(result).axes
    for bits in (4, 8):
        points = zip(result.front.column("bits"), result.front.column("cycles"), strict=True)
        drawn = [x for x, _ in labelled(ax, f"_{bits} bits")]
        assert drawn == sorted(cycles for width, cycles in points if width == bits)
    assert {text.get_text() for text in ax.texts} >= {"4 bits", "8 bits"}


def test_a_sweep_without_energies_weighs_traffic_in_its_figure() -> None:
    (ax,) = draw_sweep(run_sweep(a_sweep(table=None))).axes
    assert ax.get_ylabel() == "DRAM traffic (kB)"


def test_dots_that_lie_beyond_are_told() -> None:
    result = found(axes=("area", "cycles"), least_utilization=0.2)
    texts = [text.get_text() for text in draw_sweep(result).axes[0].texts]
    assert any(text.startswith("knee: ") for text in texts)
    far = [text for text in texts if text.endswith("of the dots lie beyond")]
    low, high = draw_sweep(result).axes[0].get_ylim()
    beyond = sum(y > high for y in result.cloud.second)
    assert low < high
    assert bool(far) == (beyond > 0)


@pytest.mark.filterwarnings("ignore:Creating legend with loc=")  # on a machine that is busy
@pytest.mark.parametrize(
    "plan", [{}, {"least_utilization": 1.0}, {"limits": Limits(most_elements=4)}]
)
def test_a_figure_is_the_same_each_time(plan: dict[str, Any]) -> None:
    result = found(**plan)
    assert render_figure(draw_sweep(result), "svg") == render_figure(draw_sweep(result), "svg")


def test_an_empty_front_cannot_be_drawn(tmp_path: Path) -> None:
    empty = run_sweep(a_sweep(buffer_bits=(8,)))
    with pytest.raises(ConfigurationError, match="one tile"):
        draw_sweep(empty)
    with pytest.raises(ConfigurationError, match=r"not '\.bmp'"):
        save_figure(draw_sweep(found()), tmp_path / "x.bmp")


def test_python_sweeps_what_the_command_line_does(graph_file: Path) -> None:
    graph = load_graph(graph_file)
    result = smartsim.sweep_designs(graph, table=MEMORY_TABLE)
    printed = json.loads(verb("sweep", graph_file, "--workers", 1, "--json=compact").output)
    assert result == SweepResult.from_dict(printed)
    assert result.points == 5376
    with pytest.raises(ConfigurationError, match="unknown axis 'size'"):
        smartsim.sweep_designs(graph, axes=("size", "cycles"))
    with pytest.raises(TypeError, match=r"trace_model\(model, input_shape\)"):
        smartsim.sweep_designs("graph.json")  # type: ignore[arg-type]


def test_a_frame_holds_the_front() -> None:
    result = found()
    frame = result.to_dataframe()
    assert frame.equals(front_frame(result.front))
    assert result.plot().axes[0].get_xlabel() == "cycles of an inference"
    assert tuple(frame.columns) == result.front.columns
    assert len(frame) == len(result.front)
