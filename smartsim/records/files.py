"""Text, JSON, TOML and CSV in; whole files out. The one place where foreign errors become ours.

Knows no record of ours. What comes in is bounded: by nesting, by the digits of a number, by the
length of a cell; and a value that a sentence quotes is quoted in at most 80 characters.
"""

import csv
import errno
import io
import json
import os
import re
import reprlib
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from smartsim.errors import ConfigurationError, FileFormatError

__all__ = [
    "find_shipped_folder",
    "parse_json",
    "parse_whole",
    "quote",
    "read_csv",
    "read_json",
    "read_object",
    "read_text",
    "read_toml",
    "set_usual_mode",
    "write_bytes_atomically",
    "write_json_atomically",
    "write_text_atomically",
]


_PACKAGE = Path(__file__).resolve().parents[1]
_QUOTED = 80
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxlong = _SHORT.maxother = 2 * _QUOTED
_SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxdict = _QUOTED // 3
_WHOLE = re.compile("[0-9]{1,30}")


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

    A link is followed, and stays one. What is no plain file, such as a device or a pipe, is written
    to as it is: to put a file in its place would take it away from everybody else.

    Raises:
        OSError: If the folder is missing or cannot be written to; it names `path`.
    """
    target = Path(path)
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    try:
        if target.is_symlink():
            target = target.resolve()
        if target.exists() and not target.is_file():
            target.write_bytes(data)
        else:
            _write_and_rename(target, data)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _write_and_rename(target: Path, data: bytes) -> None:
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        set_usual_mode(Path(name))
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def set_usual_mode(path: Path) -> None:
    """Let a file that was made for its owner alone be read like any other that a shell makes."""
    umask = os.umask(0)
    os.umask(umask)
    path.chmod(0o666 & ~umask)


def write_text_atomically(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8 to `path`, whole or not at all."""
    write_bytes_atomically(path, text.encode())


def write_json_atomically(path: str | Path, data: Mapping[str, Any]) -> None:
    """Write `data` as one JSON object to `path`, whole or not at all."""
    write_text_atomically(path, json.dumps(data, separators=(",", ":")) + "\n")


def quote(value: object) -> str:
    """A value as an error sentence quotes it: in at most 80 characters.

    >>> quote("int8"), len(quote("x" * 1000))
    ("'int8'", 80)
    """
    try:
        text = _SHORT.repr(value[:_QUOTED] if isinstance(value, str) else value)
    except ValueError:  # a whole number of more digits than Python prints
        text = "a number of thousands of digits"
    return text if len(text) <= _QUOTED else f"{text[: _QUOTED - 3]}..."


def parse_whole(text: str) -> int | None:
    """The whole number that a text is, of at most 30 digits from 0 to 9; None if it is none.

    >>> parse_whole("64"), parse_whole("\u00b3"), parse_whole("-1"), parse_whole("9" * 5_000)
    (64, None, None, None)
    """
    return int(text) if _WHOLE.fullmatch(text) else None


def read_text(path: str | Path, what: str) -> str:
    """A file's text, which is UTF-8 with or without a byte order mark.

    Args:
        path: The file; "-" is the standard input.
        what: What it should hold, for the error's sentence, such as "a smartsim graph".

    Raises:
        FileFormatError: If the file cannot be read, or is no text.
    """
    try:
        content = _read_input() if str(path) == "-" else Path(path).read_bytes()
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{path}: is not UTF-8 text; expected {what}") from error
    except (OSError, ValueError) as error:  # a ValueError for a path with a null byte
        reason = getattr(error, "strerror", None) or error
        raise FileFormatError(f"{path}: cannot be read ({reason}); expected {what}") from error


def _read_input() -> bytes:
    """The standard input, which a shell may have closed (`<&-`)."""
    stream: Any = sys.stdin
    if stream is None:
        raise OSError(errno.EBADF, "the standard input is closed")
    content: bytes = stream.buffer.read()
    return content


def read_json(path: str | Path, what: str) -> dict[str, Any]:
    """The JSON object in a file; see `read_text`.

    Raises:
        FileFormatError: If the file cannot be read, or holds no JSON object.
    """
    try:
        return parse_json(read_text(path, f"{what} as JSON"))
    except _NoJsonError as error:
        raise FileFormatError(f"{path}: {error}; expected {what}") from error


def read_object(text: str) -> dict[str, Any]:
    """The JSON object in a text that came from no file.

    Raises:
        FileFormatError: If there is none.
    """
    try:
        return parse_json(text)
    except _NoJsonError as error:
        raise FileFormatError(f"the text {error}") from error


class _NoJsonError(ValueError):
    """Text that is no JSON object; the end of a sentence."""


def parse_json(text: str) -> dict[str, Any]:
    """A JSON object from text: no NaN, no infinity, no half of a surrogate pair.

    Raises:
        ValueError: If it is none; its words are the end of a sentence.
    """
    try:
        data = json.loads(text, parse_constant=_refuse_constant)
        text.encode()
        if "\\u" in text:  # only an escape can bring half of a pair
            json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise _NoJsonError("holds half of a surrogate pair, which is no text") from error
    except (ValueError, RecursionError) as error:  # a ValueError also for absurdly long numbers
        place = f"line {error.lineno}" if isinstance(error, json.JSONDecodeError) else "its values"
        raise _NoJsonError(f"is damaged JSON ({place})") from error
    if not isinstance(data, dict):
        raise _NoJsonError(f"holds a JSON {type(data).__name__}")
    return data


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"JSON has no {name}")


def read_toml(path: str | Path, what: str) -> dict[str, Any]:
    """The content of a TOML file; see `read_text`.

    Raises:
        FileFormatError: If the file cannot be read, or is damaged.
    """
    text = read_text(path, f"{what} as TOML")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FileFormatError(f"{path}: is damaged TOML ({error})") from error
    except RecursionError as error:
        raise FileFormatError(f"{path}: is damaged TOML (nested too deeply)") from error
    except ValueError as error:
        raise FileFormatError(f"{path}: is damaged TOML (a number of too many digits)") from error


def read_csv(path: str | Path, what: str) -> list[list[str]]:
    """The rows of a CSV file, at least one; see `read_text`.

    Raises:
        FileFormatError: If the file cannot be read, is damaged, binary, or empty.
    """
    text = read_text(path, f"{what} as CSV")
    if "\0" in text:
        raise FileFormatError(f"{path}: is a binary file; expected {what} as CSV")
    if not text.strip():
        raise FileFormatError(f"{path}: is empty; expected {what} as CSV")
    try:
        return list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise FileFormatError(f"{path}: is damaged CSV ({error})") from error
