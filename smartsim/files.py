"""Reading and writing files: atomic writes, JSON with a clear error. Knows no record of ours."""

import errno
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smartsim.errors import ConfigurationError, FileFormatError

__all__ = [
    "find_shipped_folder",
    "read_json",
    "write_bytes_atomically",
    "write_json_atomically",
    "write_text_atomically",
]


_PACKAGE = Path(__file__).resolve().parent


def find_shipped_folder(inside: str, beside: str, marker: str, package: Path = _PACKAGE) -> Path:
    """The folder of data that ships with smartsim: in the package, or in the checkout around it.

    A wheel carries it inside the package; a checkout and an editable install have it beside the
    package, where `importlib.resources` would not find it.

    Args:
        inside: Path below the package, as the wheel has it.
        beside: Path below the checkout.
        marker: A file that must be in the folder.
        package: Folder of the `smartsim` package.

    Raises:
        ConfigurationError: If the folder is in neither place.
    """
    places = [package / inside, package.parent / beside]
    for folder in places:
        if (folder / marker).is_file():
            return folder
    raise ConfigurationError(
        f"the data that ships with smartsim is neither in {places[0]} nor in {places[1]}; "
        "install smartsim again from its checkout"
    )


def write_bytes_atomically(path: str | Path, data: bytes) -> None:
    """Write `data` to `path` whole or not at all: a temporary file beside it, synced, renamed.

    Raises:
        OSError: If the folder is missing or cannot be written to; it names `path`.
    """
    target = Path(path)
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    try:
        _write_and_rename(target, data)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target)) from error


def _write_and_rename(target: Path, data: bytes) -> None:
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        umask = os.umask(0)
        os.umask(umask)
        Path(name).chmod(0o666 & ~umask)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_text_atomically(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8 to `path`, whole or not at all."""
    write_bytes_atomically(path, text.encode())


def write_json_atomically(path: str | Path, data: Mapping[str, Any]) -> None:
    """Write `data` as one JSON object to `path`, whole or not at all."""
    write_text_atomically(path, json.dumps(data, separators=(",", ":")) + "\n")


def read_json(path: str | Path, what: str) -> dict[str, Any]:
    """Read a JSON object from `path`.

    Args:
        path: The file; "-" is the standard input.
        what: What the file should hold, for the error's sentence, such as "a smartsim graph".

    Raises:
        FileFormatError: If the file is missing, is no UTF-8, no JSON, or no JSON object.
    """
    try:
        content = sys.stdin.buffer.read() if str(path) == "-" else Path(path).read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise FileFormatError(
            f"{path}: cannot be read ({error.strerror}); expected {what}"
        ) from error
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{path}: is not UTF-8 text; expected {what} as JSON") from error
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:  # a ValueError also for absurdly long numbers
        place = f"line {error.lineno}" if isinstance(error, json.JSONDecodeError) else "its values"
        raise FileFormatError(f"{path}: is damaged JSON ({place}); expected {what}") from error
    if not isinstance(data, dict):
        raise FileFormatError(f"{path}: holds a JSON {type(data).__name__}; expected {what}")
    return data
