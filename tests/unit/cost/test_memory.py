"""Memory: bits of every encoding, what an inference moves, levels, and relative tables."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from smartsim.cost import encode_weights, estimate_memory, load_table
from smartsim.errors import ConfigurationError
from smartsim.graph import Graph, Op, ParameterSpec, Pattern, TensorSpec, Work

MASK = np.zeros((4, 8), dtype=np.bool_)
MASK[:, ::2] = True  # half of the weights
HOROWITZ = load_table("horowitz2014_45nm")
PJ_PER_BIT = 1300 / 64


def make_tensor(index: int, *shape: int, **fields: Any) -> TensorSpec:
    return TensorSpec(
        **{"index": index, "value": index, "shape": shape, "dtype": "float32", **fields}
    )


def make_op(index: int, name: str, stage: Any, inputs: tuple[int, ...], out: int, **f: Any) -> Op:
    return Op(
        index=index,
        name=name,
        module=f.pop("module", "fc"),
        module_type="Linear",
        stage=stage,
        inputs=inputs,
        arguments=("x",) * len(inputs),
        outputs=(out,),
        **f,
    )


def make_graph() -> Graph:
    """relu(x @ (mask * (w + noise))) + x @ w2, and w frozen by nothing: a small SMART layer."""
    tensors = (
        make_tensor(0, 1, 8, stage="input", role="input", name="x"),
        make_tensor(1, 4, 8, stage="deploy", role="parameter", name="fc.w"),
        make_tensor(2, 4, 8, stage="noise"),
        make_tensor(3, 4, 8, stage="noise"),
        make_tensor(4, 4, 8, stage="deploy", role="buffer", name="fc.m", dtype="bool", needed=0),
        make_tensor(5, 4, 8, stage="noise", nonzeros=16, pattern=0),
        make_tensor(6, 1, 4, stage="input"),
        make_tensor(7, 1, 4, stage="input"),
        make_tensor(8, 4, 8, stage="deploy", role="parameter", name="fc2.w"),
        make_tensor(9, 1, 4, stage="input"),
        make_tensor(10, 1, 4, stage="input"),
        make_tensor(11, stage="switch", role="condition", name="lam"),
    )
    half = Work(sites=16, sites_in_bounds=16, outputs=16)
    ops = (
        make_op(0, "aten.randn", "noise", (), 2, live=half),
        make_op(1, "aten.add", "noise", (1, 2), 3, live=half),
        make_op(2, "aten.mul", "noise", (3, 4), 5, gating=True),
        make_op(3, "aten.mm", "input", (0, 5), 6),
        make_op(4, "aten.relu", "input", (6,), 7),
        make_op(5, "aten.mm", "input", (0, 8), 9, module="fc2"),
        make_op(6, "aten.add", "input", (7, 9), 10, module=""),
        make_op(7, "aten.mul", "input", (10, 11), 10, module=""),
    )
    parameters = (
        ParameterSpec(
            name="fc.w", shape=(4, 8), dtype="float32", kind="parameter", active=16, pattern=0
        ),
        ParameterSpec(name="fc2.w", shape=(4, 8), dtype="float32", kind="parameter", active=32),
    )
    return Graph(
        model="m",
        condition={"lam": 1.0},
        tensors=tensors,
        ops=ops,
        parameters=parameters,
        inputs=(0,),
        outputs=(10,),
        patterns=(Pattern(MASK),),
    )


def test_an_inference_reads_known_tensors_once_and_moves_contractions_data() -> None:
    found = {(m.layer, m.kind): m.bits for m in estimate_memory(make_graph(), HOROWITZ, "int8")}
    assert found == {
        ("fc", "weights"): 16 * 8,  # the nonzeros that the mask leaves
        ("fc", "index"): 32,  # and a bit for each position; the mask itself is that bitmap
        ("fc", "activations"): (8 + 4) * 8,  # x in, product out; relu works on the way
        ("fc2", "weights"): 32 * 8,  # no zeros, no index
        ("fc2", "activations"): (8 + 4) * 8,
        ("", "activations"): 4 * 8,  # the residual sum reads its other branch
    }


def test_a_tensor_that_two_ops_read_is_read_once() -> None:
    graph = make_graph()
    again = make_op(8, "aten.mm", "input", (0, 8), 9, module="fc3")
    twice = dataclasses.replace(graph, ops=(*graph.ops, again))
    weights = [
        sum(m.bits for m in estimate_memory(g, HOROWITZ, "int8") if m.kind == "weights")
        for g in (graph, twice)
    ]
    assert weights[0] == weights[1]


def test_energy_is_bits_times_the_levels_price() -> None:
    for level, per_bit in (("dram", 1300 / 64), ("sram:32KiB", 20 / 64)):
        for item in estimate_memory(make_graph(), HOROWITZ, "int8", level=level):
            assert item.energy_pj == pytest.approx(item.bits * per_bit)
            assert item.level == level


def test_shift_weights_are_stored_as_signs_and_exponents() -> None:
    found = {(m.layer, m.kind): m.bits for m in estimate_memory(make_graph(), HOROWITZ, "shift8")}
    assert found["fc2", "weights"] == 32 * 4
    assert found["fc2", "activations"] == (8 + 4) * 8


def test_a_relative_table_counts_in_16_bit_macs_of_another() -> None:
    eyeriss = load_table("eyeriss2016_relative")
    with pytest.raises(ConfigurationError, match="say which table prices such a MAC"):
        estimate_memory(make_graph(), eyeriss, "int8")
    with pytest.raises(ConfigurationError, match="has no price for the int16 MAC"):
        estimate_memory(make_graph(), eyeriss, "int8", arithmetic=eyeriss)
    found = estimate_memory(make_graph(), eyeriss, "int8", arithmetic=HOROWITZ)
    # 16 bits of DRAM are 200 MACs of int16: mul 0.2 + 2.9 * 192 / 960 = 0.78, add 0.05 pJ.
    assert found[0].energy_pj == pytest.approx(found[0].bits / 16 * 200 * 0.83)


@pytest.mark.parametrize(
    ("encoding", "values", "index"),
    [
        ("dense", 32 * 8, 0),
        ("bitmap", 16 * 8, 32),
        # 8 columns: 3 bits each; 5 row starts up to 16: 5 bits each.
        ("csr", 16 * 8, 16 * 3 + 5 * 5),
        # runs of 0 or 1 fit into 4 bits.
        ("run_length", 16 * 8, 16 * 4),
    ],
)
def test_each_encoding_takes_its_bits(encoding: Any, values: int, index: int) -> None:
    stored = encode_weights((4, 8), 16, 8, encoding, pattern=MASK)
    assert (stored.values, stored.index) == (values, index)


def test_a_long_run_takes_stored_zeros() -> None:
    pattern = np.zeros(100, dtype=np.bool_)
    pattern[[0, 40]] = True
    # 39 zeros with 4-bit runs: 15 zeros and a stored zero, twice, then 7 zeros and the value.
    stored = encode_weights((100,), 2, 8, "run_length", pattern=pattern)
    assert (stored.values, stored.index) == (4 * 8, 4 * 4)


def test_an_unknown_encoding_or_a_lost_pattern_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'bitmap'"):
        encode_weights((4, 8), 16, 8, "bitmaps")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="needs to know where the zeros are"):
        encode_weights((4, 8), 16, 8, "run_length")
