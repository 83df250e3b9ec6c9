"""Conservation laws that every run must keep; checked at the end of every simulation."""

import math

from smartsim.counts import count_actions
from smartsim.errors import SmartsimError
from smartsim.graph import Graph
from smartsim.simulate.network.lowering import executed_convention
from smartsim.simulate.network.runs import Run, StepRun

__all__ = ["ConservationError", "check_run"]


class ConservationError(SmartsimError, ArithmeticError):
    """A simulation that loses or invents work: a fault of smartsim, not of its user."""


def check_run(run: Run, graph: Graph, *, skip_zeros: bool) -> None:
    """Raise if a run breaks a conservation law.

    Executed MACs are at least the counted ones, and equal them where results that nobody needs do
    not differ; the vector unit's actions are the counted ones; each step keeps the laws of
    `_check_step`.

    Args:
        run: The run.
        graph: What was simulated.
        skip_zeros: Whether known zeros were left out.

    Raises:
        ConservationError: With the step, the law and the numbers.
    """
    for step in run.steps:
        _check_step(step, run)
    counts = count_actions(graph, executed_convention(skip_zeros=skip_zeros))
    counted: dict[str, int | float] = {}
    for item in counts:
        if item.stage != "deploy":
            counted[item.action] = counted.get(item.action, 0) + item.number
    executed: dict[str, int] = {"mac": sum(step.macs for step in run.steps)}
    for step in run.steps:
        for action, number in step.actions.items():
            executed[action] = executed.get(action, 0) + number
    for action in sorted({*counted, *executed}):
        done, due = executed.get(action, 0), counted.get(action, 0)
        if done < due or (done > due and not (action == "mac" and skip_zeros)):
            raise ConservationError(
                f"simulating {run.model} on {run.accelerator} executed {done} of action {action} "
                f"where {due} were counted; please report this as a bug"
            )


def _check_step(step: StepRun, run: Run) -> None:
    """Time covers work and traffic, words cover operands, energy is what its parts are."""
    elements = run.processing_elements
    beats = run.cycles_per_product[step.format]
    weights = sum(k * n * repeats for _, k, n, repeats in step.shapes)
    dense = step.macs == step.products
    laws = {
        "cycles cover the products": step.macs * beats <= step.array_cycles * elements,
        "no more products than there are": 0 <= step.macs <= step.products,
        "cycles cover the traffic": step.dram_bits
        <= step.cycles * run.dram_bandwidth_bits_per_cycle * (1 + 1e-12),
        "each weight is read": not dense or step.weight_reads >= weights,
        "partial sums are read back once less than written": step.accumulator_reads
        <= step.accumulator_writes,
        "energies are numbers": all(
            math.isfinite(energy) and energy >= 0 for energy in step.energy_pj.values()
        ),
    }
    for law, kept in laws.items():
        if not kept:
            raise ConservationError(
                f"step {step.index} ({step.layer or 'model'}: {', '.join(step.ops)}) on "
                f"{run.accelerator} breaks a law: {law}; please report this as a bug"
            )
