"""Verbs, texts and figures of the simulator."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from smartsim.cli import cli
from smartsim.cost import load_table
from smartsim.errors import ConfigurationError
from smartsim.graph import save_graph
from smartsim.models import build_named_model
from smartsim.report.methods import MethodTraces
from smartsim.report.simulate.roofline import draw_roofline
from smartsim.report.simulate.switch import build_switch_report
from smartsim.report.simulate.switch_figure import draw_switch
from smartsim.report.simulate.switch_view import render_switch, write_switch
from smartsim.report.simulate.text import render_csv, render_run, run_frame
from smartsim.report.style.provenance import collect_provenance
from smartsim.simulate import (
    Run,
    list_accelerators,
    load_accelerator,
    load_run,
    simulate_network,
)
from smartsim.trace import trace_model
from tests.unit.simulate.graphs import Builder, machine
from tests.unit.simulate.test_network import chain, one_product

TABLE = load_table("horowitz2014_45nm+han2015_45nm")


def verb(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.fixture(name="graph_file")
def _graph_file(tmp_path: Path) -> Path:
    path = tmp_path / "graph.json"
    save_graph(chain(), path)
    return path


def a_run(**changes: Any) -> Run:
    return simulate_network(chain(), machine(**changes), table=TABLE)


def test_simulate_shows_totals_components_and_layers(graph_file: Path, tmp_path: Path) -> None:
    output = tmp_path / "run.json"
    result = verb("simulate", graph_file, "--accelerator", "edge_npu", "-o", output)
    assert result.exit_code == 0, result.output
    for words in ("an inference", "a lam switch", "products in the array", "DRAM", "layer0"):
        assert words in result.output
    assert load_run(output).accelerator == "edge_npu"


def test_simulate_gives_json_where_it_is_asked_for(graph_file: Path) -> None:
    asked = ("simulate", graph_file, "--table", "none", "--zeros", "gating")
    run = Run.from_dict(json.loads(verb(*asked, "--json").output))
    assert (run.accelerator, run.table) == ("edge_npu (gating)", "")
    assert verb(*asked, "--json=compact").output.count("\n") == 1
    assert "an inference" in verb(*asked).output  # a table in a pipe too
    several = json.loads(verb(*asked, "--format", "int8,int4", "--json").output)
    assert [each["plan"] for each in several["runs"]] == ["int8", "int4"]


def test_simulate_puts_formats_side_by_side(graph_file: Path, tmp_path: Path) -> None:
    steps = tmp_path / "steps.csv"
    result = verb("simulate", graph_file, "--format", "int8,int4", "-o", steps)
    assert result.exit_code == 0, result.output
    assert "int8, int4, energies" in " ".join(result.output.split())
    assert {row["format"] for row in csv.DictReader(steps.read_text().splitlines())} == {
        *("int8", "int4")
    }
    page = tmp_path / "steps.md"
    assert verb("simulate", graph_file, "-q", "-o", page).output == ""
    assert page.read_text().startswith("| index | layer |")


def test_simulate_compares_several_graphs_and_writes_their_steps(
    graph_file: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.json"
    save_graph(one_product(), other)
    table, figure = tmp_path / "steps.csv", tmp_path / "roof.svg"
    result = verb("simulate", graph_file, other, "--csv", table, "--roofline", figure)
    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert len(rows) == 4
    assert figure.read_text().startswith("<?xml")


def test_simulate_puts_the_four_methods_side_by_side() -> None:
    result = verb("simulate", "--compare", "--arch", "resnet8", "--table", "none")
    assert result.exit_code == 0, result.output
    for method in ("PGD-AT", "OAT", "FLOAT", "SMART"):
        assert result.output.count(f"\n{method} ") == 2


def test_report_switch_writes_its_files(tmp_path: Path) -> None:
    formats = "md,csv,json,svg"
    result = verb(
        *("report", "switch", "--arch", "resnet8", "-o", tmp_path),
        *("--files", formats, "--accelerator", "edge_npu_skipping"),
    )
    assert result.exit_code == 0, result.output
    assert "FLOAT, noise frozen" in result.output
    assert {path.name for path in tmp_path.iterdir()} == {
        f"switch.{name}" for name in formats.split(",")
    }
    text, facts = (tmp_path / "switch.md").read_text(), collect_provenance([])
    for name in facts.keys() - {"command"}:  # of an archive without .git there is no commit
        assert f"- {name}: `{facts[name]}`" in text


@pytest.mark.parametrize("columns", [80, 200])
def test_what_the_verbs_print_fits_the_terminal(
    graph_file: Path, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    machines = verb("accelerators").output
    texts = [machines, *(verb("accelerators", name).output for name in list_accelerators())]
    texts += [verb("simulate", graph_file).output, verb("simulate", graph_file, graph_file).output]
    assert max(len(line) for text in texts for line in text.splitlines()) <= columns
    if columns == 200:
        assert not [line for text in texts for line in text.splitlines() if "..." in line]
        for name in list_accelerators():
            assert load_accelerator(name).description in machines


def test_accelerators_shows_every_value_and_its_source() -> None:
    assert "tpu_v1_like" in verb("accelerators").output
    text = verb("accelerators", "tpu_v1").output
    assert "array.rows" in text
    assert "In-Datacenter Performance Analysis" in text


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("simulate",), "nothing to simulate"),
        (("simulate", "{graph}", "--accelerator", "edge"), "unknown accelerator 'edge'"),
        (("simulate", "{graph}", "--zeros", "all"), "is no policy"),
        (("simulate", "{graph}", "--format", "int99"), "int99"),
        (("simulate", "{graph}", "--format", "shift8"), "needs shift_add"),
        (("simulate", "{graph}", "--table", "jouppi2021_7nm"), "is ambiguous in"),
        (("simulate", "{graph}", "{graph}", "-o", "{folder}/x.json"), "holds one run"),
        (("simulate", "{graph}", "--roofline", "{folder}/x.gif"), "ends in .svg, .png or .pdf"),
        (("simulate", "{folder}/none.json"), "cannot be read"),
        (("report", "switch", "--table", "none", "--arch", "resnet8"), "priced in energy"),
    ],
)
def test_bad_input_gets_one_sentence_and_code_2(
    graph_file: Path, tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    result = verb(*(a.format(graph=graph_file, folder=tmp_path) for a in arguments))
    assert result.exit_code == 2, result.output
    assert sentence in result.output
    assert "Traceback" not in result.output


def test_a_run_without_energies_prints_none() -> None:
    text = render_run(simulate_network(chain(), machine()))
    assert "energy of an inference" not in text
    assert "energies from" not in text


def test_small_steps_share_a_line() -> None:
    make = Builder()
    condition = make.tensor((1,), stage="switch", role="condition")
    make.op("neg", {"self": condition}, (1,), stage="switch")
    big = make.convolution(make.input(1, 8, 16, 16), 16, 3)
    text = render_run(simulate_network(make.graph(big), machine()))
    assert "and 1 small steps of 1 cycles together" in text


def test_frames_hold_what_the_run_holds() -> None:
    run = a_run()
    frame = run_frame(run)
    assert frame["macs"].sum() == run.total("macs")
    energies = frame[[name for name in frame.columns if str(name).endswith("_pj")]]
    assert energies.sum().sum() == pytest.approx(run.total("total_energy_pj"))
    assert render_csv([run]).count("\n") == 1 + len(run.steps)


def test_a_roofline_draws_every_product_under_the_roof() -> None:
    run = a_run(dram_bandwidth_bits_per_cycle=4.0)
    figure = draw_roofline([("by hand", run)])
    (ax,) = figure.axes
    drawn = {
        (float(x), float(y))
        for line in ax.lines
        if str(line.get_label()).startswith("_by hand/")
        for x, y in np.asarray(line.get_xydata())
    }
    steps = [step for step in run.steps if step.macs]
    # two operations a MAC, eight bits a byte; 16 elements, and half a byte a cycle
    assert drawn == {(16 * s.macs / s.dram_bits, 2 * s.macs / s.cycles) for s in steps}
    for x, y in drawn:
        assert y <= min(2 * 16, 0.5 * x) * (1 + 1e-12)
    assert ax.get_xlabel() == "operations for each DRAM byte (a MAC is two)"
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")


def test_the_switch_report_draws_what_it_prices(tmp_path: Path) -> None:
    paths = {
        lam: trace_model(build_named_model("smart:resnet8"), (1, 3, 32, 32), condition={"lam": lam})
        for lam in (0.0, 1.0)
    }
    report = build_switch_report(
        [MethodTraces(label="SMART", paths=paths)], load_accelerator("edge_npu"), TABLE
    )
    up, down = report.costs
    # ResNet-8, DSS: masks of density 0.5 and overlap 0.25 on the 3 x 3 layers of two stages.
    masked = sum(c * k for c, k in ((32, 144), (32, 288), (64, 288), (64, 576)))
    assert up.weight_bits == down.weight_bits == 8 * masked // 4
    assert up.mask_bits == masked
    assert up.cycles == up.reload_cycles + up.compute_cycles
    left, right = draw_switch(report).axes
    assert left.get_xlabel() == "MB"
    widths = sum(patch.get_width() for patch in left.patches)  # type: ignore[attr-defined]
    assert widths * 8e6 == pytest.approx(up.reload_bits + up.compute_bits)
    assert right.get_xlabel() == "energy (µJ)"
    assert "0 to 1" in render_switch(report)
    with pytest.raises(ConfigurationError, match="unknown format"):
        write_switch(report, tmp_path, ["doc"])
