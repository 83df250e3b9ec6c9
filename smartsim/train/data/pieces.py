"""A large file in numbered pieces, to carry where one file is too large, and whole again.

Beside the pieces lies a list of their sizes and checksums. Knows nothing of what the file holds.
"""

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from smartsim.errors import ConfigurationError, FileFormatError
from smartsim.records.files import read_json, write_json_atomically
from smartsim.train.data.sources import Progress

__all__ = ["has_pieces", "join_pieces", "split_file"]

_FORMAT, _VERSION = "smartsim-pieces", 1
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """One piece as the list has it."""

    bytes: int
    sha256: str


def split_file(path: Path, name: str, folder: Path, piece_bytes: int) -> tuple[Path, ...]:
    """Write a file as pieces NAME.001.piece and so on, and their list, into `folder`.

    Args:
        path: The file, at least a byte long.
        name: What the pieces are called.
        folder: Made where it is missing.
        piece_bytes: Size of each piece but the last, at least 1.

    Returns:
        The list, which is written when all pieces are, and the pieces.

    Raises:
        ConfigurationError: If the folder has pieces of that name.
    """
    if has_pieces(folder, name):
        raise ConfigurationError(f"{folder}: has pieces of {name}; choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    written, pieces, left = list[Path](), list[_Piece](), path.stat().st_size
    with path.open("rb") as source:
        while left:
            target, size = _piece_path(folder, name, len(pieces)), min(left, piece_bytes)
            with target.open("wb") as stream:
                digest = _copy(source, stream, size)
            pieces.append(_Piece(bytes=size, sha256=digest))
            written.append(target)
            left -= size
    rows = [dataclasses.asdict(piece) for piece in pieces]
    write_json_atomically(
        _list_path(folder, name),
        {"format": _FORMAT, "version": _VERSION, "name": name, "pieces": rows},
    )
    return _list_path(folder, name), *written


def has_pieces(folder: Path, name: str) -> bool:
    """Whether a folder has a list or a piece of that name."""
    return _list_path(folder, name).exists() or any(folder.glob(f"{name}.*.piece"))


def join_pieces(folder: Path, name: str, target: Path, progress: Progress | None = None) -> None:
    """Write the pieces of a folder as one file, if each has its size and checksum.

    Args:
        folder: As `split_file` wrote it.
        name: What the pieces are called.
        target: The file; an error leaves a part of it.
        progress: Told how many bytes are written.

    Raises:
        FileFormatError: If the list or a piece is missing, truncated, altered, or foreign.
    """
    pieces = _read_list(folder, name)
    paths = [_piece_path(folder, name, number) for number in range(len(pieces))]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        rest = f" (and {len(missing) - 1} more)" if missing[1:] else ""
        raise FileFormatError(
            f"{folder}: {missing[0]}{rest} of {len(pieces)} pieces is missing; bring it too"
        )
    for path, piece in zip(paths, pieces, strict=True):
        size = path.stat().st_size
        if size != piece.bytes:
            raise FileFormatError(
                f"{path}: has {size} bytes, its list says {piece.bytes}; it is truncated or "
                "belongs to other pieces, bring it again"
            )
    done, total = 0, sum(piece.bytes for piece in pieces)
    with target.open("wb") as stream:
        for path, piece in zip(paths, pieces, strict=True):
            with path.open("rb") as source:
                digest = _copy(source, stream, piece.bytes)
            if digest != piece.sha256:
                raise FileFormatError(
                    f"{path}: does not have the SHA-256 of its list; it is altered or belongs to "
                    "other pieces, bring it again"
                )
            done += piece.bytes
            if progress is not None:
                progress(done, total)


def _list_path(folder: Path, name: str) -> Path:
    return folder / f"{name}.pieces.json"


def _piece_path(folder: Path, name: str, number: int) -> Path:
    return folder / f"{name}.{number + 1:03d}.piece"


def _copy(source: BinaryIO, target: BinaryIO, size: int) -> str:
    """Copy `size` bytes, or up to the end; their SHA-256."""
    digest = hashlib.sha256()
    while size and (block := source.read(min(size, _BLOCK))):
        digest.update(block)
        target.write(block)
        size -= len(block)
    return digest.hexdigest()


def _read_list(folder: Path, name: str) -> list[_Piece]:
    path = _list_path(folder, name)
    if not path.exists():
        raise FileFormatError(f"{folder}: has pieces, but not their list {path.name}; bring it too")
    listed = read_json(path, "a list of pieces")
    marks = {key: listed.get(key) for key in ("format", "version", "name")}
    if marks != {"format": _FORMAT, "version": _VERSION, "name": name}:
        raise FileFormatError(f"{path}: is no list of pieces of {name} that this version can read")
    rows = listed.get("pieces")
    if not isinstance(rows, list) or not rows or not all(map(_is_piece, rows)):
        raise FileFormatError(f"{path}: is damaged, its pieces have no sizes and sums")
    return [_Piece(bytes=row["bytes"], sha256=row["sha256"]) for row in rows]


def _is_piece(row: Any) -> bool:
    if not isinstance(row, Mapping):
        return False
    return isinstance(row.get("bytes"), int) and isinstance(row.get("sha256"), str)
