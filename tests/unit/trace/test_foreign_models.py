"""What models of other people do that a trace must follow, and what it costs to follow them."""

import gc
import math
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from smartsim.counts import count_actions
from smartsim.errors import DataDependentControlFlowError, InvalidModelError
from smartsim.graph import Work
from smartsim.trace import trace_model
from smartsim.trace.record.kernels import MetaKernels
from smartsim.trace.record.operators import describe_operator
from smartsim.trace.semantics import convolutions
from tests.unit.trace.helpers import trace_function

SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "vocab_size": 64,
    "attn_implementation": "eager",  # torch's counter gives 0 for attention fused on the CPU
}
BART: dict[str, Any] = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
    "vocab_size": 64,
    "attn_implementation": "eager",
}
SWIN: dict[str, Any] = {
    "image_size": 64,
    "embed_dim": 16,
    "depths": [1, 2],
    "num_heads": [2, 4],
    "window_size": 4,
}
TOKENS = torch.arange(3, 15).reshape(1, 12)
IMAGE = torch.zeros(1, 3, 64, 64)


@pytest.mark.parametrize(
    ("name", "settings", "inputs"),
    [
        ("LlamaForCausalLM", {**SMALL, "use_cache": False}, {"input_ids": TOKENS}),
        ("BartModel", BART, {"input_ids": TOKENS, "decoder_input_ids": TOKENS[:, :5]}),
        ("CLIPTextModel", {**SMALL, "max_position_embeddings": 16}, {"input_ids": TOKENS}),
        ("SwinModel", {**SWIN, "attn_implementation": "eager"}, {"pixel_values": IMAGE}),
        (
            "XLNetModel",
            {"d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 48, "vocab_size": 64},
            {"input_ids": TOKENS},
        ),
        (
            "FunnelModel",
            {"d_model": 32, "block_sizes": [1, 1], "n_head": 4, "d_head": 8, "vocab_size": 64},
            {"input_ids": TOKENS},
        ),
    ],
)
def test_models_that_torchs_counter_must_run_on_data_count_the_same(
    name: str, settings: dict[str, Any], inputs: dict[str, Tensor]
) -> None:
    kind = getattr(transformers, name)
    model = kind(kind.config_class(**settings)).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(**inputs)
    macs = count_actions(trace_model(model, inputs), "dense").total("mac")
    assert 2 * macs == counter.get_total_flops()


def test_a_padding_mask_that_the_model_reads_is_an_error_that_names_the_line() -> None:
    model: Any = transformers.BertModel(transformers.BertConfig(**SMALL))
    inputs = {"input_ids": TOKENS, "attention_mask": torch.ones_like(TOKENS)}
    with pytest.raises(DataDependentControlFlowError, match=r"masking_utils\.py:\d+"):
        trace_model(model, inputs)


# Ops that are found in public models.


def test_data_is_indexed_by_whole_numbers_that_nobody_knows() -> None:
    table = nn.Parameter(torch.randn(10, 4))
    graph = trace_function(lambda m, x: m.table[x.argmax(-1)], (2, 3, 5), table=table)
    assert graph.tensors[graph.outputs[0]].shape == (2, 3, 4)


def test_data_cannot_be_indexed_by_booleans_that_nobody_knows() -> None:
    with pytest.raises(DataDependentControlFlowError, match=r"aten\.index makes a shape"):
        trace_function(lambda m, x: x[x > 0], (2, 3))


def test_stacking_moves_data_and_computes_nothing() -> None:
    graph = trace_function(lambda m, x: torch.stack((x.exp(), -x), dim=-1), (2, 3))
    assert graph.tensors[graph.outputs[0]].shape == (2, 3, 2)
    counts = count_actions(graph, "exact")
    assert {(c.op, c.action): c.number for c in counts} == {("aten.exp", "exp"): 6}


def test_weight_norm_is_paid_for_once_at_deployment() -> None:
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(3, 4, bias=False))
    counts = count_actions(trace_model(layer, (1, 3)), "exact")
    numbers = {(c.op, c.stage, c.action): c.number for c in counts}
    # rows of 3: 3 squares, 2 additions, a root, a quotient and 3 products each
    normalised = {"mul": 4 * 6, "add": 4 * 2, "sqrt": 4, "div": 4}
    expected = {("aten._weight_norm_interface", "deploy", a): n for a, n in normalised.items()}
    assert numbers == {**expected, ("aten.mm", "input", "mac"): 12}


@pytest.mark.parametrize(
    ("change", "shape"),
    [
        (lambda y: y.unsqueeze_(0), (1, 2, 3)),
        (lambda y: y.t_(), (3, 2)),
        (lambda y: y.transpose_(0, 1).squeeze_(), (3, 2)),
        (lambda y: y.as_strided_((3,), (2,)), (3,)),
    ],
)
def test_a_result_may_change_its_view_in_place(
    change: Callable[[Tensor], Tensor], shape: tuple[int, ...]
) -> None:
    graph = trace_function(lambda m, x: change(x + 1).exp(), (2, 3))
    assert graph.tensors[graph.outputs[0]].shape == shape
    assert [op.name for op in graph.ops] == ["aten.add", "aten.exp"]
    assert count_actions(graph, "exact").total("add") == math.prod(shape)


def test_a_model_must_not_change_the_view_of_its_own_parameters_in_place() -> None:
    weight = nn.Parameter(torch.randn(2, 3), requires_grad=False)
    with pytest.raises(InvalidModelError, match="reshapes the parameter 'weight' in place"):
        trace_function(lambda m, x: x @ m.weight.t_(), (1, 3), weight=weight)
    assert weight.shape == (2, 3)


# Convolutions whose channels all agree are counted on one of them.


def test_padding_before_a_depthwise_convolution_is_no_product() -> None:
    layer = nn.Conv2d(6, 6, 3, stride=2, groups=6, bias=False)
    padded = nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), layer)
    counts = count_actions(trace_model(padded, (2, 6, 8, 8)), "exact")
    # 4 windows of 3 in 9, the last of which reaches one element over 8: 3 + 3 + 3 + 2 each way
    assert counts.macs == 2 * 6 * 11 * 11


def test_pixels_that_strides_jump_over_are_not_computed() -> None:
    first = nn.Conv2d(3, 5, 3, padding=1, bias=False)
    second = nn.Conv2d(5, 5, 1, stride=2, groups=5, bias=False)
    graph = trace_model(nn.Sequential(first, second), (1, 3, 8, 8))
    # Every second row and column of 8: windows meet 2 rows at row 0 and 3 at 2, 4, 6
    live = 3 * 5 * 11 * 11
    padded = 3 * 5 * 9 * 16
    assert graph.ops[0].live == Work(sites=padded, sites_in_bounds=live, outputs=5 * 16)
    assert graph.tensors[graph.ops[0].outputs[0]].needed == 5 * 16


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(6, 4, 3, stride=3),
        nn.Conv2d(6, 6, (3, 2), stride=3, padding=1, groups=3, bias=False),
        nn.Conv2d(6, 6, 2, stride=2, dilation=2, groups=6),
        nn.ConvTranspose2d(6, 4, 2, stride=3, padding=1, groups=2),
    ],
)
def test_one_channel_tells_what_counting_all_of_them_tells(
    layer: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = nn.Conv2d(4, 6, 3, padding=1, bias=False)
    model = nn.Sequential(nn.ZeroPad2d((1, 0, 2, 0)), first, nn.ZeroPad2d((0, 2, 1, 0)), layer)
    alike = trace_model(model, (2, 4, 9, 9)).to_dict()
    monkeypatch.setattr(convolutions, "_common_planes", lambda *_: None)
    assert trace_model(model, (2, 4, 9, 9)).to_dict() == alike


def test_a_pool_whose_window_is_far_larger_than_its_input_is_counted_at_once() -> None:
    pool = nn.AvgPool2d(2560, ceil_mode=True)  # as EfficientNet has it
    counts = count_actions(trace_model(pool, (1, 4, 7, 7)), "exact")
    assert {c.action: c.number for c in counts} == {"add": 4 * 48, "mul": 4}


# What a trace leaves behind, and what it remembers.


def test_a_traced_model_is_freed_when_its_last_user_lets_go() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
    trace_model(model, (1, 3, 8, 8))  # torch imports what it needs
    watched = [weakref.ref(item) for item in (model, *model.parameters())]
    gc.collect()
    gc.disable()
    try:
        trace_model(model, (1, 3, 8, 8))
        del model
        assert [item() for item in watched] == [None] * 5
    finally:
        gc.enable()


@pytest.mark.parametrize("was_enabled", [True, False])
def test_the_garbage_collector_is_left_as_it_was(was_enabled: bool) -> None:
    seen: list[bool] = []

    def look(_: Any, x: Tensor) -> Tensor:
        seen.append(gc.isenabled())
        return x.exp()

    (gc.enable if was_enabled else gc.disable)()
    try:
        trace_function(look, (1, 2))
        assert gc.isenabled() is was_enabled
    finally:
        gc.enable()
    assert seen == [False]


def test_nan_among_many_weights_is_found_while_the_model_is_traced() -> None:
    layer = nn.Linear(1500, 1000)
    with torch.no_grad():
        layer.weight[999, 1499] = math.nan
    with pytest.raises(InvalidModelError, match="parameter 'weight' holds 1 NaN of 1500000"):
        trace_model(layer, (1, 1500))


def test_shapes_are_remembered_with_all_that_they_depend_on() -> None:
    kernels = MetaKernels()
    numbers = torch.empty(3, dtype=torch.int64, device="meta")

    def run(operator: Any, *args: Any, **keywords: Any) -> Tensor:
        described = describe_operator(operator)
        results = [kernels.run(operator, described, args, keywords) for _ in range(2)]
        made: Tensor = results[0]
        again: Tensor = results[1]
        assert made.untyped_storage()._cdata != again.untyped_storage()._cdata
        assert (made.shape, made.stride(), made.dtype) == (again.shape, again.stride(), again.dtype)
        return again

    aten = torch.ops.aten
    assert run(aten.add.Tensor, numbers, 1).dtype == torch.int64
    assert run(aten.add.Tensor, numbers, 1.0).dtype == torch.float32
    assert run(aten.add.Tensor, numbers > 0, True).dtype == torch.bool
    assert run(aten.sum.default, numbers, dtype=torch.float64).dtype == torch.float64
    assert run(aten.arange.start, 1, 4).shape == (3,)
    assert run(aten.arange.start, 1, 5).shape == (4,)
    first = torch.empty(2, 3, 4, 5, device="meta")
    last = first.to(memory_format=torch.channels_last)
    assert run(aten.floor.default, first).is_contiguous()
    assert run(aten.floor.default, last).is_contiguous(memory_format=torch.channels_last)


def test_shape_rules_agree_with_torchs_meta_kernels() -> None:
    aten = torch.ops.aten
    x, bias = torch.empty(2, 6, 5, 4, device="meta"), torch.empty(6, 1, 1, device="meta")
    flag, scalar = torch.empty(2, 6, 5, 4, dtype=torch.bool, device="meta"), bias[0, 0, 0]
    whole = torch.empty(2, 3, dtype=torch.int64, device="meta")
    kernel = torch.empty(2, 3, 3, 2, device="meta")
    geometry = ([2, 1], [1, 0], [1, 2], False, [0, 0], 2)
    calls: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = [
        (aten.relu.default, (x,), {}),
        (aten.add.Tensor, (x, bias), {}),
        (aten.add.Tensor, (bias, x), {}),
        (aten.mul.Tensor, (scalar, x), {}),
        (aten.mul.Tensor, (x, flag), {}),
        (aten.mul.Tensor, (scalar, scalar), {}),
        (aten.sub.Tensor, (x.to(torch.bfloat16), x), {}),
        (aten.div.Tensor, (x.transpose(0, 1), 2.0), {}),
        (aten.ge.Scalar, (x, 0), {}),
        (aten.eq.Tensor, (whole, whole), {}),
        (aten.bitwise_and.Tensor, (flag, flag), {}),
        (aten.bitwise_and.Tensor, (whole, whole), {}),
        (aten.logical_not.default, (x,), {}),
        (aten.mean.dim, (x, [-1, 2]), {}),
        (aten.mean.dim, (x, [-1], True), {}),
        (aten.mean.dim, (x, None), {}),
        (aten.sum.dim_IntList, (whole, [0]), {}),
        (aten.sum.dim_IntList, (x, []), {"dtype": torch.float64}),
        (aten.std.correction, (x,), {"correction": 1}),
        (aten.std.correction, (x, [0]), {"correction": 0, "keepdim": True}),
        (aten.embedding.default, (torch.empty(9, 4, device="meta"), whole), {}),
        (aten.empty.memory_format, ([2, 0],), {"dtype": torch.uint8, "device": "meta"}),
        (aten.convolution.default, (x, kernel, None, *geometry), {}),
        (aten.native_layer_norm.default, (x, [5, 4], None, None, 1e-5), {}),
        (aten._softmax.default, (x, -1, False), {}),
    ]
    for function, args, keywords in calls:
        rule = describe_operator(function).shape_rule
        assert rule is not None, function
        by_rule = rule(*args, **keywords)
        if by_rule is None:
            continue  # the rule is not sure, and asks the meta kernel
        by_torch = function(*args, **keywords)
        for ours, theirs in zip(_each(by_rule), _each(by_torch), strict=True):
            assert (ours.shape, ours.stride(), ours.dtype) == (
                theirs.shape,
                theirs.stride(),
                theirs.dtype,
            ), function


def _each(result: Any) -> tuple[Tensor, ...]:
    return (result,) if isinstance(result, Tensor) else tuple(result)


@pytest.mark.parametrize("twice", [False, True])
def test_the_pattern_of_a_mask_is_kept_once_and_apart_from_the_models_own(twice: bool) -> None:
    mask = torch.ones(8, 8, 3, 3, dtype=torch.bool)
    mask[::2, ::2] = False  # each tap of each input channel still has a weight
    graph = trace_function(
        lambda m, x: functional.conv2d(x, (m.w + m.w.abs() if twice else m.w) * m.mask, padding=1),
        (1, 8, 6, 6),
        w=nn.Parameter(torch.randn(8, 8, 3, 3)),
        mask=mask,
    )
    # what the layer reads, and what the device stores of its parameter
    assert [pattern.nonzeros for pattern in graph.patterns] == [int(mask.sum())]
    assert not np.shares_memory(graph.patterns[0].bits, mask.numpy())
