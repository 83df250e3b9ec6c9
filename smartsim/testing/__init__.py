"""Property-test the op counts of your own layers."""

from smartsim.testing import rules
from smartsim.testing.agreement import assert_counts_agree
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
    "assert_counts_agree",
    "count_by_scalars",
    "oracle_convention",
    "rules",
    "scalar_rule",
]
