"""What a run survives: a kill at any moment, a full disk, a folder without permission."""

import errno
import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from smartsim.cli import cli
from smartsim.train.loop.checkpoint import load_checkpoint
from smartsim.train.loop.folder import RunFolder
from smartsim.train.loop.train import train
from tests.unit.train.helpers import assert_same_run, stop_after, tiny_data, tiny_settings

_KILLED = """
import os, pathlib, signal, sys
import torch
torch.set_num_threads(1)
from smartsim.train.loop import train as loop
from tests.unit.train.helpers import tiny_data, tiny_settings

def die_at(number, function, before):
    calls = iter(range(1, 1_000))
    def counted(*arguments, **named):
        if next(calls) == number:
            before(*arguments)
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **named)
    return counted

def lose_half(descriptor):
    os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)

loop.FLUSH_EVERY, loop._FLUSH_SECONDS = 2, 1e9
root = pathlib.Path(sys.argv[1])
loop.train(tiny_settings("smart"), tiny_data(), root / "first")  # so that the forks start warm
for moment in sys.argv[2:]:
    name, number = moment.split("-")
    child = os.fork()
    if not child:
        before = lose_half if name == "fsync" else lambda *paths: None
        setattr(os, name, die_at(int(number), getattr(os, name), before))
        loop.train(tiny_settings("smart"), tiny_data(), root / moment, checkpoint_seconds=0)
        os._exit(3)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, (moment, status)
"""
"""Trains once for each moment, such as "fsync-4", in a fork that kills itself: inside the fourth
fsync, half of the file not on disk yet, or just before the fourth rename. Saves after the first
step and then every other one, however long they take."""

SAVED = {
    "fsync-4": None,
    "replace-5": (0, 1, 1),
    "fsync-6": (0, 3, 3),
    "replace-7": (0, 4, 4),
    "fsync-8": (0, 4, 4),
    "replace-9": (1, 0, 4),
    "fsync-10": (1, 2, 6),
}
"""Epoch, batch and step of the last whole checkpoint when a run dies in its n-th write.

The first three writes make the folder. Of the two epochs of four batches, the first then writes
`last` after steps 1, 3 and 4, and after validation `best` and `last`; the second writes `last`
after steps 6 and 8.
"""

STARTING = ("fsync-1", "replace-2", "fsync-3")


def read_files(folder: Path) -> dict[str, bytes]:
    """What a run keeps; the lock says which process was the last, if it can be written."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "run.lock"}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Two runs are the same to the bit only where as many threads share their sums."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing happened to."""
    folder = tmp_path_factory.mktemp("whole")
    train(tiny_settings("smart"), tiny_data(), folder)
    return folder


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs that were killed, by moment."""
    folder, root = tmp_path_factory.mktemp("killed"), Path(__file__).parents[3]
    ended = subprocess.run(
        [sys.executable, "-c", _KILLED, str(folder), *STARTING, *SAVED],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return folder


@pytest.mark.parametrize(("moment", "saved"), SAVED.items())
def test_a_process_killed_while_it_saves_leaves_the_checkpoint_before_and_goes_on_from_it(
    moment: str, saved: tuple[int, int, int] | None, killed: Path, whole: Path
) -> None:
    folder = RunFolder(path=killed / moment)
    assert len(list(folder.path.glob(".*.safetensors.*"))) == 1  # it died within a write
    if saved is None:
        assert not folder.last.exists()
    else:
        place = load_checkpoint(folder.last).place
        assert (place.epoch, place.batch, place.step) == saved
    settings, _ = folder.read()
    assert train(settings, tiny_data(), folder.path, resume=True).finished
    assert_same_run(whole, folder.path)
    assert not list(folder.path.glob(".*.safetensors.*"))


@pytest.mark.parametrize("moment", STARTING)
def test_a_process_killed_while_it_makes_its_folder_leaves_no_run_and_starts_anew(
    moment: str, killed: Path, whole: Path
) -> None:
    folder = killed / moment
    assert not (folder / "run.json").exists()
    train(tiny_settings("smart"), tiny_data(), folder)
    assert_same_run(whole, folder)


def test_what_was_written_after_the_last_checkpoint_is_dropped(whole: Path, tmp_path: Path) -> None:
    # As a kill between the metrics and the checkpoint leaves it: whole rows, then of the row of
    # step 10 the digit 1, which looks like a step to be kept.
    settings, data = tiny_settings("smart"), tiny_data()
    folder = RunFolder(path=tmp_path / "parts")
    step = train(settings, data, folder.path, stop=stop_after(1)).place.step
    assert 1 < step < 10
    rows = [(one, 0, 0.1, 9.9, 0, 0, 0, 0) for one in range(step, 10)]
    folder.append("metrics.csv", [*rows, (1,)])
    folder.append("epochs.csv", [(0, 1.0, 1.0, 1.0, 1.0)])
    (folder.path / ".last.safetensors.abc").write_bytes(b"half a checkpoint")
    train(settings, data, folder.path, resume=True)
    assert_same_run(whole, folder.path)
    assert not list(folder.path.glob(".*.safetensors.*"))


def _no_space() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


SMALL = 10_000
"""Bytes; a checkpoint has more, and no other file of a run."""


class _FullDisk(io.FileIO):
    """Has room for what is small; of a checkpoint it takes half."""

    def write(self, data: Any) -> int:
        if len(data) < SMALL:
            return super().write(data)
        super().write(data[: len(data) // 2])
        raise _no_space()


def _fill_disk(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """From now on there is no space to sync a checkpoint, to write one, or for a row of a table."""
    if what == "sync":
        fsync = os.fsync

        def fail(descriptor: int) -> None:
            if os.fstat(descriptor).st_size > SMALL:
                raise _no_space()
            fsync(descriptor)

        monkeypatch.setattr(os, "fsync", fail)
    elif what == "checkpoint":
        monkeypatch.setattr(os, "fdopen", _FullDisk)
    else:
        monkeypatch.setattr(Path, "open", _half_rows(what))


def _half_rows(name: str) -> Callable[..., Any]:
    """`Path.open` with half a row's room where the table `name` is added to."""
    plain_open = Path.open

    def open_full(path: Path, mode: str = "r", **named: Any) -> Any:
        stream: Any = plain_open(path, mode, **named)
        if path.name == name and mode == "a":
            take = stream.write

            def write(text: str) -> None:
                take(text[: len(text.splitlines()[0]) // 2])
                raise _no_space()

            stream.write = write
        return stream

    return open_full


@pytest.mark.parametrize("what", ["sync", "checkpoint", "metrics.csv", "epochs.csv"])
def test_a_full_disk_leaves_the_checkpoint_before_and_goes_on_from_it(
    what: str, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, settings = tiny_data(), tiny_settings("smart")
    folder = RunFolder(path=tmp_path / "run")
    step = train(settings, data, folder.path, stop=stop_after(1)).place.step
    before, rows = folder.last.read_bytes(), (folder.path / "metrics.csv").read_text()
    with monkeypatch.context() as full:
        _fill_disk(full, what)
        with pytest.raises(OSError, match="No space left"):
            train(settings, data, folder.path, resume=True)
    assert folder.last.read_bytes() == before
    assert load_checkpoint(folder.last).place.step == step
    assert (folder.path / "metrics.csv").read_text().startswith(rows)
    assert not list(folder.path.glob(".*"))
    train(settings, data, folder.path, resume=True)
    assert_same_run(whole, folder.path)


TINY = (
    "--data synthetic --arch resnet8 --set width=0.25 --set epochs=1 --set batch_size=20 "
    "--set train_images=20 --set attack_steps=1 --set validation_images=0 --device cpu"
).split()


def _lock(monkeypatch: pytest.MonkeyPatch, call: str, folder: Path) -> None:
    """Refuse one kind of call below a folder, which chmod does not refuse to root."""

    def refuse(path: Path) -> None:
        if path.is_relative_to(folder):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    mkdir, mkstemp, plain_open = Path.mkdir, tempfile.mkstemp, Path.open

    def locked_mkdir(path: Path, *arguments: Any, **named: Any) -> None:
        refuse(path)
        mkdir(path, *arguments, **named)

    def locked_mkstemp(*, dir: Path, **named: Any) -> tuple[int, str]:
        refuse(dir / "temporary")
        return mkstemp(dir=dir, **named)

    def locked_open(path: Path, mode: str = "r", **named: Any) -> Any:
        if set(mode) & set("wax+"):
            refuse(path)
        return plain_open(path, mode, **named)

    match call:
        case "mkdir":
            monkeypatch.setattr(Path, "mkdir", locked_mkdir)
        case "mkstemp":
            monkeypatch.setattr(tempfile, "mkstemp", locked_mkstemp)
        case _:
            monkeypatch.setattr(Path, "open", locked_open)


@pytest.mark.parametrize(
    ("call", "names"),
    [("mkdir", "run"), ("mkstemp", "run/metrics.csv"), ("open", "run/metrics.csv")],
)
def test_a_folder_that_cannot_be_written_gets_one_sentence(
    call: str, names: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _lock(monkeypatch, call, tmp_path)
    result = CliRunner().invoke(cli, ["train", "pgdat", *TINY, "--output", f"{tmp_path}/run"])
    assert result.exit_code == 2
    assert result.output.splitlines()[-1] == f"smartsim: {tmp_path}/{names}: Permission denied"
    assert len(result.output.splitlines()) == 2  # the plan before it


@pytest.mark.parametrize(("call", "names"), [("mkstemp", "metrics.csv"), ("open", "metrics.csv")])
def test_a_run_that_may_no_longer_be_written_gets_one_sentence_and_stays(
    call: str, names: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(path=tmp_path / "run")
    train(tiny_settings("pgdat"), tiny_data(), folder.path, stop=stop_after(1))
    before = read_files(folder.path)
    monkeypatch.setattr("smartsim.train.data.load_dataset", lambda name: tiny_data())
    _lock(monkeypatch, call, tmp_path)
    result = CliRunner().invoke(
        cli, ["train", "pgdat", "--resume", "--device", "cpu", "--output", str(folder.path)]
    )
    assert result.exit_code == 2
    assert result.output.splitlines()[-1] == f"smartsim: {folder.path}/{names}: Permission denied"
    assert len(result.output.splitlines()) == 2  # the plan before it
    assert read_files(folder.path) == before


def test_a_file_in_the_folders_way_gets_one_sentence(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    result = CliRunner().invoke(cli, ["train", "pgdat", *TINY, "--output", f"{blocked}/run"])
    assert result.exit_code == 2
    assert result.output.splitlines()[-1] == f"smartsim: {blocked}/run: Not a directory"
    assert len(result.output.splitlines()) == 2  # the plan before it
