"""MODEL -> GRAPH: a torch model, partially evaluated at one value of its condition."""

from smartsim.trace.tracer import trace_model

__all__ = ["trace_model"]
