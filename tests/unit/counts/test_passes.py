"""Passes over the graph: folding batch norms, fusing multiplications with additions."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from smartsim.counts import Counts, count_actions
from smartsim.counts.passes import fold_batch_norm, fuse_multiply_add
from smartsim.graph import Graph
from smartsim.trace import trace_model
from tests.unit.trace.helpers import Calling, ones_and_zeros, trace_function


def at_input(counts: Counts) -> dict[Any, Any]:
    """Sums at stage input by op and action."""
    return {
        key[1:]: n for key, n in counts.group("stage", "op", "action").items() if key[0] == "input"
    }


def names(graph: Graph) -> list[str]:
    return [op.name.rpartition(".")[2] for op in graph.ops]


@pytest.mark.parametrize("bias", [True, False])
def test_folding_leaves_the_network_that_is_folded_by_hand(bias: bool) -> None:
    conv, norm = nn.Conv2d(3, 4, 3, padding=1, bias=bias), nn.BatchNorm2d(4)
    by_hand = fuse_conv_bn_eval(conv.eval(), norm.eval())
    counts = count_actions(trace_model(nn.Sequential(conv, norm), (2, 3, 5, 5)))
    assert at_input(counts) == at_input(count_actions(trace_model(by_hand, (2, 3, 5, 5))))


def test_folding_into_a_linear_layer_leaves_the_one_that_is_folded_by_hand() -> None:
    linear, norm = nn.Linear(3, 4), nn.BatchNorm1d(4)
    by_hand = fuse_linear_bn_eval(linear.eval(), norm.eval())
    counts = count_actions(trace_model(nn.Sequential(linear, norm), (2, 3)))
    assert at_input(counts) == at_input(count_actions(trace_model(by_hand, (2, 3))))


def test_folding_scales_each_weight_once_at_deployment() -> None:
    graph = trace_model(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)), (2, 3, 5, 5))
    counts = count_actions(graph)
    # Scale: var + eps, a root, a quotient and a gain a channel. Weights: one multiplication each.
    # Shift: bias - mean, times scale, plus offset: an addition less for mean, one for offset.
    assert counts.group("op", "stage", "action") == {
        ("smartsim.fold_batch_norm", "deploy", "mul"): 4 * 27 + 4 * 3,
        ("smartsim.fold_batch_norm", "deploy", "add"): 4 * 3,
        ("smartsim.fold_batch_norm", "deploy", "sqrt"): 4,
        ("smartsim.fold_batch_norm", "deploy", "div"): 4,
        ("aten.convolution", "input", "mac"): 2 * 9 * 4 * 27,
    }
    assert names(fold_batch_norm(graph)) == ["fold_batch_norm", "convolution"]
    assert [op.index for op in fold_batch_norm(graph).ops] == [0, 1]


def test_folding_scales_nonzero_weights_alone() -> None:
    mask = ones_and_zeros(4, 3, 1, 1)
    graph = trace_function(
        lambda m, x: m.norm(torch.conv2d(x, m.w * m.mask)),
        (1, 3, 2, 2),
        w=nn.Parameter(torch.ones(4, 3, 1, 1)),
        mask=mask,
        norm=nn.BatchNorm2d(4, affine=False),
    )
    folded = count_actions(graph).total("mul", stages=("deploy",))
    assert folded == int(mask.sum()) + 4


def _read_twice(m: Any, x: Tensor) -> Tensor:
    y = m.conv(x)
    return torch.as_tensor(m.norm(y) + y)


def _return_both(m: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    y = m.conv(x)
    return m.norm(y), y


def _something_between(m: Any, x: Tensor) -> Tensor:
    return torch.as_tensor(m.norm(m.conv(x).relu()))


def _other_channels(m: Any, x: Tensor) -> Tensor:
    return torch.as_tensor(m.norm(m.conv(x).transpose(1, 2)))


def _weight_from_data(m: Any, x: Tensor) -> Tensor:
    return torch.as_tensor(m.norm(torch.conv2d(x, x.mean((2, 3)).reshape(1, 3, 1, 1) * m.w)))


def _norm_from_lam(m: Any, x: Tensor) -> Tensor:
    scale = m.norm.weight * torch.randn(3)
    y = m.conv(x)
    return nn.functional.batch_norm(y, m.norm.running_mean, m.norm.running_var, scale)


@pytest.mark.parametrize(
    "forward",
    [
        _read_twice,
        _return_both,
        _something_between,
        _other_channels,
        _weight_from_data,
        _norm_from_lam,
    ],
)
def test_a_batch_norm_stays_where_folding_it_would_change_the_network(forward: Any) -> None:
    graph = trace_function(
        forward,
        (1, 3, 3, 3),
        conv=nn.Conv2d(3, 3, 1),
        norm=nn.BatchNorm2d(3),
        w=nn.Parameter(torch.ones(3, 3, 1, 1)),
    )
    assert fold_batch_norm(graph) is graph
    assert count_actions(graph).total("mul", stages=("input",)) >= 27


def test_a_linear_layer_on_sequences_is_not_folded_over_its_positions() -> None:
    # the batch norm's channels are the 5 positions, not the layer's 3 outputs
    graph = trace_model(nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(5)), (2, 5, 4))
    assert fold_batch_norm(graph) is graph


def test_a_norm_with_the_batchs_own_statistics_is_not_folded() -> None:
    graph = trace_model(nn.Sequential(nn.Conv2d(3, 3, 1), nn.InstanceNorm2d(3)), (1, 3, 4, 4))
    assert fold_batch_norm(graph) is graph


def test_a_shared_layer_before_two_norms_is_folded_for_each() -> None:
    conv = nn.Conv2d(3, 3, 1, bias=False)
    model = nn.Sequential(conv, nn.BatchNorm2d(3), conv, nn.BatchNorm2d(3))
    counts = count_actions(trace_model(model, (1, 3, 4, 4)))
    assert at_input(counts) == {("aten.convolution", "mac"): 2 * 16 * 9}


def test_a_convention_may_leave_batch_norms_alone() -> None:
    graph = trace_model(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)), (1, 3, 2, 2))
    assert at_input(count_actions(graph, "dense")) == {
        ("aten.convolution", "mac"): 4 * 12,
        ("aten.native_batch_norm", "mul"): 16,
        ("aten.native_batch_norm", "add"): 16,
    }


def _apply(product: Tensor, function: Any) -> Any:
    return function(product)


def trace_affine(forward: Any) -> Graph:
    return trace_function(
        forward,
        (2, 4),
        gamma=nn.Parameter(torch.randn(4)),
        beta=nn.Parameter(torch.randn(4)),
        mask=ones_and_zeros(4).bool(),
    )


@pytest.mark.parametrize(
    "forward",
    [
        lambda m, x: x * m.gamma + m.beta,
        lambda m, x: m.beta + m.gamma * x,
        lambda m, x: (x * m.gamma).add_(m.beta),
        lambda m, x: (x.exp() * m.gamma) + x,
    ],
)
def test_a_product_that_is_only_added_is_one_mac(forward: Any) -> None:
    graph = fuse_multiply_add(trace_affine(forward))
    assert names(graph)[-1] == "multiply_add"
    assert "mul" not in names(graph)
    assert count_actions(graph).macs == 8


@pytest.mark.parametrize(
    "forward",
    [
        lambda m, x: _apply(x * m.gamma, lambda p: p + p),
        lambda m, x: _apply(x * m.gamma, lambda p: (p + m.beta) * p),
        lambda m, x: _apply(x * m.gamma, lambda p: (p + m.beta, p)),
        lambda m, x: x * m.mask + m.beta,
        lambda m, x: (x[:1] * m.gamma).expand(2, 4) + x,
        lambda m, x: torch.add(x * m.gamma, m.beta, alpha=2),
        lambda m, x: x * m.gamma - m.beta,
    ],
    ids=["twice", "read again", "returned", "masked", "broadcast", "scaled", "subtracted"],
)
def test_a_product_is_not_fused_where_it_is_more_than_an_addend(forward: Any) -> None:
    graph = trace_affine(forward)
    assert "multiply_add" not in names(fuse_multiply_add(graph))


def test_weight_arithmetic_before_inference_is_not_fused() -> None:
    graph = trace_affine(lambda m, x: x + (m.gamma * 2 + m.beta))
    assert fuse_multiply_add(graph) is graph


def test_only_one_of_two_products_of_a_sum_is_fused() -> None:
    model = Calling(
        lambda m, x: x.exp() * m.a + x * m.b,
        a=nn.Parameter(torch.ones(4)),
        b=nn.Parameter(torch.ones(4)),
    )
    graph = fuse_multiply_add(trace_model(model, (2, 4)))
    assert sorted(names(graph)) == ["exp", "mul", "multiply_add"]
