"""MODEL -> GRAPH: a torch model, partially evaluated at one value of its condition."""

from smartsim.trace.sources import load_model, parse_condition, parse_shape
from smartsim.trace.tracer import trace_model

__all__ = ["load_model", "parse_condition", "parse_shape", "trace_model"]
