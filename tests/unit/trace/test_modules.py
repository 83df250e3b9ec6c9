"""Which module an op belongs to, and how often a parameter counts."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import prune

from smartsim.counts import count_actions, count_parameters
from smartsim.errors import InvalidModelError
from smartsim.graph import Graph
from smartsim.trace import trace_model
from tests.unit.trace.helpers import Calling, trace_function


def modules_of(graph: Graph) -> list[tuple[str, str]]:
    return [(op.name.removeprefix("aten."), op.module) for op in graph.ops]


def test_a_functional_op_belongs_to_the_module_that_called_it() -> None:
    def forward(module: Any, x: Tensor) -> Any:
        return functional.relu(module.inner(x)) + 1

    inner = nn.Sequential(nn.Linear(4, 4), Calling(lambda _, x: x.sigmoid().flatten()))
    graph = trace_function(forward, inner=inner)
    assert modules_of(graph) == [
        ("addmm", "inner.0"),
        ("sigmoid", "inner.1"),
        ("relu", ""),
        ("add", ""),
    ]
    assert [op.module_type for op in graph.ops] == ["Linear", "Calling", "Calling", "Calling"]


def test_a_module_that_is_called_twice_is_counted_twice_under_one_name() -> None:
    graph = trace_function(lambda m, x: m.layer(m.layer(x)), layer=nn.Linear(4, 4))
    assert modules_of(graph) == [("addmm", "layer"), ("addmm", "layer")]
    # two rows times 4 x 4 products, twice
    assert count_actions(graph).group("layer", "action") == {("layer", "mac"): 64}
    assert count_parameters([graph], "exact").total == 16 + 4


def test_a_module_with_two_names_goes_by_its_first() -> None:
    layer = nn.Linear(4, 4)
    graph = trace_model(nn.Sequential(layer, nn.ReLU(), layer), (2, 4))
    assert modules_of(graph) == [("addmm", "0"), ("relu", "1"), ("addmm", "0")]


def test_a_module_that_is_no_part_of_the_model_counts_as_its_caller() -> None:
    foreign = nn.Linear(4, 4)
    graph = trace_function(lambda m, x: m.layer(x), layer=Calling(lambda _, x: foreign(x)))
    assert modules_of(graph) == [("addmm", "layer")]


def test_the_caller_goes_on_after_an_inner_module_raised_and_was_caught() -> None:
    def forward(module: Any, x: Tensor) -> Any:
        try:
            return module.broken(x)
        except ValueError:
            return x.relu()

    def fail(_: Any, x: Tensor) -> Any:
        raise ValueError

    assert modules_of(trace_function(forward, broken=Calling(fail))) == [("relu", "")]


def test_an_error_names_the_module_that_raised_it() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.ReLU(), nn.Linear(5, 4)))
    with pytest.raises(InvalidModelError, match=r"in module '1\.1'"):
        trace_model(model, (2, 4))


def test_tied_weights_are_stored_once() -> None:
    first, second = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
    second.weight = first.weight
    graph = trace_model(nn.Sequential(first, second), (2, 4))
    assert [(spec.name, spec.active) for spec in graph.parameters] == [("0.weight", 16)]
    assert count_actions(graph).macs == 64


def test_parameters_that_share_their_data_are_stored_once() -> None:
    first = nn.Linear(4, 4, bias=False)
    second = nn.Linear(4, 4, bias=False)
    second.weight = nn.Parameter(first.weight.detach())
    graph = trace_model(nn.Sequential(first, second), (2, 4))
    assert count_parameters([graph], "exact").total == 16


def test_parameters_that_are_windows_of_one_vector_count_each_for_itself() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 3, bias=False), nn.Linear(3, 2))
    vector = nn.utils.parameters_to_vector(model.parameters())
    nn.utils.vector_to_parameters(vector, model.parameters())
    graph = trace_model(model[:2], (2, 4))
    assert [(spec.name, spec.active) for spec in graph.parameters] == [
        ("0.weight", 16),
        ("0.bias", 4),
        ("1.weight", 12),
    ]
    unused = trace_function(lambda m, x: m.net[0](x), net=model)
    assert [spec.active for spec in unused.parameters] == [16, 4, 0, 0, 0]


def test_old_style_hooks_that_make_a_weight_count_as_its_layer() -> None:
    layer = prune.identity(nn.Linear(4, 4), "weight")  # type: ignore[no-untyped-call]
    graph = trace_model(nn.Sequential(layer), (2, 4))
    assert modules_of(graph) == [("mul", "0"), ("addmm", "0")]


def test_the_modules_of_an_attention_layer_are_found_under_grad_mode_off() -> None:
    # torch would run a fused kernel of its own here; the trace must see the parts
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.0)
    with torch.no_grad():
        graph = trace_model(layer.eval(), (2, 5, 8))
    counts = count_actions(graph)
    # projections of q, k, v and out: 4 * 10 tokens * 64; mlp: 2 * 10 * 8 * 16; scores and values:
    # 2 * (2 images * 2 heads * 5 * 5 * 4)
    assert counts.macs == 4 * 10 * 64 + 2 * 10 * 128 + 2 * 2 * 2 * 25 * 4
    assert {"linear1", "linear2", "norm1", "norm2"} <= set(counts.layers)


def test_recurrent_layers_are_traced_step_by_step() -> None:
    graph = trace_model(nn.LSTM(8, 6, bias=False), (2, 5, 8))
    # 2 steps of 5 sequences, 4 gates of 6 from 8 inputs and 6 hidden values each
    dense = count_actions(graph, "dense")
    assert dense.total("mac") == 2 * 5 * 24 * (8 + 6)
    # At the first step hidden values and cells are zero: what comes from them is known at
    # deployment, and nobody needs the 6 forget gates.
    assert dense.total("mac", stages=("deploy",)) == 5 * 24 * 6
    assert count_actions(graph).macs == 5 * 18 * 8 + 5 * 24 * (8 + 6)
    assert {(op.module, op.module_type) for op in graph.ops} == {("", "LSTM")}
    assert [(spec.name, spec.active) for spec in graph.parameters] == [
        ("weight_ih_l0", 192),
        ("weight_hh_l0", 144),
    ]


def test_recurrent_layers_count_alike_with_and_without_data() -> None:
    for kind in (nn.LSTM, nn.GRU, nn.RNN):
        counts = []
        for device in ("cpu", "meta"):
            layer = kind(8, 6, num_layers=2, bidirectional=True, batch_first=True, device=device)
            model = Calling(lambda m, x: m.layer(x)[0], layer=layer)
            counts.append(count_actions(trace_model(model, (2, 5, 8))))
        assert counts[0].items == counts[1].items
