"""The comparison as a record: rows of one kind of number each.

A row is published (printed in a paper), derived (counted from traced models) or measured
(accuracies of our own runs). They never share a cell.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from smartsim.counts import Convention
from smartsim.report.accuracy.results import network_of
from smartsim.report.style.numbers import NumberUnit

__all__ = ["Kind", "Number", "Row", "Table2"]

Kind = Literal["published", "derived", "measured"]
Number = int | float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One metric at one lam, for each method.

    Attributes:
        lam: The condition; None for a row about both.
        metric: What is counted.
        paid: How often: "once", "a switch", "an inference", or "" where it is no cost.
        kind: Where the numbers come from.
        unit: Percent, plain count, ratio, or microjoule.
        values: Label -> number; None where there is none.
        notes: Keys of the notes that explain a difference.
        source: Citation, setting or convention behind the numbers.
        short: The metric in fewer words, where a terminal has no room.
        network: What the numbers are of, where that is another network than the table's.
    """

    lam: float | None
    metric: str
    paid: str
    kind: Kind
    unit: NumberUnit
    values: Mapping[str, Number]
    notes: tuple[str, ...] = ()
    source: str = ""
    short: str = ""
    network: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table2:
    """The whole comparison.

    Attributes:
        setting: Network, classes and input.
        convention: Counting choices behind the derived rows.
        methods: Column labels.
        rows: The rows, in order of printing.
        notes: Key -> sentence, for those that rows refer to.
        provenance: What the table was made with.
    """

    setting: str
    convention: Convention
    methods: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: Mapping[str, str] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)

    @property
    def network(self) -> str:
        """The network that is counted: what the setting begins with."""
        return network_of(self.setting)

    @property
    def networks(self) -> tuple[str, ...]:
        """Networks of the rows, "" for the table's own first."""
        return tuple(dict.fromkeys(["", *(row.network for row in self.rows)]))

    def find(self, metric: str, lam: float | None, kind: Kind = "derived") -> Row:
        """The first row of that metric, lam and kind.

        Raises:
            LookupError: If there is none.
        """
        for row in self.rows:
            if (row.metric, row.lam, row.kind) == (metric, lam, kind):
                return row
        raise LookupError(f"no {kind} row {metric!r} at lam = {lam}")

    def to_dict(self) -> dict[str, Any]:
        """The table as JSON-ready values."""
        return {"format": "smartsim-table2", "version": 1, **dataclasses.asdict(self)}
