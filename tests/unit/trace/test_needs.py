"""What is needed: results that nobody uses, or that a mask then drops, are not computed."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from smartsim.counts import count_actions, count_parameters
from smartsim.errors import InvalidModelError
from smartsim.trace import trace_model
from tests.unit.trace.helpers import Calling, find_op, ones_and_zeros, trace_function

WEIGHT = torch.randn(4, 4, generator=torch.Generator().manual_seed(0))
MASK = ones_and_zeros(4, 4, seed=1)
OTHER = ones_and_zeros(4, 4, seed=2)


def test_a_masked_sum_is_computed_where_the_mask_is_one() -> None:
    def forward(m: Any, x: Tensor) -> Any:
        return functional.linear(x, (m.w + m.alpha * torch.randn_like(m.w)) * m.mask)

    ones = int(MASK.sum())
    assert 0 < ones < 16
    graph = trace_function(
        forward, w=nn.Parameter(WEIGHT), alpha=nn.Parameter(torch.tensor(0.25)), mask=MASK
    )
    counts = count_actions(graph)
    assert counts.group("stage", "action") == {
        ("noise", "noise"): ones,
        ("noise", "mul"): ones,
        ("noise", "add"): ones,
        ("input", "mac"): 2 * ones,
    }
    (spec,) = (spec for spec in graph.parameters if spec.name == "w")
    assert spec.active == ones
    assert spec.pattern is not None
    assert (graph.patterns[spec.pattern].bits == MASK.bool().numpy()).all()


def test_a_convention_without_skipping_counts_all_of_it() -> None:
    def forward(m: Any, x: Tensor) -> Any:
        return functional.linear(x, (m.w + torch.randn_like(m.w)) * m.mask)

    counts = count_actions(trace_function(forward, w=nn.Parameter(WEIGHT), mask=MASK), "dense")
    assert counts.group("stage", "action") == {
        ("noise", "noise"): 16,
        ("noise", "add"): 16,
        ("noise", "mul"): 16,
        ("input", "mac"): 32,
    }


def test_a_weight_under_two_masks_is_held_where_either_is_one() -> None:
    def forward(m: Any, x: Tensor) -> Any:
        return functional.linear(x, m.w * m.first) + functional.linear(x, m.w * m.second)

    graph = trace_function(forward, w=nn.Parameter(WEIGHT), first=MASK, second=OTHER)
    (spec,) = (spec for spec in graph.parameters if spec.kind == "parameter")
    assert spec.active == int(((MASK + OTHER) > 0).sum())
    assert count_actions(graph).macs == 2 * int(MASK.sum() + OTHER.sum())


def test_a_weight_that_is_used_masked_and_whole_is_held_whole() -> None:
    graph = trace_function(
        lambda m, x: functional.linear(functional.linear(x, m.w * m.mask), m.w),
        w=nn.Parameter(WEIGHT),
        mask=MASK,
    )
    (spec,) = (spec for spec in graph.parameters if spec.kind == "parameter")
    assert (spec.active, spec.pattern) == (16, None)


@pytest.mark.parametrize("statistic", ["std", "mean", "norm", "sum", "amax"])
def test_a_statistic_taken_at_deployment_holds_nothing(statistic: str) -> None:
    graph = trace_function(
        lambda m, x: x * getattr(m.w, statistic)(), w=nn.Parameter(WEIGHT.clone())
    )
    assert [spec.active for spec in graph.parameters] == [0]
    assert count_parameters([graph], "exact").active == 0


def test_a_statistic_beside_a_mask_leaves_the_mask_in_charge() -> None:
    def forward(m: Any, x: Tensor) -> Any:
        return functional.linear(x, m.w * m.mask) * m.w.std()

    graph = trace_function(forward, w=nn.Parameter(WEIGHT), mask=MASK)
    assert [s.active for s in graph.parameters if s.name == "w"] == [int(MASK.sum())]
    # the statistic itself looks at every weight, once
    assert count_actions(graph).total("add", stages=("deploy",)) > 16


def test_unused_results_cost_nothing() -> None:
    def forward(m: Any, x: Tensor) -> Any:
        m.unused(x)
        return m.used(x)

    graph = trace_function(forward, unused=nn.Linear(4, 9), used=nn.Linear(4, 3))
    assert count_actions(graph).group("layer", "action") == {("used", "mac"): 24}
    assert count_actions(graph, "dense").macs == 24 + 72
    assert count_parameters([graph], "exact").active == 15


def test_of_a_layer_whose_output_is_sliced_the_slice_is_computed() -> None:
    graph = trace_model(Calling(lambda m, x: m.layer(x)[:, :2], layer=nn.Linear(4, 6)), (3, 4))
    # 3 rows, 2 of 6 outputs, 4 inputs
    assert count_actions(graph).macs == 3 * 2 * 4
    assert [spec.active for spec in graph.parameters] == [8, 2]


def test_split_outputs_that_are_dropped_are_not_computed() -> None:
    def forward(m: Any, x: Tensor) -> Any:
        first, _, third = m.layer(x).chunk(3, dim=1)
        return first + third

    graph = trace_function(forward, (5, 4), layer=nn.Linear(4, 6))
    assert count_actions(graph).macs == 5 * 4 * 4


def test_strided_convolutions_need_no_pixels_between_their_windows() -> None:
    model = nn.Sequential(nn.ReLU(), nn.Conv2d(1, 1, 1, stride=2))
    counts = count_actions(trace_model(model, (1, 1, 6, 6)))
    # 3 x 3 of 36 pixels are read
    assert counts.group("action") == {("compare",): 9, ("mac",): 9}


def test_taps_that_only_meet_padding_are_not_held() -> None:
    # one pixel, padded by one: only the middle tap ever meets data
    graph = trace_model(nn.Conv2d(1, 1, 3, padding=1, bias=False), (1, 1, 1, 1))
    assert [spec.active for spec in graph.parameters] == [1]
    assert count_actions(graph).macs == 1
    assert count_actions(graph, "dense").macs == 9


def test_an_overwritten_result_is_not_computed() -> None:
    def forward(m: Any, x: Tensor) -> Any:
        y = x.exp()
        y[:, 1:] = 0
        return y

    graph = trace_function(forward, (2, 4))
    assert count_actions(graph).total("exp") == 2
    assert graph.tensors[graph.outputs[0]].nonzeros == 2


def test_in_place_ops_on_a_view_leave_the_rest_as_it_was() -> None:
    def forward(m: Any, x: Tensor) -> Any:
        y = x.exp()
        y[:, :2] += 1
        y[:, 3].relu_()
        return y

    counts = count_actions(trace_function(forward, (2, 4)))
    assert counts.group("action") == {("exp",): 8, ("add",): 4, ("compare",): 2}


def test_swapping_columns_in_place_needs_both() -> None:
    def forward(m: Any, x: Tensor) -> Any:
        y = x.exp()
        y[:, 0] = y[:, 1].clone()
        return y[:, :1]

    assert count_actions(trace_function(forward, (2, 4))).total("exp") == 2


def test_concatenated_and_transposed_data_is_needed_piece_by_piece() -> None:
    def forward(m: Any, x: Tensor) -> Any:
        both = torch.cat([x.exp(), x.sigmoid()], dim=1).transpose(0, 1)
        return both[:5]

    counts = count_actions(trace_function(forward, (2, 4)))
    assert counts.total("exp") == 8 + 2  # of the sigmoid one column of two rows, an exp each


@pytest.mark.parametrize(
    "choose",
    [
        lambda m, x: torch.where(m.keep, x.exp(), x.tanh()),
        lambda m, x: torch.where(~m.keep, x.tanh(), x.exp()),
        lambda m, x: x.exp().masked_fill(~m.keep, 0.5) + 0 * x.tanh(),
    ],
)
def test_of_what_a_known_mask_chooses_from_only_the_chosen_is_computed(choose: Any) -> None:
    keep = torch.tensor([True, False, True, True])
    counts = count_actions(trace_function(choose, (2, 4), keep=keep))
    assert counts.total("exp") == 6
    assert counts.total("tanh") in (0, 2)


def test_of_what_data_chooses_from_both_are_computed() -> None:
    counts = count_actions(
        trace_function(lambda m, x: torch.where(x > 0, x.exp(), x.tanh()), (2, 4))
    )
    assert (counts.total("exp"), counts.total("tanh"), counts.total("compare")) == (8, 8, 8)


def test_a_functional_copy_needs_its_source_and_not_its_target() -> None:
    def forward(m: Any, x: Tensor) -> Any:
        return functional.linear(x, torch.ops.aten.copy(m.target, m.source))

    graph = trace_function(
        forward, target=nn.Parameter(WEIGHT.clone()), source=nn.Parameter(WEIGHT)
    )
    assert {spec.name: spec.active for spec in graph.parameters} == {"target": 0, "source": 16}


def test_windows_that_overlap_keep_what_any_of_them_needs() -> None:
    def forward(m: Any, x: Tensor) -> Any:
        windows = x.exp().unfold(1, 3, 1)  # (2, 4, 3) views of (2, 6)
        return windows[:, ::3, 0] + windows[:, 1:3, 2]

    # columns 0 and 3 by the first, 3 and 4 by the second: three of six
    assert count_actions(trace_function(forward, (2, 6))).total("exp") == 6


def test_masked_attention_weights_are_needed_where_the_mask_lets_them() -> None:
    def forward(m: Any, x: Tensor) -> Any:
        return (x.exp() * m.causal) @ m.values

    graph = trace_function(
        forward, (4, 4), causal=torch.ones(4, 4).tril(), values=nn.Parameter(torch.ones(4, 2))
    )
    counts = count_actions(graph)
    assert counts.total("exp") == 10
    assert counts.macs == 10 * 2


def test_needed_elements_are_written_down() -> None:
    graph = trace_function(lambda m, x: x.exp()[:, :1], (3, 4))
    assert graph.tensors[find_op(graph, "exp").outputs[0]].needed == 3
    (source,) = (tensor for tensor in graph.tensors if tensor.role == "input")
    assert source.needed == 3


@pytest.mark.parametrize("result", [None, 3, "text", object(), [], {"a": None}])
def test_a_model_that_returns_no_tensor_is_refused(result: object) -> None:
    with pytest.raises(InvalidModelError, match="no tensor can be found"):
        trace_function(lambda m, x: result if x.exp() is not None else x)


def test_tensors_are_found_in_any_usual_structure() -> None:
    def forward(m: Any, x: Tensor) -> Any:
        return {"a": [x.exp()], "b": (x.sigmoid(), None)}

    graph = trace_function(forward)
    assert len(graph.outputs) == 2
    assert count_actions(graph).total("exp") == 16
