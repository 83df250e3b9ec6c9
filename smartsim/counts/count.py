"""GRAPH -> COUNTS: each op's work, by its rule, under a convention."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from smartsim.counts.complex import apply_rule
from smartsim.counts.conventions import Convention, load_convention
from smartsim.counts.damage import blame_op
from smartsim.counts.passes import list_counted_ops
from smartsim.counts.records import ACTIONS, Action, Count, Counts, ParameterCounts
from smartsim.counts.rules import RULES, Actions, Cost, Facts
from smartsim.counts.work import MATMULS, Shapes, dense_work, describe_shapes
from smartsim.errors import ConfigurationError, MissingRuleError, suggest_name
from smartsim.graph import STAGES, Graph, Op, ParameterSpec, Stage
from smartsim.records.accept import expect

__all__ = ["UNNOISED_LAYER", "count_actions", "count_parameters"]

UNNOISED_LAYER = "(parameters that get no noise)"
_CONTRACTIONS = MATMULS | {"aten.convolution"}

_Key = tuple[str, str, Stage, Action, bool]


def count_actions(
    graph: Graph, convention: str | Path | Convention = "exact", *, ignore: Iterable[str] = ()
) -> Counts:
    """Count every action of `graph`.

    Args:
        graph: What `smartsim.trace.trace_model` returned.
        convention: The counting choices, or the name of a shipped one.
        ignore: Operators to leave out, such as "aten.grid_sampler_2d"; the result lists them.

    Returns:
        Exact integers by layer, op, stage and action (expected values, as floats, only where the
        convention skips measured zeros of activations).

    Raises:
        MissingRuleError: If an op has no counting rule and is not in `ignore`.
        ConfigurationError: If the convention is unknown or needs densities that the graph lacks,
            or a rule fails on an op.
    """
    expect(graph, Graph, "graph")
    choices = load_convention(convention)
    left_out = frozenset(ignore)
    if choices.skip_activation_zeros and all(op.input_density is None for op in graph.ops):
        raise ConfigurationError(
            f"convention {choices.name!r} skips zeros of activations, but graph {graph.model!r} "
            "holds no measured densities; attach them with smartsim.trace.measure_density"
        )
    ops = list_counted_ops(graph, fold=choices.fold_batch_norm, fuse=choices.fuse_multiply_add)
    sums: dict[_Key, int | float] = {}
    ignored: dict[str, None] = {}
    for op in ops:
        if op.name in left_out:
            ignored[op.name] = None
        else:
            _count_op(graph, op, choices, sums)
    parameters = count_parameters([graph], choices)
    if choices.noise_on_every_parameter:
        _add_unnoised_parameters(sums, parameters.active)
    return Counts(
        model=graph.model,
        condition=graph.condition,
        convention=choices,
        items=tuple([_make_count(key, number) for key, number in sums.items() if number]),
        parameters=parameters,
        ignored=tuple(ignored),
        notes=graph.notes,
    )


def _make_count(key: _Key, number: int | float) -> Count:
    layer, op, stage, action, conditional = key
    return Count(
        layer=layer, op=op, stage=stage, action=action, conditional=conditional, number=number
    )


def _count_op(graph: Graph, op: Op, convention: Convention, sums: dict[_Key, int | float]) -> None:
    """Add the actions of one op to `sums`."""
    if convention.skip_zeros and op.gating:
        return  # keeping or dropping elements is no arithmetic
    shapes = describe_shapes(graph, op)
    cost = _cost(graph, op, shapes, convention)
    stages: list[tuple[Stage, Actions]] = [(op.stage, cost.run)]
    if cost.prepared:
        ranks = [STAGES.index(tensor.stage) for tensor in shapes.inputs[1:]]
        stages.append((STAGES[max(ranks, default=0)], cost.prepared))
    for stage, actions in stages:
        conditional = _is_conditional(op, shapes, stage)
        for action, number in actions.items():
            if action == "mul" and stage == "noise" and not convention.count_noise_scaling:
                continue
            scaled: int | float = number
            if convention.skip_activation_zeros and op.input_density is not None:
                scaled = number * op.input_density
            key = (op.module, op.name, stage, action, conditional)
            sums[key] = sums.get(key, 0) + scaled


def _cost(graph: Graph, op: Op, shapes: Shapes, convention: Convention) -> Cost:
    """The op's actions, by its rule."""
    if op.name not in RULES:
        raise MissingRuleError(_explain_missing(op, shapes), operator=op.name)
    skips = op.name == "smartsim.fold_batch_norm" or convention.skip_zeros
    with blame_op(graph, op, f"the counting rule of {op.name}"):
        work = op.live if skips and op.live is not None else dense_work(shapes)
        if work.outputs == 0 and work.sites == 0 and op.live is not None:
            return Cost(run={})
        sites = work.sites if convention.count_padding else work.sites_in_bounds
        cost = apply_rule(Facts(shapes=shapes, sites=sites, outputs=work.outputs))
    for action in (*cost.run, *cost.prepared):
        if action not in _ACTIONS:
            raise ConfigurationError(
                f"the counting rule of {op.name} counts {action!r}, which is no action"
                f"{suggest_name(action, ACTIONS)}"
            )
    return cost


_ACTIONS = frozenset(ACTIONS)


def _explain_missing(op: Op, shapes: Shapes) -> str:
    sizes = ", ".join(str(tensor.shape) for tensor in shapes.inputs)
    place = f"module {op.module!r} ({op.module_type})" if op.module else op.module_type
    return (
        f"operator {op.name} in {place} on shapes {sizes or 'none'} has no counting rule; "
        f'add one with smartsim.counts.register_rule("{op.name}"), '
        f'or leave it out with ignore=["{op.name}"]'
    )


def _is_conditional(op: Op, shapes: Shapes, stage: Stage) -> bool:
    """Whether the work is there only because the model is conditional."""
    if stage in ("switch", "noise"):
        return True
    if stage != "input" or op.name in _CONTRACTIONS:
        return False
    return any(tensor.stage in ("switch", "noise") for tensor in shapes.inputs)


def _add_unnoised_parameters(sums: dict[_Key, int | float], active: int) -> None:
    """One addition more for each active parameter that gets no noise, where there is noise."""
    noisy = sum(n for key, n in sums.items() if key[2] == "noise" and key[3] == "add")
    if 0 < noisy < active:
        key: _Key = (UNNOISED_LAYER, "convention", "noise", "add", True)
        sums[key] = active - noisy


def count_parameters(
    graphs: Sequence[Graph], convention: str | Path | Convention
) -> ParameterCounts:
    """Count parameters of the first graph's path, and what a device stores for all the paths.

    Args:
        graphs: Traces of one model, for instance at lam = 0 and at lam = 1.
        convention: Says whether scalar parameters count.
    """
    choices = load_convention(convention)
    rows = [_parameters(graph, choices) for graph in graphs]
    stored = 0
    for name in rows[0]:
        paths = [(g, row[name]) for g, row in zip(graphs, rows, strict=True) if name in row]
        stored += _count_union(paths)
    return ParameterCounts(
        total=sum(spec.elements for spec in rows[0].values()),
        active=sum(spec.active for spec in rows[0].values()),
        stored=stored,
    )


def _parameters(graph: Graph, convention: Convention) -> Mapping[str, ParameterSpec]:
    return {
        spec.name: spec
        for spec in graph.parameters
        if spec.kind == "parameter" and (convention.count_scalar_parameters or spec.elements != 1)
    }


def _count_union(paths: Sequence[tuple[Graph, ParameterSpec]]) -> int:
    """Elements of one parameter that any of the paths reads."""
    union: Any = None
    for graph, spec in paths:
        if spec.active == spec.elements:
            return spec.elements
        if spec.active and spec.pattern is not None:
            bits = graph.patterns[spec.pattern].bits
            union = bits if union is None else union | bits
    return 0 if union is None else int(np.count_nonzero(union))
