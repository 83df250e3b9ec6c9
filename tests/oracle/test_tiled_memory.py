"""The closed forms of the schedules against loops that fetch what they touch."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartsim.simulate.array.systolic import DATAFLOWS, Dataflow
from smartsim.simulate.network.memory import LayerBits, count_fetches, list_schedules
from tests.oracle.tiled_memory import fetch

SIZE = st.integers(1, 12)
WORDS = st.integers(1, 150)


def product_of_words(m: int, k: int, n: int) -> LayerBits:
    """A matrix product whose words are one bit wide, so that bits are words."""
    numbers = [np.asarray(x) for x in (m, k, n, 1, m * k, k * n, 0, 1, 1)]
    names = [
        *("m", "k", "n", "repeats", "input_bits", "weight_bits"),
        *("window_bits", "row_taps", "activation_bits"),
    ]
    return LayerBits(**dict(zip(names, numbers, strict=True)))


@settings(max_examples=200)
@given(
    st.tuples(SIZE, SIZE, SIZE),
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    st.sampled_from(DATAFLOWS),
    st.tuples(WORDS, WORDS, st.integers(1, 15)),
)
def test_a_schedule_fetches_what_its_loops_fetch(
    shape: tuple[int, int, int],
    array: tuple[int, int],
    dataflow: Dataflow,
    space: tuple[int, int, int],
) -> None:
    layer = product_of_words(*shape)
    for schedule in list_schedules(layer, dataflow, *space):
        inputs, weights, once = count_fetches(layer, schedule, dataflow, *array, *space[:2])
        seen = fetch(
            *shape,
            *array,
            dataflow=dataflow,
            schedule=schedule.name,
            input_words=space[0],
            weight_words=space[1],
            accumulator_words=space[2],
        )
        assert (int(inputs), int(weights)) == seen, schedule.name
        assert bool(once) == (seen.weights == shape[1] * shape[2])


@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_operands_that_fit_are_fetched_once_in_every_schedule(dataflow: Dataflow) -> None:
    layer = product_of_words(40, 30, 20)
    for schedule in list_schedules(layer, dataflow, 1200, 600, 7):
        inputs, weights, once = count_fetches(layer, schedule, dataflow, 8, 8, 1200, 600)
        assert (int(inputs), int(weights), bool(once)) == (1200, 600, True)
