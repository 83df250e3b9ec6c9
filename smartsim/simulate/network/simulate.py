"""GRAPH x ACCELERATOR -> RUN: the whole network, step by step, checked at the end.

Time. Transfers hide behind work (the first tile of a step is fetched during the step before it), so
a step takes as long as the slowest of array, vector unit, buffer ports and memory. Steps follow
each other; no two overlap, so a total is never below the critical path.

Reuse. A result stays on the chip until the next result of its kind (activation, weight) takes its
place, if it fits in the buffers that it leaves and enters. Who reads it in between reads it there;
it goes to memory only if somebody reads it later, or if it does not fit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from smartsim.cost import NumberFormat, PrecisionPlan, Table, load_plan, load_table
from smartsim.graph import Graph
from smartsim.records.accept import expect
from smartsim.simulate.array.systolic import ArrayActivity
from smartsim.simulate.machine.accelerators import Accelerator, Component
from smartsim.simulate.machine.load import load_accelerator
from smartsim.simulate.machine.pricing import MachinePrices, price_machine
from smartsim.simulate.network.check import check_run
from smartsim.simulate.network.layer import Beside, choose_schedule, count_vector_cycles, divide_up
from smartsim.simulate.network.lowering import Step, lower_graph
from smartsim.simulate.network.reuse import Placement, place_values
from smartsim.simulate.network.runs import Run, StepRun, Unpriced

__all__ = ["simulate_network"]


def simulate_network(
    graph: Graph,
    accelerator: Accelerator | str | Path,
    *,
    table: Table | str | Path | None = None,
    plan: PrecisionPlan | NumberFormat | str | Path = "int8",
    dram_level: str | None = None,
) -> Run:
    """Simulate one inference of `graph`, and one switch of its condition, on `accelerator`.

    Args:
        graph: What `smartsim.trace.trace_model` returned.
        accelerator: The machine, by name, path or as a record.
        table: Published energies, likewise; None simulates cycles and traffic only.
        plan: One format for all layers, or a plan by layer, likewise.
        dram_level: Memory of the table in place of the accelerator's own, such as "dram:hbm2".

    Returns:
        The run; its conservation laws have been checked.

    Raises:
        ConfigurationError: If format, table and accelerator do not fit each other.
        MissingRuleError: If an op has no counting rule.
        ConservationError: If the result breaks a law, which is a fault of smartsim.
    """
    expect(graph, Graph, "graph")
    accelerator, plan = load_accelerator(accelerator), load_plan(plan)
    table = None if table is None else load_table(table)
    steps = lower_graph(graph, skip_zeros=accelerator.zeros.kind != "none")
    formats = plan.resolve([step.layer for step in steps])
    used = {number_format.name: number_format for number_format in formats.values()}
    for number_format in used.values():
        accelerator.check_format(number_format)
        accelerator.check_tile(number_format.bits, number_format.weight_bits)
    prices = {}
    if table is not None:
        prices = {
            name: price_machine(accelerator, table, number_format, dram_level=dram_level)
            for name, number_format in used.items()
        }
    placements = place_values(steps, formats, accelerator)
    unpriced: dict[tuple[str, str], int] = {}
    runs = tuple(
        _run_step(step, formats[step.layer], accelerator, placements, prices, unpriced)
        for step in steps
    )
    run = Run(
        model=graph.model,
        condition=graph.condition,
        accelerator=accelerator.name,
        processing_elements=accelerator.processing_elements,
        dataflow=accelerator.dataflow,
        zeros=str(accelerator.zeros),
        clock_hz=accelerator.clock_hz,
        dram_bandwidth_bits_per_cycle=accelerator.dram_bandwidth_bits_per_cycle,
        cycles_per_product={name: f.terms for name, f in used.items()},
        table="" if table is None else table.name,
        unit="pJ" if table is None else table.unit,
        plan=plan.name,
        steps=runs,
        unpriced=tuple(
            Unpriced(component=component, what=what, number=number)
            for (component, what), number in unpriced.items()
        ),
        notes=(*graph.notes, *_notes(steps, accelerator)),
    )
    check_run(run, graph, skip_zeros=accelerator.zeros.kind != "none")
    return run


def _run_step(
    step: Step,
    number_format: NumberFormat,
    accelerator: Accelerator,
    placements: Placement,
    prices: Mapping[str, MachinePrices],
    unpriced: dict[tuple[str, str], int],
) -> StepRun:
    fetched = sum(placements.read_bits(step, operand) for operand in step.reads)
    written = sum(placements.write_bits(step, operand) for operand in step.writes)
    touched = sum(placements.size_bits(step, operand) for operand in step.reads)
    vector_cycles = count_vector_cycles(step.actions, accelerator)
    port_cycles = max(
        divide_up(touched, accelerator.input_buffer.width_bits),
        divide_up(step.outputs * number_format.bits, accelerator.output_buffer.width_bits),
    )
    beside = Beside(traffic_bits=fetched + written, cycles=max(vector_cycles, port_cycles))
    choices = [
        choose_schedule(contraction, step, number_format, accelerator, placements, beside)
        for contraction in step.contractions
    ]
    inputs = fetched + sum(choice.input_fetch_bits for choice in choices)
    weights = sum(choice.weight_fetch_bits for choice in choices)
    writes = written + sum(choice.spilled_bits for choice in choices)
    bandwidth = accelerator.dram_bandwidth_bits_per_cycle
    sums = _add_activities([choice.activity for choice in choices])
    run = StepRun(
        index=step.index,
        layer=step.layer,
        ops=step.ops,
        stage=step.stage,
        format=number_format.name,
        shapes=tuple((c.m, c.k, c.n, c.repeats) for c in step.contractions),
        schedule=tuple(choice.schedule for choice in choices),
        products=sum(c.products for c in step.contractions),
        macs=sums["macs"],
        actions={str(action): number for action, number in step.actions.items()},
        array_cycles=sums["cycles"],
        vector_cycles=vector_cycles,
        onchip_cycles=max(port_cycles, *(choice.onchip_cycles for choice in choices), 0),
        dram_cycles=divide_up(inputs + weights + writes, bandwidth),
        folds=sums["folds"],
        input_reads=sums["input_reads"],
        weight_reads=sums["weight_reads"],
        accumulator_reads=sums["accumulator_reads"],
        accumulator_writes=sums["accumulator_writes"],
        outputs=step.outputs,
        operand_moves=sums["operand_moves"],
        sum_moves=sums["sum_moves"],
        input_fetch_bits=inputs,
        weight_fetch_bits=weights,
        dram_write_bits=writes,
    )
    if not prices:
        return run
    energy = _price_step(
        run, touched, number_format, accelerator, prices[number_format.name], unpriced
    )
    return replace(run, energy_pj=energy)


def _price_step(
    run: StepRun,
    touched_bits: int,
    number_format: NumberFormat,
    accelerator: Accelerator,
    prices: MachinePrices,
    unpriced: dict[tuple[str, str], int],
) -> dict[str, float]:
    """Energy by component; what has no price is added to `unpriced`."""
    bits, weight_bits = number_format.bits, number_format.weight_bits
    sum_bits = accelerator.accumulator_bits
    results = run.outputs * bits
    moved: dict[Component, int] = {
        "registers": run.operand_moves * bits + run.sum_moves * sum_bits,
        "input_buffer": run.input_reads * bits + touched_bits + run.input_fetch_bits,
        "weight_buffer": run.weight_reads * weight_bits + run.weight_fetch_bits,
        "output_buffer": results + run.dram_write_bits,
        "accumulators": (run.accumulator_reads + run.accumulator_writes) * sum_bits,
        "dram": run.dram_bits,
    }
    energy: dict[str, float] = {}
    if run.macs:
        energy["array"] = run.macs * prices.mac_pj
    for action, number in run.actions.items():
        price = prices.actions_pj.get(action)  # type: ignore[call-overload]
        if price is None:
            _add(unpriced, ("vector", action), number)
        else:
            energy["vector"] = energy.get("vector", 0.0) + number * price
    for component, number in moved.items():
        if not number:
            continue
        if component in prices.bits_pj:
            energy[component] = number * prices.bits_pj[component]
        else:
            _add(unpriced, (component, "bits"), number)
    return energy


def _notes(steps: Sequence[Step], accelerator: Accelerator) -> list[str]:
    if not accelerator.zeros.skips:
        return []
    lost = [
        step.layer
        for step in steps
        for c in step.contractions
        if c.mask is None and c.live_weights < c.k * c.n * c.repeats
    ]
    if not lost:
        return []
    return [f"zeros of {', '.join(lost)} have no stored pattern: their cycles are those of dense"]


def _add_activities(activities: Sequence[ArrayActivity]) -> dict[str, int]:
    names = ArrayActivity.__dataclass_fields__
    return {name: sum(int(getattr(a, name)) for a in activities) for name in names}


def _add(sums: dict[tuple[str, str], int], key: tuple[str, str], number: int) -> None:
    sums[key] = sums.get(key, 0) + number
