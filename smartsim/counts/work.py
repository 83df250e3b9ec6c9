"""How much work an op is when nothing is skipped: a function of its shapes and attributes alone."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from smartsim.graph import Graph, Op, TensorSpec, Work

__all__ = ["MATMULS", "Shapes", "dense_work", "describe_shapes"]

MATMULS = frozenset(
    f"aten.{name}" for name in ("mm", "addmm", "bmm", "baddbmm", "mv", "addmv", "dot")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shapes:
    """What a counting rule may know of an op.

    Attributes:
        name: The operator.
        inputs: Every tensor it reads, in order.
        arguments: The first tensor under each of the operator's argument names.
        output: Shape of what it writes first.
        attributes: Its other arguments by name.
    """

    name: str
    inputs: tuple[TensorSpec, ...]
    arguments: Mapping[str, TensorSpec]
    output: tuple[int, ...]
    attributes: Mapping[str, Any]

    @property
    def data(self) -> tuple[int, ...]:
        """Shape of the first input; the output's for an op that reads nothing."""
        return self.inputs[0].shape if self.inputs else self.output


def describe_shapes(graph: Graph, op: Op) -> Shapes:
    """The shapes of `op`."""
    inputs = graph.input_tensors(op)
    return Shapes(
        name=op.name,
        inputs=inputs,
        arguments=dict(zip(reversed(op.arguments), reversed(inputs), strict=True)),
        output=graph.tensors[op.outputs[0]].shape if op.outputs else (),
        attributes=op.attributes,
    )


def dense_work(shapes: Shapes) -> Work:
    """The work of an op whose operands hold no known zeros and whose every result is needed."""
    if shapes.name == "aten.convolution":
        return _convolution_work(shapes)
    if shapes.name in MATMULS:
        return _matmul_work(shapes)
    if shapes.name in _POOLS:
        return _pool_work(shapes)
    if shapes.name in _REDUCTIONS:
        elements = math.prod(shapes.data)
        return Work(sites=elements, sites_in_bounds=elements, outputs=math.prod(shapes.output))
    if shapes.name in _SOFTMAX:
        dim, elements = shapes.attributes.get("dim", -1), math.prod(shapes.output)
        width = shapes.output[dim] if shapes.output else 1
        return Work(sites=elements, sites_in_bounds=elements, outputs=elements // max(width, 1))
    if shapes.name.startswith("aten._scaled_dot_product"):
        rows, keys = math.prod(shapes.data[:-1]), shapes.inputs[1].shape[-2]
        return Work(sites=rows * keys, sites_in_bounds=rows * keys, outputs=rows)
    elements = math.prod(shapes.output)
    channels = shapes.output[1] if shapes.name == _BATCH_NORM else elements
    return Work(sites=elements, sites_in_bounds=elements, outputs=channels)


_SOFTMAX = frozenset(("aten._softmax", "aten._safe_softmax", "aten._log_softmax"))
_BATCH_NORM = "aten.native_batch_norm"
_REDUCTIONS = frozenset(f"aten.{name}" for name in ("sum", "mean"))


def _tuple(value: Any, rank: int) -> tuple[int, ...]:
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * rank if len(values) == 1 else values


@lru_cache(maxsize=1024)
def _covered(strided: int, partner: int, taps: int, stride: int, shift: int, step: int) -> int:
    """Pairs (position, tap) whose partner position lies within bounds, along one dimension."""
    pairs = 0
    for tap in range(taps):
        offset = tap * step - shift
        first = max(0, -(offset // stride))
        last = min(strided, (partner - 1 - offset) // stride + 1)
        pairs += max(0, last - first)
    return pairs


def _convolution_work(shapes: Shapes) -> Work:
    """N * c_out * c_in / groups * prod(kernel) products for each output position.

    A transposed convolution has as many for each input position instead.
    """
    data, weight, get = shapes.data, shapes.inputs[1].shape, shapes.attributes.get
    rank = len(weight) - 2
    stride, dilation = _tuple(get("stride", 1), rank), _tuple(get("dilation", 1), rank)
    padding = _tuple(get("padding", 0), rank)
    near, far = shapes.output[2:], data[2:]
    if get("transposed", False):
        near, far = far, near
    planes = data[0] * weight[0] * weight[1]
    inside = math.prod(
        _covered(near[i], far[i], weight[i + 2], stride[i], padding[i], dilation[i])
        for i in range(rank)
    )
    return Work(
        sites=planes * math.prod(near) * math.prod(weight[2:]),
        sites_in_bounds=planes * inside,
        outputs=math.prod(shapes.output),
    )


def _matmul_work(shapes: Shapes) -> Work:
    """M * k * n products, times the batch."""
    first, second = shapes.inputs[-2].shape, shapes.inputs[-1].shape
    columns = second[-1] if len(second) > 1 else 1
    sites = math.prod(first) * columns
    return Work(sites=sites, sites_in_bounds=sites, outputs=math.prod(shapes.output))


def _pool_work(shapes: Shapes) -> Work:
    """One site for each element of each window."""
    return _POOLS[shapes.name](shapes)


def _window_pool(shapes: Shapes) -> Work:
    rank = next(int(c) for c in shapes.name if c.isdigit())
    get = shapes.attributes.get
    kernel = _tuple(shapes.attributes["kernel_size"], rank)
    stride = _tuple(get("stride", ()) or kernel, rank)
    padding, dilation = _tuple(get("padding", 0), rank), _tuple(get("dilation", 1), rank)
    near, far = shapes.output[-rank:], shapes.data[-rank:]
    planes = math.prod(shapes.output[:-rank])
    inside = math.prod(
        _covered(near[i], far[i], kernel[i], stride[i], padding[i], dilation[i])
        for i in range(rank)
    )
    elements = math.prod(shapes.output)
    padded = elements * math.prod(kernel)
    if "avg" in shapes.name:  # a window that leans over the padding's end, too, adds less
        padded = planes * math.prod(
            _covered(near[i], far[i] + 2 * padding[i], kernel[i], stride[i], 0, dilation[i])
            for i in range(rank)
        )
    return Work(sites=padded, sites_in_bounds=planes * inside, outputs=elements)


def _adaptive_pool(shapes: Shapes) -> Work:
    """Window i covers floor(i * n / m) up to ceil((i + 1) * n / m) of n inputs, m outputs."""
    rank = 3 if "3d" in shapes.name else 2
    planes, sites = math.prod(shapes.output[:-rank]), 1
    for n, m in zip(shapes.data[-rank:], shapes.output[-rank:], strict=True):
        sites *= sum(-(-(i + 1) * n // m) - i * n // m for i in range(m))
    return Work(
        sites=planes * sites, sites_in_bounds=planes * sites, outputs=math.prod(shapes.output)
    )


_POOLS: Mapping[str, Callable[[Shapes], Work]] = {
    **{f"aten.max_pool{d}d_with_indices": _window_pool for d in (2, 3)},
    **{f"aten.avg_pool{d}d": _window_pool for d in (2, 3)},
    **{f"aten._adaptive_avg_pool{d}d": _adaptive_pool for d in (2, 3)},
    **{f"aten.adaptive_max_pool{d}d": _adaptive_pool for d in (2, 3)},
}
