"""The command line: what the verbs write and print, and one sentence for every bad input."""

import csv
import errno
import io
import json
import os
import pty
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result
from torch import nn

from smartsim.cli import cli
from smartsim.counts import Counts, count_actions, load_counts
from smartsim.graph import Graph, load_graph, save_graph
from smartsim.models import build_model
from smartsim.trace import trace_model


def run(*arguments: str | Path, stdin: str | None = None) -> Result:
    """Run `smartsim ARGUMENTS` in this process."""
    parts = [str(part) for part in arguments]
    return CliRunner().invoke(cli, parts, input=stdin, prog_name="smartsim")


def expect(result: Result) -> str:
    """The output of a run that must have worked, and written nothing to stderr."""
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    return result.stdout


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def graph_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trace of SMART on ResNet-8 at lam = 1."""
    path = tmp_path_factory.mktemp("graphs") / "smart.json"
    model = build_model("smart", "resnet8")
    save_graph(trace_model(model, (1, 3, 32, 32), condition={"lam": 1.0}, name="smart"), path)
    return path


def write_module(folder: Path, name: str, text: str) -> None:
    head = "import torch\nfrom torch import nn\n"
    (folder / f"{name}.py").write_text(head + text)


CONDITIONAL = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.gain = nn.Linear(1, 4)

    def forward(self, x, lam):
        gain = self.gain(torch.as_tensor(lam).reshape(1, 1))
        return (self.conv(x) * gain[..., None, None]).mean((2, 3))
"""


# trace


def test_trace_prints_json_where_it_is_asked_for() -> None:
    text = expect(run("trace", "smart:resnet8", "--condition", "lam=1", "--json"))
    graph = Graph.from_dict(json.loads(text))
    assert (graph.model, graph.condition) == ("smart:resnet8", {"lam": 1.0})


def test_trace_writes_json_to_a_file_and_a_table_to_the_screen(folder: Path) -> None:
    text = expect(run("trace", "pgdat:resnet8", "-o", "graph.json"))
    assert text.endswith("written: graph.json\n")
    assert "native_batch_norm" in text
    assert load_graph("graph.json").model == "pgdat:resnet8"


def test_trace_takes_a_model_of_the_working_folder(folder: Path) -> None:
    write_module(folder, "cli_net", CONDITIONAL)
    arguments = ("cli_net:Net", "--input", "2,3,8,8", "--condition", "lam=0.5")
    graph = Graph.from_dict(json.loads(expect(run("trace", *arguments, "--json"))))
    assert graph.tensors[graph.outputs[0]].shape == (2, 4)


def test_trace_takes_several_inputs_and_their_types(folder: Path) -> None:
    write_module(
        folder,
        "cli_two",
        "class Net(nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n        self.e = nn.Embedding(9, 4)\n"
        "    def forward(self, tokens, scale):\n        return self.e(tokens) * scale\n",
    )
    text = expect(run("trace", "cli_two:Net", "--input", "1,5:int64", "--input", "1,5,4", "--json"))
    graph = Graph.from_dict(json.loads(text))
    assert [graph.tensors[place].dtype for place in graph.inputs] == ["int64", "float32"]


def test_trace_takes_declared_zeros(folder: Path) -> None:
    write_module(
        folder,
        "cli_pruned",
        "def build():\n    layer = nn.Linear(4, 2, bias=False)\n"
        "    layer.weight.data[0] = 0\n    return layer\n",
    )
    arguments = ("cli_pruned:build", "--input", "1,4", "--declare-zeros", "weight")
    text = expect(run("trace", *arguments, "--json"))
    assert count_actions(Graph.from_dict(json.loads(text))).macs == 4


def test_trace_reads_an_exported_program(folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own deprecations
        program = torch.export.export(nn.Linear(4, 2), (torch.randn(1, 4),))
        torch.export.save(program, folder / "net.pt2")
    graph = Graph.from_dict(json.loads(expect(run("trace", "net.pt2", "--input", "1,4", "--json"))))
    assert count_actions(graph).macs == 8


# count


def test_count_writes_json_when_asked_and_to_a_file(folder: Path, graph_file: Path) -> None:
    piped = Counts.from_dict(json.loads(expect(run("count", graph_file, "--json"))))
    assert piped == count_actions(load_graph(graph_file))
    text = expect(run("count", graph_file, "--convention", "dense", "-o", "counts.json"))
    assert load_counts("counts.json") == count_actions(load_graph(graph_file), "dense")
    assert "convention dense" in text
    assert text.endswith("written: counts.json\n")


def test_count_reads_what_trace_wrote_to_the_pipe() -> None:
    traced = expect(run("trace", "pgdat:resnet8", "--json"))
    counted = Counts.from_dict(json.loads(expect(run("count", "-", "--json", stdin=traced))))
    assert counted.macs > 0


def test_count_takes_a_convention_of_ones_own(folder: Path, graph_file: Path) -> None:
    (folder / "mine.toml").write_text('name = "mine"\ncount_padding = true\n')
    counts = Counts.from_dict(
        json.loads(expect(run("count", graph_file, "--convention", "mine.toml", "--json")))
    )
    assert counts.convention.name == "mine"
    assert counts.convention.count_padding


def test_count_shows_what_was_left_out(folder: Path, graph_file: Path) -> None:
    text = expect(run("count", graph_file, "--ignore", "aten.relu", "-o", "counts.json"))
    assert "left out: aten.relu" in text


def test_count_shows_deployment_when_asked(folder: Path, graph_file: Path) -> None:
    text = expect(run("count", graph_file, "--all-stages", "-o", "counts.json"))
    assert "deploy" in text
    assert "deploy" not in expect(run("count", graph_file, "-o", "counts.json"))


# report table2

SMALL = ("report", "table2", "--arch", "resnet8", "--lam", "1")


def test_table2_prints_the_comparison_and_writes_no_file(folder: Path) -> None:
    text = expect(run(*SMALL))
    assert "PGD-AT      OAT    FLOAT    SMART" in text
    assert list(folder.iterdir()) == []


def test_table2_writes_every_format_into_a_folder(folder: Path) -> None:
    text = expect(run(*SMALL, "--output", "out/table"))
    names = {path.name for path in (folder / "out/table").iterdir()}
    assert names == {"table2.md", "table2.tex", "table2.csv", "table2.json"}
    assert text.count("written: ") == 4
    assert json.loads((folder / "out/table/table2.json").read_text())["setting"].startswith(
        "resnet8"
    )


def test_table2_writes_the_formats_that_are_asked_for(folder: Path) -> None:
    expect(run(*SMALL, "--files", "csv, md", "--output", "out"))
    assert {path.name for path in (folder / "out").iterdir()} == {"table2.csv", "table2.md"}


def test_table2_prints_the_one_format_that_is_asked_for() -> None:
    rows = list(csv.DictReader(io.StringIO(expect(run(*SMALL, "--files", "csv")))))
    assert {row["method"] for row in rows} == {"PGD-AT", "OAT", "FLOAT", "SMART"}


def test_table2_compares_the_methods_that_are_named() -> None:
    table = json.loads(expect(run(*SMALL, "--methods", "oat,smart", "--json")))
    assert table["methods"] == ["OAT", "SMART"]
    printed = json.loads(expect(run("report", "table2", "--methods", "oat,smart", "--json")))
    kinds = {row["kind"] for row in printed["rows"] if row["metric"].startswith("normalised")}
    assert kinds == {"derived"}  # the paper's are ratios to a column that is not there
    assert "published" in {row["kind"] for row in printed["rows"]}


def test_table2_shows_ones_own_models_beside_the_four(folder: Path) -> None:
    write_module(
        folder,
        "cli_own",
        CONDITIONAL + "class Plain(nn.Conv2d):\n"
        "    def __init__(self):\n        super().__init__(3, 2, 1)\n",
    )
    write_module(folder, "cli_own_too", CONDITIONAL)
    text = expect(
        run(
            *SMALL,
            "--json",
            "--add",
            "cli_own:Net",
            "--add",
            "cli_own:Plain",
            "--add",
            "cli_own_too:Net",
        )
    )
    table = json.loads(text)
    assert table["methods"][4:] == ["Net", "Plain", "cli_own_too:Net"]
    (macs,) = (row["values"] for row in table["rows"] if row["metric"] == "MACs")
    # 30 x 30 outputs of 4 channels, 27 products each; 4 more a switch, and a mean of each channel
    assert macs["Net"] == macs["cli_own_too:Net"] == 900 * 4 * 27
    assert macs["Plain"] == 1024 * 2 * 3


def test_table2_shows_measured_accuracies(folder: Path) -> None:
    rows = [{"lam": 1, "attack": "clean", "accuracy": 81.25, "images": 16}]
    data = {"format": "smartsim-accuracies", "method": "SMART", "setting": "toy", "results": rows}
    (folder / "accuracies.json").write_text(json.dumps(data))
    text = expect(run(*SMALL, "--results", "accuracies.json"))
    (line,) = (line for line in text.splitlines() if "measured" in line)
    assert line.split() == ["CA,", "%", "measured", "a", "81.25"]
    # sqrt(0.8125 * 0.1875 / 16) = 9.8 %
    assert "a  Measured on toy: SMART 81.2 ± 9.8 (clean, n = 16)." in text


def test_table2_at_any_lam() -> None:
    text = expect(run("report", "table2", "--arch", "resnet8", "--lam", "0.3,0.3"))
    assert text.count("lam = 0.3") == 1


# Bad input


def fails(result: Result, sentence: str) -> None:
    """One sentence on stderr, exit code 2, nothing on stdout."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("smartsim: ")
    assert result.stderr.count("\n") == 1
    assert sentence in result.stderr
    assert isinstance(result.exception, SystemExit)


def _nan_weights(folder: Path) -> None:
    write_module(
        folder,
        "cli_nan",
        "def build():\n    net = nn.Linear(4, 2)\n    net.weight.data[0, 0] = float('nan')\n"
        "    return net\n",
    )


def _broken_modules(folder: Path) -> None:
    write_module(folder, "cli_broken", "1 / 0\n")
    write_module(folder, "cli_text", "def build():\n    return 'text'\n")
    write_module(
        folder,
        "cli_branch",
        "class Net(nn.Linear):\n    def __init__(self):\n        super().__init__(4, 4)\n"
        "    def forward(self, x):\n        return x if x.sum() > 0 else -x\n",
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("smrt:resnet8",), "unknown method 'smrt'; did you mean 'smart'?"),
        (("smart:resnet43",), "unknown architecture 'resnet43'; did you mean 'resnet34'?"),
        (("smart:resnet8:dens=1",), "a model has no setting 'dens'"),
        (("smart:resnet8", "--condition", "lam=1.5"), "it must be in [0, 1]"),
        (("smart:resnet8", "--condition", "lam=-1"), "it must be in [0, 1]"),
        (("smart:resnet8", "--condition", "lam=nan"), "must be one finite number"),
        (("smart:resnet8", "--condition", "lam"), "must be NAME=NUMBER"),
        (("smart:resnet8", "--condition", "depth=1"), "unexpected keyword argument 'depth'"),
        (("smart:resnet8", "--input", "1,3,a"), "must be whole numbers of 1 or more"),
        (("smart:resnet8", "--input", "1,1,32,32"), "this model takes (n, 3, height, width)"),
        (("torch.nn:Identity", "--input", "4611686018427387904,4"), "torch can number"),
        (("cli_nan:build", "--input", "1,4"), "parameter 'weight' holds 1 NaN of 8 values"),
        (("no_such_module_at_all.x:build",), "does not import from"),
        (("cli_broken:build",), "ZeroDivisionError: division by zero"),
        (("cli_text:build",), "returned a str; it must return a torch.nn.Module"),
        (("cli_branch:Net", "--input", "1,4"), "cli_branch.py:7 (return x if x.sum() > 0 else -x)"),
        (("none.pt2",), "none.pt2: cannot be read (No such file or directory)"),
        (("smart:resnet8", "--declare-zeros", "conv"), "declared_zeros names 'conv'"),
        ((), "Missing argument 'MODEL'; see smartsim trace --help"),
        (("smart:resnet8", "--inputs", "1"), "No such option"),
        (("smart:resnet8", "-o", "none/graph.json"), "none/graph.json: No such file or directory"),
    ],
)
def test_trace_answers_bad_input_with_one_sentence(
    folder: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    _nan_weights(folder)
    _broken_modules(folder)
    before = sorted(folder.iterdir())
    fails(run("trace", *arguments, *([] if "-o" in arguments else ["-o", "out.json"])), sentence)
    after = [path for path in sorted(folder.iterdir()) if path.name != "__pycache__"]
    assert after == before


def _cut(text: str) -> str:
    return text[: len(text) // 2]


def _other_kind(text: str) -> str:
    return text.replace("smartsim-graph", "smartsim-counts")


def _wrong_stride(text: str) -> str:
    data = json.loads(text)
    for op in data["ops"]:
        if op["name"] == "aten.convolution":
            op["attributes"]["stride"] = ["two"]
            op["live"] = None
    return json.dumps(data)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (_cut, "damaged JSON"),
        (_other_kind, "not a smartsim graph"),
        (lambda _: "[]", "holds a JSON list; expected a smartsim graph"),
        (lambda _: "{}", "not a smartsim graph"),
        (lambda text: text.replace('"version": 1', '"version": 2', 1), "version 2"),
        (lambda text: text.replace('"input"', '"inptu"'), "cannot be 'inptu'"),
        (
            lambda text: text.replace("aten.relu", "aten.frobnicate"),
            "aten.frobnicate in ResNet on shapes",
        ),
        (_wrong_stride, "the counting rule of aten.convolution fails"),
    ],
)
def test_count_answers_a_damaged_graph_with_one_sentence(
    folder: Path, graph_file: Path, damage: Callable[[str], str], sentence: str
) -> None:
    (folder / "bad.json").write_text(damage(json.dumps(json.loads(graph_file.read_text()))))
    (folder / "counts.json").write_text("precious")
    fails(run("count", "bad.json", "-o", "counts.json"), sentence)
    assert (folder / "counts.json").read_text() == "precious"
    assert sorted(path.name for path in folder.iterdir()) == ["bad.json", "counts.json"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("none.json",), "none.json: cannot be read (No such file or directory)"),
        ((".",), "cannot be read (Is a directory)"),
        (("GRAPH", "--convention", "exat"), "unknown convention 'exat'; did you mean 'exact'?"),
        (
            ("GRAPH", "--convention", "none.toml"),
            "none.toml: cannot be read (No such file or directory)",
        ),
        (("GRAPH", "--convention", "bad.toml"), "bad.toml: is damaged TOML"),
        (("GRAPH", "--convention", "odd.toml"), "odd.toml: a convention has no 'flops'"),
        (("GRAPH", "-o", "."), "Is a directory"),
        ((), "Missing argument 'GRAPH'"),
    ],
)
def test_count_answers_bad_arguments_with_one_sentence(
    folder: Path, graph_file: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    (folder / "bad.toml").write_text("name = \n")
    (folder / "odd.toml").write_text('name = "odd"\nflops = true\n')
    before = sorted(folder.iterdir())
    fails(run("count", *(str(graph_file) if a == "GRAPH" else a for a in arguments)), sentence)
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--arch", "resnet43"), "unknown architecture 'resnet43'"),
        (("--lam", "0,2"), "--lam '0,2' must be numbers in [0, 1]"),
        (("--lam", "nan"), "must be numbers in [0, 1]"),
        (("--lam", ""), "must be numbers in [0, 1]"),
        (("--classes", "0"), "Invalid value for '--classes'"),
        (("--classes", "ten"), "Invalid value for '--classes'"),
        (("--input", "1,3"), "this model takes (n, 3, height, width)"),
        (("--film-dimension", "3"), "film_dimension is 3"),
        (("--convention", "papr"), "did you mean 'paper'?"),
        (("--files", "docx"), "unknown format 'docx'"),
        (("--files", "md,csv"), "several formats need --output FOLDER"),
        (("--add", "nothing_of_this_name:build"), "unknown method 'nothing_of_this_name'"),
        (("--add", "torch.nn:Linear"), "it is called without arguments"),
        (("--results", "none.json"), "none.json: cannot be read"),
        (("--results", "foreign.json"), "is no result file of the evaluator"),
        (("--results", "unknown.json"), "belong to no column of this table"),
        (("--format", "int8", "--table", "none"), "none"),
        (("--output", "file"), "file: File exists"),
    ],
)
def test_table2_answers_bad_input_with_one_sentence(
    folder: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    (folder / "foreign.json").write_text('{"format": "coco"}')
    rows = [{"lam": 1, "attack": "clean", "accuracy": 50, "images": 2}]
    data = {"format": "smartsim-accuracies", "method": "MART", "setting": "x", "results": rows}
    (folder / "unknown.json").write_text(json.dumps(data))
    (folder / "file").write_text("precious")
    before = sorted(folder.iterdir())
    chosen = ("--arch", "resnet8", "--lam", "1") if "--arch" not in arguments else ()
    fails(run("report", "table2", *chosen, *arguments), sentence)
    assert sorted(folder.iterdir()) == before
    assert (folder / "file").read_text() == "precious"


def test_a_folder_that_cannot_be_written_to_is_named(
    folder: Path, graph_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, dir: Path, **__: object) -> None:  # root may write to any real folder
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), f"{dir}/.temporary")

    monkeypatch.setattr("smartsim.records.files.tempfile.mkstemp", refuse)
    (folder / "locked").mkdir(mode=0o500)
    # The sentence names the file that was asked for, not the temporary one.
    fails(
        run("count", graph_file, "-o", "locked/counts.json"),
        "locked/counts.json: Permission denied",
    )
    assert list((folder / "locked").iterdir()) == []


def test_an_unknown_verb_suggests_a_near_one() -> None:
    fails(run("trcae"), "No such command 'trcae'")
    fails(run("report", "table3"), "No such command 'table3'")
    fails(run("--colour"), "No such option '--colour'")


def test_every_verb_has_help() -> None:
    for verb in ([], ["trace"], ["count"], ["report"], ["report", "table2"]):
        text = expect(run(*verb, "--help"))
        assert text.startswith("Usage: ")


# Real processes


def start(*arguments: str, cwd: Path, **settings: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "smartsim", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **settings,
    )


def test_the_module_runs_as_a_process_and_chains_by_pipes(tmp_path: Path) -> None:
    write_module(tmp_path, "cli_process", CONDITIONAL)
    arguments = ("cli_process:Net", "--input", "1,3,8,8", "--condition", "lam=1")
    traced = start("trace", *arguments, "--json", cwd=tmp_path)
    assert (traced.returncode, traced.stderr) == (0, "")
    counted = start("count", "-", "--json=compact", cwd=tmp_path, input=traced.stdout)
    assert (counted.returncode, counted.stderr) == (0, "")
    assert Counts.from_dict(json.loads(counted.stdout)).macs == 36 * 4 * 27 + 4


def test_a_process_that_fails_prints_no_traceback(tmp_path: Path) -> None:
    failed = start("trace", "smrt:resnet8", "-o", "graph.json", cwd=tmp_path)
    assert (failed.returncode, failed.stdout) == (2, "")
    assert failed.stderr == "smartsim: unknown method 'smrt'; did you mean 'smart'?\n"
    assert list(tmp_path.iterdir()) == []


def test_a_terminal_gets_a_table(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "smartsim", "trace", "torch.nn:Identity", "--input", "1,2"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=theirs, stderr=subprocess.PIPE)
    os.close(theirs)
    text = b""
    try:
        while part := os.read(ours, 4096):
            text += part
    except OSError:  # the terminal is closed when the process ends
        pass
    os.close(ours)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, b"")
    assert text.startswith(b"torch.nn:Identity\r\n")
    assert text.endswith(b"0 ops\r\n")


@pytest.mark.parametrize(
    "code",
    [
        "import smartsim",
        "import smartsim.cli",
        "import smartsim; dir(smartsim); smartsim.__version__; smartsim.Graph",
        "from smartsim.cli import cli; cli(['--help'], standalone_mode=False)",
        "from smartsim.cli import cli; cli(['report', 'table2', '--help'], standalone_mode=False)",
        "import smartsim.counts, smartsim.cost, smartsim.simulate",
    ],
)
def test_torch_and_pandas_are_not_loaded_until_they_are_needed(code: str) -> None:
    check = (
        f"{code}\nimport sys\n"
        "print([n for n in ('torch', 'pandas', 'matplotlib') if n in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, timeout=60, check=True
    )
    assert answer.stdout.splitlines()[-1] == "[]"


def test_every_top_level_name_leads_somewhere() -> None:
    import smartsim

    for name in smartsim.__all__:
        assert getattr(smartsim, name) is not None
        assert name in dir(smartsim)
    with pytest.raises(AttributeError, match="no attribute 'trace_modle'"):
        smartsim.trace_modle  # noqa: B018
