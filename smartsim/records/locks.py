"""FILE or FOLDER -> one process at a time."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from smartsim.errors import ConfigurationError
from smartsim.records.files import parse_whole

__all__ = ["keep_to_this_process"]


@contextmanager
def keep_to_this_process(lock: Path, what: str) -> Iterator[None]:
    """Let no other process do what this one does to the same files.

    The system itself holds the lock and gives it up when its process ends, however it ends: the
    file that is left behind keeps nobody out, and says which process was the last.

    Args:
        lock: File that the lock is on; it is made if missing, its folder is not.
        what: What is being done, and to what, for the sentence, such as "writes results.json".

    Raises:
        ConfigurationError: If another process holds the lock.
        OSError: If the file cannot be made; it names it.
    """
    from filelock import FileLock, Timeout

    holder = _read_holder(lock)  # before, since some versions of filelock empty the file in trying
    held = FileLock(lock)
    try:
        held.acquire(timeout=0)
    except Timeout as error:
        raise ConfigurationError(
            f"another process{holder} {what}; wait until it has ended, or choose another place"
        ) from error
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(lock)) from error
    try:
        with suppress(OSError):  # a full disk: the lock holds, and does not say for whom
            lock.write_text(f"{os.getpid()}\n", encoding="ascii")
        yield
    finally:
        held.release()


def _read_holder(lock: Path) -> str:
    """The process that a lock file names, as the sentence says it."""
    try:
        text = lock.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
    return "" if parse_whole(text) is None else f" ({text})"
