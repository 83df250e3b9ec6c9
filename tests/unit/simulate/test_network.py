"""Small networks whose cycles, traffic and energy are worked out by hand."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from smartsim.cost import PrecisionPlan, load_table, parse_format
from smartsim.errors import ConfigurationError, FileFormatError
from smartsim.graph import Graph
from smartsim.simulate import (
    ConservationError,
    StepRun,
    VectorUnit,
    check_run,
    load_run,
    save_run,
    simulate_network,
)
from smartsim.simulate.machine.pricing import price_machine, price_sram
from tests.unit.simulate.graphs import Builder, machine

TABLE = load_table("horowitz2014_45nm+han2015_45nm")


def one_product(m: int = 10, k: int = 8, n: int = 6) -> Graph:
    make = Builder()
    return make.graph(make.linear(make.input(m, k), n))


def test_one_product_on_a_weight_stationary_array() -> None:
    run = simulate_network(one_product(), machine(dram_bandwidth_bits_per_cycle=1e6))
    (step,) = run.steps
    # k = 8 in two folds of 4 rows, n = 6 in folds of 4 and 2 columns, m = 10 streams:
    # 2 * (2 * 4 + 4 + 10 - 2) + 2 * (2 * 4 + 2 + 10 - 2) = 40 + 36.
    assert step.array_cycles == step.cycles == 76
    assert step.bound == "compute"
    assert (step.macs, step.products, step.folds) == (480, 480, 4)
    assert (step.input_reads, step.weight_reads) == (2 * 10 * 8, 8 * 6)
    # Each of 60 sums is written by both folds of k, and read back by the second.
    assert (step.accumulator_writes, step.accumulator_reads) == (120, 60)
    assert run.utilization == 480 / (76 * 16)
    # Everything is fetched once, the result written once; 8 bits a word.
    bits = (step.input_fetch_bits, step.weight_fetch_bits, step.dram_write_bits)
    assert bits == (8 * 80, 8 * 48, 8 * 60)


def test_a_slow_memory_makes_the_array_wait() -> None:
    run = simulate_network(one_product(), machine(dram_bandwidth_bits_per_cycle=8.0))
    (step,) = run.steps
    assert step.cycles == step.dram_cycles == 80 + 48 + 60  # one word a cycle
    assert (step.bound, step.stall_cycles) == ("DRAM", 188 - 76)


def test_a_narrow_port_makes_the_array_wait() -> None:
    (step,) = simulate_network(one_product(), machine(port=16)).steps
    assert step.cycles == step.onchip_cycles == 160 * 8 // 16
    assert step.bound == "on-chip"


def test_energy_is_what_happened_times_what_it_costs() -> None:
    accelerator = machine()
    run = simulate_network(one_product(), accelerator, table=TABLE)
    (step,) = run.steps
    # Horowitz: int8 multiplication 0.2 pJ and 32-bit addition 0.1 pJ; DRAM 1300 pJ for 64 bits.
    assert step.energy_pj["array"] == pytest.approx(480 * 0.3)
    assert step.energy_pj["dram"] == pytest.approx((640 + 384 + 480) * 1300 / 64)
    # A buffer of 2^20 bits = 128 KB lies between 32 KB (20 pJ) and 1 MB (100 pJ) for 64 bits, in
    # sqrt(KB) between 5.657 and 32 at 11.314: 20 + 80 * (11.314 - 5.657) / (32 - 5.657).
    each = (20 + 80 * (128**0.5 - 32**0.5) / (1024**0.5 - 32**0.5)) / 64
    assert step.energy_pj["input_buffer"] == pytest.approx((160 * 8 + 640) * each)
    assert step.energy_pj["weight_buffer"] == pytest.approx((48 * 8 + 384) * each)
    assert step.energy_pj["output_buffer"] == pytest.approx((480 + 480) * each)
    # Sums: 1024 words of 32 bits = 4 KB, below 8 KB (10 pJ): 10 * sqrt(4 / 8) for 64 bits.
    assert step.energy_pj["accumulators"] == pytest.approx(180 * 32 * 10 * 0.5**0.5 / 64)
    # Latches (Han: 1 pJ for 32 bits): inputs pass 480 elements, weights shift in 2 * 6 * 10 times
    # (4 rows: 1 + 2 + 3 + 4), sums pass 480 elements.
    assert step.energy_pj["registers"] == pytest.approx(((480 + 120) * 8 + 480 * 32) / 32)
    assert not run.unpriced


def test_a_memory_between_two_published_sizes_costs_between_them() -> None:
    sizes = np.array([8, 16, 32, 200, 1024, 4096]) * 8192
    prices = price_sram(TABLE, sizes)
    assert prices is not None
    assert prices[[0, 2, 4]] * 64 == pytest.approx([10, 20, 100])
    assert (np.diff(prices) > 0).all()
    assert prices[5] * 64 == pytest.approx(100 * 2)  # four times the size, twice the wire


def test_what_has_no_price_is_listed_and_in_no_energy() -> None:
    run = simulate_network(
        one_product(), machine(), table=load_table("aladdin2014_40nm_1ns"), plan="int32"
    )
    missing = {entry.component for entry in run.unpriced}
    assert "dram" in missing
    assert "dram" not in run.steps[0].energy_pj


def test_a_table_of_two_memories_asks_which() -> None:
    with pytest.raises(ConfigurationError, match="ambiguous"):
        price_machine(machine(), load_table("jouppi2021_7nm"), parse_format("int8"))
    prices = price_machine(
        machine(), load_table("jouppi2021_7nm"), parse_format("int8"), dram_level="dram:hbm2"
    )
    assert prices.bits_pj["dram"] == pytest.approx(250 / 64)


def chain() -> Graph:
    """Two convolutions and a sum that comes back to the first one's input."""
    make = Builder()
    start = make.convolution(make.input(1, 2, 4, 4), 2, 1)
    first = make.convolution(start, 2, 3, padding=1)
    second = make.convolution(first, 2, 3, padding=1)
    return make.graph(make.add(second, start))


def test_a_result_stays_on_the_chip_until_the_next_takes_its_place() -> None:
    run = simulate_network(chain(), machine())
    words = 2 * 4 * 4
    weights = [2 * 2, 2 * 2 * 9, 2 * 2 * 9]
    assert [step.weight_fetch_bits for step in run.steps] == [8 * n for n in weights]
    # The input is fetched; the first result is found, and found no more when the sum asks for it.
    assert [step.input_fetch_bits for step in run.steps] == [8 * words, 0, 8 * words]
    # So it is written; the second result is not; the sum is the model's and is.
    assert [step.dram_write_bits for step in run.steps] == [8 * words, 0, 8 * words]


def test_a_result_that_does_not_fit_goes_to_memory_and_back() -> None:
    run = simulate_network(chain(), machine(output_buffer=2 * 8 * 32 - 2))
    words = 2 * 4 * 4
    assert [step.input_fetch_bits for step in run.steps] == [8 * words, 8 * words, 16 * words]
    assert [step.dram_write_bits for step in run.steps] == [8 * words] * 3


def noisy() -> Graph:
    """A convolution whose weights get noise in every inference."""
    make = Builder()
    data = make.input(1, 2, 6, 6)
    shape = (4, 2, 3, 3)
    noise = make.op("randn_like", {}, shape, stage="noise")
    weight = make.op("add", {"self": make.parameter(*shape), "other": noise}, shape, stage="noise")
    return make.graph(make.convolution(data, 4, 3, padding=1, weight=weight))


def test_computed_weights_go_through_memory_unless_they_fit_or_stream() -> None:
    small = 2 * 72 * 8 - 2  # one word short of 72 weights in a double-buffered half
    around = simulate_network(noisy(), machine(weight_buffer=small))
    assert [step.dram_write_bits for step in around.steps] == [8 * 72, 8 * 4 * 36]
    assert [step.weight_fetch_bits for step in around.steps] == [0, 8 * 72]
    kept = simulate_network(noisy(), machine())
    assert [step.dram_write_bits for step in kept.steps] == [0, 8 * 4 * 36]
    lanes = VectorUnit(lanes=4, on_weight_path=True)
    streamed = simulate_network(noisy(), machine(weight_buffer=small, vector=lanes))
    assert [step.dram_write_bits for step in streamed.steps] == [0, 8 * 4 * 36]
    assert [step.weight_fetch_bits for step in streamed.steps] == [0, 0]


def test_streamed_weights_that_are_needed_twice_are_written_after_all() -> None:
    lanes = VectorUnit(lanes=4, on_weight_path=True)
    # Sums of 36 output pixels do not fit in 8 words a column: five pieces, weights in each. They
    # are written once and fetched in all five, or an other schedule were better.
    accelerator = machine(
        weight_buffer=2 * 72 * 8 - 2, vector=lanes, accumulator_words=8, input_buffer=2**20
    )
    step = simulate_network(noisy(), accelerator).steps[1]
    assert step.weight_fetch_bits == 5 * 8 * 72
    assert step.dram_write_bits == 8 * 72 + 8 * 4 * 36


def test_the_vector_unit_takes_its_lanes_and_its_cycles() -> None:
    make = Builder()
    graph = make.graph(make.op("sigmoid", {"self": make.input(1, 30)}, (1, 30)))
    # exp, add and div of 30 elements, 4 at a time, a division 3 cycles: 8 + 8 + ceil(90 / 4).
    vector = VectorUnit(lanes=4, cycles={"div": 3})
    (step,) = simulate_network(graph, machine(vector=vector)).steps
    assert (step.vector_cycles, step.bound) == (8 + 8 + 23, "vector")
    adding = machine(vector=vector, elements=("mac", "add"))
    (step,) = simulate_network(graph, adding).steps
    assert step.vector_cycles == 8 + 2 + 23  # additions on the 16 elements of the array


def test_weights_of_two_powers_take_two_cycles_a_product() -> None:
    accelerator = machine(elements=("shift_add",))
    one, two = (
        simulate_network(one_product(), accelerator, plan=plan).steps[0]
        for plan in ("shift8", "shift8x2")
    )
    assert two.array_cycles - one.array_cycles == 4 * 10  # four folds, ten rows more each
    assert two.macs == one.macs
    # A sign and an exponent of 3 bits for each power: 4 and 8 bits a weight.
    assert (one.weight_fetch_bits, two.weight_fetch_bits) == (4 * 48, 8 * 48)


def test_a_plan_gives_layers_their_own_words() -> None:
    make = Builder()
    hidden = make.linear(make.input(2, 8), 8)
    graph = make.graph(make.linear(hidden, 8))
    rules = (("layer0", parse_format("int4")),)
    plan = PrecisionPlan(name="mixed", rules=rules, default=parse_format("int8"))
    run = simulate_network(graph, machine(), plan=plan)
    assert [step.weight_fetch_bits for step in run.steps] == [4 * 64, 8 * 64]


def test_a_run_survives_its_file(tmp_path: Path) -> None:
    run = simulate_network(chain(), machine(), table=TABLE)
    save_run(run, tmp_path / "run.json")
    assert load_run(tmp_path / "run.json") == run


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{}", "not a smartsim run"),
        ("[1]", "holds a JSON list"),
        ('{"format": "smartsim-run", "version": 1}', "no field 'model'"),
        ('{"format": "smartsim-run", "version": 9}', "not a smartsim run of version 1"),
    ],
)
def test_a_file_that_is_no_run_gets_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FileFormatError, match=sentence):
        load_run(path)


@pytest.mark.parametrize(
    ("change", "law"),
    [
        ({"macs": 10**6}, "no more products than there are|cycles cover the products"),
        ({"array_cycles": 1}, "cycles cover the products"),
        ({"weight_reads": 1}, "each weight is read"),
        ({"accumulator_reads": 10**6}, "partial sums"),
        ({"energy_pj": {"dram": float("nan")}}, "energies are numbers"),
        ({"macs": 5}, "executed 5 of action mac where 480 were counted"),
    ],
)
def test_a_run_that_loses_or_invents_work_is_an_error(change: dict[str, object], law: str) -> None:
    graph = one_product()
    run = simulate_network(graph, machine())
    broken = dataclasses.replace(run.steps[0], **change)  # type: ignore[arg-type]
    with pytest.raises(ConservationError, match=law):
        check_run(dataclasses.replace(run, steps=(broken,)), graph, skip_zeros=False)


def test_format_and_buffers_must_fit_the_machine() -> None:
    with pytest.raises(ConfigurationError, match="needs shift_add"):
        simulate_network(one_product(), machine(), plan="shift8")
    with pytest.raises(ConfigurationError, match=r"buffers\.weight has 150 usable bits"):
        simulate_network(one_product(), machine(weight_buffer=300), plan="int16")


def test_a_schedule_is_chosen_for_the_whole_step() -> None:
    # Output-stationary on 2 x 3: 36 pixels in 18 folds, 6 filters in 2, windows of 36. The inputs
    # (1152 bits) fit in half of 3000, the weights (1728 bits) do not. `stream` fetches the weights
    # for each of 18 folds of pixels: (1152 + 18 * 1728 + 1728) / 16 = 2124 cycles of memory beside
    # 2 * 36 * 2 + 6 * 18 + 34 * 36 = 1476 of the array. `hold weights` cuts the filters into 4 and
    # 2, three folds of columns: 2 * 36 * 3 + 6 * 18 + 34 * 54 = 2160 of the array, and fetches
    # every weight once. Alone, `stream` is faster; with another 1728 bits to read it is not.
    def step(*, other: bool) -> StepRun:
        make = Builder()
        result = make.convolution(make.input(1, 4, 6, 6), 6, 3, padding=1)
        if other:
            result = make.add(result, make.input(1, 6, 6, 6))
        accelerator = machine(
            rows=2,
            cols=3,
            dataflow="os",
            input_buffer=3000,
            weight_buffer=3000,
            dram_bandwidth_bits_per_cycle=16.0,
        )
        return simulate_network(make.graph(result), accelerator).steps[0]

    assert (step(other=False).schedule, step(other=False).cycles) == (("stream",), 2124)
    assert (step(other=True).schedule, step(other=True).cycles) == (("hold weights",), 2160)


def test_an_array_that_need_not_skip_cuts_its_pieces_as_one_that_cannot() -> None:
    # Inputs stationary, weights that fit one column at a time: pieces of one filter. Elements that
    # skip in windows of 4 need pieces of 4, but not for a layer without zeros.
    make = Builder()
    graph = make.graph(make.convolution(make.input(1, 4, 3, 3), 6, 3, padding=1))
    fields = {"dataflow": "is", "weight_buffer": 2 * 8 * 40, "dram_bandwidth_bits_per_cycle": 0.5}
    plain = simulate_network(graph, machine(**fields))
    skipping = simulate_network(graph, machine(**fields).with_zeros("skipping:4"))
    assert skipping.steps == plain.steps
