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
    """Elementwise ops of two tensors; broadcasting is left to the meta kernel but for scalars."""
    if not isinstance(x, torch.Tensor) or not x.dtype.is_floating_point or not x.is_contiguous():
        return None
    if isinstance(other, torch.Tensor):
        if other.dim() and (other.shape != x.shape or not other.is_contiguous()):
            return None
        if x.dim() == 0 or other.dtype not in (x.dtype, torch.bool):
            return None
    elif isinstance(other, complex):
        return None
    return empty_meta(x.shape, x.dtype)


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


def _rules() -> Mapping[Any, ShapeRule]:
    aten = torch.ops.aten
    rules: dict[Any, ShapeRule] = {getattr(aten, name).default: _same for name in _UNARY}
    rules |= {getattr(aten, name).Tensor: _binary for name in _BINARY}
    rules |= {aten.pow.Tensor_Scalar: _same, aten.mul.Scalar: _binary}
    rules |= {
        aten.convolution.default: _convolution,
        aten.native_batch_norm.default: _batch_norm,
        aten.mm.default: _mm,
        aten.addmm.default: _addmm,
        aten.bmm.default: _bmm,
        aten.native_layer_norm.default: _layer_norm,
        aten._softmax.default: _softmax,
        aten.randn_like.default: _random,
    }
    return rules


SHAPE_RULES = _rules()
