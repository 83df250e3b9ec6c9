"""Shapes of the frequent ops, without running their meta kernels, which are slow Python.

A rule returns the outputs on the meta device, or None where it is not sure; then the meta kernel
decides, and raises if the operands do not fit.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch

__all__ = ["SHAPE_RULES", "empty_meta"]

ShapeRule = Callable[..., Any]
_META = torch.device("meta")
_EMPTY: dict[torch.dtype, torch.Tensor] = {}


def empty_meta(shape: Any, dtype: torch.dtype) -> torch.Tensor:
    """A contiguous tensor on the meta device."""
    return torch.empty(shape, dtype=dtype, device=_META)


def _same(x: Any, *_: Any, **keywords: Any) -> Any:
    """Elementwise ops of one tensor that keep its type."""
    if keywords.get("memory_format") or not (x.dtype.is_floating_point and x.is_contiguous()):
        return None
    return empty_meta(x.shape, x.dtype)


def _binary(x: Any, other: Any, *_: Any, **__: Any) -> Any:
    """Elementwise ops of two tensors, where one of them has the shape of both."""
    shape = _shape_of_two(x, other)
    return None if shape is None or not x.dtype.is_floating_point else empty_meta(shape, x.dtype)


def _mask(x: Any, other: Any) -> Any:
    """Bitwise ops, of booleans."""
    return _compare(x, other) if x.dtype == torch.bool else None


def _compare(x: Any, other: Any = 0) -> Any:
    """Comparisons and boolean ops."""
    shape = _shape_of_two(x, other)
    return None if shape is None else empty_meta(shape, torch.bool)


def _shape_of_two(x: Any, other: Any) -> Any:
    if not isinstance(x, torch.Tensor) or not x.is_contiguous() or isinstance(other, complex):
        return None
    if not isinstance(other, torch.Tensor):
        return x.shape
    if not other.is_contiguous() or other.dtype not in (x.dtype, torch.bool):
        return None
    if other.shape == x.shape or _fits(other.shape, x.shape):
        return x.shape
    return other.shape if other.dtype == x.dtype and _fits(x.shape, other.shape) else None


def _fits(small: Any, large: Any) -> bool:
    """Whether broadcasting to the shape `large` leaves `large` as it is."""
    lead = len(large) - len(small)
    return lead >= 0 and all(n in (1, m) for n, m in zip(small, large[lead:], strict=True))


def _reduce(x: Any, dims: Any = None, keepdim: bool = False, **keywords: Any) -> Any:
    """Reductions that keep the type, over the given dimensions or all of them."""
    if keywords.get("dtype") is not None or not x.dtype.is_floating_point:
        return None
    rank = x.dim()
    gone = {d % rank for d in dims} if dims and rank else set(range(rank))
    sizes = enumerate(x.shape)
    if keepdim:
        return empty_meta([1 if axis in gone else n for axis, n in sizes], x.dtype)
    return empty_meta([n for axis, n in sizes if axis not in gone], x.dtype)


def _deviate(x: Any, dims: Any = None, *, keepdim: bool = False, **_: Any) -> Any:
    return _reduce(x, dims, keepdim)


def _create(size: Any, **keywords: Any) -> Any:
    """Memory without content."""
    if keywords.get("memory_format") or keywords.get("layout") not in (None, torch.strided):
        return None
    return empty_meta(size, keywords.get("dtype") or torch.get_default_dtype())


def _embed(weight: Any, indices: Any, *_: Any) -> Any:
    if weight.dim() != 2 or not indices.is_contiguous():
        return None
    return empty_meta((*indices.shape, weight.shape[1]), weight.dtype)


def _convolution(
    x: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    _output_padding: Any,
    groups: int,
) -> Any:
    if transposed or x.dtype != weight.dtype or not x.is_contiguous():
        return None
    if x.dim() != weight.dim() or x.shape[1] != weight.shape[1] * groups:
        return None
    if weight.shape[0] % groups or (bias is not None and bias.shape[0] != weight.shape[0]):
        return None
    shape = [x.shape[0], weight.shape[0]]
    for axis, size in enumerate(x.shape[2:]):
        step = stride[axis % len(stride)]
        reach = dilation[axis % len(dilation)] * (weight.shape[axis + 2] - 1)
        out = (size + 2 * padding[axis % len(padding)] - reach - 1) // step + 1
        if out <= 0:
            return None
        shape.append(out)
    return empty_meta(shape, x.dtype)


def _batch_norm(
    x: Any, weight: Any, bias: Any, mean: Any, var: Any, training: bool, _m: float, _e: float
) -> Any:
    if training or x.dim() < 2 or not x.is_contiguous():
        return None
    for vector in (weight, bias, mean, var):
        if vector is not None and (vector.shape[0] != x.shape[1] or vector.dtype != x.dtype):
            return None
    if x.dtype not in _EMPTY:
        _EMPTY[x.dtype] = empty_meta((0,), x.dtype)
    return empty_meta(x.shape, x.dtype), _EMPTY[x.dtype], _EMPTY[x.dtype]


def _mm(a: Any, b: Any) -> Any:
    if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[0] or a.dtype != b.dtype:
        return None
    return empty_meta((a.shape[0], b.shape[1]), a.dtype)


def _addmm(bias: Any, a: Any, b: Any, **_: Any) -> Any:
    if bias.dim() != 1 or bias.dtype != a.dtype or bias.shape[0] not in (1, b.shape[-1]):
        return None
    return _mm(a, b)


def _bmm(a: Any, b: Any) -> Any:
    if a.dim() != 3 or b.dim() != 3 or a.dtype != b.dtype:
        return None
    if a.shape[0] != b.shape[0] or a.shape[2] != b.shape[1]:
        return None
    return empty_meta((a.shape[0], a.shape[1], b.shape[2]), a.dtype)


def _grouped_mm(a: Any, b: Any, offs: Any = None, _bias: Any = None, out_dtype: Any = None) -> Any:
    """Of any element type; the kernels themselves take bfloat16 alone."""
    groups = (offs.shape[0],) if a.dim() == b.dim() == 2 and offs is not None else ()
    batch = (a.shape[0],) if a.dim() == b.dim() == 3 else groups
    if a.shape[-1] != b.shape[-2] or a.dtype != b.dtype:
        return None
    return empty_meta((*batch, a.shape[-2], b.shape[-1]), out_dtype or a.dtype)


def _quantized_linear(x: Any, packed: Any, _reduce_range: bool = False) -> Any:
    return empty_meta((*x.shape[:-1], packed.unpack()[0].shape[0]), x.dtype)


def _layer_norm(x: Any, normalized: Any, weight: Any, bias: Any, _eps: float) -> Any:
    if not x.is_contiguous() or list(x.shape[x.dim() - len(normalized) :]) != list(normalized):
        return None
    if any(v is not None and v.dtype != x.dtype for v in (weight, bias)):
        return None
    head = [*x.shape[: x.dim() - len(normalized)], *(1 for _ in normalized)]
    return empty_meta(x.shape, x.dtype), empty_meta(head, x.dtype), empty_meta(head, x.dtype)


def _softmax(x: Any, _dim: int, half_to_float: bool) -> Any:
    if half_to_float or not x.is_contiguous():
        return None
    return empty_meta(x.shape, x.dtype)


def _random(x: Any, *_: Any, **keywords: Any) -> Any:
    if keywords.get("dtype") not in (None, x.dtype):
        return None
    return empty_meta(x.shape, x.dtype)


_UNARY = """
    relu gelu silu tanh sigmoid neg exp rsqrt sqrt hardtanh leaky_relu abs sin cos hardswish
    hardsigmoid clone
""".split()
_BINARY = ("add", "sub", "mul", "div")
_LOGIC = ("logical_and", "logical_or", "logical_xor", "logical_not")
_COMPARISONS = ("eq", "ne", "gt", "ge", "lt", "le")


def _rules() -> Mapping[Any, ShapeRule]:
    aten = torch.ops.aten
    rules: dict[Any, ShapeRule] = {getattr(aten, name).default: _same for name in _UNARY}
    rules |= {getattr(aten, name).Tensor: _binary for name in _BINARY}
    rules |= {getattr(aten, name).Tensor: _compare for name in _COMPARISONS}
    rules |= {getattr(aten, name).default: _compare for name in _LOGIC}
    rules |= {getattr(aten, f"bitwise_{name}").Tensor: _mask for name in ("and", "or", "xor")}
    rules |= {getattr(aten, name).Scalar: _compare for name in _COMPARISONS}
    rules |= {aten.pow.Tensor_Scalar: _same, aten.mul.Scalar: _binary}
    rules |= {
        aten.mean.dim: _reduce,
        aten.sum.dim_IntList: _reduce,
        aten.std.correction: _deviate,
        aten.empty.memory_format: _create,
        aten.embedding.default: _embed,
    }
    rules |= {
        aten.convolution.default: _convolution,
        aten.native_batch_norm.default: _batch_norm,
        aten.mm.default: _mm,
        aten.addmm.default: _addmm,
        aten.bmm.default: _bmm,
        aten.native_layer_norm.default: _layer_norm,
        aten._grouped_mm.default: _grouped_mm,
        aten._softmax.default: _softmax,
        aten.randn_like.default: _random,
    }
    for name in ("linear_dynamic", "linear_relu_dynamic"):
        if hasattr(torch.ops.quantized, name):  # only builds with quantized kernels have it
            rules[getattr(torch.ops.quantized, name).default] = _quantized_linear
    return rules


SHAPE_RULES = _rules()
