"""GRAPH x ACCELERATOR -> RUN: cycles, stalls, traffic, utilization and energy on an array."""

from smartsim.simulate.explore.grids import Grid, Limits
from smartsim.simulate.explore.sweeps import SweepResult, load_sweep, save_sweep, sweep_designs
from smartsim.simulate.machine.accelerators import (
    Accelerator,
    Buffer,
    Citation,
    VectorUnit,
)
from smartsim.simulate.machine.load import list_accelerators, load_accelerator
from smartsim.simulate.machine.zeros import ZeroPolicy, parse_zero_policy
from smartsim.simulate.network.check import ConservationError, check_run
from smartsim.simulate.network.lowering import Step, lower_graph
from smartsim.simulate.network.runs import Run, StepRun, load_run, save_run
from smartsim.simulate.network.simulate import simulate_network

__all__ = [
    "Accelerator",
    "Buffer",
    "Citation",
    "ConservationError",
    "Grid",
    "Limits",
    "Run",
    "Step",
    "StepRun",
    "SweepResult",
    "VectorUnit",
    "ZeroPolicy",
    "check_run",
    "list_accelerators",
    "load_accelerator",
    "load_run",
    "load_sweep",
    "lower_graph",
    "parse_zero_policy",
    "save_run",
    "save_sweep",
    "simulate_network",
    "sweep_designs",
]
