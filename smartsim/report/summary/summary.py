"""One model at one value of its condition, as a record that prints, draws and prices itself."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from smartsim.cost import Energy, PrecisionPlan, Table, estimate_energy
from smartsim.counts import Counts
from smartsim.errors import ConfigurationError, suggest_name
from smartsim.graph import Graph
from smartsim.records.document import STRICT, Document
from smartsim.records.shown import Shown
from smartsim.report.summary.layers import LayerRow, collect_layers, fold_layers, sum_layers
from smartsim.simulate import Accelerator, Run, simulate_network

__all__ = ["SORTS", "Sort", "Summary", "load_summary", "save_summary"]

Sort = Literal["parameters", "active", "macs", "adds", "others", "switch", "energy", "cycles"]
"""What rows can be ordered by, the largest first."""

SORTS: tuple[Sort, ...] = get_args(Sort)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary(Shown):
    """What `smartsim.summary` returns: a graph, its counts, and what was asked of them.

    Attributes:
        graph: The trace.
        counts: Its actions under a convention.
        priced: Energies in a format; None unpriced.
        simulated: What an accelerator makes of it; None not simulated.
        depth: Modules below are summed into the one at this depth; None shows all.
        sort: What rows are ordered by; None is the order of execution.
        top: How many rows are shown, the others in one line; None is all.
    """

    __pydantic_config__ = STRICT

    graph: Graph
    counts: Counts
    priced: Energy | None = None
    simulated: Run | None = None
    depth: int | None = None
    sort: Sort | None = None
    top: int | None = None

    def __post_init__(self) -> None:
        if self.depth is not None and self.depth < 0:
            raise ConfigurationError(f"depth is {self.depth}; 0 is the model, 1 its modules")
        if self.top is not None and self.top < 1:
            raise ConfigurationError(f"top is {self.top}; at least 1 row is shown")
        if self.sort is not None and self.sort not in SORTS:
            near = suggest_name(str(self.sort), SORTS)
            raise ConfigurationError(f"cannot sort by {self.sort!r}{near}")
        if (self.sort == "energy" and self.priced is None) or (
            self.sort == "cycles" and self.simulated is None
        ):
            missing = "a format" if self.sort == "energy" else "an accelerator"
            raise ConfigurationError(f"cannot sort by {self.sort} without {missing}")

    @property
    def layers(self) -> tuple[LayerRow, ...]:
        """Every module's own row, in order of execution."""
        return collect_layers(self.graph, self.counts, self.priced, self.simulated)

    @property
    def rows(self) -> tuple[LayerRow, ...]:
        """What is shown: folded, sorted, and the rest of the rows in one, so that all add up."""
        rows = fold_layers(self.layers, self.depth)
        if self.sort is not None:
            field = {"energy": "energy_pj"}.get(self.sort, self.sort)
            rows = tuple(sorted(rows, key=lambda row: -(getattr(row, field) or 0)))
        if self.top is None or len(rows) <= self.top:
            return rows
        rest = rows[self.top :]
        return (*rows[: self.top], sum_layers(rest, f"({len(rest)} more)"))

    @property
    def total(self) -> LayerRow:
        """All rows in one."""
        return sum_layers(self.layers)

    def energy(
        self,
        plan: PrecisionPlan | str | Path = "int8",
        table: Table | str | Path = "horowitz2014_45nm+shiftaddnet2020_asic_45nm",
    ) -> Energy:
        """What the arithmetic costs in a number format."""
        return estimate_energy(self.counts, table, plan)

    def run(
        self,
        accelerator: Accelerator | str | Path = "edge_npu",
        *,
        table: Table | str | Path | None = None,
        plan: PrecisionPlan | str | Path = "int8",
    ) -> Run:
        """What an accelerator makes of it."""
        return simulate_network(self.graph, accelerator, table=table, plan=plan)

    def to_html(self) -> str:
        """The table as HTML, for a notebook or a page."""
        return self._repr_html_()

    def __repr__(self) -> str:
        total = self.total
        return (
            f"<Summary of {self.graph.model}: {len(self.layers)} layers, {total.parameters:,} "
            f"parameters, {total.macs:,} MACs ({self.counts.convention.name})>"
        )

    def __str__(self) -> str:
        from smartsim.report.summary.text import render_summary

        return render_summary(self)


_DOCUMENT = Document(
    record=Summary,
    format="smartsim-summary",
    version=1,
    what="a smartsim summary",
    remedy="make one with `smartsim summary MODEL --output FILE`",
)


def save_summary(summary: Summary, path: str | Path) -> None:
    """Write `summary` as JSON to `path`, whole or not at all."""
    _DOCUMENT.save(summary, path)


def load_summary(path: str | Path) -> Summary:
    """Read a summary that `save_summary` wrote.

    Raises:
        FileFormatError: If the file is missing, damaged, or something else; the sentence names it.
    """
    return _DOCUMENT.load(path)
