"""GRAPH x ACCELERATOR -> RUN: cycles, stalls, traffic, utilization and energy on an array."""

from smartsim.simulate.accelerators import (
    Accelerator,
    Buffer,
    Citation,
    VectorUnit,
    ZeroPolicy,
    parse_zero_policy,
)
from smartsim.simulate.check import ConservationError, check_run
from smartsim.simulate.load import list_accelerators, load_accelerator
from smartsim.simulate.lowering import Step, lower_graph
from smartsim.simulate.network import simulate_network
from smartsim.simulate.runs import Run, StepRun, load_run, save_run

__all__ = [
    "Accelerator",
    "Buffer",
    "Citation",
    "ConservationError",
    "Run",
    "Step",
    "StepRun",
    "VectorUnit",
    "ZeroPolicy",
    "check_run",
    "list_accelerators",
    "load_accelerator",
    "load_run",
    "lower_graph",
    "parse_zero_policy",
    "save_run",
    "simulate_network",
]
