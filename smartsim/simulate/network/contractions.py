"""OP -> matrix products: how each contraction really lowers, and which operand is the weight.

Knows shapes, attributes and patterns of zeros; no array, no memory.

A convolution becomes one product a group: the window of each output pixel is a row of the first
matrix (made from the buffer as it is read, never stored), padding included. A transposed
convolution is a product a group whose columns are then added up where their windows overlap, which
the accumulators do on the way. Attention is two products a head.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smartsim.counts.work import MATMULS
from smartsim.graph import STAGES, Graph, Op, TensorSpec

__all__ = ["ATTENTION", "CONTRACTIONS", "Contraction", "Operand", "describe_operand", "lower_op"]

ATTENTION = frozenset(
    f"aten._scaled_dot_product_{kind}"
    for kind in (
        "fused_attention_overrideable",
        "flash_attention",
        "flash_attention_for_cpu",
        "efficient_attention",
        "cudnn_attention",
    )
)
CONTRACTIONS = MATMULS | ATTENTION | {"aten.convolution"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operand:
    """A tensor as memory sees it.

    Attributes:
        value: The data behind it, as `TensorSpec.value`; -1 for one that never leaves the chip.
        elements: Elements that the op touches.
        live: Of these, elements that are not known to be zero and that somebody needs; all of a
            boolean tensor, which says where these are.
        boolean: Whether an element is one bit.
    """

    value: int
    elements: int
    live: int
    boolean: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contraction:
    """`repeats` products of an (m, k) by a (k, n) matrix.

    Attributes:
        m: Rows of the first matrix (output pixels).
        k: Its columns (products in one sum).
        n: Columns of the second matrix (filters).
        repeats: How many such products, each with operands of its own.
        input: The first matrix's tensor, all repeats together.
        weight: The second matrix's tensor.
        window_elements: Elements of one repeat's input that must be at hand so that each is
            fetched once while the windows slide over it; 0 where windows do not overlap.
        row_taps: How often an element is fetched when only one window is at hand.
        live_weights: Weights that may be nonzero.
        mask: Where these are, (groups, k, n) with `repeats` a multiple of groups; None if dense.
    """

    m: int
    k: int
    n: int
    repeats: int
    input: Operand
    weight: Operand
    window_elements: int = 0
    row_taps: int = 1
    live_weights: int
    mask: NDArray[np.bool_] | None = None

    @property
    def products(self) -> int:
        """All products, those with known zeros and with padding included."""
        return self.m * self.k * self.n * self.repeats

    @property
    def live_products(self) -> int:
        """Products with weights that may be nonzero."""
        weights = self.k * self.n * self.repeats
        return self.products if weights == 0 else self.m * self.live_weights


def lower_op(graph: Graph, op: Op) -> tuple[Contraction, ...]:
    """The matrix products of `op`; empty if it is no contraction or has no product at all."""
    if op.name == "aten.convolution":
        lowered: tuple[Contraction, ...] = (_lower_convolution(graph, op),)
    elif op.name in MATMULS:
        lowered = (_lower_matmul(graph, op),)
    elif op.name in ATTENTION:
        lowered = _lower_attention(graph, op)
    else:
        return ()
    return tuple(contraction for contraction in lowered if contraction.products)


def describe_operand(tensor: TensorSpec, elements: int | None = None) -> Operand:
    """What memory sees of `tensor`, of which `elements` are touched."""
    touched = tensor.elements if elements is None else elements
    boolean = tensor.dtype == "bool"
    known = [] if boolean else [n for n in (tensor.nonzeros, tensor.needed) if n is not None]
    return Operand(
        value=tensor.value,
        elements=touched,
        live=min([touched, *known]),
        boolean=boolean,
    )


def _lower_convolution(graph: Graph, op: Op) -> Contraction:
    data, weight = graph.input_tensors(op)[:2]
    rank = len(weight.shape) - 2
    groups = int(op.attributes.get("groups", 1))
    stride, dilation = (_tuple(op.attributes.get(a, 1), rank) for a in ("stride", "dilation"))
    padding = _tuple(op.attributes.get("padding", 0), rank)
    batch, spatial, kernel = data.shape[0], data.shape[2:], weight.shape[2:]
    output = graph.output_tensors(op)[0].shape[2:]
    mask = _mask(graph, weight)
    if op.attributes.get("transposed", False):
        k, n = weight.shape[0] // groups, math.prod(weight.shape[1:])
        return _contraction(
            m=batch * math.prod(spatial),
            k=k,
            n=n,
            groups=groups,
            data=describe_operand(data),
            weight=weight,
            mask=None if mask is None else mask.reshape(groups, k, n),
        )
    filters, k = weight.shape[0] // groups, math.prod(weight.shape[1:])
    touched = [
        _touched(output[i], spatial[i], kernel[i], stride[i], padding[i], dilation[i])
        for i in range(rank)
    ]
    channels = weight.shape[1]
    overlaps = math.prod(kernel) > 1
    lines = min(spatial[0], (kernel[0] - 1) * dilation[0] + 1) if rank else 1
    return _contraction(
        m=batch * math.prod(output),
        k=k,
        n=filters,
        groups=groups,
        data=describe_operand(data, batch * data.shape[1] * math.prod(touched)),
        weight=weight,
        mask=None if mask is None else mask.reshape(groups, filters, k).transpose(0, 2, 1),
        window_elements=lines * math.prod(touched[1:]) * channels if overlaps else 0,
        row_taps=math.prod(kernel[:-1]) if overlaps else 1,
    )


def _contraction(
    *,
    m: int,
    k: int,
    n: int,
    groups: int,
    data: Operand,
    weight: TensorSpec,
    mask: NDArray[np.bool_] | None,
    window_elements: int = 0,
    row_taps: int = 1,
) -> Contraction:
    live = weight.elements if weight.nonzeros is None else weight.nonzeros
    return Contraction(
        m=m,
        k=k,
        n=n,
        repeats=groups,
        input=data,
        weight=describe_operand(weight),
        window_elements=min(window_elements, data.elements // max(1, groups)),
        row_taps=row_taps,
        live_weights=live,
        mask=mask,
    )


def _lower_matmul(graph: Graph, op: Op) -> Contraction:
    """The operand that is known earlier is the weight; of two activations, the second."""
    first, second = graph.input_tensors(op)[-2:]
    batch = first.shape[0] if len(first.shape) == 3 else 1
    m = first.shape[-2] if len(first.shape) > 1 else 1
    n = second.shape[-1] if len(second.shape) > 1 else 1
    k = first.shape[-1]
    data, weight = first, second
    swapped = STAGES.index(first.stage) < STAGES.index(second.stage)
    mask = _mask(graph, first if swapped else second)
    if swapped:
        data, weight, m, n = second, first, n, m
        if mask is not None:
            mask = mask.reshape(batch, n, k).transpose(0, 2, 1)
    elif mask is not None:
        mask = mask.reshape(batch, k, n)
    return _contraction(
        m=m, k=k, n=n, groups=batch, data=describe_operand(data), weight=weight, mask=mask
    )


def _lower_attention(graph: Graph, op: Op) -> tuple[Contraction, ...]:
    """Scores, then weighted values; the scores stay on the chip between the two."""
    query, key, value = graph.input_tensors(op)[:3]
    heads = math.prod(query.shape[:-2])
    rows, width = query.shape[-2:]
    context, out = key.shape[-2], value.shape[-1]
    inside = Operand(value=-1, elements=0, live=0)
    scores = Contraction(
        m=rows,
        k=width,
        n=context,
        repeats=heads,
        input=describe_operand(query),
        weight=describe_operand(key),
        live_weights=heads * width * context,
    )
    weighted = Contraction(
        m=rows,
        k=context,
        n=out,
        repeats=heads,
        input=inside,
        weight=describe_operand(value),
        live_weights=heads * context * out,
    )
    return scores, weighted


def _mask(graph: Graph, weight: TensorSpec) -> NDArray[np.bool_] | None:
    """The weight's pattern of zeros, if it was kept and has any."""
    if weight.pattern is None or weight.nonzeros in (None, weight.elements):
        return None
    bits = graph.patterns[weight.pattern].bits
    if bits.shape == weight.shape:
        return bits
    transposed = bits.swapaxes(-1, -2) if bits.ndim > 1 else bits
    return transposed if transposed.shape == weight.shape else None


def _tuple(value: Any, rank: int) -> tuple[int, ...]:
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * rank if len(values) == 1 else values


def _touched(outputs: int, size: int, taps: int, stride: int, padding: int, dilation: int) -> int:
    """Positions of one dimension that lie under some window.

    >>> _touched(outputs=16, size=32, taps=1, stride=2, padding=0, dilation=1)
    16
    """
    starts = np.arange(outputs)[:, None] * stride - padding + np.arange(taps) * dilation
    return len(np.unique(starts[(starts >= 0) & (starts < size)]))
