"""The official formats, written here byte by byte in miniature, as their descriptions have them."""

import dataclasses
import gzip
import json
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from smartsim.train.data import DatasetSpec, find_spec

Bytes = NDArray[np.uint8]
Drawn = tuple[Bytes, Bytes, Bytes, Bytes]
"""Training images (n, c, h, w) and labels, then test images and labels."""


def small_spec(name: str, **changes: Any) -> DatasetSpec:
    """The official spec, but for a few small images and no checksums."""
    no_sums: dict[str, Any] = {"archive_md5": {}, "file_md5": {}, "record_md5": ()}
    small = {"train_count": 10, "test_count": 3, "unlabelled_count": 0, **no_sums}
    return dataclasses.replace(find_spec(name), **{**small, **changes})


def draw_images(spec: DatasetSpec) -> Drawn:
    """Training images (n, c, h, w) and labels, then test images and labels."""
    random = np.random.default_rng(0)
    total = spec.train_count + spec.test_count
    images = random.integers(0, 256, (total, *spec.shape), dtype=np.uint8)
    labels = random.integers(0, spec.classes, total).astype(np.uint8)
    split = spec.train_count
    return images[:split], labels[:split], images[split:], labels[split:]


def write_cifar10_binary(folder: Path, drawn: Drawn) -> None:
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


def pickle_batch(images: Bytes, labels: Bytes, key: bytes) -> bytes:
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


def write_cifar100(folder: Path, spec: DatasetSpec, *, python: bool) -> None:
    folder.mkdir(exist_ok=True)
    images, labels, test_images, test_labels = draw_images(spec)
    for name, part, numbers in (("train", images, labels), ("test", test_images, test_labels)):
        records = [bytes([7, n]) + image.tobytes() for image, n in zip(part, numbers, strict=True)]
        if python:
            (folder / name).write_bytes(pickle_batch(part, numbers, b"fine_labels"))
        else:
            (folder / f"{name}.bin").write_bytes(b"".join(records))


def write_matlab(arrays: dict[str, NDArray[Any]], *, packed: bool) -> bytes:
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


def write_cifar10_python(folder: Path, drawn: Drawn) -> None:
    """The pickled batches."""
    folder.mkdir(parents=True, exist_ok=True)
    images, labels, test_images, test_labels = drawn
    for number in range(5):
        part = slice(2 * number, 2 * number + 2)
        data = pickle_batch(images[part], labels[part], b"labels")
        (folder / f"data_batch_{number + 1}").write_bytes(data)
    (folder / "test_batch").write_bytes(pickle_batch(test_images, test_labels, b"labels"))


def write_cifar10_npm(folder: Path, drawn: Drawn) -> None:
    """PNG files of a row an image, and lists of labels."""
    folder.mkdir(parents=True, exist_ok=True)
    images, labels, test_images, test_labels = drawn

    def write(name: str, part: Bytes) -> None:
        rows = part.transpose(0, 2, 3, 1).reshape(len(part), 1024, 3)
        Image.fromarray(rows).save(folder / f"{name}.png")

    for number in range(5):
        write(f"data_batch_{number + 1}", images[2 * number : 2 * number + 2])
    write("test_batch", test_images)
    (folder / "train_lables.json").write_text(json.dumps(labels.tolist()))
    (folder / "test_lables.json").write_text(json.dumps(test_labels.tolist()))


def write_fashion_mnist(folder: Path, drawn: Drawn, *, packed: bool) -> None:
    """The idx files."""
    folder.mkdir(parents=True, exist_ok=True)
    images, labels, test_images, test_labels = drawn

    def write(name: str, array: Bytes) -> None:
        header = b"\0\0\x08" + bytes([array.ndim])
        header += b"".join(size.to_bytes(4, "big") for size in array.shape)
        data = header + array.tobytes()
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(data))
        else:
            (folder / name).write_bytes(data)

    write("train-images-idx3-ubyte", images[:, 0])
    write("train-labels-idx1-ubyte", labels)
    write("t10k-images-idx3-ubyte", test_images[:, 0])
    write("t10k-labels-idx1-ubyte", test_labels)


def write_svhn(folder: Path, drawn: Drawn, *, packed: bool) -> None:
    """The MATLAB files."""
    folder.mkdir(parents=True, exist_ok=True)
    images, labels, test_images, test_labels = drawn
    for name, part, numbers in (("train", images, labels), ("test", test_images, test_labels)):
        official = np.where(numbers == 0, 10, numbers).astype(np.float64)[:, None]
        data = write_matlab({"X": part.transpose(2, 3, 1, 0), "y": official}, packed=packed)
        (folder / f"{name}_32x32.mat").write_bytes(data)


def write_stl10(folder: Path, drawn: Drawn) -> None:
    """Planes column by column."""
    folder.mkdir(parents=True, exist_ok=True)
    images, labels, test_images, test_labels = drawn
    for name, part, numbers in (("train", images, labels), ("test", test_images, test_labels)):
        (folder / f"{name}_X.bin").write_bytes(part.transpose(0, 1, 3, 2).tobytes())
        (folder / f"{name}_y.bin").write_bytes((numbers + 1).tobytes())


TINY = {"classes": 2, "train_count": 2, "test_count": 2}


def write_tiny_imagenet(folder: Path) -> None:
    """Two classes of one colour each, which survives JPEG unchanged, or by a unit."""
    colours = {"n01": 40, "n02": 200}
    (folder / "val" / "images").mkdir(parents=True)
    for wnid, colour in colours.items():
        (folder / "train" / wnid / "images").mkdir(parents=True)
        image = Image.new("RGB", (64, 64), (colour,) * 3)
        image.save(folder / "train" / wnid / "images" / f"{wnid}_0.JPEG")
        # A few official images are grey.
        image.convert("L").save(folder / "val" / "images" / f"val_{wnid}.JPEG")
    (folder / "wnids.txt").write_text("n02\nn01\n")
    (folder / "val" / "val_annotations.txt").write_text(
        "val_n02.JPEG\tn02\t0\t0\t63\t63\nval_n01.JPEG\tn01\t0\t0\t63\t63\n"
    )


def pack_tape(folder: Path, archive: Path) -> None:
    """A tape archive of a folder, packed as its ending says."""
    mode = {".gz": "w:gz", ".tgz": "w:gz", ".bz2": "w:bz2", ".xz": "w:xz"}.get(archive.suffix, "w")
    with tarfile.open(archive, mode) as tar:  # type: ignore[call-overload]
        tar.add(folder, folder.name)


def pack_zip(folder: Path, archive: Path, method: int = zipfile.ZIP_DEFLATED) -> None:
    """A zip file of a folder."""
    with zipfile.ZipFile(archive, "w", method) as packed:
        for path in sorted(folder.rglob("*")):
            packed.write(path, path.relative_to(folder.parent))


VERSIONS: dict[str, tuple[DatasetSpec, Callable[[Path, DatasetSpec], None]]] = {
    "cifar10-binary": (
        small_spec("cifar10"),
        lambda folder, spec: write_cifar10_binary(folder, draw_images(spec)),
    ),
    "cifar10-python": (
        small_spec("cifar10"),
        lambda folder, spec: write_cifar10_python(folder, draw_images(spec)),
    ),
    "cifar10-npm": (
        small_spec("cifar10"),
        lambda folder, spec: write_cifar10_npm(folder, draw_images(spec)),
    ),
    "cifar100-binary": (
        small_spec("cifar100"),
        lambda folder, spec: write_cifar100(folder, spec, python=False),
    ),
    "cifar100-python": (
        small_spec("cifar100"),
        lambda folder, spec: write_cifar100(folder, spec, python=True),
    ),
    "fashion_mnist": (
        small_spec("fashion_mnist"),
        lambda folder, spec: write_fashion_mnist(folder, draw_images(spec), packed=False),
    ),
    "fashion_mnist-gz": (
        small_spec("fashion_mnist"),
        lambda folder, spec: write_fashion_mnist(folder, draw_images(spec), packed=True),
    ),
    "svhn": (
        small_spec("svhn"),
        lambda folder, spec: write_svhn(folder, draw_images(spec), packed=False),
    ),
    "svhn-packed": (
        small_spec("svhn"),
        lambda folder, spec: write_svhn(folder, draw_images(spec), packed=True),
    ),
    "stl10": (small_spec("stl10"), lambda folder, spec: write_stl10(folder, draw_images(spec))),
    "tiny_imagenet": (
        small_spec("tiny_imagenet", **TINY),
        lambda folder, _: write_tiny_imagenet(folder),
    ),
}
"""Every version of a data set that has a reader -> its spec in miniature, and what writes it."""
