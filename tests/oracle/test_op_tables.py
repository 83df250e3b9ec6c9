"""One op, three tables: what it costs, what it makes of zeros, how it is executed with scalars.

See docs/add_an_op.md. An op that one table knows and another does not is red here, unless it is
named below with the reason.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor

import smartsim.counts.rules
import smartsim.testing.rules
import smartsim.trace.semantics
from smartsim.counts import RULES as COUNTING
from smartsim.testing import assert_counts_agree
from smartsim.testing.calls import RULES as SCALAR
from smartsim.trace.semantics.table import DENSE_RESULTS
from smartsim.trace.semantics.table import RULES as SEMANTICS

TABLES = {
    "counting": frozenset(COUNTING),
    "semantics": frozenset(SEMANTICS) | DENSE_RESULTS,
    "scalar": frozenset(SCALAR),
}

EXEMPT: Mapping[tuple[str, str], str] = {
    (
        "counting",
        "torch names these another way while a model is traced: the executor alone meets them",
    ): """
        _native_batch_norm_legit_no_training adaptive_avg_pool1d adaptive_max_pool1d avg_pool1d
        linspace max_pool1d_with_indices
    """,
    ("semantics", "the same"): """
        _native_batch_norm_legit_no_training adaptive_avg_pool1d adaptive_max_pool1d avg_pool1d
        linspace max_pool1d_with_indices
    """,
    ("counting", "torch makes other ops of these before a trace sees them"): """
        add_scalar deg2rad equal relu6
    """,
    ("scalar", "the same "): "add_scalar deg2rad equal relu6",
    ("scalar", "a device's kernel of what the executor sees by its parts"): """
        _scaled_dot_product_cudnn_attention _scaled_dot_product_efficient_attention
        _scaled_dot_product_flash_attention _scaled_dot_product_flash_attention_for_cpu
        _scaled_dot_product_fused_attention_overrideable _fused_rms_norm rms_norm layer_norm
        _weight_norm_interface log_sigmoid_forward prelu selu norm nan_to_num
    """,
    ("semantics", "a device's kernel of the same: dense, and all is read"): """
        _weight_norm_interface layer_norm rms_norm
    """,
    ("scalar", "copies that only functionalised, exported programs hold; they cost nothing"): """
        _reshape_copy _unsafe_index _unsafe_view alias alias_copy detach_copy diagonal_copy
        expand_copy lift_fresh lift_fresh_copy permute_copy slice_copy split_copy squeeze_copy
        t_copy transpose_copy unbind_copy unfold_copy unsqueeze_copy view_as_real_copy view_copy
        normal_functional
    """,
    ("semantics", "the same, taken as dense"): """
        _unsafe_index alias detach_copy diagonal_copy expand_copy lift_fresh permute_copy
        slice_copy split_copy squeeze_copy t_copy transpose_copy unbind_copy unfold_copy
        unsqueeze_copy view_as_real_copy normal_functional
    """,
    ("scalar", "on whole numbers and bits, of which networks make indices and masks"): """
        __and__ __lshift__ __or__ __rshift__ __xor__ bitwise_left_shift bitwise_right_shift isin
        one_hot tril_indices triu_indices randperm repeat_interleave native_channel_shuffle resize
    """,
    ("semantics", "the same: dense"): """
        __and__ __lshift__ __or__ __rshift__ __xor__ bitwise_left_shift bitwise_right_shift isin
        one_hot tril_indices triu_indices randperm repeat_interleave native_channel_shuffle resize
        randint randint_like
    """,
    ("scalar", "which elements come out, data alone says"): """
        any all argsort aminmax count_nonzero cumprod cumsum index_add kthvalue logsumexp
        masked_scatter masked_select median multinomial nonzero prod scatter_add sort topk
    """,
    ("semantics", "reads all, and its results are dense"): """
        amax amin aminmax argmax argmin count_nonzero cumprod cumsum embedding index_add kthvalue
        linalg_vector_norm logsumexp masked_scatter masked_select max median min multinomial norm
        prod scatter_add std std_mean var var_mean vdot
    """,
    ("scalar", "interpolation: weights come from coordinates"): """
        _upsample_bicubic2d_aa _upsample_bilinear2d_aa upsample_bicubic2d upsample_bilinear2d
        upsample_linear1d upsample_trilinear3d reflection_pad3d replication_pad3d
    """,
    ("semantics", "interpolation: dense"): """
        _upsample_bicubic2d_aa _upsample_bilinear2d_aa upsample_bicubic2d upsample_bilinear2d
        upsample_linear1d upsample_trilinear3d reflection_pad3d replication_pad3d
    """,
    ("scalar", "complex numbers, which scalars are not"): """
        complex imag real _fft_c2c _fft_r2c _fft_c2r
    """,
    ("semantics", "complex numbers: dense"): "complex imag real _fft_c2c _fft_r2c _fft_c2r",
    ("scalar", "places, groups, bags and bins that data says"): """
        grid_sampler_2d grid_sampler_3d affine_grid_generator _embedding_bag
        _embedding_bag_forward_only _grouped_mm histc bincount _pack_padded_sequence
    """,
    ("semantics", "the same: reads all, and its results are dense"): """
        grid_sampler_2d grid_sampler_3d affine_grid_generator _embedding_bag
        _embedding_bag_forward_only _grouped_mm histc bincount
    """,
    ("scalar", "constants"): """
        hann_window hamming_window bartlett_window blackman_window kaiser_window
    """,
    ("semantics", "constants: dense"): """
        hann_window hamming_window bartlett_window blackman_window kaiser_window
    """,
    ("scalar", "attention by blocks, which a trace makes of torch's flexible one"): """
        smartsim.block_scores smartsim.block_attention smartsim.block_logsumexp
    """,
    ("semantics", "the same: all is read"): """
        smartsim.block_scores smartsim.block_attention smartsim.block_logsumexp
    """,
    ("scalar", "weights in an object that is no tensor"): """
        quantized.linear_dynamic quantized.linear_relu_dynamic
    """,
    ("semantics", "weights in an object that is no tensor: dense"): """
        quantized.linear_dynamic quantized.linear_relu_dynamic
    """,
    ("scalar", "draws of other distributions than a noisy weight has"): """
        exponential log_normal native_dropout empty_permuted float_power
    """,
    ("semantics", "memory without a value, or a draw: dense"): """
        empty_permuted empty_strided new_empty_strided eye exponential log_normal float_power
    """,
}
"""(table that does not know them, why) -> operators."""

FUSED = {"smartsim.multiply_add", "smartsim.fold_batch_norm"}
"""Made by passes over a graph that was traced: neither torch nor a trace meets them."""


def missing_from(table: str) -> set[str]:
    names = " ".join(ops for (at, _), ops in EXEMPT.items() if at == table).split()
    return {name if "." in name else f"aten.{name}" for name in names}


EVERY = sorted(frozenset.union(*TABLES.values()) - FUSED)


@pytest.mark.parametrize("name", EVERY)
def test_an_op_that_one_table_knows_is_known_to_all_or_named_with_a_reason(name: str) -> None:
    unknown = {table for table, names in TABLES.items() if name not in names}
    excused = {table for table in TABLES if name in missing_from(table)}
    assert unknown == excused, (
        f"{name} is missing from {sorted(unknown)}, and named as missing from {sorted(excused)}; "
        "see docs/add_an_op.md"
    )


def test_no_op_is_excused_twice_or_unknown_to_all() -> None:
    for table in TABLES:
        names = " ".join(ops for (at, _), ops in EXEMPT.items() if at == table).split()
        assert len(names) == len(set(names)), table
        assert missing_from(table) <= set(EVERY)


def test_the_three_rooms_cut_ops_into_the_same_families() -> None:
    def families(room: object) -> set[str]:
        path = room.__path__  # type: ignore[attr-defined]
        return {module.name for module in pkgutil.iter_modules(path)}

    common = families(smartsim.testing.rules)
    assert families(smartsim.counts.rules) - {"registry"} == common
    assert common <= families(smartsim.trace.semantics)
    for room in (smartsim.counts.rules, smartsim.testing.rules, smartsim.trace.semantics):
        for family in common:
            assert importlib.import_module(f"{room.__name__}.{family}").__doc__


UNARY: Mapping[str, Callable[[Tensor], Tensor]] = {
    **{
        name: getattr(torch, name)
        for name in "asin acos atan tan sinh cosh exp2 expm1 erfc erfinv log1p logit sign sgn "
        "floor ceil trunc frac isnan isinf round".split()
    },
    "log2": lambda x: (x.abs() + 0.5).log2(),
    "log10": lambda x: (x.abs() + 0.5).log10(),
    "logit": lambda x: (x.abs() + 0.01).logit(),
    "round to places": lambda x: x.round(decimals=1),
    "mish": torch.nn.functional.mish,
    "celu": lambda x: torch.nn.functional.celu(x, 0.7),
    "threshold": lambda x: torch.nn.functional.threshold(x, 0.1, 0.3),
    "hardshrink": lambda x: torch.nn.functional.hardshrink(x, 0.2),
    "softshrink": lambda x: torch.nn.functional.softshrink(x, 0.2),
}
BINARY: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    **{name: getattr(torch, name) for name in "fmax fmin heaviside".split()},
    "atan2": lambda x, y: torch.atan2(x, y.abs() + 0.3),  # the sign of a zero is free
    "remainder": lambda x, y: torch.remainder(x, y.abs() + 0.3),
    "fmod": lambda x, y: torch.fmod(x, y.abs() + 0.3),
    "floor_divide": lambda x, y: torch.floor_divide(x, y.abs() + 0.3),
    "lerp": lambda x, y: torch.lerp(x, y, y),
    "addcdiv": lambda x, y: torch.addcdiv(x, y, x.abs() + 1),
    "addcdiv scaled": lambda x, y: torch.addcdiv(x, y, x.abs() + 1, value=0.5),
}


class Masked(torch.nn.Module):
    """An op on a weight of which a mask leaves half, and on the data; what it makes is used."""

    def __init__(self, op: Callable[..., Tensor], arity: int) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.linspace(-0.9, 0.9, 8, dtype=torch.float64))
        self.mask: Tensor
        self.register_buffer("mask", torch.arange(8) % 2 == 0)
        self.op, self.arity = op, arity

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        masked = self.weight * self.mask
        if self.arity == 1:
            return x * self.op(masked), self.op(x)
        return self.op(masked, x), self.op(x, masked)


@pytest.mark.parametrize("name", [*UNARY, *BINARY])
def test_rules_agree_on_masked_weights_and_on_data(name: str) -> None:
    op: Callable[..., Tensor] = UNARY[name] if name in UNARY else BINARY[name]
    model = Masked(op, 1 if name in UNARY else 2)
    x = torch.tensor([[0.8, -0.7, 0.31, -0.2, 0.05, 0.6, -0.45, 0.9]], dtype=torch.float64)
    assert_counts_agree(model, x)
