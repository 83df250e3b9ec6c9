"""Data sets from files in miniature: read, checked, stored, and listed."""

import dataclasses
import gzip
import hashlib
import io
import os
import re
import stat
import subprocess
import sys
import tarfile
import threading
import zlib
from collections.abc import Iterator
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from smartsim.errors import ConfigurationError, FileFormatError
from smartsim.train.data import (
    Dataset,
    DatasetSpec,
    fetch_dataset,
    find_spec,
    list_datasets,
    load_dataset,
)
from smartsim.train.data.augment import pad_images, pick_batch
from smartsim.train.data.sources import _refuse_downgrade, bring_files
from smartsim.train.data.store import _checksum, data_folder
from tests.unit.train.data_files import (
    VERSIONS,
    Drawn,
    draw_images,
    pack_tape,
    pack_zip,
    small_spec,
    write_cifar10_binary,
    write_cifar100,
    write_matlab,
)


def _fetch(spec: DatasetSpec, source: Path, tmp_path: Path) -> Dataset:
    fetch_dataset(spec.name, str(source), folder=tmp_path / "cache", spec=spec)
    return load_dataset(spec.name, tmp_path / "cache")


def _assert_holds(dataset: Dataset, drawn: Drawn) -> None:
    found = (
        dataset.train_images,
        dataset.train_labels,
        dataset.test_images,
        dataset.test_labels,
    )
    for tensor, array in zip(found, drawn, strict=True):
        assert np.array_equal(tensor.numpy(), array)


@pytest.mark.parametrize("version", [name for name in VERSIONS if name != "tiny_imagenet"])
def test_a_version_of_a_data_set_is_read(version: str, tmp_path: Path) -> None:
    spec, write = VERSIONS[version]
    write(tmp_path / "files", spec)
    _assert_holds(_fetch(spec, tmp_path / "files", tmp_path), draw_images(spec))


@pytest.mark.parametrize("ending", ["tar", "tar.gz", "tgz", "tar.bz2", "tar.xz", "zip"])
def test_an_archive_of_any_kind_is_read(ending: str, tmp_path: Path) -> None:
    spec, write = VERSIONS["cifar10-binary"]
    write(tmp_path / "files", spec)
    archive = tmp_path / f"cifar.{ending}"
    (pack_zip if ending == "zip" else pack_tape)(tmp_path / "files", archive)
    _assert_holds(_fetch(spec, archive, tmp_path), draw_images(spec))


def test_a_pickle_that_would_run_something_runs_nothing(tmp_path: Path) -> None:
    spec = small_spec("cifar10")
    evil = b"cbuiltins\nopen\n(S'" + str(tmp_path / "touched").encode() + b"'\nS'w'\ntR."
    for name in [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]:
        (tmp_path / name).write_bytes(evil)
    with pytest.raises(FileFormatError, match="holds 0 bytes of pixels and 0 labels"):
        _fetch(spec, tmp_path, tmp_path)
    assert not (tmp_path / "touched").exists()


def test_tiny_imagenet_is_read_from_its_folders(tmp_path: Path) -> None:
    spec, write = VERSIONS["tiny_imagenet"]
    write(tmp_path / "tiny-imagenet-200", spec)
    archive = tmp_path / "tiny.zip"
    pack_zip(tmp_path / "tiny-imagenet-200", archive)
    dataset = _fetch(spec, archive, tmp_path)
    assert dataset.train_labels.tolist() == [0, 1]
    assert dataset.test_labels.tolist() == [1, 0]
    means = dataset.test_images.float().mean((1, 2, 3)).tolist()
    assert means == pytest.approx([200, 40], abs=1)


def test_a_data_set_that_was_not_fetched_says_how(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="bring it with `smartsim data fetch cifar10`"):
        load_dataset("cifar10", tmp_path)
    with pytest.raises(ConfigurationError, match="unknown data set 'cifar1'; did you mean"):
        load_dataset("cifar1", tmp_path)


def test_a_truncated_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    spec = small_spec("cifar10")
    write_cifar10_binary(tmp_path / "files", draw_images(spec))
    victim = tmp_path / "files" / "data_batch_3.bin"
    victim.write_bytes(victim.read_bytes()[:-5])
    with pytest.raises(FileFormatError, match=r"data_batch_3\.bin: has 6141 bytes"):
        _fetch(spec, tmp_path / "files", tmp_path)
    assert not list((tmp_path / "cache").iterdir())  # nothing half-fetched stays


def test_an_altered_image_is_found_by_its_checksum(tmp_path: Path) -> None:
    # The sums of ten images: of the whole block of 13 records each part is one block.
    spec = small_spec("cifar10", record_md5=("0" * 32, "0" * 32))
    write_cifar10_binary(tmp_path / "files", draw_images(spec))
    with pytest.raises(FileFormatError, match=r"images 0 to 9999 have MD5 .* official ones 000"):
        _fetch(spec, tmp_path / "files", tmp_path)


def test_an_altered_archive_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    archive = tmp_path / "cifar-10-binary.tar.gz"
    archive.write_bytes(b"something else")
    with pytest.raises(FileFormatError, match="the official file has c32a1d4a"):
        fetch_dataset("cifar10", str(archive), folder=tmp_path / "cache")


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def _origin(spec: DatasetSpec, source: Path, tmp_path: Path) -> str:
    """What the list says of a data set that is fetched now."""
    _fetch(spec, source, tmp_path)
    rows = {row.spec.name: row for row in list_datasets(tmp_path / "cache")}
    return rows[spec.name].origin


def test_an_official_archive_is_known_by_its_contents_under_any_name(tmp_path: Path) -> None:
    spec = small_spec("cifar100")
    write_cifar100(tmp_path / "files", spec, python=False)
    archive = tmp_path / "renamed.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "files", "files")
    official = dataclasses.replace(spec, archive_md5={"cifar-100-binary.tar.gz": _md5(archive)})
    assert _origin(official, archive, tmp_path) == "renamed.tgz"
    other = dataclasses.replace(spec, archive_md5={"cifar-100-binary.tar.gz": "0" * 32})
    assert _origin(other, archive, tmp_path) == "renamed.tgz, unchecked"
    archive.rename(tmp_path / "cifar-100-binary.tar.gz")
    with pytest.raises(FileFormatError, match="the official file has 000"):
        _fetch(other, tmp_path / "cifar-100-binary.tar.gz", tmp_path)


@pytest.mark.parametrize("packed", [True, False])
def test_unpacked_files_are_checked_one_by_one(packed: bool, tmp_path: Path) -> None:
    spec = small_spec("cifar100")
    source = folder = tmp_path / "files"
    write_cifar100(folder, spec, python=True)
    # The names for which official sums are kept must be the names that are read.
    sums = {name: _md5(folder / name) for name in find_spec("cifar100").file_md5}
    if packed:
        source = tmp_path / "packed-anew.tar"
        with tarfile.open(source, "w") as tar:
            tar.add(folder, "files")
    spec = dataclasses.replace(spec, archive_md5={"official.tar": "0" * 32}, file_md5=sums)
    assert _origin(spec, source, tmp_path) == source.name
    with pytest.raises(FileFormatError, match=r"test: has MD5 .*, the official file has 000"):
        _fetch(dataclasses.replace(spec, file_md5={**sums, "test": "0" * 32}), source, tmp_path)


def test_sums_of_another_version_than_is_read_check_nothing(tmp_path: Path) -> None:
    spec = small_spec("cifar100")
    for python in (True, False):  # the binary version is read where there are both
        write_cifar100(tmp_path / "files", spec, python=python)
    sums = {name: _md5(tmp_path / "files" / name) for name in ("train", "test")}
    spec = dataclasses.replace(spec, file_md5=sums)
    assert _origin(spec, tmp_path / "files", tmp_path) == "files, unchecked"


@pytest.mark.parametrize("name", ["cifar100", "svhn", "stl10"])
def test_official_sums_are_of_files_that_are_read(name: str, tmp_path: Path) -> None:
    spec = find_spec(name)
    for file in spec.file_md5:
        (tmp_path / file).write_bytes(b"something else")
    with pytest.raises(FileFormatError, match=f"has {next(iter(spec.file_md5.values()))}"):
        fetch_dataset(name, str(tmp_path), folder=tmp_path / "cache")


LABELS = "train_lables.json"
IDX = "t10k-labels-idx1-ubyte"


@pytest.mark.parametrize(
    ("version", "file", "content", "message"),
    [
        ("cifar10-npm", LABELS, b"[[1], [2]]", "label 0 is [1], which is no class"),
        ("cifar10-npm", LABELS, b"[1e400]", "label 0 is inf"),
        ("cifar10-npm", LABELS, b"[1.5]", "label 0 is 1.5"),
        ("cifar10-npm", LABELS, b"[true]", "label 0 is True"),
        ("cifar10-npm", LABELS, b"[%d]" % 10**30, "label 0 is 1000000"),
        ("cifar10-npm", LABELS, b'{"a": 1}', "is no JSON list of labels"),
        ("cifar10-npm", LABELS, b"1], 2", "is no JSON list of labels"),
        ("cifar10-npm", LABELS, b"[" * 5_000, "is no JSON list of labels"),
        ("fashion_mnist", IDX, b"\0\0\x08\0x", "has sizes []; expected (n, *())"),
        ("fashion_mnist", IDX, b"\0\0\x08\2" + bytes(8), "has sizes [0, 0]"),
        ("fashion_mnist-gz", f"{IDX}.gz", gzip.compress(bytes(70 << 20), 1), "holds more than"),
        ("tiny_imagenet", "val/val_annotations.txt", b"../x\tn01", "has '../x' where the name"),
        ("tiny_imagenet", "val/val_annotations.txt", b"a\0b\tn01", "has 'a\\x00b' where the"),
        ("tiny_imagenet", "val/val_annotations.txt", b"x\tn01\n" * 9, "has 9 validation images"),
        ("tiny_imagenet", "wnids.txt", b"n01\n../n02", "has '../n02' where the name"),
        ("tiny_imagenet", "wnids.txt", b"n01\nn01", "names 1 classes; expected 2"),
    ],
)
def test_a_file_of_something_else_is_named(
    version: str, file: str, content: bytes, message: str, tmp_path: Path
) -> None:
    spec, write = VERSIONS[version]
    write(tmp_path / "files", spec)
    (tmp_path / "files" / file).write_bytes(content)
    with pytest.raises(FileFormatError, match=re.escape(message)):
        _fetch(spec, tmp_path / "files", tmp_path)


@pytest.mark.parametrize(
    ("labels", "pixels", "message"),
    [
        (np.full((10, 1), 1.5), np.uint8, "label 0 is 1.5, which is no class"),
        (np.full((10, 1), np.nan), np.uint8, "label 0 is nan"),
        (np.ones((10, 1)), np.float64, "its images X are not of unsigned bytes"),
    ],
)
def test_a_matlab_file_of_other_numbers_is_named(
    labels: Any, pixels: Any, message: str, tmp_path: Path
) -> None:
    spec, write = VERSIONS["svhn"]
    write(tmp_path / "files", spec)
    images = draw_images(spec)[0].transpose(2, 3, 1, 0).astype(pixels)
    data = write_matlab({"X": images, "y": labels}, packed=False)
    (tmp_path / "files" / "train_32x32.mat").write_bytes(data)
    with pytest.raises(FileFormatError, match=message):
        _fetch(spec, tmp_path / "files", tmp_path)


def _enlarge(path: Path, width: int, height: int) -> None:
    """Let the header of a PNG file say another size."""
    data = bytearray(path.read_bytes())
    data[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    path.write_bytes(data)


@pytest.mark.parametrize("size", [(1024, 20_000), (60_000, 60_000), (1, 1)])
def test_an_image_of_another_size_is_not_unpacked(size: tuple[int, int], tmp_path: Path) -> None:
    spec, write = VERSIONS["cifar10-npm"]
    write(tmp_path / "files", spec)
    _enlarge(tmp_path / "files" / "test_batch.png", *size)
    with pytest.raises(FileFormatError, match=r"test_batch\.png: (has|cannot)"):
        _fetch(spec, tmp_path / "files", tmp_path)


def test_an_image_is_of_the_kind_that_its_version_has(tmp_path: Path) -> None:
    spec, write = VERSIONS["tiny_imagenet"]
    write(tmp_path / "files", spec)
    victim = tmp_path / "files" / "val" / "images" / "val_n01.JPEG"
    Image.new("RGB", (64, 64)).save(victim, "PNG")
    with pytest.raises(FileFormatError, match="cannot be read as an image"):
        _fetch(spec, tmp_path / "files", tmp_path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    spec, write = VERSIONS["cifar10-binary"]
    write(tmp_path / "files", spec)
    (tmp_path / "files" / "test_batch.bin").unlink()
    os.mkfifo(tmp_path / "files" / "test_batch.bin")
    with pytest.raises(FileFormatError, match="is no regular file"):
        _fetch(spec, tmp_path / "files", tmp_path)


def test_folders_may_be_deep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # and back at the end
    place = tmp_path / "files"
    for _ in range(1_200):  # by steps: no path may be so long
        place.mkdir()
        os.chdir(place)
        place = Path("d")
    os.chdir(tmp_path)
    try:
        with pytest.raises(FileFormatError, match="holds no cifar10"):
            _fetch(small_spec("cifar10"), tmp_path / "files", tmp_path)
    finally:
        subprocess.run(["rm", "-rf", str(tmp_path / "files")], check=True)


def test_an_archive_that_is_none_is_an_error(tmp_path: Path) -> None:
    for name in ("a.tar.gz", "a.zip"):
        (tmp_path / name).write_bytes(b"no archive")
        with pytest.raises(FileFormatError, match="is truncated or no archive"):
            _fetch(small_spec("cifar10"), tmp_path / name, tmp_path)


def test_an_archive_may_not_write_outside_its_folder(tmp_path: Path) -> None:
    archive = tmp_path / "evil.tar"
    with tarfile.open(archive, "w") as tar:
        entry = tarfile.TarInfo("../../escaped")
        entry.size = 2
        tar.addfile(entry, io.BytesIO(b"hi"))
    with pytest.raises(FileFormatError, match="is truncated or no archive"):
        _fetch(small_spec("cifar10"), archive, tmp_path)
    assert not list(tmp_path.rglob("escaped"))


def test_wrong_numbers_of_images_and_labels_outside_the_classes_are_errors(tmp_path: Path) -> None:
    spec = small_spec("cifar10")
    drawn = draw_images(spec)
    write_cifar10_binary(tmp_path / "files", drawn)
    with pytest.raises(FileFormatError, match=r"10 training images .* expected 11"):
        _fetch(dataclasses.replace(spec, train_count=11), tmp_path / "files", tmp_path)
    with pytest.raises(FileFormatError, match="with 2 classes they must be 0 to 1"):
        _fetch(dataclasses.replace(spec, classes=2), tmp_path / "files", tmp_path)


def test_a_stored_file_that_was_altered_is_not_loaded(tmp_path: Path) -> None:
    spec = small_spec("cifar10")
    write_cifar10_binary(tmp_path / "files", draw_images(spec))
    _fetch(spec, tmp_path / "files", tmp_path)
    path = tmp_path / "cache" / "cifar10.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(FileFormatError, match="do not have the checksum they were stored with"):
        load_dataset("cifar10", tmp_path / "cache")
    path.write_bytes(data[:100])
    with pytest.raises(FileFormatError, match="is damaged"):
        list_datasets(tmp_path / "cache")


@pytest.mark.parametrize(
    ("name", "changed", "message"),
    [
        ("train_images", torch.zeros(10, 3, 32, 32), "holds no train images"),
        ("train_images", torch.zeros(10, 3, 32, 31, dtype=torch.uint8), "holds no train images"),
        ("test_labels", torch.zeros(3), "holds no test labels"),
        ("test_labels", torch.zeros(4, dtype=torch.int64), "holds no test labels"),
        ("test_labels", torch.full((3,), 10), "has test labels of no class"),
        ("train_labels", torch.full((10,), -1), "has train labels of no class"),
    ],
)
def test_a_stored_file_of_something_else_is_not_loaded(
    name: str, changed: torch.Tensor, message: str, tmp_path: Path
) -> None:
    spec, write = VERSIONS["cifar10-binary"]
    write(tmp_path / "files", spec)
    _fetch(spec, tmp_path / "files", tmp_path)
    path = tmp_path / "cache" / "cifar10.safetensors"
    tensors = {**load_file(path), name: changed}
    save_file(tensors, path, metadata={"origin": "x", "sha256": _checksum(tensors)})
    with pytest.raises(FileFormatError, match=message):
        load_dataset("cifar10", tmp_path / "cache")


def test_a_source_that_is_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="neither a URL nor a file nor a folder"):
        fetch_dataset("cifar10", str(tmp_path / "nowhere"), folder=tmp_path)
    with pytest.raises(ConfigurationError, match="npm has only cifar10"):
        fetch_dataset("svhn", "npm", folder=tmp_path)
    with pytest.raises(ConfigurationError, match="could not be brought"):
        fetch_dataset("cifar10", (tmp_path / "no.tar.gz").as_uri(), folder=tmp_path)


def test_a_list_says_what_is_there(tmp_path: Path) -> None:
    spec = small_spec("cifar10")
    write_cifar10_binary(tmp_path / "files", draw_images(spec))
    _fetch(spec, tmp_path / "files", tmp_path)
    rows = {row.spec.name: row for row in list_datasets(tmp_path / "cache")}
    assert rows["cifar10"].origin == "files, unchecked"
    assert rows["cifar100"].path is None


def test_the_synthetic_data_set_is_always_the_same() -> None:
    one, two = load_dataset("synthetic"), load_dataset("synthetic")
    assert one.checksum == two.checksum
    assert one.shape == (3, 32, 32)


def test_a_batch_is_windows_of_the_padded_images_half_of_them_mirrored() -> None:
    images = torch.randint(0, 256, (50, 3, 6, 6), dtype=torch.uint8)
    padded = pad_images(images, 2)
    places = torch.arange(50)
    batch = pick_batch(
        padded, places, size=(6, 6), flips=True, generator=torch.Generator().manual_seed(0)
    )
    assert batch.dtype == torch.float32
    mirrored = 0
    for place, image in enumerate(batch):
        windows = {
            (flip, down, right): window.flip(-1) if flip else window
            for down in range(5)
            for right in range(5)
            for flip in (False, True)
            for window in [padded[place, :, down : down + 6, right : right + 6]]
        }
        matches = [key for key, window in windows.items() if torch.equal(window / 255, image)]
        assert matches
        mirrored += matches[0][0]
    assert 10 < mirrored < 40  # Binomial(50, 1/2) has a standard deviation of 3.5


class _Server(BaseHTTPRequestHandler):
    """Serves a body whose announced length may be wrong."""

    body, announced = b"", 0

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(self.announced))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[type[_Server]]:
    handler = type("Handler", (_Server,), {})
    made = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    handler.url = f"http://127.0.0.1:{made.server_port}/cifar.tar.gz"  # type: ignore[attr-defined]
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield handler
    made.shutdown()
    made.server_close()


def test_a_download_is_brought_with_its_progress_and_a_short_one_is_refused(
    tmp_path: Path, server: Any
) -> None:
    spec = small_spec("cifar10")
    write_cifar10_binary(tmp_path / "files", draw_images(spec))
    archive = tmp_path / "cifar.tar.gz"
    with tarfile.open(archive, "w:gz") as stream:
        for path in sorted((tmp_path / "files").iterdir()):
            stream.add(path, path.name)
    server.body = archive.read_bytes()
    server.announced = len(server.body)
    seen: list[tuple[int, int]] = []
    (tmp_path / "scratch").mkdir()
    files = bring_files(
        spec, server.url, tmp_path / "scratch", lambda done, total: seen.append((done, total))
    )
    assert files.origin == server.url
    assert max(done for done, _ in seen) == len(server.body) == seen[-1][1]
    server.announced += 10
    with pytest.raises(ConfigurationError, match="could not be brought"):
        bring_files(spec, server.url, tmp_path / "scratch")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x.tar.gz", "http://["])
def test_other_addresses_than_http_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigurationError, match="could not be brought") as caught:
        bring_files(small_spec("cifar10"), url, tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("here", "there", "refused"),
    [
        ("https://a.example/x", "http://a.example/x", True),
        ("https://a.example/x", "ftp://a.example/x", True),
        ("http://a.example/x", "file:///etc/passwd", True),
        ("http://a.example/x", "https://a.example/x", False),
        ("https://a.example/x", "/y", False),
    ],
)
def test_no_server_leads_to_a_lesser_scheme(here: str, there: str, refused: bool) -> None:
    response = requests.Response()
    response.status_code, response.url = 302, here
    response.headers["location"] = there
    with pytest.raises(requests.RequestException) if refused else nullcontext():
        _refuse_downgrade(response)


def test_what_a_killed_fetch_left_goes_with_the_next(tmp_path: Path) -> None:
    spec = small_spec("cifar10")
    write_cifar10_binary(tmp_path / "files", draw_images(spec))
    place = tmp_path / "place"
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        dead.wait()
    alive = f".fetch-{os.getpid()}-x"
    for left in (f".fetch-{dead.pid}-x", ".fetch-of_old", alive):
        (place / left).mkdir(parents=True)
        (place / left / "archive").write_bytes(bytes(1000))
    stored = fetch_dataset("cifar10", str(tmp_path / "files"), folder=place, spec=spec)
    assert {path.name for path in place.iterdir()} == {stored.name, alive}
    assert stat.S_IMODE(stored.stat().st_mode) & 0o044 == 0o044 & ~_umask()


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def test_data_lie_in_the_users_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SMARTSIM_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_folder() == tmp_path / "cache" / "smartsim" / "data"
    (tmp_path / ".cache" / "smartsim" / "data").mkdir(parents=True)
    assert data_folder() == tmp_path / ".cache" / "smartsim" / "data"
    (tmp_path / "cache" / "smartsim" / "data").mkdir(parents=True)
    assert data_folder() == tmp_path / "cache" / "smartsim" / "data"
    monkeypatch.setenv("SMARTSIM_DATA", str(tmp_path / "named"))
    assert data_folder() == tmp_path / "named"
