"""What each op does with known zeros, what it reads, and how much of it is left: the rule table.

A rule answers three questions about a node, on boolean arrays in the shapes of its tensors, where
None stands for "dense" or "all of it":

- zeros: which elements of its output may be nonzero, from those of its inputs;
- reads: which elements of each input the needed elements of its output depend on;
- live: how much work is left for those, see `smartsim.graph.Work`.

An op without a rule here is opaque: its output is dense, and it reads all of its inputs. That is
the safe answer, never a wrong one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from smartsim.graph import Work
from smartsim.trace.record.geometry import Bits, count_true, is_same_memory
from smartsim.trace.record.tape import Node, narrow
from smartsim.trace.semantics.contractions import CONTRACTIONS
from smartsim.trace.semantics.known import find_mask, is_scalar_zero
from smartsim.trace.semantics.movement import CHOICES, COPIES, MOVES
from smartsim.trace.semantics.pooling import POOLS

__all__ = ["DENSE_RESULTS", "OPAQUE", "RULES", "STATISTICS", "Reads", "Rule"]

Reads = list[Bits | None]


@dataclass(frozen=True, slots=True)
class Rule:
    """The three answers of one kind of op.

    Attributes:
        zeros: Nonzeros of the first output, or None when dense.
        reads: For each input what is read of it, None for all, given what is needed (None: all).
        live: The work left, or None when that is all; asked only when something is known.
        plain: Whether, with nothing known and all needed, it reads all and all work is left.
    """

    zeros: Callable[[Node], Bits | None]
    reads: Callable[[Node, Bits | None], Reads]
    live: Callable[[Node, Bits | None], Work | None]
    plain: bool = True


def _shape(node: Node) -> tuple[int, ...]:
    return node.outputs[0].shape


def _combine(first: Bits | None, second: Bits | None) -> Bits | None:
    """Both must hold; None holds everywhere."""
    if first is None or second is None:
        return second if first is None else first
    return first if is_same_memory(first, second) else first & second


def _sites(node: Node, *conditions: Bits | None) -> Work | None:
    """An elementwise op acts where all conditions hold."""
    held: Bits | None = None
    for condition in conditions:
        held = _combine(held, condition)
    if held is None:
        return None
    held = np.broadcast_to(held, np.broadcast_shapes(held.shape, _shape(node)))
    count = count_true(held)
    return Work(sites=count, sites_in_bounds=count, outputs=count)


def _dense(_: Node) -> Bits | None:
    return None


def _read_all(node: Node, _: Bits | None) -> Reads:
    return [None] * len(node.inputs)


def _nothing_known(_: Node, __: Bits | None) -> Work | None:
    return None


# Elementwise ops of any value: each needed output reads its operands there.


def _read_pointwise(node: Node, out: Bits | None) -> Reads:
    return [narrow(out, operand) for operand in node.inputs]


def _live_pointwise(node: Node, out: Bits | None) -> Work | None:
    return _sites(node, out)


# Zero-preserving functions of one tensor, such as relu: f(0) = 0 costs nothing.


def _zeros_first(node: Node) -> Bits | None:
    bits = node.inputs[0].bits
    if bits is None:
        return None
    return np.broadcast_to(bits, np.broadcast_shapes(bits.shape, _shape(node)))


def _read_first(node: Node, out: Bits | None) -> Reads:
    first = node.inputs[0].bits
    return [narrow(_combine(out, first), operand) for operand in node.inputs]


def _live_first(node: Node, out: Bits | None) -> Work | None:
    return _sites(node, out, node.inputs[0].bits)


def _preserving_if(keeps_zero: Callable[[Node], bool]) -> Rule:
    """A function of one tensor that is zero-preserving or not by its settings."""

    def zeros(node: Node) -> Bits | None:
        return _zeros_first(node) if keeps_zero(node) else None

    def reads(node: Node, out: Bits | None) -> Reads:
        return _read_first(node, out) if keeps_zero(node) else _read_pointwise(node, out)

    def live(node: Node, out: Bits | None) -> Work | None:
        return _live_first(node, out) if keeps_zero(node) else _live_pointwise(node, out)

    return Rule(zeros, reads, live)


def _is_positive_power(node: Node) -> bool:
    """A positive power of zero is zero; the zeroth power is one."""
    exponent = node.attributes.get("exponent", 0)
    return isinstance(exponent, int | float) and exponent > 0


def _spans_zero(node: Node) -> bool:
    """Whether the bounds of a hardtanh leave zero where it is."""
    return bool(node.attributes.get("min_val", -1) <= 0 <= node.attributes.get("max_val", 1))


# Sums: a sum with one known zero is a copy, of two it is zero.


def _zeros_add(node: Node) -> Bits | None:
    if len(node.inputs) < 2:
        return None
    first, second = node.inputs[0].bits, node.inputs[1].bits
    if first is None or second is None:
        return None
    return np.asarray(first | second)


def _live_add(node: Node, out: Bits | None) -> Work | None:
    return _sites(node, out, *(operand.bits for operand in node.inputs))


# Products: with a known zero a product is zero, with a mask's one it is a copy.


def _zeros_mul(node: Node) -> Bits | None:
    if is_scalar_zero(node):
        return np.zeros(_shape(node), dtype=np.bool_)
    masks = [find_mask(operand) for operand in node.inputs]
    if any(masks):
        node.gating = True
        node.outputs[0].value.mask = node.outputs[0].view.is_whole and masks == [True, True]
    bits: Bits | None = None
    for operand in node.inputs:
        bits = _combine(bits, operand.bits)
    return None if bits is None else np.broadcast_to(bits, _shape(node))


def _read_mul(node: Node, out: Bits | None) -> Reads:
    if is_scalar_zero(node):
        return [np.zeros(operand.shape, dtype=np.bool_) for operand in node.inputs]
    wanted = out
    for operand in node.inputs:
        wanted = _combine(wanted, operand.bits)
    if wanted is not None:
        wanted = np.broadcast_to(wanted, _shape(node))
    return [
        np.zeros(operand.shape, dtype=np.bool_)
        if node.gating and operand.value.mask
        else narrow(wanted, operand)
        for operand in node.inputs
    ]


def _live_mul(node: Node, out: Bits | None) -> Work | None:
    if is_scalar_zero(node):
        return Work(sites=0, sites_in_bounds=0, outputs=0)
    return _sites(node, out, *(operand.bits for operand in node.inputs))


def _factors_bits(node: Node) -> Bits | None:
    first, second = (node.inputs[place].bits for place in (1, 2))
    product = _combine(first, second)
    return None if product is None else np.broadcast_to(product, _shape(node))


def _zeros_addcmul(node: Node) -> Bits | None:
    start, product = node.inputs[0].bits, _factors_bits(node)
    return None if start is None or product is None else np.asarray(start | product)


def _read_addcmul(node: Node, out: Bits | None) -> Reads:
    start, *factors = node.inputs
    wanted = _combine(out, _factors_bits(node))
    return [narrow(out, start), *(narrow(wanted, factor) for factor in factors)]


def _live_addcmul(node: Node, out: Bits | None) -> Work | None:
    return _sites(node, out, _factors_bits(node))


# Reductions by addition: zeros are not added.


def _reduced_axes(node: Node) -> tuple[int, ...]:
    rank = len(node.inputs[0].shape)
    dims = node.attributes.get("dim", ())
    dims = (dims,) if isinstance(dims, int) else tuple(dims)
    return tuple(d % rank for d in dims) if dims else tuple(range(rank))


def _zeros_sum(node: Node) -> Bits | None:
    bits = node.inputs[0].bits
    if bits is None:
        return None
    return np.asarray(bits.any(axis=_reduced_axes(node))).reshape(_shape(node))


def _spread(node: Node, out: Bits | None) -> Bits | None:
    """Needed outputs of a reduction, over all the elements that go into them."""
    shape, axes = node.inputs[0].shape, _reduced_axes(node)
    if out is None:
        return None
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    return np.broadcast_to(out.reshape(kept), shape)


def _read_sum(node: Node, out: Bits | None) -> Reads:
    return [_combine(_spread(node, out), node.inputs[0].bits)]


def _live_sum(node: Node, out: Bits | None) -> Work | None:
    bits = _combine(_spread(node, out), node.inputs[0].bits)
    if bits is None:
        return None
    sites, outputs = np.count_nonzero(bits), np.count_nonzero(bits.any(axis=_reduced_axes(node)))
    return Work(sites=int(sites), sites_in_bounds=int(sites), outputs=int(outputs))


# Reshapes, copies and concatenations: every output element is one input element.


def _zeros_reshape(node: Node) -> Bits | None:
    bits = node.inputs[0].bits
    return None if bits is None else bits.reshape(_shape(node))


def _read_reshape(node: Node, out: Bits | None) -> Reads:
    return [None if out is None else out.reshape(operand.shape) for operand in node.inputs]


def _zeros_clone(node: Node) -> Bits | None:
    node.outputs[0].value.mask = node.outputs[0].view.is_whole and node.inputs[0].value.mask
    return _zeros_first(node)


def _parts(node: Node) -> list[tuple[slice | int, ...]]:
    """Where each input of a concatenation or a stack lies in its output."""
    axis = int(node.attributes.get("dim", 0)) % len(_shape(node))
    if node.name == "aten.stack":
        return [(*(slice(None),) * axis, place) for place in range(len(node.inputs))]
    places: list[tuple[slice | int, ...]] = []
    start = 0
    for operand in node.inputs:
        size = operand.shape[axis] if len(operand.shape) == len(_shape(node)) else 0
        places.append((*(slice(None),) * axis, slice(start, start + size)))
        start += size
    return places


def _zeros_cat(node: Node) -> Bits | None:
    if all(operand.bits is None for operand in node.inputs):
        return None
    bits = np.ones(_shape(node), dtype=np.bool_)
    for operand, place in zip(node.inputs, _parts(node), strict=True):
        if operand.bits is not None:
            bits[place] = operand.bits
    return bits


def _read_cat(node: Node, out: Bits | None) -> Reads:
    if out is None:
        return _read_all(node, out)
    places = zip(node.inputs, _parts(node), strict=True)
    return [out[place].reshape(o.shape) if o.view.shape != (0,) else None for o, place in places]


def _zeros_made(node: Node) -> Bits | None:
    """Tensors that the forward pass itself fills with a literal zero."""
    return np.zeros(_shape(node), dtype=np.bool_)


def _zeros_fill(node: Node) -> Bits | None:
    literals = [
        node.attributes[key] for key in ("value", "fill_value", "s") if key in node.attributes
    ]
    return _zeros_made(node) if literals == [0] and not node.inputs else None


# Batch norm in eval mode: one scale and one shift a channel, prepared from the statistics.


def _read_batch_norm(node: Node, out: Bits | None) -> Reads:
    if out is None and node.inputs[0].bits is None:
        return _read_all(node, out)
    wanted = np.ones(_shape(node), dtype=np.bool_) if out is None else out
    channels = np.asarray(wanted.any(axis=(0, *range(2, wanted.ndim))))
    data = _combine(wanted, node.inputs[0].bits)
    return [data, *(channels for _ in node.inputs[1:])]


def _live_batch_norm(node: Node, out: Bits | None) -> Work | None:
    wanted = _combine(out, node.inputs[0].bits)
    if wanted is None:
        return None
    needed = np.ones(_shape(node), dtype=np.bool_) if out is None else out
    channels = int(np.count_nonzero(needed.any(axis=(0, *range(2, needed.ndim)))))
    sites = int(np.count_nonzero(wanted))
    return Work(sites=sites, sites_in_bounds=sites, outputs=channels)


OPAQUE = Rule(_dense, _read_all, _nothing_known)
_POINTWISE = Rule(_dense, _read_pointwise, _live_pointwise)
_ZERO_PRESERVING = Rule(_zeros_first, _read_first, _live_first)

_POINTWISE_OPS = """
    exp exp2 expm1 log log1p log2 cos erfc sigmoid softplus hardsigmoid reciprocal rsqrt eq ne
    gt ge lt le maximum minimum clamp clamp_min clamp_max logical_and logical_or logical_xor
    logical_not bitwise_and bitwise_or bitwise_xor bitwise_not remainder fmod atan2 lerp
    isnan isinf log_sigmoid_forward native_dropout bernoulli rand_like randn_like normal
    uniform randn rand add_scalar addcdiv ones ones_like arange empty empty_like new_empty new_ones
    logit mish celu
""".split()
_ZERO_PRESERVING_OPS = """
    relu leaky_relu relu6 gelu silu tanh hardswish neg abs sqrt square sin sinh tan
    asin atan erf sign trunc round floor ceil elu selu div softshrink hardshrink prelu _prelu_kernel
    deg2rad nan_to_num
""".split()


def _table() -> dict[str, Rule]:
    table = {f"aten.{name}": _POINTWISE for name in _POINTWISE_OPS}
    table |= {f"aten.{name}": _ZERO_PRESERVING for name in _ZERO_PRESERVING_OPS}
    table |= {
        name: Rule(*answers, _live_pointwise, plain=False)
        for name, answers in {**MOVES, **CHOICES, **COPIES}.items()
    }
    table |= {
        f"aten.{name}": Rule(_zeros_add, _read_pointwise, _live_add)
        for name in ("add", "sub", "rsub")
    }
    table |= {
        f"aten.{name}": Rule(_zeros_clone, _read_first, _live_first)
        for name in ("clone", "_to_copy", "alias_copy", "lift_fresh_copy")
    }
    table |= {f"aten.{name}": Rule(_zeros_sum, _read_sum, _live_sum) for name in ("sum", "mean")}
    table |= {
        f"aten.{name}": Rule(_zeros_reshape, _read_reshape, _live_pointwise)
        for name in ("_unsafe_view", "view_copy", "_reshape_copy")
    }
    table |= {
        f"aten.{name}": Rule(_zeros_made, _read_all, _live_pointwise)
        for name in ("zeros", "zeros_like", "new_zeros", "zero")
    }
    table |= {
        f"aten.{name}": Rule(_zeros_fill, _read_pointwise, _live_pointwise)
        for name in ("fill", "full", "full_like", "new_full", "scalar_tensor")
    }
    table |= {
        "aten.addcmul": Rule(_zeros_addcmul, _read_addcmul, _live_addcmul),
        "aten.hardtanh": _preserving_if(_spans_zero),
        "aten.pow": _preserving_if(_is_positive_power),
        "aten.mul": Rule(_zeros_mul, _read_mul, _live_mul),
        "aten.cat": Rule(_zeros_cat, _read_cat, _live_pointwise),
        "aten.stack": Rule(_zeros_cat, _read_cat, _live_pointwise),
        "aten.native_batch_norm": Rule(_dense, _read_batch_norm, _live_batch_norm),
    }
    return table


RULES: Mapping[str, Rule] = {
    **_table(),
    **{name: Rule(*answers) for name, answers in (CONTRACTIONS | POOLS).items()},
}

_STATISTICS_OPS = """
    sum mean std std_mean var var_mean amax amin aminmax max min norm median
    linalg_vector_norm argmax argmin prod logsumexp count_nonzero
""".split()

STATISTICS = frozenset(f"aten.{name}" for name in _STATISTICS_OPS)
"""Reductions: when they run at deployment, the device stores their result, not what they read."""

_DENSE_RESULTS_OPS = """
    native_layer_norm native_group_norm _fused_rms_norm _softmax _safe_softmax _log_softmax
    _scaled_dot_product_fused_attention_overrideable equal sort topk argsort nonzero any all
""".split()

DENSE_RESULTS = frozenset(f"aten.{name}" for name in _DENSE_RESULTS_OPS)
"""Ops without a rule whose results are dense, or no data, whatever the zeros of their operands."""
