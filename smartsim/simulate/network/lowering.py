"""GRAPH -> STEPS: what the machine does one after the other.

A step is a contraction on the array, or work of the vector unit, together with the elementwise work
that can take its results as they come: that work then needs no way to memory and back, and runs
while the array runs. Eval-mode batch norms are folded into the layer before them. Stage deploy is
not simulated: it is done once, anywhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from smartsim.counts import RULES, Action, Convention, Cost, Facts
from smartsim.counts.complex import apply_rule
from smartsim.counts.damage import blame_op
from smartsim.counts.passes import fold_batch_norm
from smartsim.counts.work import dense_work, describe_shapes
from smartsim.errors import ConfigurationError, MissingRuleError
from smartsim.graph import STAGES, Graph, Op, Stage
from smartsim.records.files import quote
from smartsim.simulate.network.contractions import (
    CONTRACTIONS,
    Contraction,
    Operand,
    describe_operand,
    lower_op,
)

__all__ = ["Step", "executed_convention", "lower_graph"]

_ROWWISE = (
    "softmax layer_norm group_norm rms_norm vector_norm cumsum cumprod sort topk argsort median "
    "kthvalue logsumexp roll flip gather scatter index embedding tril triu"
).split()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Step:
    """What the machine does at a time.

    Attributes:
        index: Its place in the order of execution.
        layer: Qualified module name of its first op.
        ops: Operators that it performs.
        stage: How often it runs.
        contractions: The product on the array, if there is one.
        actions: Work of the vector unit.
        reads: Tensors that are fetched besides the contractions' operands.
        writes: Tensors that somebody after this step reads, or the model returns.
        outputs: Words that it writes, whether they stay on the chip or not.
        returned: Values that the model returns.
    """

    index: int
    layer: str
    ops: tuple[str, ...]
    stage: Stage
    contractions: tuple[Contraction, ...] = ()
    actions: Mapping[Action, int] = field(default_factory=dict)
    reads: tuple[Operand, ...] = ()
    writes: tuple[Operand, ...] = ()
    outputs: int = 0
    returned: frozenset[int] = frozenset()


def executed_convention(*, skip_zeros: bool) -> Convention:
    """What a machine executes: padding is multiplied like data, batch norm is folded."""
    return Convention(
        name="executed",
        description="what the simulated machine executes: padding multiplied like data, "
        f"batch norm folded, known zeros {'skipped' if skip_zeros else 'multiplied'}",
        count_padding=True,
        skip_zeros=skip_zeros,
        fold_batch_norm=True,
    )


def lower_graph(graph: Graph, *, skip_zeros: bool = False) -> tuple[Step, ...]:
    """The steps of `graph` in order of execution, those of stage switch first.

    Args:
        graph: What `smartsim.trace.trace_model` returned.
        skip_zeros: Whether the vector unit leaves out known zeros and results nobody needs.

    Raises:
        MissingRuleError: If an op has no counting rule.
    """
    convention = executed_convention(skip_zeros=skip_zeros)
    graph = fold_batch_norm(graph)
    readers = _count_readers(graph)
    groups: list[list[Op]] = []
    open_group: dict[Stage, list[Op]] = {}
    for op in graph.ops:
        if op.stage == "deploy":
            continue
        last = open_group.get(op.stage)
        if last is not None and last is groups[-1] and _streams(graph, op, last[-1]):
            last.append(op)
        else:
            groups.append([op])
            open_group[op.stage] = groups[-1]
    steps = [
        step for group in groups for step in _split(_make_step(graph, group, convention, readers))
    ]
    steps += _prepared_steps(graph, convention)
    steps.sort(key=lambda step: step.stage != "switch")
    return tuple(replace(step, index=place) for place, step in enumerate(steps))


def _count_readers(graph: Graph) -> Mapping[int, frozenset[int]]:
    """The ops that read each value; -1 stands for whoever called the model."""
    readers: dict[int, set[int]] = {}
    for op in graph.ops:
        if op.stage != "deploy":
            for tensor in graph.input_tensors(op):
                readers.setdefault(tensor.value, set()).add(op.index)
    for index in graph.outputs:
        readers.setdefault(graph.tensors[index].value, set()).add(-1)
    return {value: frozenset(indices) for value, indices in readers.items()}


def _streams(graph: Graph, op: Op, before: Op) -> bool:
    """Whether `op` can work on what `before` writes, element by element, as it comes."""
    if op.name in CONTRACTIONS or any(word in op.name for word in _ROWWISE):
        return False
    if not op.outputs or not before.outputs:
        return False
    result, output = graph.tensors[before.outputs[0]], graph.tensors[op.outputs[0]]
    if output.elements != result.elements:
        return False
    return any(t.value == result.value for t in graph.input_tensors(op))


def _make_step(
    graph: Graph, ops: list[Op], convention: Convention, readers: Mapping[int, frozenset[int]]
) -> Step:
    inside = frozenset(op.index for op in ops)
    actions: dict[Action, int] = {}
    contractions: list[Contraction] = []
    made: dict[int, Operand] = {}
    fetched: dict[int, Operand] = {}
    for op in ops:
        with blame_op(graph, op, "laying it out on the array"):
            lowered = lower_op(graph, op)
            _check_sizes(op, lowered)
        contractions += lowered
        taken = {operand.value for c in lowered for operand in (c.input, c.weight)}
        for tensor in graph.input_tensors(op):
            if tensor.value not in made and tensor.value not in taken:
                fetched.setdefault(tensor.value, describe_operand(tensor))
        for tensor in graph.output_tensors(op):
            if tensor.elements:
                made[tensor.value] = describe_operand(tensor)
        for action, number in _cost(graph, op, convention).run.items():
            if not (action == "mac" and lowered):
                actions[action] = actions.get(action, 0) + number
    writes = tuple(made[v] for v in made if readers.get(v, frozenset()) - inside)
    return Step(
        index=0,
        layer=ops[0].module,
        ops=tuple(op.name for op in ops),
        stage=ops[0].stage,
        contractions=tuple(contractions),
        actions={action: number for action, number in actions.items() if number},
        reads=tuple(r if contractions else _narrow(r, writes) for r in fetched.values()),
        writes=writes,
        outputs=sum(operand.elements for operand in writes),
        returned=frozenset(o.value for o in writes if -1 in readers.get(o.value, frozenset())),
    )


def _split(step: Step) -> tuple[Step, ...]:
    """One product a step: attention's scores and what is made of them, then the weighted values."""
    if len(step.contractions) < 2:
        return (step,)
    first, *rest = step.contractions
    scores = replace(step, contractions=(first,), writes=(), outputs=0, returned=frozenset())
    last = replace(step, contractions=tuple(rest), actions={}, reads=())
    return scores, last


def _narrow(read: Operand, writes: tuple[Operand, ...]) -> Operand:
    """Elementwise work reads no more of an operand than its results need."""
    if read.boolean or not writes or any(write.elements != read.elements for write in writes):
        return read
    return replace(read, live=min(read.live, max(write.live for write in writes)))


def _cost(graph: Graph, op: Op, convention: Convention) -> Cost:
    """The op's actions, as `smartsim.counts.count_actions` counts them."""
    if convention.skip_zeros and op.gating:
        return Cost(run={})
    shapes = describe_shapes(graph, op)
    if op.name not in RULES:
        raise MissingRuleError(
            f"operator {op.name} in module {op.module!r} has no counting rule, so its cycles "
            f'are unknown; add one with smartsim.counts.register_rule("{op.name}")',
            operator=op.name,
        )
    live = op.live if convention.skip_zeros else None
    with blame_op(graph, op, f"the counting rule of {op.name}"):
        work = dense_work(shapes) if live is None else live
        if live is not None and live.outputs == 0 and live.sites == 0:
            return Cost(run={})
        return apply_rule(Facts(shapes=shapes, sites=work.sites, outputs=work.outputs))


MOST_PRODUCTS = 2**50
"""Multiplications of one layer: what moves for them is counted in 64 bits."""


def _check_sizes(op: Op, contractions: Sequence[Contraction]) -> None:
    for contraction in contractions:
        if contraction.products > MOST_PRODUCTS:
            raise ConfigurationError(
                f"op {op.index} ({op.name}) in module {quote(op.module)} is too large to simulate: "
                f"{contraction.products:.3g} multiplications; at most {MOST_PRODUCTS:.3g}"
            )


def _prepared_steps(graph: Graph, convention: Convention) -> list[Step]:
    """What batch norms prepare at stage switch or noise, where their own tensors are made there."""
    steps = []
    for op in graph.ops:
        prepared = {} if op.stage == "deploy" else dict(_cost(graph, op, convention).prepared)
        ranks = [STAGES.index(tensor.stage) for tensor in graph.input_tensors(op)[1:]]
        stage = STAGES[max(ranks, default=0)]
        if prepared and stage != "deploy":
            steps.append(
                Step(index=0, layer=op.module, ops=(op.name,), stage=stage, actions=prepared)
            )
    return steps
