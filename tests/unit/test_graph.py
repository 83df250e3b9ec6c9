"""Graphs: their way to JSON and back, what damaged files are told, and the networkx view."""

import copy
import dataclasses
import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from torch import nn

from smartsim.errors import FileFormatError
from smartsim.graph import (
    Graph,
    Op,
    ParameterSpec,
    Pattern,
    TensorSpec,
    Work,
    load_graph,
    save_graph,
)
from smartsim.models import build_model
from smartsim.trace import trace_model
from tests.unit.trace.helpers import Calling


@cache
def trace_smart() -> Graph:
    return trace_model(build_model("smart", "resnet8"), (1, 3, 32, 32), condition={"lam": 1.0})


def trace_infinite() -> Graph:
    """An op with an infinite attribute, as in every masked attention."""
    model = Calling(lambda m, x: x.masked_fill(x > 0, -math.inf).clamp(max=math.inf))
    return trace_model(model, (2, 3))


@pytest.mark.parametrize("trace", [trace_smart, trace_infinite])
def test_a_graph_comes_back_from_a_file(tmp_path: Path, trace: Any) -> None:
    graph = trace()
    save_graph(graph, tmp_path / "graph.json")
    again = load_graph(tmp_path / "graph.json")
    assert again == graph
    assert again.patterns == graph.patterns
    assert [op.attributes for op in again.ops] == [op.attributes for op in graph.ops]


@pytest.mark.parametrize("trace", [trace_smart, trace_infinite])
def test_the_file_is_strict_json(tmp_path: Path, trace: Any) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"JSON has no {constant}")

    save_graph(trace(), tmp_path / "graph.json")
    json.loads((tmp_path / "graph.json").read_text(), parse_constant=refuse)


def test_the_conversion_does_not_change_the_graph() -> None:
    graph = trace_smart()
    data = graph.to_dict()
    data["ops"][0]["attributes"]["new"] = 1
    data["condition"]["lam"] = 0.0
    assert graph == Graph.from_dict(trace_smart().to_dict())


@pytest.mark.parametrize("shape", [(), (1,), (3, 5), (8,), (0, 4), (2, 3, 3, 3)])
def test_patterns_of_any_shape_come_back(shape: tuple[int, ...]) -> None:
    bits = np.random.default_rng(0).random(shape) < 0.5
    pattern = Pattern(np.asarray(bits))
    graph = dataclasses.replace(trace_infinite(), patterns=(pattern,))
    assert Graph.from_dict(graph.to_dict()).patterns == (pattern,)
    assert pattern.nonzeros == int(bits.sum())
    assert pattern.density == (bits.mean() if bits.size else 0.0)


def test_patterns_are_equal_by_their_bits() -> None:
    one, same, other = (Pattern(np.array(bits)) for bits in ([True, False],) * 2 + ([False, True],))
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert one != Pattern(np.array([[True, False]]))
    assert one != "pattern"


def _set(data: Any, path: str, value: Any) -> None:
    *parents, last = [int(key) if key.lstrip("-").isdigit() else key for key in path.split(".")]
    for key in parents:
        data = data[key]
    data[last] = value


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("format", "onnx", r"not a smartsim graph of version 1 \(its format is 'onnx'\)"),
        ("format", None, "not a smartsim graph"),
        ("version", 7, "version 7, this smartsim reads version 1; trace the model again"),
        ("tensors.0.stage", "never", "stage of tensors.0 cannot be 'never'"),
        ("tensors.0.role", 1, "role of tensors.0 cannot be 1"),
        ("tensors.0.shape", ["a"], "0 of tensors.0.shape cannot be"),
        ("tensors.0.shape", [-1], "0 of tensors.0.shape cannot be"),
        ("tensors.0.shape", 3, "shape of tensors.0 cannot be 3"),
        ("tensors.0.nonzeros", 1.5, "nonzeros of tensors.0 cannot be 1.5"),
        ("tensors.0.nonzeros", 10**9, "has 1000000000 nonzeros"),
        ("tensors.0.index", 3, "tensor 0 calls itself 3"),
        ("tensors.0.pattern", 99, "pattern 99 is referred to but only"),
        ("tensors.0.pattern", -1, "pattern of tensors.0 cannot be -1"),
        ("tensors.0.colour", 1, "unknown field 'colour' of tensors.0"),
        ("tensors.0", 3, "damaged smartsim graph"),
        ("tensors", None, "damaged smartsim graph"),
        ("ops.0.inputs", [10**6], "tensor 1000000 is referred to but only"),
        ("ops.0.inputs", ["x"], "0 of ops.0.inputs cannot be"),
        ("ops.0.outputs", [], "op 0 writes nothing"),
        ("ops.0.outputs", [0.5], "0 of ops.0.outputs cannot be"),
        ("ops.0.arguments", ["a", "b", "c", "d", "e", "f"], "names"),
        ("ops.0.index", 4, "op 0 calls itself 4"),
        ("ops.0.name", None, "name of ops.0 cannot be None"),
        ("ops.0.stage", "deployed", "stage of ops.0 cannot be"),
        ("ops.0.gating", 1, "gating of ops.0 cannot be 1"),
        ("ops.0.live", {"sites": -1, "sites_in_bounds": 0, "outputs": 0}, "sites of ops.0.live"),
        ("ops.0.live", {"sites": 1}, "damaged smartsim graph"),
        ("ops.0.live", 5, "damaged smartsim graph"),
        ("ops.0.input_density", 1.5, "input_density of ops.0 cannot be 1.5"),
        ("ops.0.attributes", [1], "attributes of ops.0 cannot be"),
        ("parameters.0.kind", "weight", "kind of parameters.0 cannot be 'weight'"),
        ("parameters.0.active", True, "active of parameters.0 cannot be True"),
        ("parameters.0.active", 1, "has no pattern of its active elements"),
        ("parameters.0.pattern", 0, "does not agree with its pattern 0"),
        ("patterns.0.bits", "AAAA", "damaged smartsim graph"),
        ("patterns.0.bits", "", "damaged smartsim graph"),
        ("patterns.0.shape", [5], "a pattern of shape"),
        ("patterns.0.shape", [-1, 8], "damaged smartsim graph"),
        ("patterns.0", {}, "no field 'shape'"),
        ("inputs", [10**6], "tensor 1000000 is referred to"),
        ("outputs", "all", "damaged smartsim graph"),
        ("condition", {"lam": "one"}, "damaged smartsim graph"),
        ("condition", [], "damaged smartsim graph"),
        ("environment", 3, "damaged smartsim graph"),
    ],
)
def test_a_damaged_graph_is_told_what_is_wrong(path: str, value: Any, reason: str) -> None:
    data = copy.deepcopy(trace_smart().to_dict())
    _set(data, path, value)
    with pytest.raises(FileFormatError, match=reason) as caught:
        Graph.from_dict(data)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "field", ["model", "tensors", "ops", "parameters", "inputs", "patterns", "notes"]
)
def test_a_missing_field_is_named(field: str) -> None:
    data = trace_infinite().to_dict()
    del data[field]
    with pytest.raises(FileFormatError, match=f"no field '{field}'"):
        Graph.from_dict(data)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "damaged JSON"),
        (b'{"format": "smartsim-graph", ', "damaged JSON"),
        (b"[1, 2]", "holds a JSON list; expected a smartsim graph"),
        (b'"text"', "holds a JSON str"),
        (b"null", "holds a JSON NoneType"),
        (b"\xff\xfe\x00", "is not UTF-8 text"),
        (b"[" * 100_000, "damaged JSON"),
        (b'{"a": ' + b"1" * 5000 + b"}", "damaged JSON"),
        (b"{}", "not a smartsim graph"),
    ],
    ids=["empty", "cut", "list", "text", "null", "binary", "deep", "long number", "no format"],
)
def test_a_foreign_file_is_named(tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "graph.json"
    file.write_bytes(content)
    with pytest.raises(FileFormatError, match=reason) as caught:
        load_graph(file)
    assert str(caught.value).startswith(str(file))


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"none\.json: cannot be read \(No such file"):
        load_graph(tmp_path / "none.json")
    with pytest.raises(FileFormatError, match="cannot be read"):
        load_graph(tmp_path)


def test_a_file_that_begins_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    file = tmp_path / "graph.json"
    file.write_text(json.dumps(trace_infinite().to_dict()), encoding="utf-8-sig")
    assert load_graph(file) == trace_infinite()


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "graph.json"
    save_graph(trace_infinite(), file)
    before = file.read_bytes()
    broken = dataclasses.replace(trace_infinite(), notes=(object(),))  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        save_graph(broken, file)
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["graph.json"]


def test_a_write_into_a_missing_folder_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file") as caught:
        save_graph(trace_infinite(), tmp_path / "none" / "graph.json")
    assert caught.value.filename == str(tmp_path / "none" / "graph.json")


def test_the_view_for_networkx_leads_from_each_writer_to_its_readers() -> None:
    model = Calling(lambda m, x: m.second(m.first(x).relu()) + x, first=nn.Linear(4, 4))
    model.second = nn.Linear(4, 4)
    graph = trace_model(model, (2, 4), condition=None, name="residual")
    view = graph.to_networkx()
    assert isinstance(view, nx.DiGraph)
    assert [view.nodes[n]["name"] for n in view] == [
        "aten.addmm",
        "aten.relu",
        "aten.addmm",
        "aten.add",
    ]
    assert list(view.edges) == [(0, 1), (1, 2), (2, 3)]
    assert view.edges[1, 2]["elements"] == 8
    assert view.nodes[0]["module"] == "first"
    assert view.graph == {"model": "residual", "condition": {}}
    assert nx.is_directed_acyclic_graph(view)


def test_an_edge_carries_each_value_once() -> None:
    graph = trace_model(Calling(lambda m, x: (lambda y: y * y)(x.exp())), (2, 3))  # noqa: PLC3002
    view = graph.to_networkx()
    assert list(view.edges) == [(0, 1)]
    assert view.edges[0, 1]["elements"] == 6


def test_records_find_their_tensors() -> None:
    graph = trace_model(nn.Linear(4, 3), (2, 4))
    (op,) = graph.ops
    bias = graph.argument(op, "self")
    assert bias is not None
    assert (bias.name, bias.shape, bias.elements) == ("bias", (3,), 3)
    assert graph.argument(op, "none") is None
    assert [tensor.shape for tensor in graph.input_tensors(op)] == [(3,), (2, 4), (4, 3)]
    assert [tensor.shape for tensor in graph.output_tensors(op)] == [(2, 3)]


def test_records_cannot_be_changed() -> None:
    graph = trace_infinite()
    for record in (
        graph,
        graph.ops[0],
        graph.tensors[0],
        Work(sites=1, sites_in_bounds=1, outputs=1),
    ):
        name = dataclasses.fields(record)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(record, name, None)


def test_scalars_have_one_element() -> None:
    spec = ParameterSpec(name="alpha", shape=(), dtype="float32", kind="parameter", active=1)
    tensor = TensorSpec(index=0, value=0, shape=(), dtype="float32", stage="deploy")
    assert spec.elements == tensor.elements == 1


def test_the_environment_of_a_trace_is_stored() -> None:
    graph = trace_infinite()
    assert graph.environment == {"torch": torch.__version__, "device": "meta", "mode": "eval"}
    assert all(isinstance(op, Op) for op in graph.ops)
