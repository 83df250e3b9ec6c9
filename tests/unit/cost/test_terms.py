"""Terms of real weights: quantisation, rounding to powers of two, and the three readings."""

import numpy as np
import pytest

from smartsim.cost import (
    compare_shift_readings,
    count_mean_terms,
    load_table,
    quantize_symmetric,
    round_to_powers,
)
from smartsim.counts.conventions import get_convention
from smartsim.counts.records import Count, Counts
from smartsim.errors import ConfigurationError


def test_quantised_weights_are_symmetric_and_reach_the_largest_integer() -> None:
    weights = np.array([[-2.0, 1.0], [0.5, 0.01]])
    assert quantize_symmetric(weights, 4).tolist() == [[-7, 4], [2, 0]]  # scale 2 / 7
    assert quantize_symmetric(weights, 4, per_channel=True).tolist() == [[-7, 4], [7, 0]]


def test_all_zero_weights_have_no_terms_and_no_division_by_zero() -> None:
    zeros = np.zeros((3, 2))
    assert quantize_symmetric(zeros, 8).tolist() == zeros.tolist()
    assert count_mean_terms({"a": zeros, "b": np.zeros(0)}, 8) == {"a": 0.0, "b": 0.0}


def test_masked_weights_are_left_out_of_the_mean() -> None:
    # 7-bit digits of 127 = 2^7 - 1: two terms; the zeros belong to MACs that are not counted.
    assert count_mean_terms({"a": np.array([1.0, 0.0, 0.0, -1.0])}, 8) == {"a": 2.0}


def test_a_weight_rounded_to_zero_stays_in_the_mean_with_no_terms() -> None:
    assert count_mean_terms({"a": np.array([1.0, 1e-6])}, 8) == {"a": 1.0}
    assert count_mean_terms({"a": np.array([1.0, 1e-6])}, 8, 1) == {"a": 0.5}


def test_powers_stay_within_the_shifter() -> None:
    # 4 bits: powers 1, 1/2, 1/4; below 1/8 zero is nearer.
    rounded, used = round_to_powers(np.array([1.0, 0.3, 0.13, 0.12, -0.6]), 4, 1)
    assert rounded.tolist() == [1.0, 0.25, 0.25, 0.0, -0.5]
    assert used.tolist() == [1, 1, 1, 0, 1]


def test_a_tie_between_two_powers_goes_to_the_larger_and_one_with_zero_to_the_power() -> None:
    # 0.75 lies between 1 and 1/2, 0.375 between 1/2 and 1/4; 1/8 between 1/4 and zero.
    rounded, _ = round_to_powers(np.array([1.0, 0.75, -0.375, 0.125]), 4, 1)
    assert rounded.tolist() == [1.0, 1.0, -0.5, 0.25]


def test_more_terms_never_round_worse() -> None:
    weights = np.random.default_rng(0).normal(size=1000)
    errors = [np.abs(weights - round_to_powers(weights, 8, n)[0]).max() for n in (1, 2, 3, 4)]
    assert errors == sorted(errors, reverse=True)


@pytest.mark.parametrize("bits", [1, 33])
def test_widths_that_cannot_be_are_refused(bits: int) -> None:
    with pytest.raises(ConfigurationError, match="possible: 2 to 32"):
        quantize_symmetric(np.ones(2), bits)


def test_weights_that_are_not_finite_and_no_terms_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="NaN or infinite"):
        quantize_symmetric(np.array([np.nan, 1.0]), 8)
    with pytest.raises(ConfigurationError, match="at most 0 terms"):
        round_to_powers(np.ones(2), 8, 0)


def test_the_three_readings_of_shift_adds_stand_side_by_side() -> None:
    counts = Counts(
        model="m",
        condition={},
        convention=get_convention("paper"),
        items=(
            Count(
                layer="a",
                op="aten.mm",
                stage="input",
                action="mac",
                conditional=False,
                number=400,
            ),
        ),
    )
    # As 8-bit integers 127, 85, 42, 1: digits 2, 4, 3, 1 (128-1; 64+16+4+1; 32+8+2; 1).
    weights = {"a": np.array([127.0, 85.0, 42.0, 1.0])}
    readings = compare_shift_readings(
        counts, load_table("shiftaddnet2020_asic_45nm"), weights, bits=8, terms=2
    )
    per_mac = {name: energy.per_inference_pj / 400 for name, energy in readings.items()}
    shift_add = 0.024 + 0.03
    assert per_mac["int8 MACs"] == pytest.approx(0.23)
    assert per_mac["one a MAC"] == pytest.approx(shift_add)
    assert per_mac["exact int8 digits"] == pytest.approx(shift_add * (2 + 4 + 3 + 1) / 4)
    # In units of the largest weight: 1 (one term); 0.669 = 1/2 + 1/8; 0.331 = 1/4 + 1/16;
    # 0.0079 = nearest to 1/64 (least power 2^-6; half of it is 0.0078): one term.
    assert per_mac["at most 2 terms"] == pytest.approx(shift_add * (1 + 2 + 2 + 1) / 4)
