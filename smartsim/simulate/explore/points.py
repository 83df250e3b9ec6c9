"""CHUNKS -> PARQUET: all points of a sweep in one typed file, for data frames and databases.

DuckDB reads the chunks' CSV files and writes the file. It is optional (`pip install -e .[parquet]`
in a checkout); nothing else of the package needs it.
"""

import importlib
import os
import re
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from smartsim.errors import ConfigurationError
from smartsim.simulate.explore.chunks import points_file
from smartsim.simulate.explore.plans import Sweep
from smartsim.simulate.explore.sweeps import SWEEP_FILES, SweepResult, run_sweep

__all__ = ["require_duckdb", "sweep_to_parquet", "write_parquet"]

_INTEGERS = ("rows", "cols", "pes", "buffer_bits", "bits", "cycles", "dram_bits", "macs")


def require_duckdb() -> Any:
    """The package duckdb.

    Raises:
        ConfigurationError: If it is not installed.
    """
    try:
        return importlib.import_module("duckdb")
    except ImportError as error:
        raise ConfigurationError(
            "a Parquet file needs the package duckdb, which is not installed; install the "
            "project's extra `parquet`, or give a folder and --points for CSV files"
        ) from error


def sweep_to_parquet(
    sweep: Sweep,
    path: Path,
    *,
    executor: Executor | None = None,
    on_chunk: Callable[[dict[str, Any]], None] | None = None,
) -> SweepResult:
    """Run a sweep and write all its feasible points to one Parquet file.

    Chunks lie in a folder beside the file until it is whole; a sweep that was stopped goes on
    from there.

    Args:
        sweep: The sweep.
        path: The file.
        executor: As `run_sweep` takes it.
        on_chunk: As `run_sweep` takes it.

    Raises:
        ConfigurationError: If duckdb is not installed, the folder holds another sweep, or the file
            cannot be written.
    """
    require_duckdb()
    folder = path.with_name(f"{path.name}.chunks")
    result = run_sweep(sweep, folder=folder, points=True, executor=executor, on_chunk=on_chunk)
    chunks = [points_file(folder, number) for number in range(sweep.chunks)]
    write_parquet(chunks, sweep.columns, path)
    for left in (*chunks, *(chunk.with_suffix(".json") for chunk in chunks)):
        left.unlink(missing_ok=True)
    for name in SWEEP_FILES:
        (folder / name).unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()
    return result


def write_parquet(chunks: Sequence[Path], columns: Sequence[str], path: Path) -> int:
    """Write the points of some chunks to one Parquet file, whole or not at all; returns how many.

    Args:
        chunks: CSV files of the chunks, in order.
        columns: Their columns.
        path: The file.

    Raises:
        ConfigurationError: If duckdb is not installed, or the file cannot be written.
    """
    duckdb = require_duckdb()
    types = {name: _type_of(name) for name in columns}
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as connection:
            files = [_literal(chunk) for chunk in chunks]
            points = connection.read_csv(files, columns=types, header=True, auto_detect=False)
            points.write_parquet(str(partial), compression="zstd")
            (number,) = connection.execute(
                "SELECT count(*) FROM read_parquet(?)", [_literal(partial)]
            ).fetchone()
        partial.replace(path)
    except (OSError, duckdb.Error) as error:
        partial.unlink(missing_ok=True)
        raise ConfigurationError(f"{path}: cannot be written ({error})") from error
    return int(number)


def _type_of(column: str) -> str:
    if column == "dataflow":
        return "VARCHAR"
    return "BIGINT" if column in _INTEGERS else "DOUBLE"


def _literal(path: Path) -> str:
    """A path in which no character is a pattern."""
    return re.sub(r"([*?\[])", r"[\1]", str(path))
