"""The files of a report: which kinds there are, and one file a kind, each whole or not at all."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from smartsim.errors import ConfigurationError, suggest_name
from smartsim.records.files import write_bytes_atomically, write_text_atomically

__all__ = ["check_formats", "write_files"]


def check_formats(formats: Sequence[str], possible: Sequence[str]) -> tuple[str, ...]:
    """The formats without repetition, before any work is done.

    Raises:
        ConfigurationError: If one is none of those that are possible.
    """
    for name in formats:
        if name not in possible:
            raise ConfigurationError(f"unknown format {name!r}{suggest_name(name, possible)}")
    return tuple(dict.fromkeys(formats))


def write_files(
    folder: Path,
    stem: str,
    makers: Mapping[str, Callable[[], str | bytes]],
    formats: Sequence[str],
) -> tuple[Path, ...]:
    """Write a report into `folder`, one file a format; all are made before the first is written.

    Args:
        folder: Where to; made where it is missing.
        stem: Name of the files without their ending.
        makers: Format, which is the ending -> what makes the content.
        formats: Which to write.

    Raises:
        ConfigurationError: If a format is unknown.
    """
    contents = {name: makers[name]() for name in check_formats(formats, tuple(makers))}
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, content in contents.items():
        path = folder / f"{stem}.{name}"
        if isinstance(content, bytes):
            write_bytes_atomically(path, content)
        else:
            write_text_atomically(path, content)
        paths.append(path)
    return tuple(paths)
