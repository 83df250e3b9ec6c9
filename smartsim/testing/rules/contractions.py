"""Scalar rules of contractions: convolutions and matrix products.

Every output element is one accumulation of products; each product is one `mac`. A bias is what the
accumulator starts from and costs nothing.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

import numpy as np

from smartsim.errors import ConfigurationError
from smartsim.testing.calls import Call, scalar_rule
from smartsim.testing.scalars import Act, Scalar, ScalarArray

__all__ = ["UncountablePaddingError"]

_Place: TypeAlias = tuple[int, ...]
_Term: TypeAlias = tuple[Scalar | None, Scalar]
"""One product: an element of the data, or None where the data is padding, and one of the weight."""


class UncountablePaddingError(ConfigurationError):
    """Cropped products of a transposed convolution under a convention that skips zeros."""


def accumulate(call: Call, terms: Iterable[_Term], start: Scalar | None = None) -> Scalar:
    """Sum products with one accumulator.

    Args:
        call: The call.
        terms: The products.
        start: What the accumulator starts from; None for an accumulator that is cleared.

    Returns:
        The sum; a known zero when there is no product left to add and nothing to start from.
    """
    value = start.value if start else 0.0
    operands = [start] if start else []
    macs = paddings = 0
    for data, weight in terms:
        if data is None:
            paddings += not weight.zero
        elif not (data.zero or weight.zero):
            value += data.value * weight.value
            operands += (data, weight)
            macs += 1
    if call.skips_zeros and not macs and (start is None or start.zero):
        return call.zero()
    if call.convention.count_padding:
        macs += paddings
    return call.act(value, operands, {"mac": macs} if macs else {})


@scalar_rule("aten.convolution", contraction=True)
def _execute_convolution(call: Call) -> ScalarArray:
    bias = call.get("bias")
    result = np.empty(tuple(call.results[0].shape), dtype=object)
    terms = _transposed_terms(call) if call.arguments["transposed"] else _convolution_terms(call)
    for place, products in terms:
        start = bias.scalars[place[1]] if bias else None
        result[place] = accumulate(call, products, start)
    return result


def _convolution_terms(call: Call) -> Iterator[tuple[_Place, list[_Term]]]:
    """Each output element's place and its products."""
    data, weight = call["input"].scalars, call["weight"].scalars
    outputs, group_inputs, *kernel = weight.shape
    group_outputs = outputs // call.arguments["groups"]
    steps = _steps(call)
    for n, output, *place in np.ndindex(*call.results[0].shape):
        first = output // group_outputs * group_inputs
        products: list[_Term] = []
        for channel, *tap in np.ndindex(group_inputs, *kernel):
            at = tuple(
                p * stride - padding + k * dilation
                for p, k, stride, padding, dilation in zip(place, tap, *steps, strict=True)
            )
            inside = all(0 <= i < size for i, size in zip(at, data.shape[2:], strict=True))
            products.append(
                (data[(n, first + channel, *at)] if inside else None, weight[output, channel, *tap])
            )
        yield (n, output, *place), products


def _transposed_terms(call: Call) -> Iterator[tuple[_Place, list[_Term]]]:
    """The same for a transposed convolution, where each input element spreads over the output."""
    data, weight = call["input"].scalars, call["weight"].scalars
    shape = tuple(call.results[0].shape)
    _, group_outputs, *kernel = weight.shape
    group_inputs = data.shape[1] // call.arguments["groups"]
    steps = _steps(call)
    terms: dict[_Place, list[_Term]] = {place: [] for place in np.ndindex(*shape)}
    cropped = 0
    for n, channel, *place in np.ndindex(*data.shape):
        first = channel // group_inputs * group_outputs
        for output, *tap in np.ndindex(group_outputs, *kernel):
            at = tuple(
                p * stride - padding + k * dilation
                for p, k, stride, padding, dilation in zip(place, tap, *steps, strict=True)
            )
            if all(0 <= i < size for i, size in zip(at, shape[2:], strict=True)):
                terms[n, first + output, *at].append(
                    (data[n, channel, *place], weight[channel, output, *tap])
                )
            else:
                cropped += 1
    _count_cropped(call, cropped)
    yield from terms.items()


def _count_cropped(call: Call, cropped: int) -> None:
    """Count the products of a transposed convolution that padding crops off its output."""
    if not cropped or not call.convention.count_padding:
        return
    if call.skips_zeros:
        raise UncountablePaddingError(
            f"{call.site.layer or 'the model'} crops products of a transposed convolution: they "
            "belong to no output, so it cannot be said whether they are needed; count with "
            "count_padding=False, or with skip_zeros=False"
        )
    call.acts.append(Act(call.site, {"mac": cropped}))


def _steps(call: Call) -> tuple[Sequence[int], Sequence[int], Sequence[int]]:
    """Stride, padding and dilation, each for every spatial dimension."""
    rank = call.results[0].dim() - 2
    stride, padding, dilation = (
        tuple(itertools.islice(itertools.cycle(call.arguments[name]), rank))
        for name in ("stride", "padding", "dilation")
    )
    return stride, padding, dilation


@scalar_rule("aten.mm", contraction=True)
def _execute_mm(call: Call) -> ScalarArray:
    return _multiply_matrices(call, call["self"].scalars, call["mat2"].scalars)


@scalar_rule("aten.bmm", contraction=True)
def _execute_bmm(call: Call) -> ScalarArray:
    return _multiply_matrices(call, call["self"].scalars, call["mat2"].scalars)


@scalar_rule("aten.mv", contraction=True)
def _execute_mv(call: Call) -> ScalarArray:
    return _multiply_matrices(call, call["self"].scalars, call["vec"].scalars[:, None])[:, 0]


@scalar_rule("aten.dot", "aten.vdot", contraction=True)
def _execute_dot(call: Call) -> ScalarArray:
    a, b = (call[name].scalars for name in call.operands)
    return _multiply_matrices(call, a[None, :], b[:, None])[0, 0, None].reshape(())


@scalar_rule("aten.addmm", contraction=True)
def _execute_addmm(call: Call) -> ScalarArray:
    return _multiply_matrices(
        call, call["mat1"].scalars, call["mat2"].scalars, call["self"].scalars
    )


@scalar_rule("aten.baddbmm", contraction=True)
def _execute_baddbmm(call: Call) -> ScalarArray:
    return _multiply_matrices(
        call, call["batch1"].scalars, call["batch2"].scalars, call["self"].scalars
    )


@scalar_rule("aten.addmv", contraction=True)
def _execute_addmv(call: Call) -> ScalarArray:
    start = np.broadcast_to(call["self"].scalars, call.results[0].shape)[:, None]
    matrix, vector = call["mat"].scalars, call["vec"].scalars[:, None]
    return _multiply_matrices(call, matrix, vector, start)[:, 0]


def _multiply_matrices(
    call: Call, a: ScalarArray, b: ScalarArray, start: ScalarArray | None = None
) -> ScalarArray:
    """Products of (..., i, k) and (..., k, j) matrices, added to a start that broadcasts.

    A sum scaled by `alpha` or a start scaled by `beta` is one multiplication more an output.
    """
    shape = (*a.shape[:-1], b.shape[-1])
    alpha, beta = (float(call.arguments.get(name, 1)) for name in ("alpha", "beta"))
    starts = None if start is None or beta == 0 else np.broadcast_to(start, shape)
    result = np.empty(shape, dtype=object)
    for *batch, i, j in np.ndindex(*shape):
        terms = ((a[*batch, i, k], b[*batch, k, j]) for k in range(a.shape[-1]))
        one = None if starts is None else starts[*batch, i, j]
        made = accumulate(call, terms, one)
        scaled = (alpha != 1) + (beta not in (0, 1))
        if scaled and not made.zero:
            begun = one.value if one else 0.0
            value = alpha * (made.value - begun) + beta * begun
            made = call.act(value, (made,), {"mul": scaled})
        result[*batch, i, j] = made
    return result
