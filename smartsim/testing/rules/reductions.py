"""Scalar rules of sums, means, variances and extremes."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from smartsim.counts.records import Action
from smartsim.errors import MissingRuleError
from smartsim.testing.calls import Call, scalar_rule
from smartsim.testing.scalars import Scalar, ScalarArray

__all__ = ["as_result", "find_extreme", "mean_scalars", "sum_scalars"]


def as_result(call: Call, scalars: Sequence[Scalar], output: int = 0) -> ScalarArray:
    """Scalars in the order of the elements of a result of the op, in its shape."""
    result = np.empty(len(scalars), dtype=object)
    result[:] = scalars
    return result.reshape(tuple(call.results[output].shape))


def sum_scalars(call: Call, scalars: Sequence[Scalar], *, padding: int = 0) -> Scalar:
    """One addition less than there are summands; known zeros are no summands, padding is."""
    summands = [s for s in scalars if not s.zero]
    if call.skips_zeros and not summands:
        return call.zero()
    adds = max(len(summands) + padding - 1, 0)
    value = math.fsum(s.value for s in summands)
    return call.act(value, summands, {"add": adds} if adds else {})


def mean_scalars(
    call: Call, scalars: Sequence[Scalar], *, divisor: float, padding: int = 0
) -> Scalar:
    """A sum and one multiplication by the reciprocal of a divisor."""
    total = sum_scalars(call, scalars, padding=padding)
    if total.zero:
        return total
    return call.act(total.value / divisor, (total,), {"mul": 1})


def find_extreme(
    call: Call, row: Sequence[Scalar], pick: Callable[[list[float]], float], compares: int
) -> tuple[Scalar, int]:
    """The extreme of some scalars and its place among them."""
    values = [s.value for s in row]
    value = pick(values)
    found = call.act(value, row, {"compare": compares} if compares else {})
    return found, values.index(value)


def _find_rows(call: Call) -> list[list[Scalar]]:
    """The elements that `dim` reduces together, row by row in the order of the results."""
    scalars = call["self"].scalars
    dims = call.arguments.get("dim")
    dims = list(dims) if isinstance(dims, Sequence) else [] if dims is None else [dims]
    axes = [d % max(scalars.ndim, 1) for d in dims] if dims else list(range(scalars.ndim))
    kept = [axis for axis in range(scalars.ndim) if axis not in axes]
    length = math.prod(scalars.shape[axis] for axis in axes)
    rows = scalars.transpose(kept + axes) if scalars.ndim else scalars
    return [list(row) for row in rows.reshape(-1, length)]


@scalar_rule("aten.sum")
def _execute_sum(call: Call) -> ScalarArray:
    return as_result(call, [sum_scalars(call, row) for row in _find_rows(call)])


@scalar_rule("aten.mean")
def _execute_mean(call: Call) -> ScalarArray:
    return as_result(call, [mean_scalars(call, row, divisor=len(row)) for row in _find_rows(call)])


@scalar_rule("aten.var", "aten.std", "aten.var_mean", "aten.std_mean", whole=True)
def _execute_var(call: Call) -> tuple[ScalarArray, ...]:
    given = call.arguments.get("correction")
    correction = 1.0 if given is None else float(given)
    root = call.site.op.startswith("aten.std")

    def spread(row: list[Scalar]) -> tuple[Scalar, Scalar]:
        n = len(row)
        mean = math.fsum(s.value for s in row) / n
        squares = math.fsum((s.value - mean) ** 2 for s in row)
        variance = squares / (n - correction) if n > correction else math.nan
        # Mean: n - 1 adds, 1 mul; centre: n adds; square: n muls; their mean: n - 1 adds, 1 mul.
        adds, muls = (n - 1) + n + (n - 1), 1 + n + 1
        actions: dict[Action, int] = {"add": adds, "mul": muls}
        if root:
            actions["sqrt"] = 1
        found = call.act(math.sqrt(variance) if root else variance, row, actions)
        return found, Scalar(mean, act=found.act)

    pairs = [spread(row) for row in _find_rows(call)]
    results = (as_result(call, [a for a, _ in pairs]), as_result(call, [b for _, b in pairs]))
    return results[: len(call.results)]


@scalar_rule("aten.linalg_vector_norm", whole=True)
def _execute_vector_norm(call: Call) -> ScalarArray:
    if call.arguments["ord"] != 2:
        raise MissingRuleError(
            f"{call.site.op} of order {call.arguments['ord']} in module {call.site.layer!r} has no "
            "scalar rule; enter one with @smartsim.testing.scalar_rule, or use order 2"
        )

    def norm(row: list[Scalar]) -> Scalar:
        n = len(row)
        value = math.sqrt(math.fsum(s.value**2 for s in row))
        return call.act(value, row, {"mul": n, "add": n - 1, "sqrt": 1})

    return as_result(call, [norm(row) for row in _find_rows(call)])


def _extremes(call: Call, pick: Callable[[list[float]], float]) -> tuple[ScalarArray, ScalarArray]:
    """The extreme of each row and its place; both come from the same act."""
    found = [find_extreme(call, row, pick, len(row) - 1) for row in _find_rows(call)]
    values = as_result(call, [scalar for scalar, _ in found])
    places = as_result(call, [Scalar(float(place), act=scalar.act) for scalar, place in found])
    return values, places


@scalar_rule("aten.amax", whole=True)
def _execute_amax(call: Call) -> ScalarArray:
    return _extremes(call, max)[0]


@scalar_rule("aten.amin", whole=True)
def _execute_amin(call: Call) -> ScalarArray:
    return _extremes(call, min)[0]


@scalar_rule("aten.argmax", whole=True)
def _execute_argmax(call: Call) -> ScalarArray:
    return _extremes(call, max)[1]


@scalar_rule("aten.argmin", whole=True)
def _execute_argmin(call: Call) -> ScalarArray:
    return _extremes(call, min)[1]


@scalar_rule("aten.max", "aten.min", whole=True)
def _execute_max(call: Call) -> tuple[ScalarArray, ...]:
    pick: Callable[[list[float]], float] = max if call.site.op == "aten.max" else min
    return _extremes(call, pick)[: len(call.results)]
