"""The one grammar of the command line: every verb by it, and its shared pieces."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner, Result

from smartsim.cli import cli
from smartsim.cli.door.kinds import FORMAT_NAME, FORMATS
from smartsim.cli.door.spellings import read_spellings
from smartsim.cli.door.verb import Verb
from smartsim.cost import load_energy
from smartsim.counts import count_actions, save_counts
from smartsim.graph import load_graph, save_graph
from smartsim.models import ARCHITECTURES, METHODS, build_model, parse_model
from smartsim.trace import trace_model


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(part) for part in arguments], prog_name="smartsim")


def list_commands(
    command: click.Command, *path: str
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every word of the command line that has help, with its path."""
    yield path, command
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from list_commands(child, *path, name)


ALL = dict(list_commands(cli))
VERBS = {path: command for path, command in ALL.items() if path}


def list_options(command: click.Command) -> list[click.Option]:
    return [param for param in command.params if isinstance(param, click.Option)]


@pytest.fixture(scope="module")
def graph_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graphs") / "smart.json"
    model = build_model("smart", "resnet8", width=0.25)
    save_graph(trace_model(model, (1, 3, 16, 16), condition={"lam": 1.0}, name="smart"), path)
    return path


@pytest.fixture(scope="module")
def counts_file(graph_file: Path) -> Path:
    path = graph_file.with_name("counts.json")
    save_counts(count_actions(load_graph(graph_file), "paper"), path)
    return path


# Every verb


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_no_help_page_runs_over_80_columns(path: tuple[str, ...]) -> None:
    page = run(*path, "--help").output
    assert page.startswith("Usage: smartsim")
    assert max(len(line) for line in page.splitlines()) <= 80


@pytest.mark.parametrize("path", VERBS, ids=" ".join)
def test_every_help_page_ends_with_an_example_of_its_verb(path: tuple[str, ...]) -> None:
    page = run(*path, "--help").output
    examples = page.partition("Example:\n")[2].splitlines()
    assert examples
    assert any(f"smartsim {' '.join(path)}" in line for line in examples)


@pytest.mark.parametrize("path", VERBS, ids=" ".join)
def test_every_option_says_its_kind_its_default_and_whether_it_repeats(
    path: tuple[str, ...],
) -> None:
    command = VERBS[path]
    context = click.Context(command, info_name=path[-1], show_default=True)
    for option in list_options(command):
        spelled, words = option.get_help_record(context) or ("", "")
        assert words, option.name
        if not option.is_flag:
            kind = option.make_metavar(context)
            assert kind in spelled
            assert kind not in ("TEXT", "PATH"), option.name
        if option.multiple:
            assert "may be repeated" in words, option.name
        if not option.multiple and not option.is_flag and option.default not in (None, ""):
            is_unset = "UNSET" in repr(option.default).upper()
            assert is_unset or "[default: " in words, option.name


@pytest.mark.parametrize("path", VERBS, ids=" ".join)
def test_every_argument_says_what_it_is(path: tuple[str, ...]) -> None:
    for param in VERBS[path].params:
        if isinstance(param, click.Argument):
            assert param.help, param.name


@pytest.mark.parametrize("path", VERBS, ids=" ".join)
def test_a_format_is_a_number_format_and_kinds_of_files_are_files(path: tuple[str, ...]) -> None:
    for option in list_options(VERBS[path]):
        if "--format" in option.opts:
            assert option.type in (FORMAT_NAME, FORMATS)
            assert "format" in (option.help or "").lower()
            assert "file" not in (option.help or "").replace("files of plans", "").replace(
                ".csv file of a plan", ""
            )
        assert not {"--formats", "--format-of-files"} & set(option.opts)


@pytest.mark.parametrize("path", VERBS, ids=" ".join)
def test_every_verb_can_be_quiet_and_verbose(path: tuple[str, ...]) -> None:
    command = VERBS[path]
    if not isinstance(command, click.Group):
        assert isinstance(command, Verb)
        assert {"-q", "-v"} <= {name for option in list_options(command) for name in option.opts}


# Answers


def test_json_is_indented_or_on_one_line(graph_file: Path) -> None:
    indented = run("count", "--json", graph_file).stdout
    compact = run("count", graph_file, "--json=compact").stdout
    assert json.loads(indented) == json.loads(compact)
    assert indented.startswith('{\n  "')
    assert compact.count("\n") == 1


@pytest.mark.parametrize("verb", ["count", "energy"])
def test_a_file_is_written_by_its_ending(
    verb: str, graph_file: Path, counts_file: Path, tmp_path: Path
) -> None:
    given = graph_file if verb == "count" else counts_file
    starts = {".csv": "", ".md": "| ", ".html": "<!DOCTYPE html>"}
    for ending, start in starts.items():
        path = tmp_path / f"out{ending}"
        assert run(verb, given, "-o", path).exit_code == 0
        assert path.read_text().startswith(start)
        assert "layer" in path.read_text()
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text().splitlines()))
    assert {"layer", "stage", "action", "number"} <= set(rows[0])


def test_another_ending_is_a_sentence_that_lists_the_possible(
    graph_file: Path, tmp_path: Path
) -> None:
    result = run("count", graph_file, "-o", tmp_path / "out.xlsx")
    assert result.exit_code == 2
    assert "a file written here ends in .json, .csv, .md or .html" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_quiet_prints_nothing_and_verbose_more_on_stderr(graph_file: Path, tmp_path: Path) -> None:
    quiet = run("count", graph_file, "-q", "-o", tmp_path / "c.json")
    assert (quiet.stdout, quiet.stderr, quiet.exit_code) == ("", "", 0)
    assert (tmp_path / "c.json").is_file()
    assert json.loads(run("count", graph_file, "-q", "--json").stdout)
    plain, verbose = run("count", graph_file), run("count", graph_file, "-v")
    assert plain.stdout == verbose.stdout
    assert (plain.stderr, verbose.stderr.count("\n")) == ("", 1)


def test_the_version_has_a_short_option() -> None:
    assert run("-V").stdout == run("--version").stdout


def test_a_missing_rule_names_the_option(graph_file: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text(graph_file.read_text().replace("aten.relu", "aten.frobnicate"))
    result = run("count", bad)
    assert result.exit_code == 2
    assert "--ignore aten.frobnicate" in result.stderr
    assert "ignore=" not in result.stderr
    assert run("count", bad, "--ignore", "aten.frobnicate").exit_code == 0


def test_a_missing_lam_says_how_to_give_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cli_lam.py").write_text(
        "import torch\nclass Net(torch.nn.Module):\n"
        "    def forward(self, x, lam):\n        return x * lam\n"
    )
    monkeypatch.chdir(tmp_path)
    result = run("trace", "cli_lam:Net", "--input", "1,4")
    assert result.exit_code == 2
    assert "--condition lam=1.0" in result.stderr


def test_ctrl_c_ends_with_130_and_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "cli_slow.py").write_text(
        "import time\nprint('begun', flush=True)\ntime.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "smartsim", "trace", "cli_slow:build"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.startswith("smartsim: interrupted")
    assert errors.count("\n") == 1


# Columns


def test_several_formats_are_columns_with_int8_beside_shift_adds(counts_file: Path) -> None:
    result = run("energy", counts_file, "--format", "int4,shift8")
    assert result.exit_code == 0, result.output
    assert max(len(line) for line in result.stdout.splitlines()) <= 80
    (head,) = (line for line in result.stdout.splitlines() if line.split()[:1] == ["int8"])
    assert head.split() == ["int8", "int4", "shift8"]
    assert "layer3" in result.stdout


def test_columns_hold_the_energies_of_each_format_alone(counts_file: Path, tmp_path: Path) -> None:
    several = json.loads(run("energy", counts_file, "--format", "int8,fp32", "--json").stdout)
    for name, energy in zip(("int8", "fp32"), several["energies"], strict=True):
        path = tmp_path / f"{name}.json"
        run("energy", counts_file, "--format", name, "-o", path)
        assert load_energy(path).to_dict() == energy


# Spellings of the version before


@pytest.mark.parametrize(
    ("old", "new", "options", "renamed"),
    [
        (["--format", "md,csv"], ["--files", "md,csv"], ["--format", "--files"], {}),
        (["--format=svg"], ["--files=svg"], ["--format", "--files"], {}),
        (["--format", "int8"], ["--format", "int8"], ["--format", "--files"], {}),
        (["--format", "csv"], ["--format", "csv"], ["--format"], {}),
        (["--energy", "int8"], ["--format", "int8"], ["--format"], {"--energy": "--format"}),
        (["--", "--json"], ["--", "--json"], ["--json"], {}),
    ],
)
def test_old_spellings_are_read_as_the_new_ones_with_a_line_of_warning(
    old: list[str],
    new: list[str],
    options: list[str],
    renamed: dict[str, str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert read_spellings(old, options, renamed) == new
    assert capsys.readouterr().err.count("\n") == (0 if old == new else 1)


def test_the_old_words_of_reports_still_work(tmp_path: Path) -> None:
    small = ("report", "table2", "--arch", "resnet8", "--lam", "1")
    old = run(*small, "--energy", "int8", "--format", "csv")
    new = run(*small, "--format", "int8", "--files", "csv")
    assert old.exit_code == 0, old.output
    assert old.stdout == new.stdout
    assert old.stderr.count("\n") == 2
    assert new.stderr == ""


# Completion


def complete(*words: str) -> list[str]:
    *before, incomplete = words
    shell = ShellComplete(cli, {}, "smartsim", "_SMARTSIM_COMPLETE")
    return [item.value for item in shell.get_completions(before, incomplete)]


def test_names_are_completed() -> None:
    assert "horowitz2014_45nm" in complete("energy", "c.json", "--table", "horo")
    joined = complete("energy", "c.json", "--table", "horowitz2014_45nm+han")
    assert joined == ["horowitz2014_45nm+han2015_45nm"]
    assert complete("energy", "c.json", "--format", "int4,shift8") == [
        "int4,shift8",
        "int4,shift8x2",
    ]
    assert complete("count", "g.json", "--convention", "p") == ["paper"]
    assert "edge_npu" in complete("report", "switch", "--accelerator", "edge")
    assert complete("trace", "smart:resnet3") == ["smart:resnet34"]
    assert complete("report", "table2", "--arch", "wrn4") == ["wrn40_2"]
    assert complete("report", "table2", "--files", "c") == ["csv"]


# models


def test_models_lists_every_method_and_backbone_with_its_settings() -> None:
    text = run("models").stdout
    words = set(text.replace(",", " ").split())
    assert words >= {*METHODS, *ARCHITECTURES, "film_dimension", "overlap", "noise"}
    assert max(len(line) for line in text.splitlines()) <= 80


def test_models_shows_one() -> None:
    name = "smart:resnet18:stages=DSSS,density=0.7"
    assert json.loads(run("models", name, "--json").stdout) == parse_model(name).to_dict()
    lines = [line.split()[:2] for line in run("models", name).stdout.splitlines()]
    assert ["density", "0.7"] in lines
    assert ["overlap", "0.49"] in lines
    assert not any(line[:1] == ["film_dimension"] for line in lines)
    assert "did you mean 'smart'" in run("models", "smrt:resnet18").stderr


@pytest.mark.parametrize("arguments", [["--help"], ["models"], ["models", "oat"], ["tables"]])
def test_what_needs_no_torch_loads_none(arguments: list[str]) -> None:
    code = (
        f"import sys; from smartsim.cli import cli; cli({arguments}, standalone_mode=False)\n"
        "print([n for n in ('torch', 'pandas', 'matplotlib') if n in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert answer.stdout.splitlines()[-1] == "[]"


def test_table2_on_a_terminal_loads_neither_pandas_nor_sympy() -> None:
    code = (
        "import sys; from smartsim.cli import cli\n"
        "cli(['report', 'table2', '--arch', 'resnet8'], standalone_mode=False)\n"
        "print([n for n in ('pandas', 'matplotlib', 'sympy') if n in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    assert answer.stdout.splitlines()[-1] == "[]"


ABUSES = [
    (("train", "smart", "--preset", "laptop", "--device", "meta"), {}, "cpu or cuda, not there"),
    (("train", "smart", "--preset", "laptop", "--device", "mps"), {}, "cpu or cuda, not there"),
    (("train", "smart", "--preset", "laptop"), {"LOCAL_RANK": "x"}, "LOCAL_RANK is 'x'"),
    (("train", "smart", "--set", "seed=-1"), {}, "seed is -1"),
    (("sweep", "--rows", "\u00b3"), {}, "is no range"),
    (("sweep", "--rows", "9" * 5_000), {}, "is no range"),
    (("sweep", "--rows", "1:999999999999999999"), {}, "take larger steps"),
    (("sweep", "--buffer", "9" * 5_000 + "k"), {}, "is no size"),
    (("trace", "smart:resnet8", "--input", "1,3,32,32:quint8"), {}, "is no element type"),
    (("trace", "smart:resnet8", "--input", "9" * 5_000), {}, "must be whole numbers"),
    (("energy", "-", "--terms", "1000000000"), {}, "is not in the range"),
    (("simulate", "-", "--zeros", "skipping:\u00b3"), {}, "zeros"),
]


@pytest.mark.parametrize(("words", "environment", "sentence"), ABUSES)
def test_abuse_of_the_command_line_gets_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    environment: dict[str, str],
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner(env=environment).invoke(cli, words, prog_name="smartsim", input="{}")
    assert not list(tmp_path.iterdir())
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 2
    said = result.stderr.splitlines()[-1]
    assert said.startswith("smartsim: ")
    assert sentence in said
    assert len(said) < 500


@pytest.mark.parametrize(("stream", "code"), [("stdin", 2), ("stdout", 0), ("stderr", 0)])
def test_a_closed_stream_is_no_traceback(tmp_path: Path, stream: str, code: int) -> None:
    close = {"stdin": "<&-", "stdout": ">&-", "stderr": "2>&-"}[stream]
    verb = "count -" if stream == "stdin" else "accelerators"
    line = f"{sys.executable} -m smartsim {verb} {close}"
    done = subprocess.run(line, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
