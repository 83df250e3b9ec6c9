"""What cannot be traced gets one clear sentence: wrong inputs, conditions and weights."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from smartsim.errors import ConfigurationError, InvalidModelError
from smartsim.models import build_model
from smartsim.trace import trace_model
from tests.unit.trace.helpers import Calling, trace_function


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        ((0, 4), r"input shape \(0, 4\) must hold whole numbers of 1 or more"),
        ([2, -4], r"input shape \(2, -4\) must hold whole numbers"),
        ((2**62, 4), "more elements than torch can number"),
        ((10**20, 4), "more elements than torch can number"),
        ("2,4", "inputs must be a tensor, a shape, or a sequence or mapping"),
        (4, "inputs must be a tensor"),
        (None, "inputs must be a tensor"),
    ],
)
def test_an_input_that_cannot_be_is_named(inputs: Any, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        trace_model(nn.Linear(4, 3), inputs)


@pytest.mark.parametrize(
    "inputs",
    [
        (2, 4),
        [2, 4],
        torch.Size([2, 4]),
        tuple(np.array([2, 4])),
        torch.randn(2, 4),
        torch.empty(2, 4, device="meta"),
        [(2, 4)],
        {"input": (2, 4)},
        {"input": torch.randn(2, 4)},
    ],
    ids=lambda inputs: type(inputs).__name__,
)
def test_inputs_are_tensors_or_shapes_by_place_or_by_name(inputs: Any) -> None:
    graph = trace_model(nn.Linear(4, 3), inputs)
    assert [graph.tensors[place].shape for place in graph.inputs] == [(2, 4)]


def test_several_inputs_and_containers_of_inputs_are_placed() -> None:
    graph = trace_function(
        lambda _, x, pair: x + pair[0] * pair[1]["y"],
        [(2, 3), [torch.ones(3), {"y": torch.ones(2, 1)}]],
    )
    assert [graph.tensors[place].shape for place in graph.inputs] == [(2, 3), (3,), (2, 1)]


def test_a_shape_stands_for_the_models_own_type() -> None:
    graph = trace_model(nn.Linear(4, 3).double(), (2, 4))
    assert {tensor.dtype for tensor in graph.tensors} == {"float64"}
    graph = trace_model(nn.Embedding(10, 3), torch.zeros(2, 5, dtype=torch.int64))
    assert graph.tensors[graph.inputs[0]].dtype == "int64"


@pytest.mark.parametrize(
    ("shape", "where", "reason"),
    [
        ((1, 1, 8, 8), "module '0'", "channel"),
        ((1, 3, 2, 2), "module '0'", "Kernel size can't be greater"),
        ((2, 3), "module '0'", "Expected"),
        ((1, 3, 9, 9), "module '2'", "must have same reduction dim|mat1 and mat2"),
    ],
)
def test_a_wrong_input_shape_names_the_module_that_refused_it(
    shape: tuple[int, ...], where: str, reason: str
) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 36, 2))
    with pytest.raises(InvalidModelError, match=reason) as caught:
        trace_model(model, shape)
    sentence = str(caught.value)
    assert sentence.startswith(f"Sequential cannot run on inputs {shape}: RuntimeError in module")
    assert where in sentence
    assert sentence.endswith("check the input shape, its type, and the condition")
    assert "\n" not in sentence


def test_a_built_in_says_itself_what_images_it_takes() -> None:
    with pytest.raises(ConfigurationError, match=r"this model takes \(n, 3, height, width\)"):
        trace_model(build_model("pgdat", "resnet8"), (1, 1, 32, 32))


@pytest.mark.parametrize("lam", [-0.1, 1.5])
def test_a_lam_outside_of_its_range_is_refused_by_the_model(lam: float) -> None:
    with pytest.raises(ConfigurationError, match=r"it must be in \[0, 1\]"):
        trace_model(build_model("float", "resnet8"), (1, 3, 32, 32), condition={"lam": lam})


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), torch.ones(2), "high", None, [0.5, 0.6]]
)
def test_a_condition_must_be_one_finite_number(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"condition lam=.* must be"):
        trace_function(lambda _, x, lam: x * lam, condition={"lam": value})


@pytest.mark.parametrize("value", [1, 0.5, True, np.float32(0.5), torch.tensor(0.5)])
def test_a_condition_may_be_any_number(value: Any) -> None:
    graph = trace_function(lambda _, x, lam: x * lam, condition={"lam": value})
    assert graph.condition == {"lam": float(value)}


def test_a_condition_that_the_model_does_not_take_is_named() -> None:
    with pytest.raises(InvalidModelError, match="unexpected keyword argument 'lam'"):
        trace_model(nn.Linear(4, 3), (2, 4), condition={"lam": 1.0})


def test_an_argument_cannot_be_input_and_condition() -> None:
    with pytest.raises(
        ConfigurationError, match="lam is given both as an input and as a condition"
    ):
        trace_function(lambda _, lam: lam, {"lam": (2, 4)}, condition={"lam": 1.0})


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.float8_e5m2]
)
def test_weights_with_nan_are_refused_and_counted(dtype: torch.dtype) -> None:
    layer = nn.Linear(3, 2)
    weight = layer.weight.detach().clone()
    weight[0, 1] = weight[1, 2] = float("nan")
    model = nn.Sequential(nn.Linear(4, 3), layer)
    layer.weight = nn.Parameter(weight.to(dtype), requires_grad=False)
    with pytest.raises(InvalidModelError, match=r"'1\.weight' holds 2 NaN of 6 values; load sound"):
        trace_model(model, (2, 4))


def test_one_nan_among_millions_of_weights_is_found() -> None:
    layer = nn.Linear(2000, 1000, bias=False)
    with torch.no_grad():
        layer.weight[999, 1999] = float("nan")
    with pytest.raises(InvalidModelError, match="'weight' holds 1 NaN of 2000000 values"):
        trace_model(layer, (1, 2000))


def test_sparse_tensors_are_refused_by_name() -> None:
    with pytest.raises(InvalidModelError, match=r"buffer 'w' is stored as torch.sparse_coo; make"):
        trace_function(lambda m, x: m.w @ x, (4, 4), w=torch.eye(4).to_sparse())


def test_an_op_without_a_meta_kernel_runs_where_its_operands_are_known() -> None:
    def forward(m: Any, x: Any) -> Any:
        weight = torch.fake_quantize_per_tensor_affine(m.w, 0.1, 0, -128, 127)
        return torch.nn.functional.linear(x, weight)

    graph = trace_function(forward, w=nn.Parameter(torch.randn(3, 4)))
    assert [(op.stage, op.name[:18]) for op in graph.ops] == [
        ("deploy", "aten.fake_quantize"),
        ("input", "aten.mm"),
    ]


def test_infinite_and_huge_weights_are_no_nan() -> None:
    model = nn.Linear(4, 3)
    with torch.no_grad():
        model.weight[0, 0] = float("inf")
        model.weight[1, 1] = -float("inf")
        model.weight[2] = 3e38
    assert len(trace_model(model, (2, 4)).ops) == 1


def test_lazy_layers_that_have_no_shape_yet_are_refused() -> None:
    with pytest.raises(InvalidModelError, match="'weight' has no shape yet; run the model once"):
        trace_model(nn.LazyLinear(3), (2, 4))


@pytest.mark.parametrize("model", [None, nn.Linear, "smart:resnet34", lambda x: x])
def test_what_is_no_module_is_named(model: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"must be a torch\.nn\.Module, not"):
        trace_model(model, (2, 4))


@pytest.mark.parametrize(
    "error",
    [NameError("x"), AssertionError("x"), KeyError("x"), OSError("x"), ZeroDivisionError("x")],
    ids=lambda error: type(error).__name__,
)
def test_whatever_a_forward_raises_is_one_sentence_with_its_cause(error: Exception) -> None:
    def fail(_: Any, x: Any) -> Any:
        raise error

    with pytest.raises(
        InvalidModelError, match=f"{type(error).__name__} in its own forward"
    ) as caught:
        trace_model(Calling(fail), (2, 4))
    assert caught.value.__cause__ is error


def test_a_keyboard_interrupt_is_not_swallowed() -> None:
    def stop(_: Any, x: Any) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trace_model(Calling(stop), (2, 4))
