"""Servers that answer nearly rightly: the file comes, or one sentence."""

import gzip
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartsim.errors import ConfigurationError, FileFormatError
from smartsim.train.data.sources import Files, bring_files
from tests.fuzz.mutations import mutate_bytes
from tests.fuzz.test_files import OFTEN
from tests.unit.train.data_files import small_spec

BODY = b"x" * 400
ANSWERS = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\nContent-Type: a/b\r\n\r\n" + BODY,
    "end": b"HTTP/1.0 200 OK\r\nServer: x\r\n\r\n" + BODY,
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"190\r\n" + BODY + b"\r\n0\r\n\r\n",
    "gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(BODY),
    "redirect": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/y\r\n"
    b"Content-Length: 0\r\n\r\n",
}


class _Handler(socketserver.BaseRequestHandler):
    """Sends what it was told, whatever is asked."""

    answer = b""

    def handle(self) -> None:
        self.request.recv(1 << 16)
        self.request.sendall(self.answer)


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    handler = type("Handler", (_Handler,), {})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as made:
        made.daemon_threads = True
        threading.Thread(target=made.serve_forever, daemon=True).start()
        handler.url = f"http://127.0.0.1:{made.server_address[1]}/x.bin"  # type: ignore[attr-defined]
        yield handler
        made.shutdown()


def bring(url: str, scratch: Path) -> Files | None:
    """What came; None after a sentence."""
    try:
        return bring_files(small_spec("cifar10"), url, scratch)
    except (ConfigurationError, FileFormatError) as error:
        assert "\n" not in str(error)  # noqa: PT017
        assert len(str(error)) < 1_000  # noqa: PT017
        return None


@pytest.mark.parametrize("name", ANSWERS)
@OFTEN
@given(data=st.data())
def test_an_answer_that_is_nearly_right(
    name: str, server: Any, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    scratch = tmp_path_factory.getbasetemp() / "scratch"
    scratch.mkdir(exist_ok=True)
    server.answer = ANSWERS[name]
    if name != "redirect":
        assert bring(server.url, scratch) is not None
        assert (scratch / "x.bin").read_bytes() == BODY
    head, separator, body = ANSWERS[name].partition(b"\r\n\r\n")
    if data.draw(st.booleans()):
        head = mutate_bytes(head, data.draw)
    else:
        body = mutate_bytes(body, data.draw)
    server.answer = head + separator + body
    bring(server.url, scratch)


@pytest.mark.parametrize("url", ["", "?x=1", "x/..", "x/", "\0", "%00", "é" * 500, "a" * 100_000])
def test_an_address_of_no_file(url: str, server: Any, tmp_path: Path) -> None:
    server.answer = ANSWERS["length"]
    address = server.url.removesuffix("x.bin") + url
    files = bring(address, tmp_path)
    assert {path.parent for path in tmp_path.rglob("*")} <= {tmp_path}
    if url in ("", "?x=1", "x/.."):
        assert files is None


def test_an_answer_without_end_ends(server: Any, tmp_path: Path) -> None:
    many = 200 << 20  # a data set of a few small images has at most 64 MiB
    server.answer = b"HTTP/1.0 200 OK\r\n\r\n" + bytes(many)
    with pytest.raises(ConfigurationError, match="it is more than the 64 MiB cifar10 can have"):
        bring_files(small_spec("cifar10"), server.url, tmp_path)
    server.answer = b"HTTP/1.0 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(
        bytes(many)
    )
    with pytest.raises(ConfigurationError, match="it is more than the 64 MiB cifar10 can have"):
        bring_files(small_spec("cifar10"), server.url, tmp_path)
    assert (tmp_path / "x.bin").stat().st_size < 65 << 20
