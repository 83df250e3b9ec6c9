"""Several processes on one machine, through gloo."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from smartsim.train.loop.checkpoint import load_checkpoint
from smartsim.train.loop.folder import RunFolder
from smartsim.train.loop.restore import load_trained_model
from smartsim.train.loop.train import train
from tests.unit.train.helpers import in_float64, read_table, tiny_data, tiny_settings

# No held-out images, whose attack is float32; attacks on the model itself, not on one folded into
# float32. Then nothing is rounded to less than float64 but the logits that an attack looks at.
EXACT = {"train_images": 54, "validation_images": 0, "fold_attack": False}
ROOT = Path(__file__).parents[3]
METHODS = ("pgdat", "oat", "float", "smart", "sparse")

_SCRIPT = """
import sys, pathlib, torch
torch.set_num_threads(1)
from smartsim.train.loop.distributed import join_processes
from smartsim.train.loop.train import train
from tests.unit.train.helpers import in_float64, tiny_data, tiny_settings
from tests.unit.train.test_distributed import EXACT, METHODS
with join_processes() as processes, in_float64():
    for method in METHODS:
        def run(**more):
            folder = pathlib.Path(sys.argv[1]) / method
            settings = tiny_settings(method, **EXACT)
            return train(settings, tiny_data(), folder, processes=processes, **more)
        stopped = run(stop=lambda: True)
        assert not stopped.finished and 0 < stopped.place.step < 6
        torch.distributed.barrier()  # the one that leads saves, while the other is back already
        assert run(resume=True).finished
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of two processes, each stopped at its first look at the metrics, and resumed."""
    folder = tmp_path_factory.mktemp("two")
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
        "OMP_NUM_THREADS": "1",
    }
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _SCRIPT, str(folder)],
            cwd=ROOT,
            env={**environment, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    errors = "".join(process.communicate(timeout=120)[1] for process in processes)
    assert [process.returncode for process in processes] == [0, 0], errors
    return folder


@pytest.mark.parametrize("method", METHODS)
def test_two_processes_stopped_and_resumed_train_what_one_does(
    method: str, two: Path, tmp_path: Path
) -> None:
    with in_float64():
        train(tiny_settings(method, **EXACT), tiny_data(), tmp_path)
    first, second = (
        load_checkpoint(RunFolder(path=path).last) for path in (tmp_path, two / method)
    )
    assert first.place.step == second.place.step == 6  # 54 / 18 = 3 batches, twice
    for ours, theirs in (
        (first.model, second.model),
        (first.momentum, second.momentum),
        (first.masks, second.masks),
    ):
        assert ours.keys() == theirs.keys()
        for name, tensor in ours.items():
            # The same sums in another order: float64 rounds at 1e-16, and six steps make at most
            # 4e-14 of it (seen), but where terms cancel.
            torch.testing.assert_close(theirs[name], tensor, rtol=1e-11, atol=1e-13)
    one, other = (read_table(path / "metrics.csv")[1:] for path in (tmp_path, two / method))
    assert [row[4:] for row in one] == [row[4:] for row in other]  # images, and how many correct
    losses = [[float(row[3]) for row in rows] for rows in (one, other)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-11)


def test_torchrun_trains_one_model_with_two_processes_from_the_command_line(tmp_path: Path) -> None:
    run = tmp_path / "run"
    launch = "-m torch.distributed.run --standalone --nproc-per-node 2 -m smartsim train smart"
    tiny = (
        "--device cpu --data synthetic --arch resnet8 --set width=0.1 --set epochs=1 "
        "--set train_images=24 --set batch_size=12 --set attack_steps=1 "
        "--set validation_images=20 --set validation_attack_steps=1 --set threads=1"
    )
    ended = subprocess.run(
        [sys.executable, *launch.split(), *tiny.split(), "--output", str(run)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == f"finished: {run} after 1 epochs\n"  # one process speaks
    rows = read_table(run / "metrics.csv")[1:]
    assert [(row[0], row[5], row[7]) for row in rows] == [("0", "6", "6"), ("1", "6", "6")]
    assert len(read_table(run / "epochs.csv")) == 2
    assert load_checkpoint(RunFolder(path=run).last).place.step == 2
    _, settings = load_trained_model(run)
    assert settings.method == "smart"
