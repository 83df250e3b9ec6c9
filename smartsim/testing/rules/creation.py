"""Scalar rules of operators that make tensors from nothing: constants and random draws.

Here alone the oracle takes its values from torch's result; there is nothing to compute.
"""

import numpy as np

from smartsim.testing.calls import Call, scalar_rule
from smartsim.testing.memory import to_values
from smartsim.testing.scalars import Scalar, ScalarArray

__all__ = ["DRAWS", "FILLS"]

DRAWS = (
    "aten.bernoulli",
    "aten.normal",
    "aten.rand",
    "aten.rand_like",
    "aten.randint",
    "aten.randint_like",
    "aten.randn",
    "aten.randn_like",
    "aten.uniform",
)
"""Operators that draw random numbers."""


FILLS = frozenset(
    f"aten.{name}"
    for name in (
        *("zeros", "zeros_like", "new_zeros", "zero", "ones", "ones_like", "new_ones"),
        *("full", "full_like", "new_full", "scalar_tensor"),
    )
)
"""Operators that fill a tensor with one number that stands in the code."""


@scalar_rule("aten.zeros", "aten.zeros_like", "aten.new_zeros", "aten.zero", reads=())
def _execute_zeros(call: Call) -> ScalarArray:
    return np.full(tuple(call.results[0].shape), call.zero(), dtype=object)


@scalar_rule("aten.full", "aten.full_like", "aten.new_full", "aten.scalar_tensor", reads=())
def _execute_full(call: Call) -> ScalarArray:
    value = float(call.arguments["s" if call.site.op == "aten.scalar_tensor" else "fill_value"])
    scalar = call.zero() if value == 0 else Scalar(value)
    return np.full(tuple(call.results[0].shape), scalar, dtype=object)


@scalar_rule(
    "aten.arange",
    "aten.empty",
    "aten.empty_like",
    "aten.empty_strided",
    "aten.eye",
    "aten.linspace",
    "aten.new_empty",
    "aten.new_empty_strided",
    "aten.new_ones",
    "aten.ones",
    "aten.ones_like",
    reads=(),
)
def _execute_constant(call: Call) -> ScalarArray:
    values = to_values(call.results[0])
    result = np.empty(values.shape, dtype=object)
    for place, value in enumerate(values.flat):
        result.flat[place] = Scalar(float(value))
    return result


@scalar_rule(*DRAWS, reads=("mean", "std", "p"))
def _execute_draw(call: Call) -> ScalarArray:
    values = to_values(call.results[0])
    read = [operand for operand in call.operands.values() if not isinstance(operand, list)]
    result = np.empty(values.shape, dtype=object)
    parts = [np.broadcast_to(operand.scalars, values.shape).ravel() for operand in read]
    for place, value in enumerate(values.flat):
        operands = [part[place] for part in parts]
        result.flat[place] = call.act(float(value), operands, {"noise": 1})
    return result
