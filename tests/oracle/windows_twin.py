"""Sliding windows as nested loops over single elements: twin of `trace.semantics.windows`."""

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from smartsim.trace.semantics.windows import Window

__all__ = ["contract_by_loops", "list_products", "need_by_loops"]

Bits = NDArray[np.bool_]
Place = tuple[int, ...]


def list_products(window: Window, data: Bits, weight: Bits) -> Iterator[tuple[Place, Place, Place]]:
    """Every product that meets: places in data, weight and output, zeros and padding included not.

    A window at position p and a tap k of the kernel meet at p * stride + k * dilation - padding: of
    the input, or, where the convolution is transposed, of the output.
    """
    strided = window.inputs if window.transposed else window.outputs
    partner = window.outputs if window.transposed else window.inputs
    own = data.shape[1] // window.groups
    other = weight.shape[1] if window.transposed else weight.shape[0] // window.groups
    for image, group in itertools.product(range(data.shape[0]), range(window.groups)):
        for position in itertools.product(*(range(n) for n in strided)):
            for tap in itertools.product(*(range(n) for n in window.kernel)):
                met = tuple(
                    p * s + k * d - pad
                    for p, s, k, d, pad in zip(
                        position, window.stride, tap, window.dilation, window.padding, strict=True
                    )
                )
                if not all(0 <= m < n for m, n in zip(met, partner, strict=True)):
                    continue
                near, far = (position, met) if window.transposed else (met, position)
                for c, o in itertools.product(range(own), range(other)):
                    source = (image, group * own + c, *near)
                    result = (image, group * other + o, *far)
                    factor = (
                        (group * own + c, o, *tap)
                        if window.transposed
                        else (group * other + o, c, *tap)
                    )
                    if data[source] and weight[factor]:
                        yield source, factor, result


def _count_outputs(window: Window, weight: Bits) -> int:
    return int(weight.shape[1] * window.groups if window.transposed else weight.shape[0])


def contract_by_loops(window: Window, data: Bits, weight: Bits) -> NDArray[np.int64]:
    """How many products meet in each output element."""
    shape = (data.shape[0], _count_outputs(window, weight), *window.outputs)
    counts = np.zeros(shape, dtype=np.int64)
    for _, _, result in list_products(window, data, weight):
        counts[result] += 1
    return counts


def need_by_loops(window: Window, data: Bits, weight: Bits, need: Bits) -> tuple[Bits, Bits]:
    """The elements of data and weight that some needed output is computed from."""
    of_data, of_weight = np.zeros_like(data), np.zeros_like(weight)
    for source, factor, result in list_products(window, data, weight):
        if need[result]:
            of_data[source] = of_weight[factor] = True
    return of_data, of_weight
