"""Work -> actions: for each op, what one piece of its work costs. The table of the room.

A rule is a pure function of shapes, attributes and how much work there is. It knows neither torch
nor modules, nor which elements are zero. `bias` of a contraction is the accumulator's first value
and costs nothing; negation and absolute value change a sign bit and cost nothing; moving data is
no arithmetic.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from smartsim.counts.records import Action
from smartsim.counts.work import MATMULS, Shapes
from smartsim.errors import ConfigurationError

__all__ = ["RULES", "Actions", "Cost", "Facts", "Rule", "register_rule"]

Actions = Mapping[Action, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a rule counts from.

    Attributes:
        shapes: Shapes and attributes of the op.
        sites: Places where it acts, as `smartsim.graph.Work` says, after the convention's choices.
        outputs: Output elements that it writes.
    """

    shapes: Shapes
    sites: int
    outputs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What an op costs.

    Attributes:
        run: Actions each time the op runs.
        prepared: Actions that are done once for its operands other than the data, such as the
            scale and shift of a batch norm; paid for at the latest stage of these operands.
    """

    run: Actions
    prepared: Actions = field(default_factory=dict)


Rule = Callable[[Facts], Cost]

RULES: dict[str, Rule] = {}


def register_rule(*names: str) -> Callable[[Rule], Rule]:
    """Make the decorated function the counting rule of the named operators.

    Example:
        >>> @register_rule("mylib.rotate_pairs")
        ... def _rotate_pairs(facts: Facts) -> Cost:
        ...     return Cost(run={"mul": 2 * facts.sites, "add": facts.sites})
        >>> del RULES["mylib.rotate_pairs"]

    Raises:
        ConfigurationError: If an operator has a rule already.
    """

    def register(rule: Rule) -> Rule:
        for name in names:
            if name in RULES:
                raise ConfigurationError(f"operator {name} already has a counting rule")
        RULES.update(dict.fromkeys(names, rule))
        return rule

    return register


def _register_pointwise(names: str, **per_site: int) -> None:
    """Elementwise operators with a fixed cost for each element."""

    def rule(facts: Facts) -> Cost:
        return Cost(run={action: n * facts.sites for action, n in per_site.items()})  # type: ignore[misc]

    register_rule(*(f"aten.{name}" for name in names.split()))(rule)


# Data movement, sign bits, and creation of constants: no arithmetic.
_register_pointwise("""
    alias alias_copy arange cat clone constant_pad_nd copy embedding empty empty_like
    empty_permuted empty_strided expand_copy eye fill flip full full_like gather im2col index
    index_copy index_fill index_put index_select lift_fresh lift_fresh_copy masked_fill
    masked_scatter masked_select new_empty new_empty_strided new_full new_ones new_zeros nonzero
    one_hot ones ones_like pixel_shuffle pixel_unshuffle reflection_pad1d reflection_pad2d
    reflection_pad3d repeat replication_pad1d replication_pad2d replication_pad3d roll
    scalar_tensor scatter select_scatter slice_scatter stack tril triu unfold_copy
    upsample_nearest1d upsample_nearest2d upsample_nearest3d view_copy where zero zeros
    zeros_like _reshape_copy _to_copy _unsafe_view neg abs resize take_along_dim _unsafe_index
    channel_shuffle native_channel_shuffle repeat_interleave tril_indices triu_indices complex
    real imag slice_copy squeeze_copy unsqueeze_copy permute_copy t_copy transpose_copy
    split_copy unbind_copy detach_copy diagonal_copy view_as_real_copy""")

_register_pointwise(
    "relu maximum minimum eq ne gt ge lt le sign isnan isinf threshold fmax fmin sgn "
    "hardshrink softshrink heaviside",
    compare=1,
)
_register_pointwise("leaky_relu prelu _prelu_kernel", compare=1, mul=1)
_register_pointwise("sigmoid", exp=1, add=1, div=1)
_register_pointwise("silu", exp=1, add=1, div=1)
_register_pointwise("log_sigmoid_forward", exp=1, add=1, log=1)
_register_pointwise("softplus", exp=1, add=1, log=1, compare=1)
_register_pointwise("mish", exp=1, add=1, log=1, tanh=1, mul=1)
_register_pointwise("elu celu selu", compare=1, exp=1, add=1, mul=1)
_register_pointwise("hardswish", add=1, compare=2, mul=2)
_register_pointwise("hardsigmoid", add=1, compare=2, mul=1)
_register_pointwise("tanh", tanh=1)
_register_pointwise("sinh cosh", exp=2, add=1, mul=1)
_register_pointwise("exp exp2", exp=1)
_register_pointwise("expm1", exp=1, add=1)
_register_pointwise("log log2 log10", log=1)
_register_pointwise("log1p", log=1, add=1)
_register_pointwise("logit", log=1, add=1, div=1)
_register_pointwise("sin cos tan asin acos atan atan2", trig=1)
_register_pointwise("erf erfc erfinv", erf=1)
_register_pointwise("sqrt", sqrt=1)
_register_pointwise("rsqrt", sqrt=1, div=1)
_register_pointwise("square", mul=1)
_register_pointwise("div reciprocal floor_divide remainder fmod", div=1)
_register_pointwise("round floor ceil trunc frac nan_to_num", add=1)
_register_pointwise("lerp", mul=1, add=2)
_register_pointwise("scatter_add index_add", add=1)
_register_pointwise(
    "logical_and logical_or logical_xor logical_not bitwise_and bitwise_or bitwise_xor bitwise_not "
    "bitwise_left_shift bitwise_right_shift __and__ __or__ __xor__ __lshift__ __rshift__ isin",
    logic=1,
)
_register_pointwise(
    "randn randn_like normal normal_functional rand rand_like uniform bernoulli randint "
    "randint_like randperm exponential multinomial log_normal native_dropout",
    noise=1,
)
_register_pointwise("upsample_linear1d", mul=2, add=1)
_register_pointwise("upsample_bilinear2d _upsample_bilinear2d_aa", mul=4, add=3)
_register_pointwise("upsample_trilinear3d", mul=8, add=7)
_register_pointwise("upsample_bicubic2d _upsample_bicubic2d_aa", mul=16, add=15)


@register_rule("smartsim.multiply_add")
def _multiply_add(facts: Facts) -> Cost:
    """An elementwise multiplication fused with the addition that follows it."""
    return Cost(run={"mac": facts.sites})


@register_rule("aten.convolution", *MATMULS)
def _contraction(facts: Facts) -> Cost:
    """One MAC a product."""
    return Cost(run={"mac": facts.sites})


@register_rule("aten.vdot")
def _inner_product(facts: Facts) -> Cost:
    """One MAC an element; spectral norms divide by it."""
    return Cost(run={"mac": math.prod(facts.shapes.data)})


@register_rule("aten.add", "aten.sub", "aten.rsub")
def _sum_of_two(facts: Facts) -> Cost:
    """One addition an element; a factor `alpha` other than 1 is a multiplication more."""
    scaled = facts.shapes.attributes.get("alpha", 1) not in (1, 1.0)
    return Cost(run={"add": facts.sites, **({"mul": facts.sites} if scaled else {})})


@register_rule("aten.mul")
def _product_of_two(facts: Facts) -> Cost:
    """One multiplication an element."""
    return Cost(run={"mul": facts.sites})


@register_rule("aten.addcmul", "aten.addcdiv")
def _sum_of_product(facts: Facts) -> Cost:
    """A product or quotient, and an addition; a factor `value` other than 1 is one more."""
    action: Action = "mul" if facts.shapes.name == "aten.addcmul" else "div"
    run: dict[Action, int] = {action: facts.sites, "add": facts.sites}
    if facts.shapes.attributes.get("value", 1) not in (1, 1.0):
        run["mul"] = run.get("mul", 0) + facts.sites
    return Cost(run=run)


@register_rule("aten.pow", "aten.float_power")
def _power(facts: Facts) -> Cost:
    """x^2 is one multiplication, x^3 two, a square root itself; anything else one `pow`."""
    exponent = facts.shapes.attributes.get("exponent")
    known: dict[float, dict[Action, int]] = {
        1: {},
        2: {"mul": 1},
        3: {"mul": 2},
        0.5: {"sqrt": 1},
        -0.5: {"sqrt": 1, "div": 1},
        -1: {"div": 1},
    }
    each: dict[Action, int] = {"pow": 1}
    if isinstance(exponent, int | float):
        each = known.get(exponent, each)
    return Cost(run={action: n * facts.sites for action, n in each.items()})


@register_rule("aten.gelu")
def _gelu(facts: Facts) -> Cost:
    """X / 2 * (1 + erf(x / sqrt 2)), or its tanh form with a cubic."""
    if facts.shapes.attributes.get("approximate", "none") == "tanh":
        return Cost(run={"tanh": facts.sites, "mul": 6 * facts.sites, "add": 2 * facts.sites})
    return Cost(run={"erf": facts.sites, "mul": 3 * facts.sites, "add": facts.sites})


@register_rule("aten.clamp", "aten.clamp_min", "aten.clamp_max", "aten.hardtanh")
def _clamp(facts: Facts) -> Cost:
    """One comparison for each bound that is given."""
    bounds = 2 if facts.shapes.name == "aten.hardtanh" else 1
    if facts.shapes.name == "aten.clamp":
        given = [*facts.shapes.attributes, *facts.shapes.arguments]
        bounds = sum(name in ("min", "max") for name in given)
    return Cost(run={"compare": bounds * facts.sites})


@register_rule("aten.sum", "aten.mean")
def _sum(facts: Facts) -> Cost:
    """N terms need n - 1 additions; a mean also a multiplication by 1/n."""
    run: dict[Action, int] = {"add": max(0, facts.sites - facts.outputs)}
    if facts.shapes.name == "aten.mean":
        run["mul"] = facts.outputs
    return Cost(run=run)


@register_rule(
    "aten.avg_pool2d", "aten.avg_pool3d", "aten._adaptive_avg_pool2d", "aten._adaptive_avg_pool3d"
)
def _average_pool(facts: Facts) -> Cost:
    """A mean of each window."""
    return Cost(run={"add": max(0, facts.sites - facts.outputs), "mul": facts.outputs})


@register_rule(
    "aten.max_pool2d_with_indices",
    "aten.max_pool3d_with_indices",
    "aten.adaptive_max_pool2d",
    "aten.adaptive_max_pool3d",
)
def _max_pool(facts: Facts) -> Cost:
    """The largest of n needs n - 1 comparisons."""
    return Cost(run={"compare": max(0, facts.sites - facts.outputs)})


@register_rule("aten.native_batch_norm")
def _batch_norm(facts: Facts) -> Cost:
    """In eval mode a scale and a shift an element, both prepared once a channel.

    scale = weight / sqrt(var + eps), shift = bias - mean * scale. With the batch's own statistics
    (an instance norm) these are computed from the data in every run.
    """
    if facts.shapes.attributes.get("training", False):
        rows = facts.shapes.data[1]
        return Cost(run=_normalize(facts, rows, facts.shapes.arguments))
    channels, given = facts.outputs, facts.shapes.arguments
    return Cost(
        run={"mul": facts.sites, "add": facts.sites},
        prepared={
            "add": channels + (channels if "bias" in given else 0),
            "sqrt": channels,
            "div": channels,
            "mul": channels + (channels if "weight" in given else 0),
        },
    )


@register_rule("smartsim.fold_batch_norm")
def _fold_batch_norm(facts: Facts) -> Cost:
    """Scaling the weights of the layer before: one multiplication a nonzero weight.

    The scale itself is prepared as for the batch norm; with a bias in the layer, shift and bias
    are one multiply-add a channel more.
    """
    given = facts.shapes.arguments
    channels = facts.outputs
    shifts = ("bias" in given) + ("layer_bias" in given)
    return Cost(
        run={
            "mul": facts.sites + channels * (1 + ("weight" in given) + ("layer_bias" in given)),
            "add": channels * (1 + shifts),
            "sqrt": channels,
            "div": channels,
        }
    )


def _normalize(facts: Facts, rows: int, given: Mapping[str, object]) -> dict[Action, int]:
    """Mean and variance of each row, and every element normalised by them."""
    elements = math.prod(facts.shapes.data)
    each = 0 if rows == 0 else elements - rows
    return {
        "add": 2 * each + elements + rows + (elements if "bias" in given else 0),
        "mul": 2 * elements + 2 * rows + (elements if "weight" in given else 0),
        "sqrt": rows,
        "div": rows,
    }


@register_rule("aten.native_layer_norm", "aten.layer_norm")
def _layer_norm(facts: Facts) -> Cost:
    """Mean, variance and normalisation over the last dimensions, then the affine map."""
    width = math.prod(facts.shapes.attributes["normalized_shape"])
    rows = math.prod(facts.shapes.data) // width if width else 0
    return Cost(run=_normalize(facts, rows, facts.shapes.arguments))


@register_rule("aten.native_group_norm")
def _group_norm(facts: Facts) -> Cost:
    """As layer norm, over each group of channels of each image."""
    rows = facts.shapes.data[0] * int(facts.shapes.attributes["group"])
    return Cost(run=_normalize(facts, rows, facts.shapes.arguments))


@register_rule("aten._fused_rms_norm", "aten.rms_norm")
def _rms_norm(facts: Facts) -> Cost:
    """N squares, n - 1 additions, a mean, an epsilon, a reciprocal root, n products; the weight."""
    width = math.prod(facts.shapes.attributes["normalized_shape"])
    elements = math.prod(facts.shapes.data)
    rows = elements // width if width else 0
    weighted = elements if "weight" in facts.shapes.arguments else 0
    return Cost(
        run={"mul": 2 * elements + rows + weighted, "add": elements, "sqrt": rows, "div": rows}
    )


def _rows(facts: Facts) -> tuple[int, int]:
    """Elements, and rows along `dim` that they form."""
    shape = facts.shapes.data
    dim = facts.shapes.attributes.get("dim", -1)
    dims = (dim,) if isinstance(dim, int) else tuple(dim) or tuple(range(len(shape)))
    elements = math.prod(shape)
    width = math.prod(shape[d] for d in dims) if shape else 1
    return elements, elements // width if width else 0


@register_rule("aten._softmax", "aten._safe_softmax", "aten._log_softmax")
def _softmax(facts: Facts) -> Cost:
    """Largest of the row, subtract it, exponentials, their sum; then divide, or take its log."""
    elements, rows = _rows(facts)
    run: dict[Action, int] = {"compare": elements - rows, "exp": elements}
    if facts.shapes.name == "aten._log_softmax":
        return Cost(run={**run, "add": 3 * elements - rows, "log": rows})
    return Cost(run={**run, "add": 2 * elements - rows, "div": elements})


@register_rule("aten.logsumexp")
def _logsumexp(facts: Facts) -> Cost:
    """Largest of the row, subtract it, exponentials, their sum, its log, add the largest back."""
    elements, rows = _rows(facts)
    run: dict[Action, int] = {"compare": elements - rows, "exp": elements, "log": rows}
    return Cost(run={**run, "add": 2 * elements})


@register_rule("aten.var", "aten.std", "aten.var_mean", "aten.std_mean")
def _variance(facts: Facts) -> Cost:
    """A mean, n differences, n squares, their mean; a standard deviation is a root more."""
    elements, rows = math.prod(facts.shapes.data), math.prod(facts.shapes.output)
    run: dict[Action, int] = {"add": 3 * elements - 2 * rows, "mul": elements + 2 * rows}
    return Cost(run={**run, "sqrt": rows} if "std" in facts.shapes.name else run)


@register_rule(
    "aten.amax", "aten.amin", "aten.max", "aten.min", "aten.argmax", "aten.argmin", "aten.aminmax"
)
def _extreme(facts: Facts) -> Cost:
    """The largest of n needs n - 1 comparisons; of two tensors, one an element."""
    elements, outputs = math.prod(facts.shapes.data), math.prod(facts.shapes.output)
    if len(facts.shapes.inputs) > 1:
        return Cost(run={"compare": facts.sites})
    sides = 2 if facts.shapes.name == "aten.aminmax" else 1
    return Cost(run={"compare": sides * (elements - outputs)})


@register_rule("aten.cumsum", "aten.cumprod", "aten.prod")
def _running(facts: Facts) -> Cost:
    """N - 1 additions or multiplications a row."""
    elements = math.prod(facts.shapes.data)
    if facts.shapes.name == "aten.prod":
        return Cost(run={"mul": elements - math.prod(facts.shapes.output)})
    action: Action = "add" if facts.shapes.name == "aten.cumsum" else "mul"
    return Cost(run={action: elements - _rows(facts)[1]})


@register_rule("aten.any", "aten.all", "aten.count_nonzero")
def _any(facts: Facts) -> Cost:
    """N - 1 boolean acts."""
    return Cost(run={"logic": math.prod(facts.shapes.data) - math.prod(facts.shapes.output)})


@register_rule("aten.linalg_vector_norm", "aten.norm")
def _vector_norm(facts: Facts) -> Cost:
    """The 2-norm: n squares, n - 1 additions, a root; any other order has a power an element."""
    elements, outputs = math.prod(facts.shapes.data), math.prod(facts.shapes.output)
    order = facts.shapes.attributes.get("ord", facts.shapes.attributes.get("p", 2))
    if order == 2:
        return Cost(run={"mul": elements, "add": elements - outputs, "sqrt": outputs})
    if order == 1:
        return Cost(run={"add": elements - outputs})
    return Cost(run={"pow": elements + outputs, "add": elements - outputs})


@register_rule("aten._weight_norm_interface")
def _weight_norm(facts: Facts) -> Cost:
    """G * v / |v|: the 2-norm of each slice along `dim`, a quotient each, and n products."""
    elements, rows = math.prod(facts.shapes.data), math.prod(facts.shapes.inputs[1].shape)
    return Cost(
        run={"mul": 2 * elements, "add": elements - rows, "sqrt": rows, "div": rows},
    )


@register_rule("aten.sort", "aten.topk", "aten.argsort", "aten.median", "aten.kthvalue")
def _sort(facts: Facts) -> Cost:
    """A merge sort's bound, n * ceil(log2 n) comparisons a row; also for the k largest."""
    elements, rows = _rows(facts)
    width = elements // rows if rows else 1
    return Cost(run={"compare": elements * math.ceil(math.log2(width)) if width > 1 else 0})


@register_rule(
    "aten._scaled_dot_product_fused_attention_overrideable",
    "aten._scaled_dot_product_flash_attention",
    "aten._scaled_dot_product_flash_attention_for_cpu",
    "aten._scaled_dot_product_efficient_attention",
    "aten._scaled_dot_product_cudnn_attention",
)
def _attention(facts: Facts) -> Cost:
    """Scores, their softmax, and the weighted values: q (b, h, s, d), k (b, h, t, d), v (.., e)."""
    query, key, value = (tensor.shape for tensor in facts.shapes.inputs[:3])
    scores = math.prod(query[:-1]) * key[-2]
    rows = math.prod(query[:-1])
    return Cost(
        run={
            "mac": scores * (query[-1] + value[-1]),
            "mul": scores,
            "compare": scores - rows,
            "add": 2 * scores - rows,
            "exp": scores,
            "div": scores,
        }
    )
