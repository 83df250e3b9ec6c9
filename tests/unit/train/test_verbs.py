"""The verbs, as a user types them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from smartsim.cli import cli
from smartsim.cli.device import choose_device
from smartsim.cli.progress import fit_postfix
from smartsim.errors import ConfigurationError
from smartsim.train.loop.checkpoint import load_checkpoint
from smartsim.train.loop.folder import RunFolder
from smartsim.train.loop.train import Progress

TINY = (
    "--arch resnet8 --data synthetic --set width=0.25 --set batch_size=250 --set attack_steps=1 "
    "--set validation_images=500 --set validation_attack_steps=1 --set threads=1 --device cpu"
).split()


def _call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def test_a_run_is_trained_and_evaluated_from_the_command_line(tmp_path: Path) -> None:
    run = tmp_path / "run"
    trained = _call("train", "float", *TINY, "--set", "epochs=1", "--output", run)
    assert trained.exit_code == 0, trained.output
    assert f"finished: {run} after 1 epochs" in trained.output
    facts = json.loads((run / "run.json").read_text())
    assert facts["settings"]["model"]["width"] == 0.25
    assert facts["data"]["name"] == "synthetic"
    assert "torch" in facts["provenance"]
    small = ["--images", "20", "--draws", "2", "--attacks", "clean,pgd7", "--lam", "0,1"]
    evaluated = _call("evaluate", run, *small)
    assert evaluated.exit_code == 0, evaluated.output
    results = json.loads((run / "accuracies.json").read_text())
    assert [(row["lam"], row["attack"]) for row in results["results"]] == [
        (0.0, "clean"),
        (0.0, "pgd7"),
        (1.0, "clean"),
        (1.0, "pgd7"),
    ]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["train", "smrt"], "smartsim: unknown method 'smrt'; did you mean 'smart'?"),
        (["train", "smart", "--set", "epoch=1"], "no setting 'epoch'; did you mean 'epochs'?"),
        (["train", "smart", "--data", "cifar1"], "unknown data set 'cifar1'; did you mean"),
        (["train", "smart", "--resume", "--set", "epochs=1"], "leave out --preset, --set"),
        (["train", "smart", "--resume", "--output", "nowhere"], "nowhere/run.json: cannot be read"),
        (["train", "smart", "--data", "synthetic", "--device", "gpu"], "'gpu' is no device"),
        (["evaluate", "nowhere"], "nowhere/run.json: cannot be read"),
        (["evaluate", "nowhere", "--epsilon", "x"], "--epsilon 'x' must be a number"),
        (["evaluate", "nowhere", "--attacks", "pgd8"], "unknown attack 'pgd8'"),
        (["data", "fetch", "cifar"], "unknown data set 'cifar'"),
    ],
)
def test_a_mistake_gets_one_sentence_and_exit_code_2(
    arguments: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SMARTSIM_DATA", str(tmp_path / "data"))
    result = _call(*arguments)
    assert result.exit_code == 2
    assert says in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_each_process_has_its_own_gpu_and_fp32_means_fp32(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    assert choose_device("cpu") == "cpu"
    on_cpu = torch.backends.cudnn.allow_tf32
    assert [choose_device(name, 1) for name in ("auto", "cuda", "cuda:0")] == [
        "cuda:1", "cuda:1", "cuda:0",
    ]  # fmt: skip
    assert (on_cpu, torch.backends.cudnn.allow_tf32) == (True, False)
    with pytest.raises(ConfigurationError, match="finds 2 CUDA devices here, and cuda:2 is asked"):
        choose_device("cuda", 2)


def test_the_list_of_data_sets_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMARTSIM_DATA", str(tmp_path))
    result = _call("data", "list")
    assert result.exit_code == 0
    line = next(line for line in result.output.splitlines() if "cifar10 " in line)
    assert line.split() == "cifar10 10 50,000 10,000 3x32x32 not fetched".split()


def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path: Path) -> None:
    run = RunFolder(path=tmp_path / "run")
    more = ["--set", "epochs=10000", "--output", str(run.path), "--checkpoint-seconds", "0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "smartsim", "train", "pgdat", *TINY, *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        cwd=Path(__file__).parents[3],
    )
    deadline = time.monotonic() + 60
    while not run.last.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    step = load_checkpoint(run.last).place.step
    assert f"stopped and saved: {run.path} at step {step}; go on with" in output
    assert "--resume" in output
    resumed = _call("train", "pgdat", "--resume", "--output", run.path, "--minutes", "0")
    assert resumed.exit_code == 0, resumed.output
    assert load_checkpoint(run.last).place.step > step


def test_a_run_says_what_it_will_do_and_how_long_it_takes(tmp_path: Path) -> None:
    result = _call("train", "float", *TINY, "--set", "epochs=2", "--output", tmp_path / "run")
    assert result.exit_code == 0, result.output
    first, second = result.stderr.splitlines()[:2]
    assert first.startswith("plan: float on resnet8 of width 0.25, synthetic: epochs: 2 of ")
    assert "steps: " in first
    assert second.startswith("plan: about 1 min from here, at ")
    quiet = _call("train", "float", *TINY, "--set", "epochs=1", "-o", tmp_path / "quiet", "-q")
    assert (quiet.exit_code, quiet.output) == (0, "")


@pytest.mark.parametrize(("columns", "parts"), [(80, 3), (100, 4), (200, 4), (40, 1)])
def test_the_postfix_of_the_bar_leaves_room_for_the_bar(columns: int, parts: int) -> None:
    state = Progress(
        step=10,
        steps=200,
        loss=1.234,
        clean_accuracy=55.5,
        robust_accuracy=33.3,
        images_per_second=1234.0,
    )
    text = fit_postfix(state, columns)
    assert text.count(",") == parts - 1
    assert len(text) + 46 <= columns or parts == 1


def test_results_come_as_json(tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert _call("train", "float", *TINY, "--set", "epochs=1", "--output", run).exit_code == 0
    words = ("--images", "20", "--draws", "2", "--attacks", "clean", "--lam", "0", "--json=compact")
    result = _call("evaluate", run, *words)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["progress"]["finished"] is True
    listed = json.loads(_call("data", "list", "--json").stdout)
    assert {"data set", "classes", "train", "test", "shape", "here"} == listed["datasets"][0].keys()
