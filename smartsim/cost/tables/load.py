"""Reading energy tables from CSV and `sources.toml`: every fault of a file, by line and rule."""

from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import cast

from pydantic import BaseModel, ConfigDict

from smartsim.cost.tables.table import (
    UNITS,
    Row,
    RowBasis,
    RowStatus,
    Table,
    combine_tables,
)
from smartsim.cost.tables.validate import find_row_faults, find_table_faults
from smartsim.errors import ConfigurationError, FileFormatError, suggest_name
from smartsim.records.accept import expect
from smartsim.records.faults import list_faults
from smartsim.records.files import read_csv
from smartsim.records.sources import Source, cost_models_folder, named, read_model, shipped_sources

__all__ = ["COLUMNS", "list_arithmetic_tables", "list_tables", "load_table"]

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


class _TableEntry(BaseModel):
    model_config = ConfigDict(extra="forbid")
    description: str
    technology: str
    node_nm: float
    includes: str


class _SourcesFile(BaseModel):
    model_config = ConfigDict(extra="forbid")
    sources: dict[str, Source] = {}
    tables: dict[str, _TableEntry] = {}


def list_tables() -> tuple[str, ...]:
    """Names of the shipped tables.

    >>> "horowitz2014_45nm" in list_tables()
    True
    """
    return tuple(sorted(path.stem for path in cost_models_folder().glob("*.csv")))


def list_arithmetic_tables() -> tuple[Table, ...]:
    """The shipped tables that price integer additions, in the order of their `sources.toml`.

    >>> [table.name for table in list_arithmetic_tables()][0]
    'horowitz2014_45nm'
    """
    described = read_model(cost_models_folder() / "sources.toml", "sources", _SourcesFile).tables
    tables = [load_table(name) for name in described]
    return tuple(table for table in tables if table.points("add", "int"))


def load_table(name: str | Path | Table) -> Table:
    """A shipped table by name, a table of one's own by path, or several joined with "+".

    A table is returned as it is, so that what takes a table takes its name too.

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
    if not isinstance(name, str | Path):
        return expect(name, Table, "table")
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
    cells = read_csv(path, "an energy table")
    beside = path.with_name("sources.toml")
    own = read_model(beside, "sources", _SourcesFile) if beside.is_file() else _SourcesFile()
    entry = own.tables.get(path.stem)
    if entry is None:
        raise FileFormatError(
            f"{path}: is not described; add [tables.{path.stem}] with description, technology, "
            f"node_nm and includes to {beside}"
        )
    sources = {**shipped_sources(), **named(own.sources)}
    rows, unit = _read_rows(cells, path, sources)
    return Table(
        name=path.stem,
        description=entry.description,
        technology=entry.technology,
        node_nm=entry.node_nm,
        includes=entry.includes,
        unit="relative" if unit == "relative" else "pJ",
        rows=rows,
        sources=tuple(sources[key] for key in sorted({row.source for row in rows})),
        path=str(path),
    )


def _read_rows(
    cells: Sequence[Sequence[str]], path: Path, sources: Mapping[str, Source]
) -> tuple[tuple[Row, ...], str]:
    """The rows and their unit; raises with every fault of the file at once."""
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
