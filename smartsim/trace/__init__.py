"""MODEL -> GRAPH: a torch model, partially evaluated at one value of its condition."""

from smartsim.trace.density import measure_density
from smartsim.trace.sources import (
    load_model,
    parse_condition,
    parse_input,
    parse_shape,
    takes_argument,
)
from smartsim.trace.tracer import trace_model
from smartsim.trace.weights import collect_weights

__all__ = [
    "collect_weights",
    "load_model",
    "measure_density",
    "parse_condition",
    "parse_input",
    "parse_shape",
    "takes_argument",
    "trace_model",
]
