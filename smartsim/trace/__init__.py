"""MODEL -> GRAPH: a torch model, partially evaluated at one value of its condition."""

from smartsim.trace.analyse.density import measure_density
from smartsim.trace.analyse.weights import collect_weights
from smartsim.trace.sources.names import (
    load_model,
    takes_argument,
)
from smartsim.trace.sources.texts import parse_condition, parse_input, parse_known, parse_shape
from smartsim.trace.tracer import trace_model

__all__ = [
    "collect_weights",
    "load_model",
    "measure_density",
    "parse_condition",
    "parse_input",
    "parse_known",
    "parse_shape",
    "takes_argument",
    "trace_model",
]
