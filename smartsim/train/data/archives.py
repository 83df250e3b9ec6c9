"""ARCHIVE -> FOLDER: unpacked within what its data set can hold, or one sentence.

What an archive says of itself is believed only up to the size of the data set: no bomb is unpacked,
no member lies outside, and no header is read whole that is larger than any header.
"""

import bz2
import errno
import gzip
import lzma
import os
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from smartsim.errors import FileFormatError
from smartsim.records.files import quote
from smartsim.train.data.catalogue import DatasetSpec

__all__ = ["is_archive", "unpack_archive"]

_OPENERS: Mapping[str, Callable[[Path], Any]] = {
    ".tar": lambda path: path.open("rb"),
    ".tar.gz": gzip.GzipFile,
    ".tgz": gzip.GzipFile,
    ".tar.bz2": bz2.BZ2File,
    ".tar.xz": lzma.LZMAFile,
}
"""Ending of a tape archive -> how its bytes are read."""

_MOST_FOLDERS = 16
_MOST_HEADER_BYTES = 1 << 22
_DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    ValueError,
    LookupError,
    OverflowError,
    RuntimeError,  # encrypted; its NotImplementedError for an unknown method
)
_OWN_TROUBLES = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ENOMEM, errno.EMFILE}
"""What fails for our disk's sake and not for the archive's."""


def is_archive(path: Path) -> bool:
    """Whether a file is an archive by its name."""
    return path.name.endswith((*_OPENERS, ".zip"))


def unpack_archive(spec: DatasetSpec, path: Path, target: Path) -> None:
    """Unpack the regular files of an archive into a new folder.

    Args:
        spec: The data set, which bounds how many files and bytes there can be.
        path: A tape archive, packed or not, or a zip file.
        target: The folder.

    Raises:
        FileFormatError: If the archive is damaged, encrypted, holds more than the data set can, or
            a name that is no path inside it.
        OSError: If the disk is full or cannot be written to.
    """
    unpack = _unpack_zip if path.suffix == ".zip" else _unpack_tape
    try:
        target.mkdir()
        unpack(spec, path, target)
    except FileFormatError:
        raise
    except _DAMAGE as error:
        raise FileFormatError(f"{path}: is truncated or no archive: {_words(error)}") from error
    except OSError as error:
        if error.errno in _OWN_TROUBLES:
            raise
        raise FileFormatError(f"{path}: is truncated or no archive: {_words(error)}") from error


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _unpack_tape(spec: DatasetSpec, path: Path, target: Path) -> None:
    opener = next(one for ending, one in _OPENERS.items() if path.name.endswith(ending))
    budget = _Budget(spec, path)
    with opener(path) as packed:
        stream = cast(BinaryIO, _Counted(packed, budget))
        with tarfile.open(fileobj=stream, mode="r:") as archive:
            for member in archive:
                tarfile.data_filter(member, str(target))  # refuses what leads outside
                budget.spend(member.size)
                source = archive.extractfile(member) if member.isreg() else None
                if source is not None:
                    _write(source, _place(path, member.name, target))


def _unpack_zip(spec: DatasetSpec, path: Path, target: Path) -> None:
    budget = _Budget(spec, path)
    with zipfile.ZipFile(path) as archive:
        members = [one for one in archive.infolist() if not one.is_dir()]
        for member in members:
            budget.spend(member.file_size)
        for member in members:
            if stat.S_IFMT(member.external_attr >> 16) in (0, stat.S_IFREG):
                with archive.open(member) as source:
                    _write(source, _place(path, member.filename, target))


def _write(source: IO[bytes], place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("wb") as stream:
        shutil.copyfileobj(source, stream)


def _place(path: Path, name: str, target: Path) -> Path:
    """Where a member goes."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if not parts or ".." in parts or name.startswith("/") or "\\" in name or "\0" in name:
        raise FileFormatError(
            f"{path}: is truncated or no archive: it has a member called {quote(name)}"
        )
    if len(parts) > _MOST_FOLDERS:
        raise FileFormatError(
            f"{path}: has folders {len(parts) - 1} deep; no data set has more than {_MOST_FOLDERS}"
        )
    return target.joinpath(*parts)


class _Budget:
    """How many files and bytes may still come."""

    def __init__(self, spec: DatasetSpec, path: Path) -> None:
        self.spec = spec
        self._path = path
        self._bytes = spec.most_bytes
        self._files = spec.most_files

    def spend(self, size: int) -> None:
        """A file more, of so many bytes."""
        self._bytes -= size
        self._files -= 1
        if size < 0 or self._bytes < 0 or self._files < 0:
            self.refuse()

    def refuse(self) -> None:
        """Say that it is too much."""
        spec = self.spec
        raise FileFormatError(
            f"{self._path}: unpacks to more than {spec.name} can hold "
            f"({spec.most_bytes >> 20} MiB in {spec.most_files} files); it is no archive of it"
        )


class _Counted:
    """The bytes of a tape, up to what its data set and the tape's headers can be."""

    def __init__(self, stream: IO[bytes], budget: _Budget) -> None:
        self._stream = stream
        self._budget = budget
        spec = budget.spec
        self._most = spec.most_bytes + (spec.most_files << 10)

    def read(self, size: int) -> bytes:
        """At most so many bytes; a header is asked for whole."""
        if size > _MOST_HEADER_BYTES or self._stream.tell() > self._most:
            self._budget.refuse()
        return self._stream.read(size)

    def seek(self, place: int, whence: int = os.SEEK_SET) -> int:
        """Go on to a place; what lies between is unpacked on the way."""
        if whence == os.SEEK_SET and place > self._most:
            self._budget.refuse()
        return self._stream.seek(place, whence)

    def tell(self) -> int:
        """The place."""
        return self._stream.tell()
