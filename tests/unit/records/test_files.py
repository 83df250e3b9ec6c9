"""Where results are written: links are followed, and what is no file stays what it is."""

import os
import stat
import threading
from pathlib import Path

import numpy as np
import pytest

from smartsim.errors import FileFormatError
from smartsim.graph.patterns import MOST_ELEMENTS, Pattern
from smartsim.records.document import document_of
from smartsim.records.files import write_bytes_atomically


def test_a_link_is_followed_and_stays_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "deep" / "target", tmp_path / "link"
    target.parent.mkdir()
    for there in (False, True):  # a link to nothing makes what it names
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        write_bytes_atomically(link, f"there: {there}".encode())
        assert link.is_symlink()
        assert target.read_text() == f"there: {there}"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "link"]


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write_bytes_atomically(pipe, b"abc")
    reader.join(timeout=10)
    assert read == [b"abc"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_device_stays_a_device(tmp_path: Path) -> None:
    link = tmp_path / "null"
    link.symlink_to("/dev/null")
    write_bytes_atomically(link, b"abc")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        write_bytes_atomically(tmp_path, b"abc")


def test_a_pattern_unpacks_to_no_more_than_a_file_may() -> None:
    from smartsim.graph import Graph

    graph = document_of(Graph)
    empty = {"format": "smartsim-graph", "version": 1, "model": "m", "condition": {}}
    empty |= {name: [] for name in ("tensors", "ops", "parameters", "inputs", "outputs", "notes")}
    empty |= {
        "environment": {},
        "patterns": [{"shape": [MOST_ELEMENTS, 16], "bits": "eJwDAAAAAAE="}],
    }
    with pytest.raises(FileFormatError, match="is more than a file may unpack to"):
        graph.from_dict(empty)
    bits = np.random.default_rng(0).random((300, 300)) < 0.5
    assert Pattern(bits).density > 0.4
