"""The verbs `summary` and `compare`."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import smartsim
from smartsim.cli import cli


def run(*arguments: object, columns: int = 80) -> Result:
    words = [str(argument) for argument in arguments]
    return CliRunner(env={"COLUMNS": str(columns)}).invoke(cli, words)


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("graphs")
    paths = {}
    for method in ("pgdat", "float"):
        graph = smartsim.summary(
            f"{method}:resnet8", (1, 3, 32, 32), condition={"lam": 1.0}, verbose=False
        ).graph
        paths[method] = folder / f"{method}.json"
        smartsim.save_graph(graph, paths[method])
    return paths


@pytest.mark.parametrize("columns", [80, 200])
def test_summary_shows_a_tree_that_fits(columns: int) -> None:
    words = ("smart:resnet8", "--condition", "lam=1.0", "--format", "int8", "--depth", 2)
    result = run("summary", *words, "--accelerator", "edge_npu", columns=columns)
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0] == "smart:resnet8 at lam = 1"
    assert max(map(len, lines)) <= columns
    assert any(line.startswith("total") for line in lines)
    assert "8,392,138 MACs" in result.output


def test_summary_takes_a_graph_and_writes_files(graphs: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    result = run("summary", graphs["float"], "-o", path, "--sort", "macs", "--top", 3)
    assert result.exit_code == 0, result.output
    made = smartsim.load_summary(path)
    assert (made.sort, made.top) == ("macs", 3)
    for ending in (".csv", ".md", ".html"):
        table = tmp_path / f"out{ending}"
        assert run("summary", graphs["float"], "-o", table).exit_code == 0
        assert "layer1.0.conv1" in table.read_text()
    as_json = run("summary", graphs["float"], "--json=compact")
    assert json.loads(as_json.output)["format"] == "smartsim-summary"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("pgdat:resnet8", "--sort", "energy"), "cannot sort by energy without a format"),
        (("pgdat:resnet8", "--format", "int99"), "int99"),
        (("pgdat:resnet43",), "did you mean 'resnet34'"),
        (("none.json",), "none.json: cannot be read"),
        (("GRAPH", "--condition", "lam=1"), "leave out --input, --condition"),
        (("pgdat:resnet8", "--top", "0"), "--top"),
        (("pgdat:resnet8", "-o", "x.txt"), "ends in .json, .csv, .md or .html"),
    ],
)
def test_summary_answers_bad_arguments_with_one_sentence(
    graphs: dict[str, Path], words: Any, sentence: str
) -> None:
    result = run("summary", *(graphs["float"] if word == "GRAPH" else word for word in words))
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1


def test_compare_shows_what_differs_and_guards_limits(
    graphs: dict[str, Path], tmp_path: Path
) -> None:
    plain, noisy = graphs["pgdat"], graphs["float"]
    result = run("compare", plain, noisy)
    assert result.exit_code == 0, result.output
    assert max(map(len, result.output.splitlines())) <= 80
    assert "draws" in result.output
    held = run("compare", plain, noisy, "--fail-if", "macs > +2%", "--fail-if", "adds < -1%")
    assert held.exit_code == 0
    failed = run("compare", plain, noisy, "--fail-if", "adds > +2%", "--fail-if", "macs > +2%")
    assert failed.exit_code == 1
    assert failed.stderr.startswith("fails by adds > +2%: from ")
    assert "macs" not in failed.stderr
    data = json.loads(run("compare", plain, noisy, "--json").output)
    assert data["format"] == "smartsim-comparison"
    path = tmp_path / "difference.csv"
    assert run("compare", plain, noisy, "-o", path, "-q").output == ""
    assert path.read_text().startswith("layer,metric,first,second,change\n")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("A", "none.json"), "none.json: cannot be read"),
        (("A", "B", "--fail-if", "macs"), "is no limit; write for instance"),
        (("A", "B", "--fail-if", "mac > 1"), "did you mean 'macs'"),
        (("A", "COUNTS"), "a Graph and a Counts cannot be compared"),
        (("A", "TEXT"), "not a smartsim graph"),
    ],
)
def test_compare_answers_bad_arguments_with_one_sentence(
    graphs: dict[str, Path], tmp_path: Path, words: Any, sentence: str
) -> None:
    counts, text = tmp_path / "counts.json", tmp_path / "text.json"
    smartsim.save_counts(smartsim.count_actions(smartsim.load_graph(graphs["pgdat"])), counts)
    text.write_text("{}")
    named = {"A": graphs["pgdat"], "B": graphs["float"], "COUNTS": counts, "TEXT": text}
    result = run("compare", *(named.get(word, word) for word in words))
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1
