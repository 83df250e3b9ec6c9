"""GRAPH x ACCELERATOR -> RUN: cycles, stalls, traffic, utilization and energy on an array."""

from smartsim.simulate.machine.accelerators import (
    Accelerator,
    Buffer,
    Citation,
    VectorUnit,
    ZeroPolicy,
    parse_zero_policy,
)
from smartsim.simulate.machine.load import list_accelerators, load_accelerator
from smartsim.simulate.network.check import ConservationError, check_run
from smartsim.simulate.network.lowering import Step, lower_graph
from smartsim.simulate.network.runs import Run, StepRun, load_run, save_run
from smartsim.simulate.network.simulate import simulate_network

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
