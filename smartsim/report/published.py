"""Numbers that papers print, read from `reports/published`; never computed, never changed."""

import csv
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from smartsim.errors import FileFormatError
from smartsim.records.files import find_shipped_folder

__all__ = ["PublishedTable", "load_published"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedTable:
    """One table of one paper.

    Attributes:
        name: File name without ending.
        source: Authors, title, year, locator and setting.
        rows: The table's cells as column -> text.
    """

    name: str
    source: Mapping[str, Any]
    rows: tuple[Mapping[str, str], ...]

    @property
    def citation(self) -> str:
        """One line that leads to the table."""
        authors = f"{self.source['authors'][0]} et al."
        return f"{authors} {self.source['year']}, arXiv {self.source['arxiv']}, {self.locator}"

    @property
    def locator(self) -> str:
        """Where in the paper."""
        return str(self.source["locator"])

    def find(self, **cell: str) -> float | None:
        """The value of the one row whose columns match, or None."""
        for row in self.rows:
            if all(row.get(column) == text for column, text in cell.items()):
                return float(row["value"])
        return None


def load_published(name: str) -> PublishedTable:
    """Read a table from `reports/published`.

    >>> load_published("smart2023_table2").find(metric="RA", lam="1", method="SMART")
    57.84

    Raises:
        FileFormatError: If there is no such table, or it has no source.
    """
    folder = find_shipped_folder("published", "reports/published", "sources.toml")
    sources = tomllib.loads((folder / "sources.toml").read_text(encoding="utf-8"))
    path = folder / f"{name}.csv"
    if name not in sources or not path.is_file():
        raise FileFormatError(f"{path}: no published table of this name, or it has no source")
    with path.open(encoding="utf-8", newline="") as stream:
        rows = tuple(csv.DictReader(stream))
    return PublishedTable(name=name, source=sources[name], rows=rows)
