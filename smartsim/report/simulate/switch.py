"""TRACES x ACCELERATOR -> what moving lam costs on a device, for each method.

Two things are paid. *Reloading*: what the new path reads and the old one did not, charged where the
weights live in working memory near the array; a machine that fetches its weights from memory in
every inference pays nothing extra for other weights. *Computing*: the work of stage switch, on the
simulated machine: FiLM's layers, frozen noise that is added to the weights, and what they fetch and
write.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from smartsim.cost import PrecisionPlan, Table, parse_format, uniform_plan
from smartsim.graph import Graph, Stage
from smartsim.report.methods import MethodTraces
from smartsim.report.simulate.costs import SwitchCost, SwitchReport
from smartsim.report.simulate.reloading import find_reloaded
from smartsim.simulate.machine.accelerators import Accelerator
from smartsim.simulate.machine.pricing import price_machine
from smartsim.simulate.network.layer import divide_up
from smartsim.simulate.network.runs import INFERENCE, Run
from smartsim.simulate.network.simulate import simulate_network

__all__ = ["build_switch_report"]


def build_switch_report(
    traces: Sequence[MethodTraces],
    accelerator: Accelerator,
    table: Table,
    *,
    plan: PrecisionPlan | str = "int8",
    dram_level: str | None = None,
    separate: Iterable[str] = ("PGD-AT",),
    setting: str = "",
    provenance: Mapping[str, str] | None = None,
) -> SwitchReport:
    """Price every switch between neighbouring values of lam, both ways.

    Args:
        traces: One entry a method, each traced at the same values of lam.
        accelerator: The machine.
        table: Published energies.
        plan: One format for all layers, or a plan by layer.
        dram_level: Memory of the table in place of the accelerator's own.
        separate: Methods that need another model for each lam: a switch reloads all of it.
        setting: Network, classes and input, for the heading.
        provenance: Versions and command.
    """
    if isinstance(plan, str):
        plan = uniform_plan(plan)
    alone = frozenset(separate)
    runs: dict[str, dict[float, Run]] = {}
    graphs: dict[str, dict[float, Graph]] = {}
    for trace in traces:
        graphs[trace.label] = dict(trace.paths)
        if trace.frozen is not None:
            top = max(trace.paths)
            frozen = f"{trace.label}, noise frozen"
            graphs[frozen] = {**trace.paths, top: trace.frozen}
    for label, paths in graphs.items():
        runs[label] = {
            lam: simulate_network(graph, accelerator, table=table, plan=plan, dram_level=dram_level)
            for lam, graph in paths.items()
        }
    number_format = plan.default or parse_format("int8")
    bits_pj = price_machine(accelerator, table, number_format, dram_level=dram_level).bits_pj
    reloading = _Reloading(
        weight_bits=number_format.weight_bits,
        bandwidth_bits_per_cycle=accelerator.dram_bandwidth_bits_per_cycle,
        bit_pj=bits_pj.get("dram", 0.0) + bits_pj.get("weight_buffer", 0.0),
    )
    costs = [
        _price_switch(
            label,
            (start, end),
            None if label in alone else paths[start],
            paths[end],
            runs[label][end],
            reloading,
        )
        for label, paths in graphs.items()
        for start, end in _neighbours(paths)
    ]
    missing = [
        f"{e.what} ({e.component})" for of in runs.values() for r in of.values() for e in r.unpriced
    ]
    return SwitchReport(
        accelerator=accelerator.name,
        table=table.name,
        unit=table.unit,
        plan=plan.name,
        setting=setting,
        costs=tuple(costs),
        unpriced=tuple(dict.fromkeys(missing)),
        break_even=_break_even(traces, costs),
        provenance=dict(provenance or {}),
    )


def _neighbours(paths: Mapping[float, Graph]) -> list[tuple[float, float]]:
    """Steps up through the values of lam, then down."""
    lams = sorted(paths)
    return [*pairwise(lams), *pairwise(reversed(lams))]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reloading:
    """What it takes to bring one bit from memory to the array."""

    weight_bits: int
    bandwidth_bits_per_cycle: float
    bit_pj: float


def _price_switch(
    label: str,
    move: tuple[float, float],
    before: Graph | None,
    after: Graph,
    run: Run,
    reloading: _Reloading,
) -> SwitchCost:
    start, end = move
    weights, masks, norms = find_reloaded(before, after, reloading.weight_bits)
    bits = weights + masks + norms
    switch: tuple[Stage, ...] = ("switch",)
    actions: dict[str, int] = {}
    for step in run.steps:
        if step.stage == "switch":
            for action, number in step.actions.items():
                actions[action] = actions.get(action, 0) + number
    return SwitchCost(
        method=label,
        start=start,
        end=end,
        weight_bits=weights,
        mask_bits=masks,
        norm_bits=norms,
        reload_cycles=divide_up(bits, reloading.bandwidth_bits_per_cycle),
        reload_pj=bits * reloading.bit_pj,
        actions=actions,
        macs=int(run.total("macs", switch)),
        compute_cycles=int(run.total("cycles", switch)),
        compute_bits=int(run.total("dram_bits", switch)),
        compute_pj=run.total("total_energy_pj", switch),
        inference_cycles=int(run.total("cycles", INFERENCE)),
        inference_pj=run.total("total_energy_pj", INFERENCE),
    )


def _break_even(traces: Sequence[MethodTraces], costs: Sequence[SwitchCost]) -> dict[str, float]:
    """Where freezing the noise pays: its switch over what each inference then saves."""
    found = {}
    for trace in traces:
        if trace.frozen is None:
            continue
        top = max(trace.paths)
        fresh = [c for c in costs if c.method == trace.label and c.end == top]
        frozen = [c for c in costs if c.method == f"{trace.label}, noise frozen" and c.end == top]
        if fresh and frozen:
            saved = fresh[0].inference_pj - frozen[0].inference_pj
            paid = frozen[0].energy_pj - fresh[0].energy_pj
            if saved > 0:
                found[trace.label] = max(0.0, paid / saved)
    return found
