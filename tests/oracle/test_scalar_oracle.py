"""The scalar oracle itself: counts that were worked out by hand, and outputs that are torch's."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import prune

from smartsim.counts import get_convention
from smartsim.counts.records import Counts
from smartsim.errors import (
    ConfigurationError,
    DataDependentControlFlowError,
    InvalidModelError,
    MissingRuleError,
)
from smartsim.testing import (
    Call,
    OracleError,
    ScalarArray,
    count_by_scalars,
    oracle_convention,
    scalar_rule,
)
from smartsim.testing.calls import RULES, Rule
from smartsim.testing.rules.contractions import UncountablePaddingError
from smartsim.testing.strategies import NetworkCase, networks

SKIP = oracle_convention()
SKIP_PADDED = oracle_convention(count_padding=True)
DENSE = oracle_convention(skip_zeros=False)
DENSE_PADDED = oracle_convention(skip_zeros=False, count_padding=True)


class Compute(nn.Module):
    """A function as a module, with parameters and buffers that it may use."""

    def __init__(
        self,
        function: Callable[..., Any],
        parameters: Mapping[str, Tensor] | None = None,
        buffers: Mapping[str, Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.function = function
        for name, value in (parameters or {}).items():
            self.register_parameter(name, nn.Parameter(value))
        for name, value in (buffers or {}).items():
            self.register_buffer(name, value)

    def forward(self, *args: Tensor, **kwargs: Tensor) -> Any:
        return self.function(self, *args, **kwargs)


def ones(*shape: int) -> Tensor:
    return torch.ones(shape, dtype=torch.float64)


def numbers(*shape: int) -> Tensor:
    """Nonzero numbers, all different."""
    count = int(torch.tensor(shape).prod())
    return (torch.arange(count, dtype=torch.float64).reshape(shape) + 1) / (count + 1) - 0.31


def count(model: nn.Module, *inputs: Tensor, **settings: Any) -> Counts:
    return count_by_scalars(model.double().eval(), *inputs, **settings).counts


def tally(counts: Counts, *keys: str) -> dict[Any, int | float]:
    grouped = counts.group(*keys)
    return {key[0] if len(keys) == 1 else key: number for key, number in grouped.items()}


# Contractions


@pytest.mark.parametrize(("convention", "macs"), [(DENSE, 100), (DENSE_PADDED, 144)])
def test_padding_products_of_a_convolution_count_only_if_asked(convention: Any, macs: int) -> None:
    # Along one axis of 4 outputs the 3 taps meet 2, 3, 3, 2 elements: 10, squared; padded 4 * 3.
    layer = nn.Conv2d(1, 1, 3, padding=1)
    assert tally(count(layer, numbers(1, 1, 4, 4), convention=convention), "action") == {
        "mac": macs
    }


def test_stride_dilation_and_groups_leave_the_products_they_leave() -> None:
    # Length 5, kernel 2 at distance 2: outputs at 0 and 2, that is 2; 2 taps; 2 groups of 1 to 1.
    layer = nn.Conv1d(2, 2, 2, stride=2, dilation=2, groups=2)
    assert count(layer, numbers(1, 2, 5)).macs == 2 * 2 * 2


@pytest.mark.parametrize(("convention", "macs"), [(SKIP, 4), (DENSE, 4), (DENSE_PADDED, 16)])
def test_a_transposed_convolution_pays_for_cropped_products_as_for_padding(
    convention: Any, macs: int
) -> None:
    # 4 inputs times 4 taps are 16. Along an axis output 2 i - 1 + k is -1, 0, 1, 2: 2 remain.
    layer = nn.ConvTranspose2d(1, 1, 2, stride=2, padding=1)
    assert count(layer, numbers(1, 1, 2, 2), convention=convention).macs == macs


def test_cropped_products_cannot_be_counted_when_only_needed_ones_are() -> None:
    layer = nn.ConvTranspose2d(1, 1, 2, stride=2, padding=1)
    with pytest.raises(UncountablePaddingError, match="belong to no output"):
        count(layer, numbers(1, 1, 2, 2), convention=SKIP_PADDED)


def test_a_bias_is_where_the_accumulator_starts_and_costs_nothing() -> None:
    assert tally(count(nn.Linear(3, 2), numbers(4, 3)), "action") == {"mac": 4 * 3 * 2}


def test_every_product_of_a_batched_matrix_product_is_a_mac() -> None:
    model = Compute(lambda _, x, y: x @ y)
    assert count(model, numbers(2, 3, 4), numbers(2, 4, 5)).macs == 2 * 3 * 4 * 5


def test_fused_attention_is_counted_by_its_parts() -> None:
    model = Compute(lambda _, x: functional.scaled_dot_product_attention(x, x, x))
    counts = tally(count(model, numbers(1, 1, 3, 2)), "action")
    assert counts["mac"] == 3 * 2 * 3 + 3 * 3 * 2  # scores, and their sum of values
    assert counts["exp"] == 3 * 3


def test_a_layer_with_a_fused_fast_path_is_counted_by_its_parts() -> None:
    model = nn.MultiheadAttention(4, 2, batch_first=True)
    x = numbers(1, 3, 4)
    # Projections in and out: 3 tokens, (3 + 1) * 4 * 4; scores and values: 2 heads, 3 * 3 * 2 each.
    assert count(model, x, x, x).macs == 3 * 4 * 16 + 2 * 2 * 18


def test_an_output_that_only_padding_reaches_is_a_known_zero() -> None:
    # 1x1 on 2x2 with padding 1: 4 of 16 outputs meet data, and relu(0) costs nothing.
    model = nn.Sequential(nn.Conv2d(1, 1, 1, padding=1, bias=False), nn.ReLU())
    assert tally(count(model, numbers(1, 1, 2, 2)), "action") == {"mac": 4, "compare": 4}
    assert tally(count(model, numbers(1, 1, 2, 2), convention=SKIP_PADDED), "action") == {
        "mac": 4,
        "compare": 4,
    }


def test_padding_products_count_for_nonzero_weights_only() -> None:
    # A kernel 1, 0 on length 3 padded by 1: 4 outputs; its one nonzero tap meets -1, 0, 1, 2.
    mask = torch.tensor([[[True, False]]])
    model = Compute(
        lambda m, x: functional.conv1d(x, m.w * m.mask, ones(1), padding=1),
        {"w": ones(1, 1, 2)},
        {"mask": mask},
    )
    assert count(model, numbers(1, 1, 3)).macs == 3
    assert count(model, numbers(1, 1, 3), convention=SKIP_PADDED).macs == 4


# Masks, noise, and the condition


def masked_linear(mask: Tensor) -> nn.Module:
    return Compute(
        lambda m, x: functional.linear(x, m.w * m.mask), {"w": ones(2, 3)}, {"mask": mask}
    )


@pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.float64])
def test_masks_of_any_dtype_gate_for_nothing_and_save_their_products(dtype: torch.dtype) -> None:
    mask = torch.tensor([[1, 0, 1], [1, 1, 0]]).to(dtype)  # 4 ones
    assert tally(count(masked_linear(mask), numbers(5, 3)), "op", "action") == {
        ("aten.mm", "mac"): 5 * 4
    }


def test_without_skipping_a_mask_is_a_tensor_like_any_other() -> None:
    mask = torch.tensor([[True, False, True], [True, True, False]])
    counts = count(masked_linear(mask), numbers(5, 3), convention=DENSE)
    assert tally(counts, "op", "stage", "action") == {
        ("aten.mul", "deploy", "mul"): 6,
        ("aten.mm", "input", "mac"): 5 * 6,
    }


def test_full_masks_gate_only_if_they_are_boolean() -> None:
    # Of a float tensor of ones nobody can say that it is a mask.
    assert count(masked_linear(torch.ones(2, 3, dtype=torch.bool)), numbers(1, 3)).total() == 6
    assert count(masked_linear(ones(2, 3)), numbers(1, 3)).total("mul") == 6


def test_a_copy_of_a_full_mask_in_another_dtype_gates_like_the_mask() -> None:
    mask = torch.ones(3, dtype=torch.bool)
    model = Compute(lambda m, x: x * m.mask.double().clone(), buffers={"mask": mask})
    assert count(model, numbers(3)).total() == 0


def test_a_weight_that_happens_to_be_zero_is_not_structure_unless_declared() -> None:
    layer = nn.Linear(3, 1, bias=False)
    with torch.no_grad():
        layer.weight[0, 1] = 0.0
    assert count(layer, numbers(1, 3)).macs == 3
    assert count(layer, numbers(1, 3), declared_zeros=["weight"]).macs == 2


def test_weights_pruned_by_torch_are_known_to_be_zero() -> None:
    layer = nn.Linear(4, 2, bias=False)
    prune.random_unstructured(layer, "weight", amount=3)  # type: ignore[no-untyped-call]
    assert tally(count(layer, numbers(1, 4)), "action") == {"mac": 4 * 2 - 3}


@pytest.mark.parametrize(
    "make",
    [
        lambda mask: 1 - mask.double(),
        lambda mask: mask.logical_not(),
        lambda mask: torch.stack([mask, ~mask])[1],
        lambda mask: (mask.double() - 0.5) < 0,
    ],
)
def test_what_is_made_of_masks_or_compares_at_deployment_is_a_mask(
    make: Callable[[Tensor], Tensor],
) -> None:
    model = Compute(
        lambda m, x: x * make(m.mask), buffers={"mask": torch.tensor([True, False, True, True])}
    )
    # One element is left; a mask only gates, and what made it is known before the first run.
    model_then_relu = nn.Sequential(model, nn.ReLU())
    assert tally(count(model_then_relu, numbers(1, 4)), "action") == {"compare": 1}


def test_known_comparisons_that_are_added_up_are_all_done() -> None:
    # Where on a grid of 4 lam lies: 4 compares and 3 adds, however many are true.
    model = Compute(
        lambda m, x, lam: x.index_select(0, (lam > m.grid).sum().reshape(1)),
        buffers={"grid": torch.tensor([0.1, 0.2, 0.4, 0.8])},
    )
    counts = count(model, numbers(5), condition={"lam": 0.3})
    assert tally(counts, "stage", "action") == {("switch", "compare"): 4, ("switch", "add"): 3}


def smart_layer() -> nn.Module:
    """A layer with fresh noise and a mask with 3 ones of 8."""
    mask = torch.tensor([[1, 0, 0, 1], [0, 1, 0, 0]], dtype=torch.bool)

    def forward(m: Any, x: Tensor, lam: Tensor) -> Tensor:
        noise = lam * m.alpha * m.w.std() * torch.randn_like(m.w)
        return functional.linear(x, (m.w + noise) * m.mask)

    return Compute(
        forward, {"w": numbers(2, 4), "alpha": torch.tensor(0.25).double()}, {"mask": mask}
    )


def test_noise_is_drawn_scaled_and_added_only_where_the_mask_is_one() -> None:
    counts = count(smart_layer(), numbers(5, 4), condition={"lam": 1.0})
    # lam * alpha and that * std once a switch; a draw, a scaling, an addition for 3 weights; the
    # standard deviation needs all 8: 7 + 8 + 7 adds, 1 + 8 + 1 muls and a root.
    assert tally(counts, "stage", "op", "action") == {
        ("switch", "aten.mul", "mul"): 2,
        ("deploy", "aten.std", "add"): 22,
        ("deploy", "aten.std", "mul"): 10,
        ("deploy", "aten.std", "sqrt"): 1,
        ("noise", "aten.randn_like", "noise"): 3,
        ("noise", "aten.mul", "mul"): 3,
        ("noise", "aten.add", "add"): 3,
        ("input", "aten.mm", "mac"): 5 * 3,
    }
    assert counts.total(conditional=True) == 2 + 3 + 3 + 3


def test_at_lam_zero_noise_costs_nothing() -> None:
    counts = count(smart_layer(), numbers(5, 4), condition={"lam": 0.0})
    assert tally(counts, "stage", "action") == {("input", "mac"): 15}


def test_frozen_noise_is_added_once_a_switch() -> None:
    model = Compute(
        lambda m, x, lam: functional.linear(x, m.w + lam * m.noise),
        {"w": numbers(2, 4)},
        {"noise": numbers(2, 4)},
    )
    counts = count(model, numbers(1, 4), condition={"lam": 0.3})
    assert tally(counts, "stage", "action") == {
        ("switch", "mul"): 8,
        ("switch", "add"): 8,
        ("input", "mac"): 8,
    }


def test_an_affine_of_the_condition_is_conditional_work_per_input() -> None:
    model = Compute(lambda m, x, lam: (lam * m.gamma) * x + 1, {"gamma": numbers(3)})
    counts = count(model, numbers(2, 3), condition={"lam": 0.3})
    assert tally(counts, "stage", "op", "conditional") == {
        ("switch", "aten.mul", True): 3,
        ("input", "aten.mul", True): 6,
        ("input", "aten.add", False): 6,
    }


def test_the_weight_of_a_contraction_may_be_conditional_but_its_macs_are_not() -> None:
    model = Compute(lambda m, x, lam: functional.linear(x, m.w * lam), {"w": numbers(2, 3)})
    counts = count(model, numbers(1, 3), condition={"lam": 0.3})
    assert counts.total("mac", conditional=False) == 6
    assert counts.total("mul", conditional=True) == 6


def test_a_product_with_the_number_zero_is_known_to_be_zero() -> None:
    model = Compute(lambda m, x: x + x.exp() * 0)
    assert count(model, numbers(3)).total() == 0
    assert tally(count(model, numbers(3), convention=DENSE), "action") == {
        "exp": 3,
        "mul": 3,
        "add": 3,
    }


def test_control_flow_on_the_condition_is_followed() -> None:
    model = Compute(lambda m, x, lam: x.exp() if lam > 0.5 else x)
    assert count(model, ones(3), condition={"lam": 1.0}).total() == 3
    assert count(model, ones(3), condition={"lam": 0.0}).total() == 0


def test_control_flow_on_data_is_refused() -> None:
    model = Compute(lambda m, x: x.exp() if x.sum() > 0 else x)
    with pytest.raises(DataDependentControlFlowError, match="stage 'input'"):
        count(model, ones(3))


@pytest.mark.parametrize(
    "choose",
    [
        lambda m, w: torch.where(m.mask, w, torch.zeros_like(w)),
        lambda m, w: torch.where(m.mask, w, w * 0),
        lambda m, w: torch.where(m.mask, w, 0.0),
        lambda m, w: w.masked_fill(m.others, 0.0),
    ],
)
def test_a_choice_by_a_known_mask_needs_the_chosen_element_only(
    choose: Callable[[Any, Tensor], Tensor],
) -> None:
    model = Compute(
        lambda m, x: functional.linear(x, choose(m, m.w.exp())),
        {"w": numbers(1, 3)},
        {
            "mask": torch.tensor([[True, False, True]]),
            "others": torch.tensor([[False, True, False]]),
        },
    )
    assert tally(count(model, numbers(1, 3)), "action") == {"exp": 2, "mac": 2}


def test_a_choice_by_data_needs_both_elements() -> None:
    model = Compute(lambda m, x: torch.where(x > 0, x.exp(), x.tanh()))
    assert tally(count(model, numbers(4)), "action") == {"compare": 4, "exp": 4, "tanh": 4}


# Need


def test_results_that_nobody_needs_are_not_counted_unless_all_are() -> None:
    def forward(_: Any, x: Tensor) -> Tensor:
        x.exp()
        return x.tanh()[:1]

    assert tally(count(Compute(forward), ones(3)), "action") == {"tanh": 1}
    assert tally(count(Compute(forward), ones(3), convention=DENSE), "action") == {
        "exp": 3,
        "tanh": 3,
    }


def test_padding_needs_no_weight() -> None:
    # One input element, kernel 3, padding 1: only the middle tap meets data, also where padding
    # counts as three products.
    model = Compute(
        lambda m, x: functional.conv1d(x, m.w.exp(), padding=1), {"w": numbers(1, 1, 3)}
    )
    assert count(model, ones(1, 1, 1)).total("exp") == 1
    padded = count(model, ones(1, 1, 1), convention=SKIP_PADDED)
    assert (padded.total("exp"), padded.macs) == (1, 3)


def test_a_weight_that_is_used_twice_is_made_once() -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        weight = m.w + torch.randn_like(m.w)
        return functional.linear(functional.linear(x, weight), weight)

    counts = count(Compute(forward, {"w": numbers(3, 3)}), numbers(1, 3))
    assert tally(counts, "stage", "action") == {
        ("noise", "noise"): 9,
        ("noise", "add"): 9,
        ("input", "mac"): 18,
    }


def test_every_tensor_in_a_nested_output_is_needed() -> None:
    model = Compute(lambda m, x: {"a": x.exp(), "b": [x.tanh(), (x.sqrt(), 3)]})
    result = count_by_scalars(model, ones(2))
    assert tally(result.counts, "action") == {"exp": 2, "tanh": 2, "sqrt": 2}
    torch.testing.assert_close(result.outputs["b"][0], ones(2).tanh())
    assert result.outputs["b"][1][1] == 3


# Aliasing


def test_arithmetic_in_place_on_a_view_changes_its_base() -> None:
    def forward(_: Any, x: Tensor) -> Tensor:
        y = x * 2
        y[:, 0].exp_()
        y.t()[1].mul_(3)
        return y

    result = count_by_scalars(Compute(forward), ones(2, 3))
    # 6 products; the first column is replaced by its exponential, the second multiplied again.
    assert tally(result.counts, "op") == {"aten.mul": 6 + 2, "aten.exp": 2}
    e = torch.tensor(2.0, dtype=torch.float64).exp().item()
    assert result.outputs.tolist() == [[pytest.approx(e), 6, 2]] * 2


def test_what_is_overwritten_before_anyone_reads_it_is_not_needed() -> None:
    def forward(_: Any, x: Tensor) -> Tensor:
        y = x.exp()
        y[0] = x[1]
        return y

    assert tally(count(Compute(forward), ones(4)), "action") == {"exp": 3}


def test_what_was_read_before_it_was_overwritten_is_needed() -> None:
    def forward(_: Any, x: Tensor) -> Tensor:
        y = x.exp()
        z = y + x
        y.zero_()
        return y + z

    # y is a known zero when it is added: a copy.
    assert tally(count(Compute(forward), ones(4)), "action") == {"exp": 4, "add": 4}


def test_what_the_model_writes_to_its_own_tensors_goes_to_a_copy() -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        x.mul_(2)
        m.buffer.add_(x)
        product: Tensor = m.buffer.view(-1) * m.w.fill_(3.0)
        return product

    model = Compute(forward, {"w": ones(4)}, {"buffer": ones(2, 2)})
    x = ones(2, 2)
    result = count_by_scalars(model, x)
    torch.testing.assert_close(result.outputs, ones(4) * 9)  # (1 + 2 * 1) * 3
    for tensor in (x, *model.state_dict().values()):
        assert bool((tensor == 1).all())
    assert tally(result.counts, "op") == {"aten.mul": 4 + 4, "aten.add": 4}


def test_memory_is_as_late_as_the_latest_that_was_written_to_a_part_of_it() -> None:
    def forward(m: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        part, whole = torch.ones_like(m.w), torch.ones_like(m.w)
        part[0] = x
        whole.copy_(x).copy_(m.w)
        return part.exp(), whole.tanh()

    assert tally(count(Compute(forward, {"w": ones(2, 3)}), ones(3)), "stage", "action") == {
        ("input", "exp"): 6,
        ("deploy", "tanh"): 6,
    }


def test_an_in_place_change_of_shape_of_the_models_own_tensor_is_refused() -> None:
    model = Compute(lambda m, x: m.buffer.unsqueeze_(0) + x, buffers={"buffer": ones(2)})
    with pytest.raises(InvalidModelError, match="not its own"):
        count(model, ones(2))


# Other operators


def test_batch_norm_prepares_each_channel_and_pays_for_each_element() -> None:
    # Per channel: eps, root, reciprocal, times weight; mean times scale, bias less that.
    counts = count(nn.BatchNorm1d(3), numbers(2, 3, 4))
    assert tally(counts, "stage", "action") == {
        ("deploy", "add"): 2 * 3,
        ("deploy", "sqrt"): 3,
        ("deploy", "div"): 3,
        ("deploy", "mul"): 2 * 3,
        ("input", "mul"): 24,
        ("input", "add"): 24,
    }


def test_batch_norm_of_a_known_zero_is_the_shift() -> None:
    mask = torch.tensor([[True, False, False]])
    model = Compute(lambda m, x: m.norm(x * m.mask), buffers={"mask": mask})
    model.norm = nn.BatchNorm1d(3, affine=False)
    counts = count(model, numbers(2, 3))
    assert tally(counts, "stage", "action") == {
        ("deploy", "add"): 3,  # no bias, no weight
        ("deploy", "sqrt"): 3,
        ("deploy", "div"): 3,
        ("deploy", "mul"): 3,
        ("input", "mul"): 2,
        ("input", "add"): 2,
    }


def test_a_batch_norm_that_learns_is_refused_before_it_learns() -> None:
    model = nn.BatchNorm1d(3).double()
    with pytest.raises(MissingRuleError, match=r"model\.eval\(\)"):
        count_by_scalars(model, numbers(2, 3))
    assert model.running_mean is not None
    assert model.running_mean.tolist() == [0, 0, 0]


def test_an_instance_norm_is_a_group_norm_with_a_channel_a_group() -> None:
    counts = count(nn.InstanceNorm1d(4, affine=True), numbers(2, 4, 3))
    expected = count(nn.GroupNorm(4, 4), numbers(2, 4, 3))
    assert tally(counts, "action") == tally(expected, "action")


@pytest.mark.parametrize(("convention", "compares"), [(SKIP, 4), (SKIP_PADDED, 6)])
def test_max_pooling_compares_what_lies_in_each_window(convention: Any, compares: int) -> None:
    # Length 5, kernel 3, stride 2, padding 1: windows of 2, 3, 2 elements, or 3 with the padding.
    model = nn.MaxPool1d(3, stride=2, padding=1)
    counts = count(model, numbers(1, 1, 5), convention=convention)
    assert tally(counts, "action") == {"compare": compares}


@pytest.mark.parametrize(("convention", "adds"), [(SKIP, 4), (SKIP_PADDED, 6)])
def test_average_pooling_adds_what_lies_in_each_window(convention: Any, adds: int) -> None:
    # As above: 1 + 2 + 1 additions, or 3 times 2 with the padding; one multiplication a window.
    model = nn.AvgPool1d(3, stride=2, padding=1)
    counts = count(model, numbers(1, 1, 5), convention=convention)
    assert tally(counts, "action") == {"add": adds, "mul": 3}


def test_an_average_in_ceil_mode_stops_where_the_padding_ends() -> None:
    # Length 4, kernel 3, stride 2: the second window holds 2 elements and nothing behind them.
    model = nn.AvgPool1d(3, stride=2, ceil_mode=True)
    counts = count(model, numbers(1, 1, 4), convention=DENSE_PADDED)
    assert tally(counts, "action") == {"add": 2 + 1, "mul": 2}


def test_sums_and_means_leave_known_zeros_out() -> None:
    mask = torch.tensor([[True, True, True, False], [True, False, False, False], [False] * 4])
    model = Compute(
        lambda m, x: ((x * m.mask).sum(1), (x * m.mask).mean(1)), buffers={"mask": mask}
    )
    # Rows of 3, 1 and 0 nonzeros: 2 + 0 + 0 additions each; the means of the first two rows.
    assert tally(count(model, numbers(3, 4)), "op", "action") == {
        ("aten.sum", "add"): 2,
        ("aten.mean", "add"): 2,
        ("aten.mean", "mul"): 2,
    }


def test_a_standard_deviation_and_its_mean_are_one_computation() -> None:
    # Rows of 4: 3 + 4 + 3 adds, 1 + 4 + 1 muls, a root.
    model = Compute(lambda m, x: torch.std_mean(x, dim=1))
    assert tally(count(model, numbers(2, 4)), "action") == {"add": 20, "mul": 12, "sqrt": 2}


def test_a_norm_of_n_is_n_squares_their_sum_and_a_root() -> None:
    model = Compute(lambda m, x: torch.linalg.vector_norm(x, dim=1))
    assert tally(count(model, numbers(2, 4)), "action") == {"mul": 8, "add": 6, "sqrt": 2}


@pytest.mark.parametrize("rows", [3, 1, 0])
def test_a_row_of_a_softmax_runs_whole_or_not_at_all(rows: int) -> None:
    model = Compute(lambda m, x: x.softmax(1)[:rows, :1])
    # Rows of 4: 3 compares, 4 + 3 adds, 4 exps and 4 divisions each.
    each = {"compare": 3, "add": 7, "exp": 4, "div": 4}
    expected = {action: rows * number for action, number in each.items() if rows}
    assert tally(count(model, numbers(3, 4)), "action") == expected


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.log_softmax(1),
        lambda x: functional.layer_norm(x, (4,)),
        lambda x: functional.group_norm(x, 2),
        lambda x: functional.instance_norm(x.unsqueeze(2).expand(-1, -1, 3)),
        lambda x: x.var(1),
        lambda x: x.amax(1),
        lambda x: x.argmax(1),
        lambda x: torch.linalg.vector_norm(x, dim=1),
    ],
)
def test_one_needed_result_of_an_op_over_rows_needs_all_of_it(
    function: Callable[[Tensor], Tensor],
) -> None:
    part = count(Compute(lambda _, x: function(x.sin())[:1]), numbers(3, 4))
    whole = count(Compute(lambda _, x: function(x.sin())), numbers(3, 4))
    assert tally(part, "op", "action") == tally(whole, "op", "action")


def test_a_layer_norm_pays_for_two_means_and_an_affine_map() -> None:
    # A row of 4: adds 3 (mean), 4 (centre), 3 (variance), 1 (eps), 4 (bias); muls 1, 4 (squares),
    # 1, 4 (normalise), 4 (weight).
    assert tally(count(nn.LayerNorm(4), numbers(2, 4)), "action") == {
        "add": 2 * 15,
        "mul": 2 * 14,
        "sqrt": 2,
        "div": 2,
    }


def test_a_group_norm_is_a_layer_norm_of_each_group() -> None:
    # 2 images of 2 groups of 2 x 3 elements: rows of 6: 3 * 6 - 1 adds and 6 + 2 muls, 6 muls.
    counts = count(nn.GroupNorm(2, 4, affine=False), numbers(2, 4, 3))
    assert tally(counts, "action") == {"add": 4 * 17, "mul": 4 * 14, "sqrt": 4, "div": 4}


@pytest.mark.parametrize(
    ("function", "actions"),
    [
        (lambda x: -x.abs(), {}),
        (lambda x: x.relu(), {"compare": 1}),
        (functional.leaky_relu, {"compare": 1, "mul": 1}),
        (functional.relu6, {"compare": 2}),
        (lambda x: x.clamp(min=0), {"compare": 1}),
        (lambda x: x.clamp(0, 1), {"compare": 2}),
        (functional.silu, {"exp": 1, "add": 1, "div": 1}),
        (lambda x: x.sigmoid(), {"exp": 1, "add": 1, "div": 1}),
        (functional.gelu, {"erf": 1, "mul": 3, "add": 1}),
        (lambda x: functional.gelu(x, approximate="tanh"), {"tanh": 1, "mul": 6, "add": 2}),
        (lambda x: x.abs().rsqrt(), {"sqrt": 1, "div": 1}),
        (lambda x: x**2, {"mul": 1}),
        (lambda x: x**3, {"mul": 2}),
        (lambda x: x**4, {"pow": 1}),
        (lambda x: 1 / x, {"div": 1}),
        (functional.elu, {"compare": 1, "exp": 1, "add": 1, "mul": 1}),
        (functional.softplus, {"compare": 1, "exp": 1, "add": 1, "log": 1}),
        (functional.hardswish, {"compare": 2, "add": 1, "mul": 2}),
        (functional.hardsigmoid, {"compare": 2, "add": 1, "mul": 1}),
        (lambda x: functional.prelu(x, ones(1)), {"compare": 1, "mul": 1}),
        (lambda x: 1 - x, {"add": 1}),
        (lambda x: torch.add(x, x.exp(), alpha=2), {"exp": 1, "mul": 1, "add": 1}),
        (lambda x: torch.addcmul(x, x, x), {"mul": 1, "add": 1}),
        (lambda x: (x > 0) & (x < 1), {"compare": 2, "logic": 1}),
        (lambda x: torch.maximum(x, x.sin()), {"compare": 1, "trig": 1}),
        (lambda x: torch.cat([x.flip(0), x.roll(1)]).reshape(-1, 1).expand(-1, 2), {}),
        (lambda x: torch.zeros_like(x) - x, {}),
        (lambda x: x - torch.zeros_like(x), {}),
    ],
)
def test_each_elementwise_operator_costs_what_the_table_says(
    function: Callable[[Tensor], Tensor], actions: Mapping[str, int]
) -> None:
    counts = tally(count(Compute(lambda _, x: function(x)), numbers(5)), "action")
    assert counts == {action: 5 * number for action, number in actions.items()}


@pytest.mark.parametrize(
    "function",
    [
        functional.relu,
        functional.leaky_relu,
        functional.gelu,
        functional.silu,
        functional.relu6,
        torch.tanh,
        torch.neg,
        torch.abs,
        torch.square,
        torch.sin,
        torch.erf,
        lambda x: x.relu().sqrt(),
        lambda x: x / 3,
        lambda x: 2 * x,
        lambda x: x.clone().t().contiguous(),
        lambda x: functional.pad(x, (1, 1)),
        lambda x: torch.stack([x, x.new_zeros(x.shape)]),
    ],
)
def test_functions_of_a_known_zero_that_are_zero_cost_nothing(
    function: Callable[[Tensor], Tensor],
) -> None:
    model = Compute(
        lambda m, x: function(x * m.mask).exp(), buffers={"mask": torch.zeros(2, 2) > 0}
    )
    counts = count(model, numbers(2, 2))
    assert set(tally(counts, "action")) == {"exp"}


def test_an_embedding_moves_rows_and_computes_nothing() -> None:
    model = nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 2))
    counts = count(model, torch.tensor([[1, 4, 4]]))
    assert tally(counts, "layer", "action") == {("1", "mac"): 3 * 3 * 2}


# Attribution


def test_acts_belong_to_the_innermost_module_that_called_the_operator() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Sequential(nn.Linear(2, 2), nn.ReLU())

        def forward(self, x: Tensor) -> Tensor:
            squashed: Tensor = nn.Tanh()(self.inner(x))  # by a module that is no part of the model
            return squashed + x

    model = nn.Sequential(Block(), Compute(lambda _, x: functional.silu(x)))
    assert tally(count(model, numbers(1, 2)), "layer", "op") == {
        ("0.inner.0", "aten.addmm"): 4,
        ("0.inner.1", "aten.relu"): 2,
        ("0", "aten.tanh"): 2,
        ("0", "aten.add"): 2,
        ("1", "aten.silu"): 6,
    }


def test_a_module_under_two_names_counts_under_the_first() -> None:
    relu = nn.ReLU()
    assert tally(count(nn.Sequential(relu, nn.Tanh(), relu), ones(3)), "layer") == {"0": 6, "1": 3}


# The model is left alone, and errors


@contextlib.contextmanager
def nothing_left_behind() -> Iterator[None]:
    def state() -> tuple[Any, ...]:
        hooks = nn.modules.module
        return (
            dict(hooks._global_forward_hooks),
            dict(hooks._global_forward_pre_hooks),
            torch.get_rng_state().tolist(),
        )

    before = state()
    yield
    assert state() == before


def test_nothing_is_left_behind_by_a_run() -> None:
    model, x = smart_layer(), numbers(1, 4)
    with nothing_left_behind():
        count(model, x, condition={"lam": 1.0})


def test_nothing_is_left_behind_by_a_forward_that_raises() -> None:
    def fail(_: Any, x: Tensor) -> Tensor:
        torch.randn(3)
        raise ZeroDivisionError

    model = nn.Sequential(nn.Linear(2, 2), Compute(fail))
    with nothing_left_behind(), pytest.raises(ZeroDivisionError):
        count(model, numbers(1, 2))


def test_an_operator_without_a_rule_is_an_error_that_says_where_and_what_to_do() -> None:
    model = nn.Sequential(Compute(lambda _, x: x.digamma()))
    with pytest.raises(
        MissingRuleError, match=r"aten\.digamma in module '0' on shapes \[\(2,\)\].*scalar_rule"
    ):
        count(model, ones(2))


def test_an_operator_of_the_user_can_be_given_a_rule() -> None:
    @scalar_rule("aten.digamma")
    def execute(call: Call) -> ScalarArray:
        return call.map(
            lambda a: call.act(torch.tensor(a.value).double().digamma().item(), (a,), {"log": 2}),
            "self",
        )

    try:
        with pytest.raises(ConfigurationError, match="has a scalar rule already"):
            scalar_rule("aten.digamma")(execute)
        counts = count(Compute(lambda _, x: x.clone().digamma_()), ones(2))
        assert tally(counts, "op", "action") == {("aten.digamma", "log"): 4}
    finally:
        del RULES["aten.digamma"]


def test_a_rule_that_computes_something_else_than_torch_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wrong = Rule(execute=lambda call: call.map(lambda a: call.act(a.value, (a,), {}), "self"))
    monkeypatch.setitem(RULES, "aten.relu", wrong)
    with pytest.raises(OracleError, match=r"aten\.relu in module '1'"):
        count(nn.Sequential(nn.Identity(), nn.ReLU()), -ones(2))


@pytest.mark.parametrize("name", ["paper", "exact"])
def test_conventions_that_fold_or_fuse_are_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="oracle_convention"):
        count(nn.ReLU(), ones(1), convention=get_convention(name))


def test_zeros_declared_of_an_unknown_parameter_are_an_error() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'weight'"):
        count(nn.Linear(2, 2), ones(1, 2), declared_zeros=["weigth"])


def test_a_model_that_returns_no_tensor_is_an_error() -> None:
    with pytest.raises(InvalidModelError, match="returns a str"):
        count(Compute(lambda _, x: "nothing"), ones(1))


def test_single_precision_models_are_compared_in_single_precision() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.GELU(), nn.Flatten(1)).eval()
    x = torch.randn(2, 2, 4, 4)
    with torch.no_grad():
        expected = model(x)
    torch.testing.assert_close(count_by_scalars(model, x).outputs, expected)


# Drawn networks


@settings(max_examples=80)
@given(networks())
def test_the_outputs_of_drawn_networks_are_those_of_torch(case: NetworkCase) -> None:
    before = {name: value.clone() for name, value in case.model.state_dict().items()}
    lam = torch.tensor(case.condition["lam"])
    found = count_by_scalars(case.model, *case.inputs, condition=case.condition).outputs
    for name, value in case.model.state_dict().items():
        assert torch.equal(value, before[name])
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        expected = case.model(*case.inputs, lam)
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-7)


@settings(max_examples=40)
@given(networks())
def test_skipping_known_zeros_never_adds_work(case: NetworkCase) -> None:
    def total(*, skip_zeros: bool) -> int | float:
        convention = oracle_convention(skip_zeros=skip_zeros)
        return count_by_scalars(
            case.model, *case.inputs, condition=case.condition, convention=convention
        ).counts.total()

    assert total(skip_zeros=True) <= total(skip_zeros=False)
