"""When each op runs: at the latest stage of what it reads."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from smartsim.counts import count_actions
from smartsim.trace import trace_model
from tests.unit.trace.helpers import find_op, op_stages, trace_function

W = nn.Parameter(torch.linspace(-1, 1, 16).reshape(4, 4))


def test_an_op_runs_at_the_latest_stage_of_its_operands() -> None:
    def forward(module: Any, x: Tensor, lam: Tensor) -> Any:
        scale = module.w.std()
        amplitude = lam * scale
        noise = amplitude * torch.randn_like(module.w)
        return functional.linear(x, module.w + noise)

    graph = trace_function(forward, w=W, condition={"lam": 1.0})
    assert op_stages(graph) == [
        ("std", "deploy"),
        ("mul", "switch"),
        ("randn_like", "noise"),
        ("mul", "noise"),
        ("add", "noise"),
        ("mm", "input"),
    ]
    assert find_op(graph, "mm").module_type == "Calling"


@pytest.mark.parametrize(
    "draw",
    [
        lambda: torch.randn(4),
        lambda: torch.rand(4),
        lambda: torch.empty(4).normal_(),
        lambda: torch.empty(4).uniform_(),
        lambda: torch.bernoulli(torch.full((4,), 0.5)),
        lambda: torch.randint(0, 2, (4,)).float(),
        lambda: functional.dropout(torch.ones(4), training=True),
        lambda: torch.zeros(4).bernoulli_(0.5),
    ],
)
def test_a_random_draw_is_paid_for_in_every_inference(draw: Any) -> None:
    graph = trace_function(lambda _, x: x + draw())
    counts = count_actions(graph)
    assert counts.total("noise") == counts.total("noise", stages=("noise",)) == 4


def test_random_like_reads_only_the_shape_of_its_operand() -> None:
    graph = trace_function(lambda m, x: m.w * torch.randn_like(x), w=nn.Parameter(torch.ones(4)))
    assert op_stages(graph) == [("randn_like", "noise"), ("mul", "noise")]


def test_constants_of_the_forward_are_known_at_deployment() -> None:
    graph = trace_function(lambda _, x: x * (torch.arange(4).float() + torch.tensor(2.0)))
    assert [stage for _, stage in op_stages(graph)] == ["deploy", "deploy", "deploy", "input"]


def test_a_copy_into_a_buffer_takes_the_stage_of_what_is_copied() -> None:
    def forward(module: Any, x: Tensor) -> Any:
        module.cache.copy_(x)
        return module.cache * 2

    graph = trace_function(forward, cache=torch.zeros(2, 4))
    assert op_stages(graph) == [("copy", "input"), ("mul", "input")]


def test_a_partly_written_buffer_takes_the_latest_stage_of_its_parts() -> None:
    def forward(module: Any, x: Tensor) -> Any:
        module.cache[0] = x[0]
        return module.cache[1:] + x[:1]

    assert op_stages(trace_function(forward, cache=torch.zeros(2, 4)))[-1] == ("add", "input")


def test_a_switch_stage_op_is_conditional_and_so_is_what_it_modulates() -> None:
    def forward(module: Any, x: Tensor, lam: Tensor) -> Any:
        gamma = module.mlp(lam.reshape(1, 1))
        return functional.relu(x) * gamma

    graph = trace_function(forward, (2, 4), mlp=nn.Linear(1, 4), condition={"lam": 1.0})
    counts = count_actions(graph)
    assert counts.total("mac", stages=("switch",), conditional=True) == 4
    assert counts.total("mul", stages=("input",), conditional=True) == 8
    assert counts.total("compare", conditional=False) == 8
    assert counts.total("compare", conditional=True) == 0


def test_a_convolution_with_a_noisy_weight_is_not_itself_conditional() -> None:
    graph = trace_function(lambda m, x: functional.linear(x, m.w + torch.randn_like(m.w)), w=W)
    counts = count_actions(graph)
    assert counts.total("mac", conditional=True) == 0
    assert counts.total("add", stages=("noise",), conditional=True) == 16


def test_a_condition_is_a_leaf_of_its_name() -> None:
    graph = trace_function(lambda _, x, lam: x * lam, condition={"lam": 0.25})
    (leaf,) = (tensor for tensor in graph.tensors if tensor.role == "condition")
    assert (leaf.name, leaf.stage, leaf.shape) == ("lam", "switch", ())
    assert graph.condition == {"lam": 0.25}


def test_several_conditions_are_given_by_name() -> None:
    graph = trace_function(
        lambda _, x, lam, depth: x * lam + depth, condition={"depth": 2.0, "lam": 1.0}
    )
    assert {t.name for t in graph.tensors if t.role == "condition"} == {"lam", "depth"}


def test_eval_mode_batch_norm_prepares_its_scale_once_at_deployment() -> None:
    counts = count_actions(trace_model(nn.BatchNorm2d(3), (2, 3, 4, 4)))
    # a multiplication and an addition an element; a root, a quotient and so on a channel
    assert counts.total("mul", stages=("input",)) == counts.total("add", stages=("input",)) == 96
    assert counts.total("sqrt", stages=("deploy",)) == counts.total("div", stages=("deploy",)) == 3


def test_roles_and_names_of_leaves_are_those_of_the_model() -> None:
    graph = trace_model(nn.BatchNorm1d(3), (2, 3))
    leaves = {(t.role, t.name) for t in graph.tensors if t.role != "activation"}
    assert leaves == {
        ("input", ""),
        ("parameter", "weight"),
        ("parameter", "bias"),
        ("buffer", "running_mean"),
        ("buffer", "running_var"),
    }
