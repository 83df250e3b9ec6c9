"""TRACES -> the derived rows of the comparison, with a paper's beside them where there are any."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from smartsim.counts import Action, Convention, count_actions, count_parameters
from smartsim.counts.count import UNNOISED_LAYER
from smartsim.errors import ConfigurationError
from smartsim.graph import Stage
from smartsim.report.methods import MethodTraces
from smartsim.report.published import PublishedTable
from smartsim.report.style.numbers import NumberUnit
from smartsim.report.table2.published_rows import add_published_rows
from smartsim.report.table2.table import Number, Row, Table2

__all__ = ["build_table2"]

_BASELINE = "PGD-AT"


def build_table2(
    traces: Sequence[MethodTraces],
    *,
    setting: str,
    convention: Convention,
    published: PublishedTable | None = None,
    provenance: Mapping[str, str] | None = None,
    ignore: Iterable[str] = (),
) -> Table2:
    """Compare methods in the manner of the SMART paper's Table 2.

    Args:
        traces: One entry a method; normalised by the one that the published table names, by
            "PGD-AT" without one, else by the first.
        setting: Network, classes and input, for the heading.
        convention: Counting choices.
        published: A paper's table, where the setting is the paper's.
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
    baseline = (published.comparison.baseline if published else "") or _BASELINE
    rows: list[Row] = []
    for lam in lams:
        rows += _parameter_rows(traces, lam, convention, baseline)
        rows += _action_rows(traces, lam, convention, left_out)
    rows += _frozen_rows(traces, convention, left_out)
    table = Table2(
        setting=setting,
        convention=convention,
        methods=methods,
        rows=tuple(row for row in rows if row.values),
        provenance=dict(provenance or {}),
    )
    return table if published is None else add_published_rows(table, published)


def _check_labels(methods: Sequence[str]) -> None:
    for label in methods:
        if methods.count(label) > 1:
            raise ConfigurationError(f"two columns are called {label!r}; give each its own label")


def _derived(
    lam: float | None,
    convention: Convention,
    metric: str,
    paid: str,
    unit: NumberUnit,
    values: Mapping[str, Number],
) -> Row:
    """A row of our own numbers."""
    return Row(
        lam=lam,
        metric=metric,
        paid=paid,
        kind="derived",
        unit=unit,
        values=values,
        source=f"convention {convention.name}",
    )


def _parameter_rows(
    traces: Sequence[MethodTraces], lam: float, convention: Convention, baseline: str
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
    unit = active.get(baseline) or next(iter(active.values()))
    derived = partial(_derived, lam, convention)
    return [
        derived("active parameters", "", "count", active),
        derived("normalised active parameters", "", "ratio", _normalise(active, unit)),
        derived("stored parameters", "", "count", stored),
        derived("normalised stored parameters", "", "ratio", _normalise(stored, unit)),
    ]


def _normalise(values: Mapping[str, Number], unit: Number) -> dict[str, Number]:
    return {label: value / unit if value and unit else 0 for label, value in values.items()}


def _action_rows(
    traces: Sequence[MethodTraces], lam: float, convention: Convention, ignore: Sequence[str]
) -> list[Row]:
    """MACs, overheads by how often they are paid for, and what a lam switch costs."""
    counts = {
        trace.label: count_actions(trace.paths[lam], convention, ignore=ignore)
        for trace in traces
        if lam in trace.paths
    }
    derived = partial(_derived, lam, convention)
    each: tuple[Stage, ...] = ("noise", "input")
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
    return [
        derived("MACs", "an inference", "count", macs),
        derived("MAC overhead", "an inference", "count", totals("mac", each)),
        derived("MAC overhead", "a switch", "count", totals("mac", ("switch",))),
        derived("MAC overhead", "both", "count", totals("mac", ("switch", *each))),
        derived("ADD overhead", "an inference", "count", totals("add", each)),
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
    metric = "ADD overhead, noise frozen"
    return [_derived(1.0, convention, metric, "a switch", "count", frozen)]
