"""One process at a time: in the folder of a run, and on a result file."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from smartsim.errors import ConfigurationError
from smartsim.records.locks import keep_to_this_process
from smartsim.train.evaluate.plans import EvaluationSettings
from smartsim.train.evaluate.result_file import evaluate_run
from smartsim.train.loop.train import train
from tests.unit.train.helpers import stop_after, tiny_data, tiny_settings

_HOLDS = """
import pathlib, sys, time
from smartsim.records.locks import keep_to_this_process
with keep_to_this_process(pathlib.Path(sys.argv[1]), "waits"):
    print("held", flush=True)
    time.sleep(60)
"""


@contextmanager
def held_by_another(lock: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds a lock."""
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDS, str(lock)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_second_process_is_told_of_the_first(tmp_path: Path) -> None:
    lock = tmp_path / "a.lock"
    with (
        held_by_another(lock) as other,
        pytest.raises(ConfigurationError, match=rf"another process \({other.pid}\) rests"),
        keep_to_this_process(lock, "rests"),
    ):
        pytest.fail("both hold it")


def test_a_killed_process_keeps_nobody_out(tmp_path: Path) -> None:
    lock = tmp_path / "a.lock"
    with held_by_another(lock) as other:
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            try:
                with keep_to_this_process(lock, "rests"):
                    assert lock.read_text() == f"{os.getpid()}\n"
                    return
            except ConfigurationError:
                time.sleep(0.05)
    pytest.fail("the lock of a dead process holds")


@pytest.mark.parametrize("resume", [False, True])
def test_two_processes_do_not_train_in_one_folder(tmp_path: Path, resume: bool) -> None:
    settings, data, folder = tiny_settings("pgdat"), tiny_data(), tmp_path / "run"
    folder.mkdir()
    if resume:
        train(settings, data, folder, stop=stop_after(2))
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "run.lock"}
    with (
        held_by_another(folder / "run.lock") as other,
        pytest.raises(ConfigurationError, match=rf"another process \({other.pid}\) trains in"),
    ):
        train(settings, data, folder, resume=resume)
    after = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "run.lock"}
    assert after == before
    train(settings, data, folder, resume=resume)  # once the other is gone


def test_two_processes_do_not_write_one_result_file(tmp_path: Path) -> None:
    folder, path = tmp_path / "run", tmp_path / "results.json"
    train(tiny_settings("smart"), tiny_data(), folder)
    settings = EvaluationSettings(attacks=("clean",), images=8, batch_size=8)
    evaluate_run(folder, settings, lams=(0.0,), dataset=tiny_data(), output=path)
    before = path.read_bytes()
    with held_by_another(tmp_path / ".results.json.lock") as other:
        with pytest.raises(ConfigurationError, match=rf"another process \({other.pid}\) writes"):
            evaluate_run(folder, settings, lams=(1.0,), dataset=tiny_data(), output=path)
        # nothing is left to do, so nothing is waited for
        evaluate_run(folder, settings, lams=(0.0,), dataset=tiny_data(), output=path)
    assert path.read_bytes() == before
