"""Laws of the simulator over drawn networks, masks and machines."""

import dataclasses
from typing import Any

import networkx as nx
import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from smartsim.cost import load_table
from smartsim.errors import ConfigurationError
from smartsim.graph import Graph
from smartsim.simulate import Accelerator, ZeroPolicy, lower_graph, simulate_network
from smartsim.simulate.array.sparsity import run_skipping_array
from smartsim.simulate.array.systolic import DATAFLOWS, ArrayActivity, Dataflow, run_dense_array
from smartsim.simulate.explore.designs import Designs, build_design, price_designs
from smartsim.simulate.explore.evaluate import evaluate_designs
from smartsim.simulate.explore.tabulate import tabulate_network
from smartsim.simulate.network.runs import INFERENCE, Run
from tests.unit.simulate.graphs import Builder, machine

TABLE = load_table("horowitz2014_45nm+han2015_45nm")
DATAFLOW = st.sampled_from(DATAFLOWS)


@st.composite
def networks(draw: st.DrawFn, *, masks: bool = False) -> Graph:
    """Two to four convolutions with what comes between them, and perhaps a linear layer."""
    make = Builder()
    side, channels = draw(st.integers(3, 9)), draw(st.sampled_from([1, 2, 3, 4]))
    value = make.input(draw(st.integers(1, 2)), channels, side, side)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    for _ in range(draw(st.integers(1, 3))):
        channels, side = make.tensors[value].shape[1:3]
        kernel = draw(st.sampled_from([1, 3]))
        groups = draw(st.sampled_from([1, channels]))
        filters = groups * draw(st.integers(1, 6))
        mask = None
        if masks and draw(st.booleans()):
            density = draw(st.sampled_from([0.1, 0.5, 0.9]))
            mask = rng.random((filters, channels // groups, kernel, kernel)) < density
        before = value
        value = make.convolution(
            value,
            filters,
            kernel,
            stride=draw(st.integers(1, 2)),
            padding=kernel // 2,
            groups=groups,
            mask=mask,
        )
        if draw(st.booleans()):
            value = make.relu(value)
        if make.tensors[before].shape == make.tensors[value].shape and draw(st.booleans()):
            value = make.add(value, before)
    if draw(st.booleans()):
        batch, channels = make.tensors[value].shape[:2]
        pooled = make.op("mean", {"self": value}, (batch, channels), dim=[2, 3])
        value = make.linear(pooled, draw(st.integers(1, 10)))
    return make.graph(value)


@st.composite
def machines(draw: st.DrawFn, /, **fixed: Any) -> Accelerator:
    """Small arrays with buffers from one tile to everything."""
    fields = {
        "rows": draw(st.integers(1, 6)),
        "cols": draw(st.integers(1, 6)),
        "dataflow": draw(DATAFLOW),
        "input_buffer": draw(st.sampled_from([600, 1500, 4000, 2**20])),
        "weight_buffer": draw(st.sampled_from([600, 1500, 4000, 2**20])),
        "output_buffer": draw(st.sampled_from([600, 4000, 2**20])),
        "accumulator_words": draw(st.sampled_from([4, 16, 64, 1024])),
        "dram_bandwidth_bits_per_cycle": draw(st.sampled_from([0.5, 4.0, 64.0, 1e6])),
        "port": draw(st.sampled_from([16, 64, 2**20])),
        **fixed,
    }
    return machine(**fields)


def cycles_of(graph: Graph, accelerator: Accelerator, plan: str = "int8") -> int | float:
    return simulate_network(graph, accelerator, plan=plan).total("cycles")


@settings(max_examples=120)
@given(networks(), machines(), st.data())
def test_more_elements_bandwidth_or_buffer_never_cost_cycles(
    graph: Graph, accelerator: Accelerator, data: st.DataObject
) -> None:
    what = data.draw(
        st.sampled_from(["rows", "cols", "bandwidth", "input", "weight", "output", "sums"])
    )
    factor = data.draw(st.sampled_from([1, 2, 3]))
    more: dict[str, dict[str, Any]] = {
        "rows": {"rows": accelerator.rows + factor},
        "cols": {"cols": accelerator.cols + factor},
        "bandwidth": {
            "dram_bandwidth_bits_per_cycle": accelerator.dram_bandwidth_bits_per_cycle
            * (1 + factor / 2)
        },
        "sums": {"accumulator_words": accelerator.accumulator_words + factor},
    }
    changes = dict(more.get(what, {}))
    if not changes:
        name = f"{what}_buffer"
        buffer = getattr(accelerator, name)
        bits = buffer.capacity_bits + 500 * factor
        changes[name] = dataclasses.replace(buffer, capacity_bits=bits)
    try:
        larger = dataclasses.replace(accelerator, **changes)
    except ConfigurationError:  # a larger array needs a larger tile
        assume(False)
    assert cycles_of(graph, larger) <= cycles_of(graph, accelerator)


@settings(max_examples=40)
@given(networks(masks=True), machines())
def test_gating_leaves_cycles_alone_and_saves_energy(
    graph: Graph, accelerator: Accelerator
) -> None:
    plain = simulate_network(graph, accelerator, table=TABLE)
    gated = simulate_network(graph, accelerator.with_zeros("gating"), table=TABLE)
    assert [step.cycles for step in gated.steps] == [step.cycles for step in plain.steps]
    assert gated.total("total_energy_pj") <= plain.total("total_energy_pj")


@settings(max_examples=60)
@given(networks(masks=True), machines(), st.sampled_from(["skipping", "skipping:4", "2:4"]))
def test_skipping_never_adds_cycles(graph: Graph, accelerator: Accelerator, zeros: str) -> None:
    plain = simulate_network(graph, accelerator.with_zeros("gating"))
    skipped = simulate_network(graph, accelerator.with_zeros(zeros))
    assert skipped.total("macs") == plain.total("macs")
    for ours, theirs in zip(skipped.steps, plain.steps, strict=True):
        assert ours.cycles <= theirs.cycles


@settings(max_examples=100)
@given(
    st.tuples(*[st.integers(1, 20)] * 3),
    st.tuples(st.integers(1, 6), st.integers(1, 6)),
    DATAFLOW,
    st.sampled_from([(1, 1), (4, 1), (4, 2), (8, 3)]),
)
def test_a_mask_without_zeros_is_dense_exactly(
    shape: tuple[int, int, int],
    array: tuple[int, int],
    dataflow: Dataflow,
    packing: tuple[int, int],
) -> None:
    m, k, n = shape
    window, granule = packing
    full = np.ones((1, k, n), dtype=np.bool_)
    skipping = run_skipping_array(
        m, full, *array, dataflow=dataflow, window=window, granule=granule
    )
    dense = run_dense_array(m, k, n, *array, dataflow=dataflow)
    for name in ArrayActivity.__dataclass_fields__:
        assert getattr(skipping, name) == getattr(dense, name), name


@settings(max_examples=100)
@given(
    st.tuples(*[st.integers(1, 16)] * 3),
    st.tuples(st.integers(1, 6), st.integers(1, 6)),
    DATAFLOW,
    st.sampled_from([1, 2, 8]),
    st.integers(0, 2**32 - 1),
)
def test_one_zero_more_never_costs_cycles(
    shape: tuple[int, int, int],
    array: tuple[int, int],
    dataflow: Dataflow,
    window: int,
    seed: int,
) -> None:
    m, k, n = shape
    rng = np.random.default_rng(seed)
    mask = rng.random((1, k, n)) < 0.7
    fewer = mask & (rng.random((1, k, n)) < 0.8)
    before, after = (
        run_skipping_array(m, bits, *array, dataflow=dataflow, window=window).cycles
        for bits in (mask, fewer)
    )
    assert after <= before


@settings(max_examples=40)
@given(
    networks(masks=True),
    machines(input_buffer=2**20, weight_buffer=2**20, output_buffer=2**20),
)
def test_int4_moves_half_of_what_int8_moves(graph: Graph, accelerator: Accelerator) -> None:
    # With room for everything; else int4 may also find more on the chip, and move less than half.
    bits = {
        plan: simulate_network(graph, accelerator, plan=plan).total("dram_bits")
        for plan in ("int4", "int8")
    }
    assert 2 * bits["int4"] == bits["int8"] > 0


@settings(max_examples=60)
@given(networks(masks=True), machines(), st.sampled_from(["none", "gating", "skipping:2"]))
def test_a_total_is_at_least_the_critical_path(
    graph: Graph, accelerator: Accelerator, zeros: str
) -> None:
    accelerator = accelerator.with_zeros(zeros)
    run = simulate_network(graph, accelerator)
    steps = lower_graph(graph, skip_zeros=zeros != "none")
    view: nx.DiGraph[int] = nx.DiGraph()
    writer: dict[int, int] = {}
    for step, done in zip(steps, run.steps, strict=True):
        view.add_node(step.index)
        read = [*step.reads, *(o for c in step.contractions for o in (c.input, c.weight))]
        for operand in read:
            if operand.value in writer:
                before = writer[operand.value]
                view.add_edge(before, step.index, weight=run.steps[before].cycles)
        for operand in step.writes:
            writer[operand.value] = step.index
        assert done.index == step.index
    path = nx.dag_longest_path(view, weight="weight")
    assert run.total("cycles") >= sum(run.steps[place].cycles for place in path)


@settings(max_examples=60)
@given(networks(masks=True), machines(), st.sampled_from(["none", "gating", "skipping:2", "2:4"]))
def test_what_is_executed_is_conserved(graph: Graph, accelerator: Accelerator, zeros: str) -> None:
    run = simulate_network(graph, accelerator.with_zeros(zeros), table=TABLE)
    assert 0 <= run.utilization <= 1
    assert Run.from_dict(run.to_dict()) == run
    for step in run.steps:
        weights = sum(k * n * repeats for _, k, n, repeats in step.shapes)
        assert step.macs <= step.products
        assert step.cycles * run.processing_elements >= step.macs
        assert step.cycles * run.dram_bandwidth_bits_per_cycle >= step.dram_bits
        if zeros in ("none", "gating"):
            assert step.weight_reads >= weights
        assert sum(step.energy_pj.values()) == step.total_energy_pj
    by_component = run.energy_by_component()
    assert np.isclose(sum(by_component.values()), run.total("total_energy_pj"))


@settings(max_examples=40)
@given(
    networks(masks=True),
    machines(accumulator_words=16),
    st.sampled_from(["none", "gating"]),
    st.data(),
)
def test_a_sweep_finds_what_a_simulation_finds(
    graph: Graph, base: Accelerator, zeros: str, data: st.DataObject
) -> None:
    base = base.with_zeros(zeros)
    count = 6
    numbers = {
        "rows": st.integers(1, 8),
        "cols": st.integers(1, 8),
        "buffer_bits": st.sampled_from([800, 2000, 5000, 20_000, 2**20]),
        "bits": st.integers(2, 16),
    }
    drawn = {
        name: np.array(data.draw(st.lists(each, min_size=count, max_size=count)))
        for name, each in numbers.items()
    }
    designs = Designs(dataflow=data.draw(DATAFLOW), **drawn)
    network = tabulate_network(graph, base)
    results = evaluate_designs(network, designs, base, price_designs(network, base, TABLE))
    for place in np.flatnonzero(results.feasible):
        try:
            built = build_design(base, designs, int(place))
        except (
            ConfigurationError
        ):  # the tile fits at this width, not at the 8 bits of every machine
            assume(False)
        run = simulate_network(graph, built, table=TABLE, plan=f"int{designs.bits[place]}")
        assert results.cycles[place] == run.total("cycles", INFERENCE)
        assert results.dram_bits[place] == run.total("dram_bits")
        assert results.macs[place] == run.total("macs")
        assert np.isclose(results.energy_pj[place], run.total("total_energy_pj"), rtol=1e-12)
        assert np.isclose(results.utilization[place], run.utilization, rtol=1e-12)


@given(st.sampled_from(["none", "gating", "skipping:8", "2:4"]))
def test_a_policy_reads_back_as_it_prints(text: str) -> None:
    policy = machine(zeros=ZeroPolicy()).with_zeros(text).zeros
    assert str(policy) == text
