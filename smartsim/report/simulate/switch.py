"""TRACES x ACCELERATOR -> what moving lam costs on a device, for each method.

Two things are paid. *Reloading*: what the new path reads and the old one did not, charged where the
weights live in working memory near the array; a machine that fetches its weights from memory in
every inference pays nothing extra for other weights. *Computing*: the work of stage switch, on the
simulated machine: FiLM's layers, frozen noise that is added to the weights, and what they fetch and
write. A batch norm is kept as one scale and one shift a channel at the array's output (integer
machines have both there anyway), so that two paths can share their weights.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from smartsim.cost import PrecisionPlan, Table, parse_format, uniform_plan
from smartsim.graph import Graph, ParameterSpec, Stage
from smartsim.report.methods import MethodTraces
from smartsim.simulate.machine.accelerators import Accelerator
from smartsim.simulate.machine.pricing import price_machine
from smartsim.simulate.network.contractions import CONTRACTIONS
from smartsim.simulate.network.layer import divide_up
from smartsim.simulate.network.runs import INFERENCE, Run
from smartsim.simulate.network.simulate import simulate_network

__all__ = ["NORM_BITS", "SwitchCost", "SwitchReport", "build_switch_report"]

NORM_BITS = 32
"""Bits of one scale or shift of a batch norm at the array's output, and of a bias."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchCost:
    """One switch of one method.

    Attributes:
        method: Column heading of the method; with its variant.
        start: lam before.
        end: lam after.
        weight_bits: Weights that the new path reads and the old one did not.
        mask_bits: Bit maps of the new path's weights, where they differ from the old one's.
        norm_bits: Scales, shifts and biases that the new path reads and the old one did not.
        reload_cycles: Cycles in which memory delivers these.
        reload_pj: Energy of reading these from memory and writing them near the array.
        actions: Work of stage switch.
        macs: Products of stage switch.
        compute_cycles: Cycles of stage switch on the machine.
        compute_bits: Bits that stage switch moves to and from memory.
        compute_pj: Energy of stage switch.
        inference_cycles: Cycles of one inference at the new lam.
        inference_pj: Energy of one inference at the new lam.
    """

    method: str
    start: float
    end: float
    weight_bits: int
    mask_bits: int
    norm_bits: int
    reload_cycles: int
    reload_pj: float
    actions: Mapping[str, int]
    macs: int
    compute_cycles: int
    compute_bits: int
    compute_pj: float
    inference_cycles: int
    inference_pj: float

    @property
    def reload_bits(self) -> int:
        """Everything that is reloaded."""
        return self.weight_bits + self.mask_bits + self.norm_bits

    @property
    def cycles(self) -> int:
        """Reloading, then computing."""
        return self.reload_cycles + self.compute_cycles

    @property
    def energy_pj(self) -> float:
        """Reloading and computing."""
        return self.reload_pj + self.compute_pj

    @property
    def inferences_worth(self) -> float:
        """Cycles of the switch in inferences at the new lam."""
        return self.cycles / self.inference_cycles if self.inference_cycles else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchReport:
    """Switches of several methods on one machine.

    Attributes:
        accelerator: Name of the machine.
        table: Name of the energy table.
        unit: Unit of the energies.
        plan: Name of the precision plan.
        setting: Network, classes and input.
        costs: The switches.
        unpriced: What has no price and is in no energy.
        break_even: Inferences between two switches from which on frozen noise costs less energy
            than fresh noise, by method.
        provenance: Versions and command.
    """

    accelerator: str
    table: str
    unit: str
    plan: str
    setting: str
    costs: tuple[SwitchCost, ...]
    unpriced: tuple[str, ...]
    break_even: Mapping[str, float]
    provenance: Mapping[str, str]


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
    weights, masks, norms = _reloaded(before, after, reloading.weight_bits)
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


def _reloaded(before: Graph | None, after: Graph, bits: int) -> tuple[int, int, int]:
    """Bits of weights, of bit maps, and of scales, shifts and biases that the new path needs."""
    known = {}
    if before is not None:
        gone = _overwritten(before)
        known = {spec.name: spec for spec in before.parameters if spec.name not in gone}
    weights = masks = norms = 0
    for spec in after.parameters:
        if spec.kind != "parameter" or not spec.active:
            continue
        old = known.get(spec.name)
        new = _new_elements(before, old, after, spec)
        if len(spec.shape) < 2:
            norms += NORM_BITS * new
            continue
        weights += bits * new
        if spec.pattern is not None and not _same_pattern(before, old, after, spec):
            masks += spec.elements
    return weights, masks, norms


def _overwritten(graph: Graph) -> frozenset[str]:
    """Weights in whose place the old path kept others that it computed from them in a switch."""
    return frozenset(
        tensor.name
        for op in graph.ops
        if op.stage == "switch" and op.name not in CONTRACTIONS
        for tensor in graph.input_tensors(op)
        if tensor.role == "parameter" and tensor.elements > 1
    )


def _new_elements(
    before: Graph | None, old: ParameterSpec | None, after: Graph, new: ParameterSpec
) -> int:
    """Elements that the new path reads and the old one did not."""
    if before is None or old is None or not old.active:
        return new.active
    if old.active == old.elements:
        return 0
    if old.pattern is None:
        return new.active
    had = before.patterns[old.pattern].bits
    has = np.ones_like(had) if new.pattern is None else after.patterns[new.pattern].bits
    return int(np.count_nonzero(has & ~had))


def _same_pattern(
    before: Graph | None, old: ParameterSpec | None, after: Graph, new: ParameterSpec
) -> bool:
    if before is None or old is None or old.pattern is None or new.pattern is None:
        return False
    return before.patterns[old.pattern] == after.patterns[new.pattern]


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
