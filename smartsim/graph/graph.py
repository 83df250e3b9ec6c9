"""The graph of a traced model as one record, and its way to a file and back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from smartsim.graph.patterns import StoredPattern
from smartsim.graph.records import Op, ParameterSpec, TensorSpec
from smartsim.records.document import STRICT, Document, Whole
from smartsim.records.shown import Shown

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["Graph", "load_graph", "save_graph"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph(Shown):
    """What a trace found out about one model, for one input shape and one condition.

    Attributes:
        model: How the model was named by whoever traced it.
        condition: Value of each condition, such as {"lam": 1.0}.
        tensors: Every tensor that an op reads or writes.
        ops: Every op in order of execution; views are not ops, they cost nothing.
        parameters: Every parameter and buffer of the model.
        inputs: Places in `tensors` of the data inputs.
        outputs: Places in `tensors` of what the model returned.
        patterns: Patterns of zeros, each kept once.
        notes: What a reader of the numbers must know, such as a pattern that had to be dropped.
        environment: Versions and modes under which the trace was made.
    """

    __pydantic_config__ = STRICT

    model: str
    condition: Mapping[str, float]
    tensors: tuple[TensorSpec, ...]
    ops: tuple[Op, ...]
    parameters: tuple[ParameterSpec, ...]
    inputs: tuple[Whole, ...]
    outputs: tuple[Whole, ...]
    patterns: tuple[StoredPattern, ...] = ()
    notes: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        at = "".join(f", {name} = {value:g}" for name, value in self.condition.items())
        return (
            f"<Graph of {self.model}{at}: {len(self.ops)} ops, {len(self.parameters)} parameters "
            "and buffers>"
        )

    def input_tensors(self, op: Op) -> tuple[TensorSpec, ...]:
        """The tensors that `op` reads."""
        return tuple([self.tensors[i] for i in op.inputs])

    def output_tensors(self, op: Op) -> tuple[TensorSpec, ...]:
        """The tensors that `op` writes."""
        return tuple([self.tensors[i] for i in op.outputs])

    def argument(self, op: Op, name: str) -> TensorSpec | None:
        """The first tensor that `op` takes under the operator's argument `name`, if any."""
        for index, argument in zip(op.inputs, op.arguments, strict=True):
            if argument == name:
                return self.tensors[index]
        return None

    def to_networkx(self) -> "nx.DiGraph[int]":
        """A directed graph of ops; see `smartsim.graph.view.to_networkx`."""
        from smartsim.graph.view import to_networkx

        return to_networkx(self)


def save_graph(graph: Graph, path: str | Path) -> None:
    """Write `graph` as JSON to `path`, whole or not at all."""
    _DOCUMENT.save(graph, path)


def load_graph(path: str | Path) -> Graph:
    """Read a graph that `save_graph` wrote.

    Raises:
        FileFormatError: If the file is missing, damaged, or something else; the sentence names it.
    """
    return _DOCUMENT.load(path)


def _check_references(graph: Graph) -> None:
    """Every index leads somewhere, and records stand at their own index."""
    for place, tensor in enumerate(graph.tensors):
        if tensor.index != place:
            raise ValueError(f"tensor {place} calls itself {tensor.index}")
    for place, op in enumerate(graph.ops):
        if op.index != place:
            raise ValueError(f"op {place} calls itself {op.index}")
        if not op.outputs:
            raise ValueError(f"op {place} writes nothing")
        if len(op.inputs) != len(op.arguments):
            raise ValueError(
                f"op {place} has {len(op.inputs)} inputs but {len(op.arguments)} names"
            )
    tensors = [*graph.inputs, *graph.outputs]
    tensors += [i for op in graph.ops for i in (*op.inputs, *op.outputs)]
    patterns = [t.pattern for t in graph.tensors] + [p.pattern for p in graph.parameters]
    for what, indices, size in (
        ("tensor", tensors, len(graph.tensors)),
        ("pattern", [p for p in patterns if p is not None], len(graph.patterns)),
    ):
        bad = [i for i in indices if not 0 <= i < size]
        if bad:
            raise ValueError(f"{what} {bad[0]} is referred to but only {size} are there")
    for tensor in graph.tensors:
        _check_nonzeros(graph, f"tensor {tensor.index}", tensor, tensor.nonzeros)
    for spec in graph.parameters:
        _check_nonzeros(graph, f"{spec.kind} {spec.name!r}", spec, spec.active)
        if spec.pattern is None and 0 < spec.active < spec.elements:
            raise ValueError(f"{spec.kind} {spec.name!r} has no pattern of its active elements")


def _check_nonzeros(
    graph: Graph, what: str, record: TensorSpec | ParameterSpec, nonzeros: int | None
) -> None:
    """A number of nonzeros fits into the shape, and agrees with its pattern."""
    if nonzeros is not None and nonzeros > record.elements:
        raise ValueError(f"{what} of {record.elements} elements has {nonzeros} nonzeros")
    if record.pattern is not None:
        pattern = graph.patterns[record.pattern]
        if pattern.shape != record.shape or pattern.nonzeros != nonzeros:
            raise ValueError(f"{what} does not agree with its pattern {record.pattern}")


_DOCUMENT = Document(
    record=Graph,
    format="smartsim-graph",
    version=1,
    what="a smartsim graph",
    remedy="trace the model again with `smartsim trace MODEL --output FILE`",
    check=_check_references,
)
