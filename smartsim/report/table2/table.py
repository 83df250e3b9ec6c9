"""The comparison of Table 2 of the SMART paper: traced graphs -> one record of rows.

Each row holds one kind of number: published (printed in the paper), derived (counted from traced
models) or measured (accuracies of our own runs). They never share a cell.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from smartsim.counts import Action, Convention, count_actions, count_parameters
from smartsim.counts.count import UNNOISED_LAYER
from smartsim.errors import ConfigurationError
from smartsim.graph import Stage
from smartsim.report.methods import MethodTraces
from smartsim.report.published import PublishedTable

__all__ = ["Kind", "Row", "Table2", "build_table2"]

Kind = Literal["published", "derived", "measured"]
Unit = Literal["percent", "count", "ratio", "microjoule"]
Number = int | float | None

_BASELINE = "PGD-AT"
_NOTES = {
    "smart-ra": "The paper's Table 1 prints 19.26 for the same model: one of the two is a slip.",
    "oat-parameters": "31,403,978 / 21,282,122 = 1.476 with FiLM on the bare lam (d = 1); the "
    "paper prints 1.47. On d = 128 encodings it is 1.567.",
    "oat-macs": "No reading that can be defended gives 15M. The official layers give 11.06M: "
    "10.09M in FiLM's MLPs, paid once a switch, and 0.97M in gamma * x + beta, paid each "
    "inference (d = 128: 12.99M). 14.93M needs d = 128 and the affine counted three times; "
    "15.14M the d = 1 MLPs counted 1.5 times.",
    "float-adds": "The paper counts one ADD for each parameter, also for batch norms and biases, "
    "which get no noise; the row below counts the noisy weights alone.",
    "smart-adds": "Table 2 says 11.4M, which is what the masks give; the paper's text says 11.84M, "
    "which is a slip.",
    "stored": "The paper's 0.54 is what one path reads. The two masks' union has density 0.75, so "
    "the device stores 16.34M, both paths' batch norms (17,024 more), and the masks besides.",
    "smart-macs": "The paper counts no saving; hardware that skips zero weights executes "
    "fewer MACs than the dense network.",
    "ratio": "The paper's abstract divides the rounded 1.47 by the rounded 0.54.",
}


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
    """

    lam: float | None
    metric: str
    paid: str
    kind: Kind
    unit: Unit
    values: Mapping[str, Number]
    notes: tuple[str, ...] = ()
    source: str = ""


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


def build_table2(
    traces: Sequence[MethodTraces],
    *,
    setting: str,
    convention: Convention,
    published: PublishedTable | None = None,
    provenance: Mapping[str, str] | None = None,
    ignore: Iterable[str] = (),
) -> Table2:
    """Compare methods in the manner of the paper's Table 2.

    Args:
        traces: One entry a method; normalised by the one labelled "PGD-AT", else by the first.
        setting: Network, classes and input, for the heading.
        convention: Counting choices.
        published: The paper's table, where the setting is the paper's.
        provenance: What the table is made with.
        ignore: Operators to leave out of the counts.

    Returns:
        The record; render it with `smartsim.report.table2.render`.

    Raises:
        ConfigurationError: If two columns have one label.
    """
    lams = sorted({lam for trace in traces for lam in trace.paths})
    left_out = tuple(ignore)
    methods = tuple(trace.label for trace in traces)
    _check_labels(methods)
    rows: list[Row] = []
    for lam in lams:
        rows += _published_rows(published, lam, ("CA", "RA"))
        rows += _parameter_rows(traces, lam, convention, published)
        rows += _action_rows(traces, lam, convention, published, left_out)
    rows += _frozen_rows(traces, convention, left_out)
    rows += _ratio_rows(traces, convention, published)
    whole = [row for row in rows if set(row.values) & set(methods)]
    used = dict.fromkeys(note for row in whole for note in row.notes)
    return Table2(
        setting=setting,
        convention=convention,
        methods=methods,
        rows=tuple(whole),
        notes={key: _NOTES[key] for key in used},
        provenance=dict(provenance or {}),
    )


def _check_labels(methods: Sequence[str]) -> None:
    for label in methods:
        if methods.count(label) > 1:
            raise ConfigurationError(f"two columns are called {label!r}; give each its own label")


def _published_rows(
    published: PublishedTable | None, lam: float, metrics: Iterable[str]
) -> list[Row]:
    """The paper's numbers for some metrics."""
    if published is None:
        return []
    rows = []
    for metric in metrics:
        cells = [r for r in published.rows if r["metric"] == metric and float(r["lam"]) == lam]
        if cells:
            values = {cell["method"]: _number(cell["value"]) for cell in cells}
            notes = ("smart-ra",) if (metric, lam) == ("RA", 0) else ()
            unit: Unit = cells[0]["unit"]  # type: ignore[assignment]
            rows.append(
                Row(
                    lam=lam,
                    metric=metric,
                    paid="",
                    kind="published",
                    unit=unit,
                    values=values,
                    notes=notes,
                    source=published.citation,
                )
            )
    return rows


def _number(text: str) -> int | float:
    value = float(text)
    return int(value) if value.is_integer() and value > 2 else value


def _parameter_rows(
    traces: Sequence[MethodTraces],
    lam: float,
    convention: Convention,
    published: PublishedTable | None,
) -> list[Row]:
    """Active and stored parameters, absolute and normalised."""
    active: dict[str, Number] = {}
    stored: dict[str, Number] = {}
    for trace in traces:
        if lam not in trace.paths:
            continue
        others = [graph for at, graph in trace.paths.items() if at != lam]
        counted = count_parameters([trace.paths[lam], *others], convention)
        active[trace.label], stored[trace.label] = counted.active, counted.stored
    baseline = active.get(_BASELINE) or next(iter(active.values()))
    derived = partial(_derived, lam, convention, has_paper=published is not None)
    metric = "normalised active parameters"
    return [
        derived("active parameters", "", "count", active),
        derived(metric, "", "ratio", _normalise(active, baseline), "oat-parameters"),
        *(
            dataclasses.replace(row, metric=metric)
            for row in _published_rows(published, lam, ("normalised parameters",))
        ),
        derived("stored parameters", "", "count", stored),
        derived(
            "normalised stored parameters", "", "ratio", _normalise(stored, baseline), "stored"
        ),
    ]


def _derived(
    lam: float | None,
    convention: Convention,
    metric: str,
    paid: str,
    unit: Unit,
    values: Mapping[str, Number],
    *notes: str,
    has_paper: bool,
) -> Row:
    """A row of our own numbers; its notes compare with the paper, so they need its setting."""
    return Row(
        lam=lam,
        metric=metric,
        paid=paid,
        kind="derived",
        unit=unit,
        values=values,
        notes=notes if has_paper else (),
        source=f"convention {convention.name}",
    )


def _normalise(values: Mapping[str, Number], baseline: Number) -> dict[str, Number]:
    return {label: value / baseline if value and baseline else 0 for label, value in values.items()}


def _action_rows(
    traces: Sequence[MethodTraces],
    lam: float,
    convention: Convention,
    published: PublishedTable | None,
    ignore: Sequence[str],
) -> list[Row]:
    """MACs, overheads by how often they are paid for, and what a lam switch costs."""
    counts = {
        trace.label: count_actions(trace.paths[lam], convention, ignore=ignore)
        for trace in traces
        if lam in trace.paths
    }
    derived = partial(_derived, lam, convention, has_paper=published is not None)
    each: tuple[Stage, ...] = ("noise", "input")
    add_notes = ("float-adds", "smart-adds") if lam > 0 else ()
    noisy = {
        label: one.total("add", stages=("noise",)) - one.total(layer=UNNOISED_LAYER)
        for label, one in counts.items()
    }

    def totals(action: Action | None, stages: tuple[Stage, ...]) -> dict[str, Number]:
        return {
            label: one.total(action, stages=stages, conditional=True)
            for label, one in counts.items()
        }

    macs = {label: one.total("mac", stages=each) for label, one in counts.items()}
    both = totals("mac", ("switch", *each))
    return [
        derived("MACs", "an inference", "count", macs, "smart-macs"),
        derived("MAC overhead", "an inference", "count", totals("mac", each)),
        derived("MAC overhead", "a switch", "count", totals("mac", ("switch",))),
        derived("MAC overhead", "both", "count", both, "oat-macs"),
        *_published_rows(published, lam, ("MAC overhead",)),
        derived("ADD overhead", "an inference", "count", totals("add", each), *add_notes),
        *_published_rows(published, lam, ("ADD overhead",)),
        derived("ADDs on noisy weights", "an inference", "count", noisy),
        derived("all actions of a lam switch", "a switch", "count", totals(None, ("switch",))),
    ]


def _frozen_rows(
    traces: Sequence[MethodTraces], convention: Convention, ignore: Sequence[str]
) -> list[Row]:
    """With noise frozen in a buffer, its addition is paid once a switch."""
    frozen: dict[str, Number] = {
        trace.label: count_actions(trace.frozen, convention, ignore=ignore).total(
            "add", stages=("switch",)
        )
        for trace in traces
        if trace.frozen is not None
    }
    if not frozen:
        return []
    metric = "ADD overhead, noise frozen"
    return [_derived(1.0, convention, metric, "a switch", "count", frozen, has_paper=False)]


def _ratio_rows(
    traces: Sequence[MethodTraces], convention: Convention, published: PublishedTable | None
) -> list[Row]:
    """The paper's 2.72x: OAT's active parameters over SMART's."""
    by_label = {trace.label: trace for trace in traces}
    if published is None or not {"OAT", "SMART"} <= by_label.keys():
        return []
    active = {
        label: count_parameters([by_label[label].paths[1.0]], convention).active
        for label in ("OAT", "SMART")
        if 1.0 in by_label[label].paths
    }
    if len(active) < 2:
        return []
    printed = {
        label: published.find(metric="normalised parameters", lam="1", method=label)
        for label in ("OAT", "SMART")
    }
    metric = "OAT's active parameters over SMART's"
    ratio = {"SMART": active["OAT"] / active["SMART"]}
    rows = [_derived(None, convention, metric, "", "ratio", ratio, has_paper=True)]
    if printed["OAT"] and printed["SMART"]:
        rows.append(
            Row(
                lam=None,
                metric=metric,
                paid="",
                kind="published",
                unit="ratio",
                values={"SMART": round(printed["OAT"] / printed["SMART"], 2)},
                notes=("ratio",),
                source=published.citation,
            )
        )
    return rows
