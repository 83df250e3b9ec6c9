"""The verbs `energy`, `tables`, `report energy-vs-bits` and `report table2 --format`."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from safetensors.numpy import save_file

from smartsim.cli import cli
from smartsim.cost import list_tables, load_energy
from smartsim.counts import Count, Counts, get_convention, save_counts
from smartsim.graph import Graph, Op, ParameterSpec, TensorSpec, save_graph

ROWS = (
    ("conv1", "input", "mac", False, 1_000_000),
    ("conv1", "switch", "add", True, 500),
    ("conv1", "noise", "noise", True, 40),
    ("linear", "input", "mac", False, 2_000),
)


def make_counts(convention: str = "paper", model: str = "net") -> Counts:
    return Counts(
        model=model,
        condition={"lam": 1.0},
        convention=get_convention(convention),
        items=tuple(
            Count(layer=layer, op="x", stage=stage, action=action, conditional=c, number=n)  # type: ignore[arg-type]
            for layer, stage, action, c, n in ROWS
        ),
    )


def make_graph() -> Graph:
    """One linear layer of 40 inputs and 50 outputs."""
    shapes = ((1, 40), (50, 40), (1, 50))
    stages = ("input", "deploy", "input")
    tensors = tuple(
        TensorSpec(
            index=i,
            value=i,
            shape=shape,
            dtype="float32",
            stage=stage,  # type: ignore[arg-type]
            role="parameter" if i == 1 else "activation",
            name="linear.weight" if i == 1 else "",
        )
        for i, (shape, stage) in enumerate(zip(shapes, stages, strict=True))
    )
    op = Op(
        index=0,
        name="aten.mm",
        module="linear",
        module_type="Linear",
        stage="input",
        inputs=(0, 1),
        arguments=("self", "mat2"),
        outputs=(2,),
    )
    weight = ParameterSpec(
        name="linear.weight", shape=(50, 40), dtype="float32", kind="parameter", active=2000
    )
    return Graph(
        model="net",
        condition={"lam": 1.0},
        tensors=tensors,
        ops=(op,),
        parameters=(weight,),
        inputs=(0,),
        outputs=(2,),
    )


@pytest.fixture
def counts_file(tmp_path: Path) -> Path:
    path = tmp_path / "counts.json"
    save_counts(make_counts(), path)
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def widest(text: str) -> int:
    return max(len(line) for line in text.splitlines())


def test_energy_prints_a_readable_table_and_writes_json(counts_file: Path, tmp_path: Path) -> None:
    output = tmp_path / "energy.json"
    result = run("energy", counts_file, "--format", "int8", "-o", output)
    assert result.exit_code == 0, result.output
    # 1,002,000 MACs of 0.23 pJ and a switch of 500 additions of 0.03 pJ.
    assert "230.5 nJ" in result.output
    assert "15 pJ" in result.output
    assert "one int8 MAC = mul int8 0.2 pJ + add int8 0.03 pJ = 0.23 pJ, 318 um2" in result.output
    assert "45 nm CMOS" in result.output
    assert "an energy includes the arithmetic unit alone" in result.output
    assert "without a price, so in no energy: 40 noise at stage noise" in result.output
    assert widest(result.output.replace(str(tmp_path), "")) <= 80
    assert load_energy(output).per_inference_pj == pytest.approx(1_002_000 * 0.23 + 15)


def test_energy_is_json_where_it_is_asked_for(counts_file: Path) -> None:
    data = json.loads(run("energy", counts_file, "--json").output)
    assert data["format"] == "smartsim-energy"
    assert data["plan"] == "int8"


def test_shift_adds_are_always_shown_beside_int8(counts_file: Path, tmp_path: Path) -> None:
    output = run("energy", counts_file, "--format", "shift8", "-o", tmp_path / "e.json").output
    lines = [line.split()[0] for line in output.splitlines() if line]
    assert lines.index("int8") == lines.index("shift8") + 1
    assert "54.12 nJ" in output  # 1,002,000 * 0.054 + 15 pJ
    assert "230.5 nJ" in output


def test_a_switch_is_spread_over_inferences(counts_file: Path, tmp_path: Path) -> None:
    output = tmp_path / "e.json"
    run("energy", counts_file, "--inferences-per-switch", "5", "-o", output)
    assert load_energy(output).per_inference_pj == pytest.approx(1_002_000 * 0.23 + 3)


def test_a_plan_file_prices_layer_by_layer(counts_file: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text('default = "int8"\n[layers]\n"linear" = "fp32"\n')
    result = run("energy", counts_file, "--format", plan, "-o", tmp_path / "e.json")
    assert result.exit_code == 0, result.output
    energy = load_energy(tmp_path / "e.json")
    assert energy.total(layer="linear") == pytest.approx(2000 * 4.6)
    assert energy.plan == "plan.toml"


def test_memory_is_a_column_of_its_own_and_off_under_paper(
    counts_file: Path, tmp_path: Path
) -> None:
    graph, output = tmp_path / "graph.json", tmp_path / "e.json"
    save_graph(make_graph(), graph)
    result = run("energy", counts_file, "--graph", graph, "-o", output)
    assert load_energy(output).memory == ()
    assert "memory is off under convention paper" in result.output
    result = run("energy", counts_file, "--graph", graph, "--memory", "sram:32KiB", "-o", output)
    assert result.exit_code == 0, result.output
    # 2,000 weights and 90 activations of 8 bits at 20 pJ / 64 bits.
    assert load_energy(output).memory_pj == pytest.approx(2090 * 8 * 20 / 64)
    assert load_energy(output).per_inference_pj == pytest.approx(1_002_000 * 0.23 + 15)
    assert widest(result.output.replace(str(tmp_path), "")) <= 80
    exact = tmp_path / "exact.json"
    save_counts(make_counts("exact"), exact)
    run("energy", exact, "--graph", graph, "-o", output)
    assert load_energy(output).memory_pj == pytest.approx(2090 * 8 * 1300 / 64)


def test_memory_relative_to_a_mac_is_priced_by_the_tables_mac(
    counts_file: Path, tmp_path: Path
) -> None:
    graph, output = tmp_path / "graph.json", tmp_path / "e.json"
    save_graph(make_graph(), graph)
    result = run(
        *("energy", counts_file, "--graph", graph, "--memory", "dram", "-o", output),
        *("--memory-table", "eyeriss2016_relative"),
    )
    assert result.exit_code == 0, result.output
    # 200 int16 MACs (0.78 + 0.05 pJ) for 16 bits.
    assert load_energy(output).memory_pj == pytest.approx(2090 * 8 / 16 * 200 * 0.83)


def test_real_weights_give_three_readings(counts_file: Path, tmp_path: Path) -> None:
    weights = tmp_path / "w.safetensors"
    rng = np.random.default_rng(0)
    save_file(
        {
            "conv1.weight": rng.normal(size=(8, 3, 3, 3)).astype(np.float32),
            "linear.weight": rng.normal(size=(10, 8)).astype(np.float32),
            "linear.bias": np.ones(10, dtype=np.float32),
        },
        weights,
    )
    output = tmp_path / "e.json"
    result = run("energy", counts_file, "--format", "shift8", "--weights", weights, "-o", output)
    assert result.exit_code == 0, result.output
    for words in ("int8 MACs", "one a MAC", "at most 2 terms", "exact int8 digits"):
        assert words in result.output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--table", "horowitz2041_45nm"), "did you mean 'horowitz2014_45nm'"),
        (("--format", "in8"), "unknown number format 'in8'; did you mean 'int8'"),
        (("--format", "fp8"), "cannot price fp8"),
        (("--table", "jouppi2021_7nm", "--format", "shift8"), "cannot price shift8"),
        (("--format", "none.toml"), "none.toml: cannot be read"),
        (("--memory", "dram"), "give it with --graph"),
        (("--graph", "GRAPH", "--memory", "flash"), "memory level 'flash' is not in"),
        (("--graph", "COUNTS"), "not a smartsim graph"),
        (("--weights", "COUNTS"), "is no safetensors file"),
        (("--inferences-per-switch", "0"), "0"),
        (("--encoding", "zip"), "zip"),
    ],
)
def test_bad_input_gets_one_sentence_and_exit_code_2(
    counts_file: Path, tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    save_graph(make_graph(), tmp_path / "graph.json")
    places = {"GRAPH": tmp_path / "graph.json", "COUNTS": counts_file}
    output = tmp_path / "e.json"
    result = run("energy", counts_file, "-o", output, *(places.get(a, a) for a in arguments))
    assert result.exit_code == 2
    assert sentence in result.output
    assert "Traceback" not in result.output
    assert not output.exists()


def test_a_trace_of_another_model_is_refused(counts_file: Path, tmp_path: Path) -> None:
    save_counts(make_counts("exact", model="other"), counts_file)
    save_graph(make_graph(), tmp_path / "graph.json")
    result = run("energy", counts_file, "--graph", tmp_path / "graph.json")
    assert result.exit_code == 2
    assert "give the trace that was counted" in result.output


def test_weights_of_another_model_are_refused(counts_file: Path, tmp_path: Path) -> None:
    save_file({"conv9.weight": np.ones((2, 2))}, tmp_path / "w.safetensors")
    result = run("energy", counts_file, "--weights", tmp_path / "w.safetensors")
    assert result.exit_code == 2
    assert "holds no weight of a layer with MACs, such as conv1" in result.output


def test_tables_lists_every_table() -> None:
    output = run("tables").output
    assert all(name in output for name in list_tables())
    assert widest(output) <= 80


@pytest.mark.parametrize("name", [*list_tables(), "horowitz2014_45nm+shiftaddnet2020_asic_45nm"])
def test_tables_shows_each_row_with_unit_source_locator_and_basis(name: str) -> None:
    from smartsim.cost import load_table

    result = run("tables", name)
    assert result.exit_code == 0, result.output
    table = load_table(name)
    assert widest(result.output) <= 80
    flat = " ".join(result.output.split())
    for source in table.sources:
        assert source.authors[0] in flat
    for row in table.rows:
        assert row.basis in flat
        assert row.status in flat
        assert all(word in flat for word in row.locator.split())
    assert ("energy in pJ" if table.unit == "pJ" else "energy in 16-bit MACs") in flat
    assert "area in um2 (square micrometres)" in flat


def test_an_unknown_table_is_one_sentence() -> None:
    result = run("tables", "horowitz2014_45")
    assert result.exit_code == 2
    assert "did you mean 'horowitz2014_45nm'" in result.output


SMALL = ("--arch", "resnet8", "--input", "1,3,16,16")


def test_energy_vs_bits_prints_its_sections_and_writes_its_files(tmp_path: Path) -> None:
    result = run(
        *("report", "energy-vs-bits", *SMALL, "--shift-readings", "-o", tmp_path),
        *("--files", "svg,csv,md"),
    )
    assert result.exit_code == 0, result.output
    for words in (
        "Energy of an inference in µJ",
        "breaks even with SMART",
        "FLOAT, noise frozen",
        "Moving weights and activations once",
        "times the arithmetic of",
        "Shift-adds of real weights",
        "not trained",
        "4.17",
        "65.67",
    ):
        assert words in " ".join(result.output.split()), words
    assert widest(result.output.replace(str(tmp_path), "")) <= 80
    with (tmp_path / "energy_vs_bits.csv").open() as stream:
        methods = {row["method"] for row in csv.DictReader(stream)}
    assert methods == {"PGD-AT", "OAT", "FLOAT", "SMART"}
    assert (tmp_path / "energy_vs_bits.svg").stat().st_size > 10_000
    assert "smartsim" in (tmp_path / "energy_vs_bits.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--files", "gif"), "unknown format 'gif'; possible: csv, md, pdf, png, svg"),
        (("--table", "eyeriss2016_relative"), "it prices no arithmetic"),
        (("--inferences-per-switch", "-1"), "-1"),
    ],
)
def test_energy_vs_bits_refuses_what_it_cannot_do(
    arguments: tuple[str, ...], sentence: str, tmp_path: Path
) -> None:
    result = run("report", "energy-vs-bits", *SMALL, *arguments, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert sentence in result.output
    assert not (tmp_path / "out").exists()


def test_a_table_without_shifts_gives_a_figure_without_shift_adds(tmp_path: Path) -> None:
    result = run(
        *("report", "energy-vs-bits", *SMALL, "--table", "jouppi2021_7nm", "-o", tmp_path),
        *("--files", "csv,svg"),
    )
    assert result.exit_code == 0, result.output
    with (tmp_path / "energy_vs_bits.csv").open() as stream:
        assert {row["arithmetic"] for row in csv.DictReader(stream)} == {"int", "fp"}
    assert "shift8" not in result.output


def test_table2_has_energy_rows_with_int8_beside_shift_adds(tmp_path: Path) -> None:
    result = run("report", "table2", *SMALL, "--format", "shift8,fp32", "-o", tmp_path)
    assert result.exit_code == 0, result.output
    assert widest(result.output.replace(str(tmp_path), "")) <= 80
    for name in ("int8", "shift8", "fp32"):
        assert result.output.count(f"energy {name}, µJ") == 2  # lam = 0 and lam = 1
    data = json.loads((tmp_path / "table2.json").read_text())
    rows = {(r["metric"], r["lam"]): r for r in data["rows"] if r["unit"] == "microjoule"}
    int8, shift8 = rows["energy int8", 1.0], rows["energy shift8", 1.0]
    assert int8["kind"] == "derived"
    assert "one int8 MAC = mul int8 0.2 pJ + add int8 0.03 pJ" in int8["source"]
    assert all(shift8["values"][m] < int8["values"][m] for m in int8["values"])
    extra = rows["conditional energy int8", 1.0]["values"]
    assert extra["PGD-AT"] == 0
    assert extra["FLOAT"] > extra["SMART"] > 0
    markdown = (tmp_path / "table2.md").read_text()
    assert "energy int8 (µJ)" in markdown
    assert "no memory. Without a price, so in no energy: noise." in markdown


def test_table2_refuses_a_format_that_its_table_cannot_price() -> None:
    result = run("report", "table2", *SMALL, "--format", "fp8")
    assert result.exit_code == 2
    assert "cannot price fp8" in result.output
