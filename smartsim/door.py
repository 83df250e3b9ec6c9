"""The front door in Python: one call from a model to what it costs."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smartsim.cost import PrecisionPlan, Table
from smartsim.counts import Convention, count_actions
from smartsim.errors import ConfigurationError
from smartsim.graph import Graph
from smartsim.report.summary.summary import Sort, Summary
from smartsim.report.summary.text import render_summary
from smartsim.simulate import Accelerator

if TYPE_CHECKING:
    import torch

    from smartsim.trace.record.arguments import KnownInputs

__all__ = ["summary"]


def summary(
    model: "torch.nn.Module | Graph | str",
    inputs: Any = None,
    *,
    condition: Mapping[str, float] | None = None,
    convention: str | Path | Convention = "exact",
    format: str | Path | PrecisionPlan | None = None,
    table: str | Path | Table = "horowitz2014_45nm+shiftaddnet2020_asic_45nm",
    accelerator: str | Path | Accelerator | None = None,
    depth: int | None = None,
    sort: Sort | None = None,
    top: int | None = None,
    declared_zeros: Iterable[str] = (),
    known_inputs: "KnownInputs" = (),
    ignore: Iterable[str] = (),
    name: str | None = None,
    verbose: bool = True,
) -> Summary:
    """Trace a model, count it, and print it as a tree of its modules.

    Args:
        model: A module, the name of a built-in such as "smart:resnet34", or a graph.
        inputs: As `trace_model` takes them, such as the shape `(1, 3, 32, 32)`; None for a graph.
        condition: What the user of the device sets, such as `{"lam": 1.0}`.
        convention: The counting choices, by name, path or as a record.
        format: Number format to price, such as "int8"; None prints no energies.
        table: Energies by name, path or as a record.
        accelerator: Machine to simulate, by name, path or as a record; None prints no cycles.
        depth: Modules below are summed into the one at this depth.
        sort: What rows are ordered by, the largest first.
        top: How many rows are shown; the others are summed into one.
        declared_zeros: As `trace_model` takes it.
        known_inputs: As `trace_model` takes it.
        ignore: Operators to leave out of the counts.
        name: How it is called; None is a built-in's name, or the class.
        verbose: Whether to print it.

    Returns:
        A record with `graph`, `counts`, `energy("int8")`, `run("edge_npu")`, `to_dataframe()`,
        `plot()`, `to_html()` and `to_json()`.

    Raises:
        ConfigurationError: If an argument cannot be; see also `trace_model` and `count_actions`.

    Example:
        >>> s = summary("pgdat:resnet8", (1, 3, 32, 32), depth=1, verbose=False)
        >>> s.total.macs, s.total.parameters
        (11574592, 78042)
    """
    graph = _trace(model, inputs, condition, declared_zeros, known_inputs, name)
    counts = count_actions(graph, convention, ignore=ignore)
    made = Summary(graph=graph, counts=counts)
    priced = None if format is None else made.energy(format, table)
    simulated = None
    if accelerator is not None:
        simulated = made.run(accelerator, plan="int8" if format is None else format)
    made = Summary(
        graph=graph,
        counts=counts,
        priced=priced,
        simulated=simulated,
        depth=depth,
        sort=sort,
        top=top,
    )
    if verbose:
        print(render_summary(made), end="")  # noqa: T201  # the one function that is asked to
    return made


def _trace(
    model: "torch.nn.Module | Graph | str",
    inputs: Any,
    condition: Mapping[str, float] | None,
    declared_zeros: Iterable[str],
    known_inputs: "KnownInputs",
    name: str | None,
) -> Graph:
    if isinstance(model, Graph):
        if inputs is not None or condition or known_inputs:
            raise ConfigurationError("a graph has its inputs and its condition; leave them out")
        return model
    from smartsim.trace import load_model, trace_model

    if inputs is None:
        raise ConfigurationError("the shape of the input is missing; write (1, 3, 32, 32) for one")
    loaded = load_model(model) if isinstance(model, str) else model
    name = model if name is None and isinstance(model, str) else name
    return trace_model(
        loaded,
        inputs,
        condition=condition,
        declared_zeros=declared_zeros,
        known_inputs=known_inputs,
        name=name,
    )
