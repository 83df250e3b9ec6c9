"""What is known of zeros: where they come from, and what carries them."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import prune

from smartsim.counts import count_actions
from smartsim.errors import ConfigurationError
from smartsim.graph import Graph
from smartsim.trace import trace_model
from tests.unit.trace.helpers import Calling, find_op, trace_function

# 4 x 4 with ones at 6 of 16 places; column sums 2, 2, 1, 1; row sums 3, 0, 2, 1
MASK = torch.tensor([[1, 1, 1, 0], [0, 0, 0, 0], [1, 0, 0, 1], [0, 1, 0, 0]]).float()
ONES = 6
WEIGHT = torch.randn(4, 4, generator=torch.Generator().manual_seed(0))


def nonzeros_of(graph: Graph, op: str) -> int | None:
    """Nonzeros of what the one op of this name writes."""
    return graph.tensors[find_op(graph, op).outputs[0]].nonzeros


def count_products(function: Callable[..., Any], **parts: Any) -> int | float:
    """MACs of two rows of data times an effective weight, `(4, 4)`."""
    graph = trace_function(lambda m, x: functional.linear(x, function(m)), **parts)
    return count_actions(graph).macs


@pytest.mark.parametrize(
    "mask",
    [MASK, MASK.bool(), MASK.to(torch.uint8), MASK.to(torch.int64), MASK.half(), MASK.double()],
    ids=lambda mask: str(mask.dtype),
)
def test_a_tensor_of_zeros_and_ones_is_a_mask_in_any_type(mask: Tensor) -> None:
    weight = nn.Parameter(WEIGHT)
    assert count_products(lambda m: m.w * m.mask, w=weight, mask=mask) == 2 * ONES
    assert count_products(lambda m: m.mask * m.w, w=weight, mask=mask) == 2 * ONES


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda m: m.w * (1 - m.mask), 16 - ONES),
        (lambda m: m.w * (m.mask == 0), 16 - ONES),
        (lambda m: m.w * ~m.mask.bool(), 16 - ONES),
        (lambda m: m.w * (m.score > 0).float(), 8),
        (lambda m: m.w * (m.score > 0), 8),
        (lambda m: m.w * (m.score > 0).to(m.w.dtype).clone(), 8),
        (lambda m: m.w * m.mask.t(), ONES),
        (lambda m: m.w * (m.mask * m.mask.t()), 3),  # (0, 0), and the pair (0, 2), (2, 0)
        (lambda m: m.w * m.mask[0], 3 * 4),
        (lambda m: m.w * m.mask[:, :1], 2 * 4),
        (lambda m: torch.where(m.mask.bool(), m.w, 0.0), ONES),
        (lambda m: torch.where(m.mask > 0, m.w, torch.zeros_like(m.w)), ONES),
        (lambda m: m.w.masked_fill(m.mask == 0, 0), ONES),
        (lambda m: m.w.clone().masked_fill_(m.mask == 0, 0.0), ONES),
        (lambda m: (m.w * m.mask).clone().abs().neg() * 3, ONES),
        (lambda m: (m.w * m.mask).sqrt(), ONES),
        (lambda m: (m.w * m.mask) ** 2, ONES),
        (lambda m: (m.w * m.mask) ** 0, 16),
        (lambda m: (m.w * m.mask) / 7, ONES),
        (lambda m: m.w * m.mask + m.w * m.mask, ONES),
        (lambda m: m.w * m.mask - m.w * (1 - m.mask), 16),
        (lambda m: m.w * m.mask + 1, 16),
        (lambda m: (m.w * m.mask).exp(), 16),
        (lambda m: functional.hardtanh(m.w * m.mask), ONES),
        (lambda m: functional.hardtanh(m.w * m.mask, 0.5, 1.0), 16),
        (lambda m: (m.w * m.mask).double().float(), ONES),
        (lambda m: torch.cat([m.w[:2] * m.mask[:2], m.w[2:]]), 3 + 8),
        (lambda m: torch.stack([m.w[0] * m.mask[0], m.w[1], m.w[2], m.w[3]]), 3 + 12),
        (lambda m: (m.w * m.mask).flip(0).roll(1, 1), ONES),
        (lambda m: (m.w * m.mask)[torch.tensor([0, 0, 2, 3])], 3 + 3 + 2 + 1),
        (lambda m: (m.w * m.mask).tril(), 1 + 0 + 1 + 1),
        (lambda m: m.w.triu(1), 3 + 2 + 1),
        (lambda m: m.w * torch.ones(4, 4).tril(), 4 + 3 + 2 + 1),
        (lambda m: (m.w * m.mask).reshape(2, 8).transpose(0, 1).reshape(4, 4), ONES),
        (lambda m: functional.pad((m.w * m.mask)[:, 1:], (1, 0)), 4),
        (lambda m: (m.w * m.mask) @ m.w, 3 * 4),  # row 1 of the product has no terms
        (lambda m: m.w * 0, 0),
        (lambda m: m.w * torch.zeros(()), 0),
        (lambda m: torch.zeros(4, 4), 0),
        (lambda m: torch.full((4, 4), 0.0), 0),
        (lambda m: torch.ones(4, 4), 16),
    ],
)
def test_zeros_are_carried_through_the_arithmetic_of_a_weight(
    make: Callable[..., Tensor], expected: int
) -> None:
    score = torch.arange(16).reshape(4, 4) - 7.5  # eight of them positive
    parts = {"w": nn.Parameter(WEIGHT.abs()), "mask": MASK, "score": nn.Parameter(score)}
    assert count_products(make, **parts) == 2 * expected


def _write_half(m: Any) -> Any:
    mask = torch.zeros_like(m.w)
    mask[::2] = 1
    return m.w * mask


def _write_rows_back(m: Any) -> Any:
    w = m.w * m.mask
    w[1] = m.w[1]
    return w


def _zero_a_row(m: Any) -> Any:
    w = m.w.clone()
    w[1:3].zero_()
    return w


def _write_top(m: Any) -> Any:
    # as edge-popup and HYDRA make their masks: the lower half of the sorted scores is pruned
    mask = m.score.clone()
    flat = mask.view(-1)
    _, order = m.score.view(-1).sort()
    flat[order[:10]] = 0
    flat[order[10:]] = 1
    return m.w * mask


def _fill_some(m: Any) -> Any:
    return m.w.index_fill(1, torch.tensor([0, 3]), 0)


def _scatter_ones(m: Any) -> Any:
    return m.w * torch.zeros(4, 4).scatter(1, torch.tensor([[0, 1], [1, 2], [0, 3], [2, 3]]), 1.0)


def _add_at_places(m: Any) -> Any:
    w = m.w * m.mask
    return w.index_put((torch.tensor([0]), torch.tensor([3])), torch.ones(1), accumulate=True)


def _functional_copy(m: Any) -> Any:
    return torch.ops.aten.copy(torch.zeros(4, 4), m.w)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (_write_half, 8),
        (_write_rows_back, ONES + 4),  # row 1 had no ones
        (_zero_a_row, 8),
        (_write_top, 6),
        (_fill_some, 8),
        (_scatter_ones, 8),
        (_add_at_places, 16),  # sums are not followed, so all of it is dense
        (_functional_copy, 16),
    ],
)
def test_zeros_follow_writes_in_place_and_by_index(make: Callable[..., Any], expected: int) -> None:
    score = torch.randn(4, 4, generator=torch.Generator().manual_seed(1))
    parts = {"w": nn.Parameter(WEIGHT), "mask": MASK, "score": nn.Parameter(score)}
    assert count_products(make, **parts) == 2 * expected


def test_pruned_modules_of_torch_count_their_mask() -> None:
    # 40 % of 16 weights is 6.4, which torch rounds to 6
    layer = prune.random_unstructured(nn.Linear(4, 4, bias=False), "weight", amount=0.4)  # type: ignore[no-untyped-call]
    graph = trace_model(layer, (2, 4))
    assert count_actions(graph).macs == 2 * 10
    (spec,) = (spec for spec in graph.parameters if spec.kind == "parameter")
    assert (spec.name, spec.active) == ("weight_orig", 10)


def test_a_chance_zero_in_a_weight_is_no_structure() -> None:
    weight = WEIGHT.clone()
    weight[0, 0] = 0.0
    weight[2] = 0.0
    assert count_products(lambda m: m.w, w=nn.Parameter(weight)) == 2 * 16


def test_declared_zeros_are_structure() -> None:
    model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
    for layer in model:
        layer.weight.data = WEIGHT * MASK
    macs = [
        count_actions(trace_model(model, (2, 4), declared_zeros=names)).macs
        for names in ((), ["0.weight"], ["*"])
    ]
    # In the first layer alone, its output 1 is zero: row 1 has no ones, so column 1 of the second
    # meets zeros only. Both sparse: column 1 has two ones in rows 0 and 3.
    assert macs == [2 * 32, 2 * (6 + 12), 2 * (6 + 6 - 2)]


def test_a_declared_name_must_be_a_parameter() -> None:
    with pytest.raises(ConfigurationError, match=r"did you mean 'weight'\?"):
        trace_model(nn.Linear(4, 4), (2, 4), declared_zeros=["wieght"])


@pytest.mark.parametrize(
    "part",
    [torch.zeros(4), torch.ones(4)],
    ids=["all zeros", "all ones"],
)
def test_a_vector_of_one_value_is_no_mask(part: Tensor) -> None:
    # a fresh bias is all zeros, a fresh gain all ones
    graph = trace_function(lambda m, x: x * m.part, part=nn.Parameter(part))
    assert count_actions(graph).total("mul") == 8
    assert nonzeros_of(graph, "mul") is None


def test_a_fresh_batch_norm_is_dense() -> None:
    graph = trace_model(nn.BatchNorm1d(4), (2, 4))
    assert count_actions(graph).total("mul", stages=("input",)) == 8
    assert all(
        spec.active == spec.elements for spec in graph.parameters if spec.kind == "parameter"
    )
    assert all(tensor.nonzeros is None for tensor in graph.tensors)


def test_a_boolean_of_ones_is_a_mask_and_no_arithmetic() -> None:
    graph = trace_function(lambda m, x: x * m.keep, keep=torch.ones(4, dtype=torch.bool))
    assert count_actions(graph).total() == 0
    assert count_actions(graph, "dense").total("mul") == 8


def test_lam_zero_silences_what_it_scales() -> None:
    def forward(module: Any, x: Tensor, lam: Tensor) -> Any:
        return functional.linear(x, module.w + lam * torch.randn_like(module.w))

    weight = nn.Parameter(WEIGHT)
    silent = count_actions(trace_function(forward, w=weight, condition={"lam": 0.0}))
    assert silent.group("stage", "action") == {("input", "mac"): 32}
    loud = count_actions(trace_function(forward, w=weight, condition={"lam": 0.5}))
    assert loud.group("stage", "action") == {
        ("noise", "noise"): 16,
        ("noise", "mul"): 16,
        ("noise", "add"): 16,
        ("input", "mac"): 32,
    }


def test_zeros_of_activations_travel_from_layer_to_layer() -> None:
    # Channel 1 of 3 is masked away: the second layer's column 1 meets zeros only.
    keep = torch.tensor([1.0, 0.0, 1.0]).reshape(1, 3, 1, 1)
    model = Calling(
        lambda m, x: m.second(functional.relu(m.first(x)) * m.keep),
        first=nn.Conv2d(2, 3, 1, bias=False),
        second=nn.Conv2d(3, 5, 1, bias=False),
        keep=keep,
    )
    counts = count_actions(trace_model(model, (1, 2, 4, 4)))
    # needs go back as well: the first layer computes channels 0 and 2 only
    assert counts.group("layer", "action") == {
        ("first", "mac"): 2 * 2 * 16,
        ("", "compare"): 2 * 16,
        ("second", "mac"): 2 * 5 * 16,
    }


def test_what_data_chooses_may_be_either_candidate() -> None:
    def forward(m: Any, x: Tensor) -> Any:
        return torch.where(x > 0, m.w * m.mask, m.w * m.mask.t())

    graph = trace_function(forward, (4, 4), w=nn.Parameter(WEIGHT), mask=MASK)
    # (0, 0), (0, 2), (2, 0) are ones of both; 6 + 6 - 3 of either
    assert nonzeros_of(graph, "where") == 9


def test_zeros_that_get_lost_are_noted() -> None:
    graph = trace_function(
        lambda m, x: functional.linear(x, (m.w * m.mask).cumsum(0)),
        w=nn.Parameter(WEIGHT),
        mask=MASK,
    )
    assert graph.notes == (
        "known zeros are not followed through aten.cumsum (first in module ''): "
        "what it makes counts as dense",
    )
    assert count_actions(graph).macs == 32
    assert count_actions(graph).notes == graph.notes


def test_nothing_is_noted_where_zeros_end_by_nature() -> None:
    def forward(m: Any, x: Tensor) -> Any:
        w = m.w * m.mask
        return functional.softmax(x * m.mask[0], -1) * w.std() + w.abs().max()

    assert trace_function(forward, w=nn.Parameter(WEIGHT), mask=MASK).notes == ()


def test_channels_last_weights_and_data_count_as_contiguous_ones() -> None:
    mask = torch.rand(6, 4, 3, 3, generator=torch.Generator().manual_seed(0)) < 0.5
    model = Calling(
        lambda m, x: functional.conv2d(x, m.w * m.mask, padding=1),
        w=nn.Parameter(torch.randn(6, 4, 3, 3)),
        mask=mask,
    )
    usual = count_actions(trace_model(model, (1, 4, 5, 5)))
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    x = torch.empty(1, 4, 5, 5).to(memory_format=torch.channels_last)
    assert count_actions(trace_model(model, x)).items == usual.items
    assert usual.macs < 25 * int(mask.sum())  # without padding
