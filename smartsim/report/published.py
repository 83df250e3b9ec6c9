"""Numbers that papers print, and how they stand beside counts; never computed, never changed.

A table is a CSV of cells, with a source, and where it is to stand beside counts of ours a TOML file
of the same name that says how. A further paper's table is two such files.
"""

import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, model_validator

from smartsim.errors import ConfigurationError, FileFormatError, suggest_name
from smartsim.records.files import find_shipped_folder, quote, read_csv, read_toml
from smartsim.records.sources import read_model
from smartsim.report.style.numbers import NUMBER_UNITS

__all__ = ["Comparison", "Note", "Place", "PublishedTable", "Ratio", "load_published"]

_COLUMNS = ("metric", "lam", "method", "value", "unit")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Place(_Part):
    """Rows of a comparison; what is not said may be anything.

    Attributes:
        metric: What is counted.
        lam: The condition.
        kind: "published" or "derived".
        paid: How often it is paid for.
    """

    metric: str
    lam: float | None = None
    kind: str = "derived"
    paid: str | None = None


class Note(_Part):
    """Why numbers differ.

    Attributes:
        at: The rows that it explains.
        text: A sentence, with names in braces for numbers; `:M` prints them in millions.
    """

    at: Place
    text: str


class Ratio(_Part):
    """A number that a paper makes of two columns.

    Attributes:
        metric: What to call it.
        short: The same in fewer words.
        above: Label of the column that is divided.
        below: Label of the one that divides it.
        ours: Metric whose counts are divided.
        printed: Metric whose printed numbers are.
        lam: At which condition.
    """

    metric: str
    short: str
    above: str
    below: str
    ours: str
    printed: str
    lam: float


class Comparison(_Part):
    """How a published table stands beside counts.

    Attributes:
        source: Authors, title, year, arxiv and locator, where `sources.toml` has not got them.
        baseline: Label of the column that normalised rows are ratios to.
        setting: Network, classes and input that the numbers are of.
        attack: What its robust accuracies were measured with, as our evaluator calls it.
        beside: Printed metric -> the row of ours that it stands below, where the names differ.
        ratios: Numbers made of two columns.
        values: Name -> cell of the comparison, or of a published table, for the notes.
        facts: Name -> number that was computed from other models than the table's.
        quotes: Name -> number that the paper prints outside of its tables.
        notes: Why numbers differ, by key.
    """

    source: dict[str, Any] = {}
    baseline: str = ""
    setting: dict[str, str | int] = {}
    attack: str = ""
    beside: dict[str, str] = {}
    ratios: tuple[Ratio, ...] = ()
    values: dict[str, dict[str, str]] = {}
    facts: dict[str, float] = {}
    quotes: dict[str, float] = {}
    notes: dict[str, Note] = {}

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        known = {*self.values, *self.facts, *self.quotes}
        for key, note in self.notes.items():
            for _, name, _, _ in string.Formatter().parse(note.text):
                if name and name not in known:
                    raise ValueError(f"note {key} names {name!r}{suggest_name(name, known)}")
        for name, place in self.values.items():
            if "table" not in place and not {"metric", "method"} <= place.keys():
                raise ValueError(f"value {name} needs a metric and a method, or a table")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedTable:
    """One table of one paper.

    Attributes:
        name: File name without ending.
        source: Authors, title, year, locator and setting.
        rows: The table's cells as column -> text.
        comparison: How they stand beside counts.
    """

    name: str
    source: Mapping[str, Any]
    rows: tuple[Mapping[str, str], ...]
    comparison: Comparison = field(default_factory=Comparison)

    @property
    def citation(self) -> str:
        """One line that leads to the table."""
        authors = f"{self.source['authors'][0]} et al."
        return f"{authors} {self.source['year']}, arXiv {self.source['arxiv']}, {self.locator}"

    @property
    def locator(self) -> str:
        """Where in the paper."""
        return str(self.source["locator"])

    def fits(self, setting: Mapping[str, str | int]) -> bool:
        """Whether the printed numbers are of this network, classes and input."""
        wanted = self.comparison.setting
        return all(str(setting.get(key)) == str(value) for key, value in wanted.items())

    def check_fits(self, setting: Mapping[str, str | int]) -> None:
        """Refuse to stand beside another network.

        Raises:
            ConfigurationError: If the printed numbers are not of this setting.
        """
        if not self.fits(setting):
            wanted = ", ".join(f"{key} {value}" for key, value in self.comparison.setting.items())
            raise ConfigurationError(f"the numbers of {self.name} are of {wanted}, and not of this")

    def find(self, **cell: str) -> float | None:
        """The value of the one row whose columns match, or None."""
        for row in self.rows:
            if all(row.get(column) == text for column, text in cell.items()):
                return float(row["value"])
        return None


def load_published(name: str) -> PublishedTable:
    """Read a table from `reports/published`, or from a TOML file of your own.

    Args:
        name: Name of a shipped table, or path of a TOML file with a CSV of the same name beside it.

    >>> load_published("smart2023_table2").find(metric="RA", lam="1", method="SMART")
    57.84

    Raises:
        FileFormatError: If there is no such table, it has no source, or a cell is no number.
    """
    if name.endswith(".toml"):
        folder, name = Path(name).parent, Path(name).stem
    else:
        folder = find_shipped_folder("published", "reports/published", "sources.toml")
    path, beside = folder / f"{name}.csv", folder / f"{name}.toml"
    comparison = Comparison()
    if beside.is_file():
        comparison = read_model(beside, "how a published table stands beside counts", Comparison)
    shared = folder / "sources.toml"
    sources = read_toml(shared, "sources of published tables") if shared.is_file() else {}
    source = comparison.source or sources.get(name)
    if not source or not path.is_file():
        raise FileFormatError(f"{path}: no published table of this name, or it has no source")
    missing = [key for key in ("authors", "year", "arxiv", "locator") if not source.get(key)]
    if missing:
        raise FileFormatError(f"{beside}: its source has no {', '.join(missing)}")
    header, *lines = read_csv(path, "a published table")
    rows = []
    for line, cells in enumerate(lines, start=2):
        if not cells:
            continue
        if len(cells) != len(header):
            raise FileFormatError(
                f"{path}: line {line} has {len(cells)} cells instead of {len(header)}"
            )
        rows.append(dict(zip(header, cells, strict=True)))
        _check_row(f"{path}: line {line}", rows[-1], comparison)
    return PublishedTable(name=name, source=source, rows=tuple(rows), comparison=comparison)


def _check_row(where: str, row: Mapping[str, str], comparison: Comparison) -> None:
    needed = _COLUMNS if comparison.notes or comparison.setting else ("value", "unit")
    absent = [column for column in needed if not row.get(column)]
    if absent:
        raise FileFormatError(f"{where}: no {', '.join(absent)}")
    if row["unit"] not in NUMBER_UNITS:
        raise FileFormatError(
            f"{where}: unit {quote(row['unit'])} is none of {', '.join(NUMBER_UNITS)}"
        )
    for column in {"value", "lam"} & row.keys():
        try:
            float(row[column])
        except ValueError as error:
            raise FileFormatError(f"{where}: {column} {quote(row[column])} is no number") from error
