"""The plain records that a trace leaves: tensors, ops, patterns of zeros, and the graph of them.

Knows no torch, no counting and no hardware. A graph holds facts about a program under partial
evaluation, at one value of its condition: for each op when it runs (its stage) and how much of it
is left once known zeros and unneeded results are skipped (its live work). What of this is counted
is a matter of convention, and is decided later, in `smartsim.counts`.
"""

import base64
import binascii
import dataclasses
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from smartsim.errors import FileFormatError
from smartsim.files import read_json, write_json_atomically

__all__ = [
    "STAGES",
    "Graph",
    "Op",
    "ParameterSpec",
    "Pattern",
    "Role",
    "Stage",
    "TensorSpec",
    "Work",
    "load_graph",
    "save_graph",
]

Stage = Literal["deploy", "switch", "noise", "input"]
"""How often work is paid for: once a deployment, a lam switch, an inference, or per input data."""

STAGES: tuple[Stage, ...] = get_args(Stage)

Role = Literal["parameter", "buffer", "input", "condition", "constant", "activation"]

_FORMAT = "smartsim-graph"
_VERSION = 1


@dataclass(frozen=True, slots=True, eq=False)
class Pattern:
    """Which elements of a tensor are not known to be zero.

    Args:
        bits: Boolean array of the tensor's shape, true where an element may be nonzero. It is
            never written to after it is handed over.

    >>> Pattern(np.array([[True, False], [True, True]])).nonzeros
    3
    """

    bits: NDArray[np.bool_]
    nonzeros: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "nonzeros", int(np.count_nonzero(self.bits)))

    @property
    def shape(self) -> tuple[int, ...]:
        """The tensor's shape."""
        return self.bits.shape

    @property
    def density(self) -> float:
        """The share of elements that may be nonzero, in [0, 1]; 0 for an empty tensor."""
        return self.nonzeros / self.bits.size if self.bits.size else 0.0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pattern) and np.array_equal(self.bits, other.bits)

    def __hash__(self) -> int:
        return hash((self.shape, self.nonzeros))


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """A tensor as one op reads or writes it.

    Attributes:
        index: Its place in `Graph.tensors`.
        value: The data behind it; views of the same data share one value.
        shape: Elements along each dimension.
        dtype: Element type as torch names it, such as "float32".
        stage: The latest thing that its elements depend on.
        role: Where the value comes from.
        name: Qualified name of a parameter, buffer, input or condition; else "".
        nonzeros: Elements not known to be zero; None when nothing is known (dense).
        needed: Elements that a later op or the output needs; None when every one is.
        pattern: Place in `Graph.patterns` of the pattern behind `nonzeros`, when it was kept.
    """

    index: int
    value: int
    shape: tuple[int, ...]
    dtype: str
    stage: Stage
    role: Role = "activation"
    name: str = ""
    nonzeros: int | None = None
    needed: int | None = None
    pattern: int | None = None

    @property
    def elements(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """How much of an op there is to do, before it is said what one piece of it costs.

    Attributes:
        sites: Places where the op acts: a product of a contraction, an input element of a
            reduction or of a pooling window, an output element of an elementwise op. Products
            with padding zeros are included.
        sites_in_bounds: The same without padding.
        outputs: Output elements that are written.
    """

    sites: int
    sites_in_bounds: int
    outputs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Op:
    """One operation of the traced program.

    Attributes:
        index: Its place in `Graph.ops`, the order of execution.
        name: Operator without overload or in-place mark, such as "aten.convolution".
        module: Qualified name of the innermost module that called it; "" for the model itself.
        module_type: Class name of that module.
        stage: The latest stage of its operands: how often it runs.
        inputs: Tensors it reads, as places in `Graph.tensors`.
        arguments: The operator's own name of each input, such as ("input", "weight").
        outputs: Tensors it writes.
        attributes: Its other arguments by name, such as stride or dim.
        live: The work left when known zeros and unneeded results are skipped; None when that
            is all of it, and the op's shapes say how much.
        gating: Whether it multiplies by a known mask of zeros and ones: hardware that skips
            zeros then keeps or drops elements and multiplies nothing.
        input_density: Measured share of nonzeros in its data operand, in [0, 1]; None unmeasured.
    """

    index: int
    name: str
    module: str
    module_type: str
    stage: Stage
    inputs: tuple[int, ...]
    arguments: tuple[str, ...]
    outputs: tuple[int, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    live: Work | None = None
    gating: bool = False
    input_density: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterSpec:
    """A parameter, or a buffer that holds a mask or frozen noise, as the device stores it.

    Attributes:
        name: First qualified name in the model; a shared parameter appears once.
        shape: Elements along each dimension; () for a scalar.
        dtype: Element type as torch names it.
        kind: "parameter" or "buffer".
        active: Elements that this path of the model reads after deployment, without known zeros.
        pattern: Place in `Graph.patterns` of the active elements; None when all or none are.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    kind: Literal["parameter", "buffer"]
    active: int
    pattern: int | None = None

    @property
    def elements(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
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

    model: str
    condition: Mapping[str, float]
    tensors: tuple[TensorSpec, ...]
    ops: tuple[Op, ...]
    parameters: tuple[ParameterSpec, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    patterns: tuple[Pattern, ...] = ()
    notes: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

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
        """A directed graph of ops; an edge leads from the op that wrote a value to each reader.

        Nodes are op indices with the op's fields as attributes; an edge's `values` are the values
        it carries and `elements` how many elements they have.
        """
        view: nx.DiGraph[int] = nx.DiGraph(model=self.model, condition=dict(self.condition))
        writer: dict[int, int] = {}
        for op in self.ops:
            view.add_node(
                op.index,
                **{
                    f.name: getattr(op, f.name) for f in dataclasses.fields(op) if f.name != "index"
                },
            )
            for tensor in self.input_tensors(op):
                source = writer.get(tensor.value)
                if source is None or source == op.index:
                    continue
                if not view.has_edge(source, op.index):
                    view.add_edge(source, op.index, values=(), elements=0)
                edge = view.edges[source, op.index]
                if tensor.value not in edge["values"]:
                    edge["values"] += (tensor.value,)
                    edge["elements"] += tensor.elements
            for tensor in self.output_tensors(op):
                writer[tensor.value] = op.index
        return view

    def to_dict(self) -> dict[str, Any]:
        """The graph as JSON-ready values; patterns as deflated bits in base64."""
        return {
            "format": _FORMAT,
            "version": _VERSION,
            "model": self.model,
            "condition": dict(self.condition),
            "tensors": [_plain(t) for t in self.tensors],
            "ops": [_plain(op) for op in self.ops],
            "parameters": [_plain(p) for p in self.parameters],
            "inputs": list(self.inputs),
            "outputs": list(self.outputs),
            "patterns": [_encode_pattern(p) for p in self.patterns],
            "notes": list(self.notes),
            "environment": dict(self.environment),
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> "Graph":
        """Rebuild a graph from `to_dict`'s values.

        Raises:
            FileFormatError: If a field is missing, unknown, or holds what it cannot hold.
        """
        if data.get("format") != _FORMAT:
            raise FileFormatError(
                f"not a smartsim graph (its format is {data.get('format')!r}); "
                "make one with `smartsim trace MODEL --output FILE`"
            )
        if data.get("version") != _VERSION:
            raise FileFormatError(
                f"a smartsim graph of version {data.get('version')!r}, this smartsim reads "
                f"version {_VERSION}; trace the model again"
            )
        try:
            graph = Graph(
                model=str(data["model"]),
                condition={str(k): float(v) for k, v in data["condition"].items()},
                tensors=tuple(_record(TensorSpec, row) for row in data["tensors"]),
                ops=tuple(
                    _record(
                        Op, {**row, "live": _record(Work, row["live"]) if row["live"] else None}
                    )
                    for row in data["ops"]
                ),
                parameters=tuple(_record(ParameterSpec, row) for row in data["parameters"]),
                inputs=tuple(int(i) for i in data["inputs"]),
                outputs=tuple(int(i) for i in data["outputs"]),
                patterns=tuple(_decode_pattern(row) for row in data["patterns"]),
                notes=tuple(str(note) for note in data["notes"]),
                environment={str(k): str(v) for k, v in data["environment"].items()},
            )
            _check_references(graph)
        except (
            KeyError,
            TypeError,
            ValueError,
            AttributeError,
            RecursionError,
            binascii.Error,
            zlib.error,
        ) as error:
            reason = f"no field {error}" if isinstance(error, KeyError) else str(error)
            raise FileFormatError(f"a damaged smartsim graph: {reason}") from error
        return graph


def save_graph(graph: Graph, path: str | Path) -> None:
    """Write `graph` as JSON to `path`, whole or not at all."""
    write_json_atomically(path, graph.to_dict())


def load_graph(path: str | Path) -> Graph:
    """Read a graph that `save_graph` wrote.

    Raises:
        FileFormatError: If the file is missing, damaged, or something else; the sentence names it.
    """
    data = read_json(path, "a smartsim graph")
    try:
        return Graph.from_dict(data)
    except FileFormatError as error:
        raise FileFormatError(f"{path}: {error}") from error


def _plain(record: Any) -> dict[str, Any]:
    """A flat record as JSON-ready values (`dataclasses.asdict` would copy deeply and slowly)."""
    row = {f.name: getattr(record, f.name) for f in dataclasses.fields(record)}
    if row.get("live") is not None:
        row["live"] = _plain(row["live"])
    if "attributes" in row:
        row["attributes"] = {key: _jsonable(value) for key, value in row["attributes"].items()}
    return row


def _record(kind: type[Any], row: Mapping[str, Any]) -> Any:
    """Build the flat record `kind` from JSON values; lists become tuples."""
    values = {name: _frozen(value) for name, value in row.items()}
    types = {f.name: f.type for f in dataclasses.fields(kind)}
    for name, value in values.items():
        if name in types and not _fits(value, types[name]):
            raise ValueError(f"{name} of a {kind.__name__} cannot be {value!r}")
    return kind(**values)


def _fits(value: Any, kind: Any) -> bool:
    """Whether a JSON value can stand in a field of this type; whole numbers count from 0."""
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
    origin = get_origin(kind)
    if origin is Literal:
        return value in get_args(kind)
    if origin is UnionType:
        return any(_fits(value, option) for option in get_args(kind))
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(v, get_args(kind)[0]) for v in value)
    return isinstance(value, origin or kind)


def _frozen(value: Any) -> Any:
    """A JSON value with tuples for lists."""
    if isinstance(value, list):
        return tuple(_frozen(v) for v in value)
    if isinstance(value, dict):
        if value.keys() == {"float"}:
            return float(value["float"])
        return {key: _frozen(v) for key, v in value.items()}
    return value


def _jsonable(value: Any) -> Any:
    """An op's attribute as a JSON value; JSON has no infinity."""
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    if isinstance(value, tuple | list):
        return [_jsonable(v) for v in value]
    return value


def _encode_pattern(pattern: Pattern) -> dict[str, Any]:
    packed = zlib.compress(np.packbits(pattern.bits).tobytes(), level=1)
    return {"shape": list(pattern.shape), "bits": base64.b64encode(packed).decode("ascii")}


def _decode_pattern(row: Mapping[str, Any]) -> Pattern:
    shape = tuple(int(n) for n in row["shape"])
    packed = np.frombuffer(zlib.decompress(base64.b64decode(row["bits"])), dtype=np.uint8)
    if len(packed) != (math.prod(shape) + 7) // 8:
        raise ValueError(f"a pattern of shape {shape} holds {len(packed)} bytes")
    bits = np.unpackbits(packed, count=math.prod(shape)).astype(np.bool_)
    return Pattern(bits.reshape(shape))


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
