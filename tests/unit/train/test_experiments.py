import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from smartsim.errors import ConfigurationError, FileFormatError
from smartsim.train.experiments.__main__ import main
from smartsim.train.experiments.catalogue import EXPERIMENTS
from smartsim.train.experiments.tasks import next_tasks
from smartsim.train.settings import make_settings
from tests.unit.train.helpers import tiny_run


def test_every_experiment_has_settings_that_can_be() -> None:
    for name, one in EXPERIMENTS.items():
        assert one.name == name
        settings = make_settings(
            one.method,
            preset="study",
            changes=dict(one.changes) and [f"{key}={value}" for key, value in one.changes.items()],
        )
        assert settings.model.arch == "resnet10"


def test_the_list_has_every_experiment_of_a_fresh_start(tmp_path: Path) -> None:
    tasks = next_tasks(tuple(EXPERIMENTS), runs=tmp_path, results=tmp_path)
    assert [task.name for task in tasks] == [f"{name}: training" for name in EXPERIMENTS]
    assert all("--resume" not in task.command for task in tasks)
    with pytest.raises(ConfigurationError, match="unknown experiment 'smrt'; did you mean 'smart'"):
        next_tasks(["smrt"], runs=tmp_path, results=tmp_path)


def test_a_name_that_is_no_experiment_is_a_sentence_and_makes_no_folder(tmp_path: Path) -> None:
    folders = ["--runs", str(tmp_path / "runs"), "--results", str(tmp_path / "results")]
    result = CliRunner().invoke(main, ["smrt", *folders])
    assert result.exit_code == 2
    assert result.stderr.endswith("unknown experiment 'smrt'; did you mean 'smart'?\n")
    assert not any(tmp_path.iterdir())


def test_a_run_with_other_settings_is_not_taken_for_the_experiments(tmp_path: Path) -> None:
    tiny_run(tmp_path / "smart", "smart", epochs=1)
    with pytest.raises(FileFormatError, match="holds a run with other settings"):
        next_tasks(["smart"], runs=tmp_path, results=tmp_path)


def test_experiments_go_on_from_where_they_were_stopped(tmp_path: Path) -> None:
    changes = {
        "arch": "resnet8", "width": 0.25, "data": "synthetic", "epochs": 1, "train_images": 100,
        "validation_images": 0, "batch_size": 50, "attack_steps": 1, "precision": "fp32",
    }  # fmt: skip
    folders = ["--runs", str(tmp_path / "runs"), "--results", str(tmp_path / "results")]
    extra = [part for key, value in changes.items() for part in ("--set", f"{key}={value}")]
    common = ["sparse-05", *folders, "--jobs", "1", "--images", "20", *extra]
    stopped = CliRunner().invoke(main, [*common, "--minutes", "0.0001"])
    assert stopped.exit_code == 0, stopped.output
    assert "1 experiments left to do, 0 failed" in stopped.output
    whole = CliRunner().invoke(main, common)
    assert whole.exit_code == 0, whole.output
    assert "0 experiments left to do, 0 failed" in whole.output
    results = json.loads((tmp_path / "results" / "sparse-05.json").read_text())
    assert {row["attack"] for row in results["results"]} == {"clean", "fgsm", "pgd7"}
    layers = results["layers"]
    share = sum(row["nonzeros"] for row in layers) / sum(row["weights"] for row in layers)
    # Without regrowth after the only epoch, every weight that is kept is nonzero.
    assert share == pytest.approx(0.05, abs=0.002)
