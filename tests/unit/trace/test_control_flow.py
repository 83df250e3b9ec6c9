"""Control flow: on the condition and on parameters it is followed, on data it is an error."""

import re
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from smartsim.errors import DataDependentControlFlowError, InvalidModelError
from tests.unit.trace.helpers import op_stages, trace_function

WEIGHT = nn.Parameter(torch.tensor([1.0, -1.0, 2.0, -2.0]))


@pytest.mark.parametrize(("lam", "op"), [(0.0, "relu"), (0.3, "sigmoid"), (1.0, "sigmoid")])
def test_a_branch_on_lam_is_followed(lam: float, op: str) -> None:
    graph = trace_function(
        lambda _, x, lam: x.sigmoid() if lam > 0 else x.relu(), condition={"lam": lam}
    )
    assert op_stages(graph)[-1] == (op, "input")
    assert graph.notes == ()


def test_what_lam_is_compared_by_costs_nothing_unless_its_value_is_used() -> None:
    graph = trace_function(lambda _, x, lam: x if lam * 2 > 1 else -x, condition={"lam": 1.0})
    assert [(op.name, op.live and op.live.sites) for op in graph.ops] == [
        ("aten.mul", 0),
        ("aten.gt", 0),
    ]


def test_reading_lam_as_a_number_is_followed_and_noted_with_its_line() -> None:
    graph = trace_function(lambda _, x, lam: x * float(lam), condition={"lam": 0.5})
    assert op_stages(graph) == [("mul", "input")]
    (note,) = graph.notes
    assert "read as a Python number at test_control_flow.py:" in note
    assert "stage deploy" in note


def test_loops_over_what_follows_from_lam_are_followed() -> None:
    def forward(_: Any, x: Tensor, lam: Tensor) -> Any:
        for _step in range(int(4 * lam)):
            x = x.relu()
        return x

    graph = trace_function(forward, condition={"lam": 0.75})
    assert [name for name, _ in op_stages(graph)] == ["mul", "relu", "relu", "relu"]


def test_branches_on_parameters_are_followed() -> None:
    def forward(module: Any, x: Tensor) -> Any:
        if torch.equal(module.w, module.w.abs()) or torch.allclose(module.w, module.w + 1):
            return x.relu()
        return x.sigmoid() if module.w.sum() == 0 else x

    assert op_stages(trace_function(forward, w=WEIGHT))[-1] == ("sigmoid", "input")


def test_a_long_chain_of_known_values_is_computed() -> None:
    def forward(_: Any, x: Tensor, lam: Tensor) -> Any:
        for _step in range(3000):
            lam = lam * 1.0 + 0.0
        return x.relu() if lam > 0.5 else x

    assert op_stages(trace_function(forward, condition={"lam": 1.0}))[-1] == ("relu", "input")


def test_known_values_written_in_place_are_read_as_they_are_then() -> None:
    def forward(module: Any, x: Tensor) -> Any:
        w = module.w.clone()
        w[0] = w[2]
        w[1:].mul_(2).add_(1)
        # [1, -1, 2, -2] -> [2, -1, 2, -2] -> [2, -1, 5, -3]
        return x.relu() if w.sum() == 3 else x

    assert op_stages(trace_function(forward, w=WEIGHT))[-1] == ("relu", "input")


def test_choosing_columns_by_a_known_mask_gives_their_number() -> None:
    graph = trace_function(lambda m, x: x[:, m.w > 0], w=WEIGHT)
    assert graph.tensors[graph.outputs[0]].shape == (2, 2)


def _branch(x: Tensor) -> Any:
    return x if x.sum() > 0 else -x


def _item(x: Tensor) -> Any:
    return x * x.sum().item()


def _loop(x: Tensor) -> Any:
    return x * sum(range(int(x.max())))


def _index(x: Tensor) -> Any:
    return x[x > 0]


def _nonzero(x: Tensor) -> Any:
    return torch.nonzero(x)


def _equal(x: Tensor) -> Any:
    return x if torch.equal(x, x + 1) else -x


def _tolist(x: Tensor) -> Any:
    return x * x.tolist()[0][0]


def _numpy(x: Tensor) -> Any:
    return torch.from_numpy(x.numpy())


def _rebuild(x: Tensor) -> Any:
    return x + torch.tensor([x.sum(), 1.0, 2.0, 3.0])


def _noise(x: Tensor) -> Any:
    return x if torch.rand(()) > 0.5 else -x


@pytest.mark.parametrize(
    "forward", [_branch, _item, _loop, _index, _nonzero, _equal, _tolist, _numpy, _rebuild, _noise]
)
def test_control_flow_on_data_is_an_error_that_names_the_line(forward: Any) -> None:
    line = forward.__code__.co_firstlineno + 1
    with pytest.raises(DataDependentControlFlowError) as caught:
        trace_function(lambda _, x: forward(x))
    sentence = str(caught.value)
    assert f"test_control_flow.py:{line} (return " in sentence
    assert "\n" not in sentence
    assert re.search("torch.where|tensor operations", sentence)


def test_the_error_says_what_the_value_depends_on() -> None:
    with pytest.raises(DataDependentControlFlowError, match="the input data"):
        trace_function(lambda _, x: _branch(x))
    with pytest.raises(DataDependentControlFlowError, match=r"a random draw \(stage noise\)"):
        trace_function(lambda _, x: _noise(x))


def test_the_error_is_a_runtime_error_for_those_who_expect_one() -> None:
    with pytest.raises(RuntimeError):
        trace_function(lambda _, x: _branch(x))


def test_values_of_a_model_without_data_cannot_be_branched_on() -> None:
    with torch.device("meta"):
        weight = nn.Parameter(torch.ones(4))
    with pytest.raises(InvalidModelError, match=r"on the meta device at .*test_control_flow\.py:"):
        trace_function(lambda m, x: x if m.w.sum() > 0 else -x, w=weight)
