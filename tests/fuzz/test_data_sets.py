"""Nearly valid files and archives of data sets: stored, or one sentence and nothing left."""

import bz2
import gzip
import io
import lzma
import resource
import tarfile
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartsim.errors import SmartsimError
from smartsim.train.data import DatasetSpec, fetch_dataset
from tests.fuzz.mutations import mutate_bytes, mutate_json
from tests.fuzz.test_files import MOST_MEBIBYTES, MOST_SECONDS, OFTEN
from tests.unit.train.data_files import TINY, VERSIONS, pack_tape, pack_zip, small_spec


def try_fetch(spec: DatasetSpec, source: Path, store: Path) -> bool:
    """Whether a source is taken; what it may not do in either case was checked."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    sentence = ""
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        try:
            fetch_dataset(spec.name, str(source), folder=store, spec=spec)
        except SmartsimError as error:
            sentence = str(error)
    seconds = time.process_time() - began
    assert "\n" not in sentence
    assert len(sentence) < 1_000
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - most) / 1024
    assert seconds < MOST_SECONDS
    assert grown < MOST_MEBIBYTES
    made = {path.name for path in store.iterdir()} if store.exists() else set()
    assert made == ({f"{spec.name}.safetensors"} if not sentence else set())
    for name in made:
        (store / name).unlink()
    return not sentence


@pytest.fixture(scope="module", params=VERSIONS)
def version(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[DatasetSpec, Path]:
    """The spec and the folder of one version's files, of which one at a time is changed."""
    spec, write = VERSIONS[request.param]
    folder = tmp_path_factory.mktemp("data") / "files"
    write(folder, spec)
    assert try_fetch(spec, folder, folder.parent / "store")
    return spec, folder


@OFTEN
@given(data=st.data())
def test_a_file_that_is_nearly_right(
    version: tuple[DatasetSpec, Path], data: st.DataObject
) -> None:
    spec, folder = version
    victim = data.draw(st.sampled_from(sorted(p for p in folder.rglob("*") if p.is_file())))
    valid = victim.read_bytes()
    if victim.suffix == ".json" and data.draw(st.booleans()):
        changed = mutate_json(valid.decode(), data.draw)
    elif victim.suffix == ".gz" and data.draw(st.booleans()):
        changed = gzip.compress(mutate_bytes(gzip.decompress(valid), data.draw))
    else:
        changed = mutate_bytes(valid, data.draw)
    try:
        victim.write_bytes(changed)
        try_fetch(spec, folder, folder.parent / "store")
    finally:
        victim.write_bytes(valid)


PACKERS: dict[str, Callable[[Path, Path], None]] = {
    "a.tar": pack_tape,
    "a.tar.gz": pack_tape,
    "a.tar.bz2": pack_tape,
    "a.tar.xz": pack_tape,
    "stored.zip": lambda folder, archive: pack_zip(folder, archive, zipfile.ZIP_STORED),
    "deflated.zip": pack_zip,
    "bzip2.zip": lambda folder, archive: pack_zip(folder, archive, zipfile.ZIP_BZIP2),
    "lzma.zip": lambda folder, archive: pack_zip(folder, archive, zipfile.ZIP_LZMA),
}
REPACK: dict[str, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    ".gz": (gzip.decompress, gzip.compress),
    ".bz2": (bz2.decompress, bz2.compress),
    ".xz": (lzma.decompress, lzma.compress),
}


@pytest.mark.parametrize("name", PACKERS)
@OFTEN
@given(data=st.data())
def test_an_archive_that_is_nearly_right(
    name: str, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    spec = small_spec("tiny_imagenet", **TINY)
    place = tmp_path_factory.getbasetemp() / "archives"
    if not place.exists():
        VERSIONS["tiny_imagenet"][1](place / "files", spec)
    valid = place / name
    if not valid.exists():
        PACKERS[name](place / "files", valid)
        assert try_fetch(spec, valid, place / "store")
    content = valid.read_bytes()
    if valid.suffix in REPACK and data.draw(st.booleans()):
        unpack, pack = REPACK[valid.suffix]
        changed = pack(mutate_bytes(unpack(content), data.draw))
    elif data.draw(st.booleans()) and valid.suffix == ".zip":
        start = content.index(b"PK\1\2")  # its list of members is where it is read first
        changed = content[:start] + mutate_bytes(content[start:], data.draw)
    else:
        changed = mutate_bytes(content, data.draw)
    victim = place / f"changed-{name}"
    victim.write_bytes(changed)
    try_fetch(spec, victim, place / "store")


def _zip(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def _tar(*members: tarfile.TarInfo) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(bytes(member.size)))
    return stream.getvalue()


def _member(name: str, size: int = 0, **headers: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.pax_headers = size, headers
    return member


def _link(name: str, to: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, to
    return member


DEEP = "/".join(["d"] * 1_500)
BOMB = bytes(200 << 20)


ARCHIVES: dict[str, Callable[[], bytes]] = {
    "bomb.zip": lambda: _zip(wnids=BOMB),
    "bomb.tar.gz": lambda: gzip.compress(_tar(_member("wnids.txt", len(BOMB))), 1),
    "header.tar.gz": lambda: gzip.compress(_tar(_member("w", comment="x" * (100 << 20))), 1),
    "deep.zip": lambda: _zip(**{f"{DEEP}/wnids.txt": b"n01\n"}),
    "deep.tar": lambda: _tar(_member(f"{DEEP}/wnids.txt")),
    "nameless.zip": lambda: _zip(xyz=b"n01\n").replace(b"xyz", b"\0yz"),  # its name ends there
    "nameless.tar": lambda: _tar(_member("")),
    "dots.zip": lambda: _zip(**{"a/../../wnids.txt": b""}),
    "root.zip": lambda: _zip(**{"/wnids.txt": b""}),
    "root.tar": lambda: _tar(_member("/wnids.txt")),
    "null.tar": lambda: _tar(_member("x", path="a\0b")),
    "long.zip": lambda: _zip(**{"n" * 5_000: b""}),
    "many.zip": lambda: _zip(**{f"n{number}": b"" for number in range(10_100)}),
    "file_and_folder.zip": lambda: _zip(**{"a": b"x", "a/b": b"y"}),
    "link.tar": lambda: _tar(_link("wnids.txt", "/etc/passwd")),
    "device.tar": lambda: _tar(_link("wnids.txt", "", tarfile.CHRTYPE)),
    "negative.tar": lambda: _tar(_member("x", 0, **{"GNU.sparse.realsize": "-5"})),
    # In the list of a zip file: version, flags (1: encrypted), method (8: deflated).
    "encrypted.zip": lambda: _zip(wnids=b"x").replace(b"\x14\0\0\0\x08\0", b"\x14\0\1\0\x08\0"),
    "method.zip": lambda: _zip(wnids=b"x").replace(b"\x14\0\0\0\x08\0", b"\x14\0\0\0\x61\0"),
    "empty.zip": lambda: b"",
    "empty.tar": lambda: b"",
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_that_means_ill_is_a_sentence(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(ARCHIVES[name]())
    spec = small_spec("tiny_imagenet", **TINY)
    assert not try_fetch(spec, tmp_path / name, tmp_path / "store")
    assert {path.name for path in tmp_path.iterdir()} == {name, "store"}
