"""Reading energy tables from CSV and `sources.toml`: every fault of a file, by line and rule."""

import csv
import io
import tomllib
from collections.abc import Mapping
from functools import reduce
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from smartsim.cost.locate import cost_models_folder
from smartsim.cost.tables import (
    UNITS,
    Row,
    RowBasis,
    RowStatus,
    Source,
    Table,
    combine_tables,
)
from smartsim.cost.validate import find_row_faults, find_table_faults, list_faults
from smartsim.errors import ConfigurationError, FileFormatError, suggest_name

__all__ = ["COLUMNS", "list_tables", "load_table"]

COLUMNS = (
    "action",
    "format",
    "bits",
    "capacity_bits",
    "energy",
    "energy_high",
    "unit",
    "area_um2",
    "source",
    "locator",
    "basis",
    "status",
    "note",
)
"""Header of a table; the README of `cost_models` explains each column."""


class _SourceEntry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    authors: list[str]
    title: str
    venue: str
    year: int
    doi: str = ""
    arxiv: str = ""


class _TableEntry(BaseModel):
    model_config = ConfigDict(extra="forbid")
    description: str
    technology: str
    node_nm: float
    includes: str


class _SourcesFile(BaseModel):
    model_config = ConfigDict(extra="forbid")
    sources: dict[str, _SourceEntry] = {}
    tables: dict[str, _TableEntry] = {}


def list_tables() -> tuple[str, ...]:
    """Names of the shipped tables.

    >>> "horowitz2014_45nm" in list_tables()
    True
    """
    return tuple(sorted(path.stem for path in cost_models_folder().glob("*.csv")))


def load_table(name: str | Path) -> Table:
    """A shipped table by name, a table of one's own by path, or several joined with "+".

    Args:
        name: Such as "horowitz2014_45nm", "mine/table.csv" (with a `sources.toml` beside it that
            describes the table, and the sources that are not shipped), or "a+b", where b prices
            what a does not.

    >>> load_table("horowitz2014_45nm").points("mul", "int")[8].energy_pj
    0.2

    Raises:
        ConfigurationError: If there is no such table, or joined tables do not fit.
        FileFormatError: If a file breaks a rule; the sentence names file, line and rule.
    """
    if isinstance(name, str) and not Path(name).is_file() and "+" in name:
        return reduce(combine_tables, (load_table(part) for part in name.split("+")))
    path = Path(name)
    if path.suffix.lower() != ".csv":
        if str(name) not in list_tables():
            raise ConfigurationError(
                f"no .csv file and no shipped energy table is called {str(name)!r}"
                f"{suggest_name(str(name), list_tables())}"
            )
        path = cost_models_folder() / f"{name}.csv"
    return _read_table(path)


def _read_table(path: Path) -> Table:
    text = _read_text(path, "an energy table as CSV")
    beside = path.with_name("sources.toml")
    shipped = _read_sources(cost_models_folder() / "sources.toml")
    own = _read_sources(beside) if beside.is_file() else _SourcesFile()
    entry = own.tables.get(path.stem)
    if entry is None:
        raise FileFormatError(
            f"{path}: is not described; add [tables.{path.stem}] with description, technology, "
            f"node_nm and includes to {beside}"
        )
    sources = {**shipped.sources, **own.sources}
    rows, unit = _read_rows(text, path, sources)
    return Table(
        name=path.stem,
        description=entry.description,
        technology=entry.technology,
        node_nm=entry.node_nm,
        includes=entry.includes,
        unit="relative" if unit == "relative" else "pJ",
        rows=rows,
        sources=tuple(_source(key, sources[key]) for key in sorted({r.source for r in rows})),
        path=str(path),
    )


def _read_text(path: Path, what: str) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FileFormatError(
            f"{path}: cannot be read ({error.strerror}); expected {what}"
        ) from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{path}: is not UTF-8 text; expected {what}") from error
    if "\0" in text:
        raise FileFormatError(f"{path}: is a binary file; expected {what}")
    if not text.strip():
        raise FileFormatError(f"{path}: is empty; expected {what}")
    return text


def _read_sources(path: Path) -> _SourcesFile:
    try:
        data = tomllib.loads(_read_text(path, "sources as TOML"))
        return _SourcesFile.model_validate(data)
    except tomllib.TOMLDecodeError as error:
        raise FileFormatError(f"{path}: is damaged TOML ({error})") from error
    except ValidationError as error:
        faults = [
            f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
            for fault in error.errors()
        ]
        raise FileFormatError(f"{path}: {list_faults(faults)}") from error


def _source(key: str, entry: _SourceEntry) -> Source:
    return Source(key=key, **{**entry.model_dump(), "authors": tuple(entry.authors)})


def _read_rows(text: str, path: Path, sources: Mapping[str, Any]) -> tuple[tuple[Row, ...], str]:
    """The rows and their unit; raises with every fault of the file at once."""
    try:
        cells = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise FileFormatError(f"{path}: is damaged CSV ({error})") from error
    header = [cell.strip() for cell in cells[0]]
    faults = [f"line 1: column {name!r} is missing" for name in COLUMNS if name not in header]
    faults += [
        f"line 1: unknown column {name!r}{suggest_name(name, COLUMNS)}"
        for name in header
        if name not in COLUMNS
    ]
    faults += [f"line 1: column {n!r} appears twice" for n in {*header} if header.count(n) > 1]
    rows: dict[int, Row] = {}
    units: dict[str, int] = {}
    for line, values in enumerate(cells[1:], start=2):
        if faults and line == 2:
            break
        if not any(cell.strip() for cell in values):
            continue
        if len(values) != len(header):
            faults.append(f"line {line}: has {len(values)} cells instead of {len(header)}")
            continue
        record = {name: value.strip() for name, value in zip(header, values, strict=True)}
        mistakes = list(find_row_faults(record, sources))
        faults += [f"line {line}: {mistake}" for mistake in mistakes]
        if not mistakes:
            rows[line] = _row(record)
            units.setdefault(record["unit"], line)
    faults += find_table_faults(rows)
    if "relative" in units and len(units) > 1:
        faults.append(f"line {units['relative']}: relative energies do not mix with absolute ones")
    if faults:
        raise FileFormatError(f"{path}: {list_faults(faults)}")
    if not rows:
        raise FileFormatError(f"{path}: has no rows; expected one line per energy")
    return tuple(rows.values()), next(iter(units))


def _row(record: Mapping[str, str]) -> Row:
    scale = UNITS[record["unit"]]
    high, area, capacity = record["energy_high"], record["area_um2"], record["capacity_bits"]
    return Row(
        action=record["action"],
        format=record["format"],
        bits=int(record["bits"]),
        capacity_bits=int(capacity) if capacity else None,
        energy_pj=float(record["energy"]) * scale,
        energy_high_pj=float(high) * scale if high else None,
        area_um2=float(area) if area else None,
        source=record["source"],
        locator=record["locator"],
        basis=cast(RowBasis, record["basis"]),
        status=cast(RowStatus, record["status"]),
        note=record["note"],
    )
