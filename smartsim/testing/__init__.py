"""Property-test the op counts of your own layers."""

from smartsim.testing import (  # noqa: F401  each enters its scalar rules
    contractions,
    creation,
    elementwise,
    movement,
    normalisation,
    pooling,
    reductions,
)
from smartsim.testing.calls import Call, scalar_rule
from smartsim.testing.executor import OracleError
from smartsim.testing.oracle import OracleResult, count_by_scalars, oracle_convention
from smartsim.testing.scalars import Scalar, ScalarArray

__all__ = [
    "Call",
    "OracleError",
    "OracleResult",
    "Scalar",
    "ScalarArray",
    "count_by_scalars",
    "oracle_convention",
    "scalar_rule",
]
