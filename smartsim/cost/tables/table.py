"""Published energies as records: rows with their sources, and tables of rows. Reads no file."""

import dataclasses
from dataclasses import dataclass
from typing import Literal, get_args

from smartsim.counts.records import ACTIONS
from smartsim.errors import ConfigurationError
from smartsim.records.document import Document
from smartsim.records.shown import Shown
from smartsim.records.sources import Source

__all__ = [
    "ARITHMETIC",
    "BASES",
    "MEMORIES",
    "STATUSES",
    "UNITS",
    "Row",
    "RowBasis",
    "RowStatus",
    "Table",
    "combine_tables",
    "memory_row",
]

RowBasis = Literal["measured", "simulated", "synthesised", "assumed"]
"""How the publication obtained a value; "assumed" where it states it without saying how."""

RowStatus = Literal["verified", "consistent", "unverified"]
"""Who has seen it: the value itself was read in the source; it agrees with what was; nobody has."""

BASES: tuple[RowBasis, ...] = get_args(RowBasis)
STATUSES: tuple[RowStatus, ...] = get_args(RowStatus)

UNITS = {"pJ": 1.0, "fJ": 1e-3, "nJ": 1e3, "relative": 1.0}
"""Units of a table and what they are in pJ; "relative" counts in 16-bit MACs."""

ARITHMETIC = ("shift", *(a for a in ACTIONS if a not in ("mac", "shift_add")))
"""Actions that a row may price. A MAC and a shift-add are sums of these, never a row."""

MEMORIES = ("register", "network", "sram", "dram")
"""Accesses that a row may price, from near to far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One published energy.

    Attributes:
        action: Arithmetic of `ARITHMETIC`, or an access of `MEMORIES`.
        format: "int", "fp" or "bf" for arithmetic; for memory "data" or its technology.
        bits: Width of an operand, or of one access.
        capacity_bits: Size of a memory, where the source gives it.
        energy_pj: Energy of one act in pJ (in 16-bit MACs when the table is relative).
        energy_high_pj: Upper end where the source gives a range.
        area_um2: Area of the unit, where the source gives it.
        source: Key of the publication.
        locator: Table or figure in it.
        basis: How the publication obtained the value.
        status: Whether somebody has seen the value in the source.
        note: What else a reader must know.
    """

    action: str
    format: str
    bits: int
    energy_pj: float
    source: str
    locator: str
    basis: RowBasis
    status: RowStatus
    capacity_bits: int | None = None
    energy_high_pj: float | None = None
    area_um2: float | None = None
    note: str = ""

    @property
    def key(self) -> tuple[str, str, int, int | None]:
        """What appears once in a table."""
        return (self.action, self.format, self.bits, self.capacity_bits)

    @property
    def level(self) -> str:
        """Name of a memory level, such as "sram:32KiB" or "dram:hbm2"; "" for arithmetic."""
        if self.action not in MEMORIES:
            return ""
        if self.capacity_bits is not None:
            return f"{self.action}:{self.capacity_bits // 8192}KiB"
        return self.action if self.format == "data" else f"{self.action}:{self.format}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(Shown):
    """Energies of one technology node.

    Attributes:
        name: File name without its ending; names joined with "+" for a combination.
        description: One sentence.
        technology: Node, process or device, voltage.
        node_nm: Feature size.
        includes: What one energy contains and leaves out.
        unit: "pJ", or "relative" when energies count in 16-bit MACs.
        rows: The energies.
        sources: The publications that rows refer to.
        path: File that it was read from.
    """

    name: str
    description: str
    technology: str
    node_nm: float
    includes: str
    unit: Literal["pJ", "relative"]
    rows: tuple[Row, ...]
    sources: tuple[Source, ...]
    path: str = ""

    def __repr__(self) -> str:
        return f"<Table {self.name}: {len(self.rows)} energies, {self.technology}>"

    def points(self, action: str, number_format: str) -> dict[int, Row]:
        """Rows of one arithmetic action by width, in order of width."""
        found = [r for r in self.rows if r.action == action and r.format == number_format]
        return {row.bits: row for row in sorted(found, key=lambda row: row.bits)}

    @property
    def levels(self) -> tuple[str, ...]:
        """Names of the memory levels it prices."""
        return tuple(row.level for row in self.rows if row.level)


def memory_row(table: Table, level: str) -> Row:
    """The row of memory `level`, such as "dram" or "sram:32KiB"; its action when that is unique.

    Raises:
        ConfigurationError: If the table does not price this level, or several match.
    """
    matches = [row for row in table.rows if row.level and level in (row.level, row.action)]
    exact = [row for row in matches if row.level == level]
    if len(exact or matches) == 1:
        return (exact or matches)[0]
    possible = ", ".join(table.levels) or "none, it prices arithmetic only"
    problem = "is ambiguous in" if matches else "is not in"
    raise ConfigurationError(
        f"memory level {level!r} {problem} table {table.name}; it has {possible}"
    )


def combine_tables(first: Table, second: Table) -> Table:
    """`first`, with the actions and formats that only `second` prices.

    An action and format (or memory) of which `first` has any row is taken from `first` alone, so
    that two publications never mix on one curve.

    Raises:
        ConfigurationError: If node or unit differ: energies of two nodes do not add up.
    """
    if (first.node_nm, first.unit) != (second.node_nm, second.unit):
        raise ConfigurationError(
            f"tables {first.name} ({first.node_nm:g} nm, {first.unit}) and {second.name} "
            f"({second.node_nm:g} nm, {second.unit}) cannot be combined; node and unit must agree"
        )
    own = {(row.action, row.format) for row in first.rows}
    added = tuple(row for row in second.rows if (row.action, row.format) not in own)
    sources = {source.key: source for source in (*second.sources, *first.sources)}
    used = {row.source for row in (*first.rows, *added)}
    return dataclasses.replace(
        first,
        name=f"{first.name}+{second.name}",
        description=f"{first.description}; what it lacks from {second.name}",
        rows=(*first.rows, *added),
        sources=tuple(source for key, source in sources.items() if key in used),
        path="",
    )


_DOCUMENT = Document(
    record=Table,
    format="smartsim-table",
    version=1,
    what="a smartsim table",
    remedy="make one with `load_table(NAME).to_json()`",
)
