import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from smartsim.train.folder import RunFolder, load_checkpoint
from smartsim.train.loop import train
from tests.unit.train.helpers import tiny_data, tiny_settings

_SCRIPT = """
import sys, pathlib, torch
torch.set_num_threads(1)
from smartsim.train.distributed import join_processes
from smartsim.train.loop import train
from tests.unit.train.helpers import tiny_data, tiny_settings
with join_processes() as processes:
    for method in sys.argv[2].split(","):
        folder = pathlib.Path(sys.argv[1]) / method
        train(tiny_settings(method, epochs=1), tiny_data(), folder, processes=processes)
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def test_two_processes_train_what_one_does(tmp_path: Path) -> None:
    methods = ["pgdat", "oat", "smart"]
    root = Path(__file__).parents[3]
    environment = {
        **os.environ,
        "PYTHONPATH": str(root),
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
        "OMP_NUM_THREADS": "1",
    }
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _SCRIPT, str(tmp_path / "two"), ",".join(methods)],
            cwd=root,
            env={**environment, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    for method in methods:
        train(tiny_settings(method, epochs=1), tiny_data(), tmp_path / "one" / method)
        one, two = (
            load_checkpoint(RunFolder(path=tmp_path / name / method).last)
            for name in ("one", "two")
        )
        assert one.place.step == two.place.step
        for name, tensor in one.model.items():
            # Sums in float32 in another order, through four steps and their attacks, in which
            # the sign of a gradient near zero may differ.
            torch.testing.assert_close(two.model[name], tensor, rtol=2e-2, atol=2e-3)
        first, second = (
            (tmp_path / name / method / "metrics.csv").read_text().splitlines()[1:]
            for name in ("one", "two")
        )
        losses = [[float(line.split(",")[3]) for line in lines] for lines in (first, second)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-3)
