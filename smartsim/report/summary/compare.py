"""RECORD x RECORD -> COMPARISON: two graphs, counts, energies or runs by layer, and limits."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smartsim.cost import Energy, load_energy
from smartsim.counts import Counts, count_actions, load_counts
from smartsim.errors import ConfigurationError, suggest_name
from smartsim.graph import Graph, load_graph
from smartsim.records.accept import ArgumentError
from smartsim.records.document import STRICT, Document, Number
from smartsim.records.files import quote, read_json
from smartsim.records.shown import Shown
from smartsim.simulate import Run, load_run

__all__ = ["Comparison", "Difference", "compare", "load_record"]

Record = Graph | Counts | Energy | Run
Numbers = dict[str, dict[str, int | float]]
"""Layer -> metric -> number; what belongs to no layer is under ""."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One metric of one layer in both records.

    Attributes:
        layer: Qualified module name; "" for the model itself.
        metric: What is compared.
        first: Its number in the first record; 0 where the layer is missing.
        second: In the second.
    """

    __pydantic_config__ = STRICT

    layer: str
    metric: str
    first: Number
    second: Number


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison(Shown):
    """Two records of one kind beside each other.

    Attributes:
        kind: "graph", "counts", "energy" or "run".
        names: How the two call their model, with the condition.
        metrics: What is compared, in order.
        rows: Each layer and metric that either has.
        totals: The sums, and what belongs to the whole model, such as parameters.
    """

    __pydantic_config__ = STRICT

    kind: str
    names: tuple[str, str]
    metrics: tuple[str, ...]
    rows: tuple[Difference, ...]
    totals: tuple[Difference, ...]

    @property
    def changed(self) -> tuple[Difference, ...]:
        """The rows whose numbers differ."""
        return tuple(row for row in self.rows if row.first != row.second)

    def total(self, metric: str) -> Difference:
        """Both sums of a metric.

        Raises:
            ConfigurationError: If it is not compared.
        """
        for row in self.totals:
            if row.metric == metric:
                return row
        known = [row.metric for row in self.totals]
        raise ConfigurationError(f"{self.kind} has no {quote(metric)}{suggest_name(metric, known)}")

    def __repr__(self) -> str:
        return (
            f"<Comparison of two {self.kind}: {self.names[0]} and {self.names[1]}, "
            f"{len(self.changed)} of {len(self.rows)} numbers differ>"
        )


_DOCUMENT = Document(
    record=Comparison,
    format="smartsim-comparison",
    version=1,
    what="a smartsim comparison",
    remedy="make one with `smartsim compare A B --json`",
)


def compare(first: Record | str | Path, second: Record | str | Path) -> Comparison:
    """Hold two graphs, counts, energies or runs against each other, layer by layer.

    Graphs are counted under convention `exact`. Numbers are of one inference; what a switch of the
    condition costs is a metric of its own.

    Args:
        first: A record, or the path of its file.
        second: Another of the same kind.

    Raises:
        ConfigurationError: If they are of two kinds, or counted or priced differently.

    Example:
        >>> import smartsim
        >>> small, large = (smartsim.Counts.from_dict(_example(n)) for n in (3, 4))
        >>> compare(small, large).total("macs").second
        4
    """
    one, two = (load_record(r) if isinstance(r, str | Path) else r for r in (first, second))
    for record in (one, two):
        if not isinstance(record, Record):
            raise ArgumentError(
                f"a {type(record).__name__} cannot be compared; give graphs, counts, energies or "
                "runs, or paths of their files"
            )
    if type(one) is not type(two):
        raise ConfigurationError(
            f"a {type(one).__name__} and a {type(two).__name__} cannot be compared; give two of "
            "one kind"
        )
    _check_alike(one, two)
    (numbers, whole), (others, other_whole) = _numbers(one), _numbers(two)
    layers = tuple(dict.fromkeys((*numbers, *others)))
    layered = (*numbers.values(), *others.values())
    metrics = tuple(dict.fromkeys(metric for row in layered for metric in row))
    rows = tuple(
        Difference(
            layer=layer,
            metric=metric,
            first=numbers.get(layer, {}).get(metric, 0),
            second=others.get(layer, {}).get(metric, 0),
        )
        for layer in layers
        for metric in metrics
        if metric in numbers.get(layer, {}) or metric in others.get(layer, {})
    )
    totals = [
        Difference(
            layer="",
            metric=metric,
            first=sum(row.first for row in rows if row.metric == metric),
            second=sum(row.second for row in rows if row.metric == metric),
        )
        for metric in metrics
    ]
    totals += [
        Difference(
            layer="", metric=metric, first=whole.get(metric, 0), second=other_whole.get(metric, 0)
        )
        for metric in dict.fromkeys((*whole, *other_whole))
    ]
    return Comparison(
        kind={Graph: "graphs", Counts: "counts", Energy: "energies", Run: "runs"}[type(one)],
        names=(_name(one), _name(two)),
        metrics=metrics,
        rows=rows,
        totals=tuple(totals),
    )


def _example(macs: int) -> dict[str, Any]:
    from smartsim.counts import Count, get_convention

    item = Count(
        layer="fc", op="aten.mm", stage="input", action="mac", conditional=False, number=macs
    )
    convention = get_convention("exact")
    return Counts(model="m", condition={}, convention=convention, items=(item,)).to_dict()


def _name(record: Record) -> str:
    at = ", ".join(f"{key} = {value:g}" for key, value in record.condition.items())
    return f"{record.model} at {at}" if at else record.model


def _check_alike(one: Record, two: Record) -> None:
    """Numbers of two conventions, tables or units are no difference between models."""
    for field in ("convention", "table", "unit"):
        mine, theirs = getattr(one, field, None), getattr(two, field, None)
        if mine != theirs:
            mine, theirs = (getattr(value, "name", value) for value in (mine, theirs))
            raise ConfigurationError(
                f"one has {field} {mine!r} and the other {theirs!r}, so their numbers do not "
                "compare; make both with one"
            )


def _numbers(record: Record) -> tuple[Numbers, dict[str, int | float]]:
    """Numbers by layer, and numbers of the whole."""
    match record:
        case Graph():
            by_layer, whole = _numbers(count_actions(record, "exact"))
            return by_layer, {**whole, "ops": len(record.ops)}
        case Counts():
            return _count_numbers(record)
        case Energy():
            energies: Numbers = {
                layer: {"energy": pj} for (layer,), pj in record.group("layer").items()
            }
            whole = {"switch": record.per_switch_pj, "memory": record.memory_pj}
            return energies, whole
    steps: Numbers = {}
    for step in record.steps:
        if step.stage in ("noise", "input"):
            row = steps.setdefault(
                step.layer, dict.fromkeys(("cycles", "stalls", "dram_bits", "macs", "energy"), 0)
            )
            row["cycles"] += step.cycles
            row["stalls"] += step.stall_cycles
            row["dram_bits"] += step.dram_bits
            row["macs"] += step.macs
            row["energy"] += step.total_energy_pj
    return steps, {"switch": record.total("cycles", ("switch",))}


_METRICS = {"mac": "macs", "add": "adds", "mul": "muls", "compare": "compares", "noise": "draws"}


def _count_numbers(counts: Counts) -> tuple[Numbers, dict[str, int | float]]:
    by_layer: Numbers = {}
    for item in counts:
        if item.stage == "deploy":
            continue
        metric = "switch" if item.stage == "switch" else _METRICS.get(item.action, "others")
        row = by_layer.setdefault(item.layer, {})
        row[metric] = row.get(metric, 0) + item.number
    whole: dict[str, int | float] = {}
    if counts.parameters is not None:
        whole = {
            "parameters": counts.parameters.total,
            "active": counts.parameters.active,
            "stored": counts.parameters.stored,
        }
    return by_layer, whole


def load_record(path: str | Path) -> Record:
    """The record in a file, whichever of the four kinds it is.

    Raises:
        FileFormatError: If it is none of them, or damaged.
    """
    kinds: dict[str, Callable[[str | Path], Record]] = {
        "smartsim-counts": load_counts,
        "smartsim-energy": load_energy,
        "smartsim-run": load_run,
    }
    found = read_json(path, "a smartsim graph, counts, energy or run").get("format")
    return kinds.get(str(found), load_graph)(path)
