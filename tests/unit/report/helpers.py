"""A small comparison that is quick to trace."""

from functools import cache

from smartsim.counts import get_convention
from smartsim.graph import Graph
from smartsim.models import build_named_model
from smartsim.report.methods import MethodTraces
from smartsim.report.published import load_published
from smartsim.report.table2.build import build_table2
from smartsim.report.table2.table import Table2
from smartsim.trace import trace_model

__all__ = ["LABELS", "build_small_table", "trace_small"]

LABELS = {"PGD-AT": "pgdat", "OAT": "oat", "FLOAT": "float", "SMART": "smart"}


@cache
def trace_path(name: str, lam: float) -> Graph:
    model = build_named_model(name)
    return trace_model(model, (1, 3, 32, 32), condition={"lam": lam}, name=name)


@cache
def trace_small() -> tuple[MethodTraces, ...]:
    """The four methods on ResNet-8 at lam 0 and 1, with frozen noise where there is noise."""
    traces = []
    for label, method in LABELS.items():
        name = f"{method}:resnet8"
        frozen = trace_path(f"{name}:noise=frozen", 1.0) if method in ("float", "smart") else None
        paths = {lam: trace_path(name, lam) for lam in (0.0, 1.0)}
        traces.append(MethodTraces(label=label, paths=paths, frozen=frozen))
    return tuple(traces)


@cache
def build_small_table(*, published: bool = True) -> Table2:
    """The comparison with the paper's numbers beside it, which are of another network."""
    return build_table2(
        trace_small(),
        setting="resnet8, a test",
        convention=get_convention("paper"),
        published=load_published("smart2023_table2") if published else None,
        provenance={"command": "smartsim report table2 --add a_b:net", "python": "3"},
    )
