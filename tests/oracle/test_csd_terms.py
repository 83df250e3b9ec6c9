"""Slow twins of the term counts: digits one by one, powers by trying them all."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from smartsim.cost import count_csd_terms, encode_weights, quantize_symmetric, round_to_powers


def canonical_digits(value: int) -> list[int]:
    """Digits -1, 0, 1 of the non-adjacent form, least first, one bit at a time."""
    digits = []
    while value:
        digit = 0
        if value % 2:
            digit = 2 - value % 4  # 1 when the next bit is 0, -1 when it is 1
        digits.append(digit)
        value = (value - digit) // 2
    return digits


def fewest_terms(limit: int) -> dict[int, int]:
    """Least number of signed powers of two for each integer up to `limit`, by breadth first."""
    powers = [sign * 2**k for k in range(limit.bit_length() + 2) for sign in (1, -1)]
    found, edge, terms = {0: 0}, {0}, 0
    while any(value not in found for value in range(limit + 1)):
        terms += 1
        edge = {v + p for v in edge for p in powers if abs(v + p) <= 4 * limit} - found.keys()
        found.update(dict.fromkeys(edge, terms))
    return found


def test_digits_are_those_of_a_bit_by_bit_loop_for_every_16_bit_integer() -> None:
    values = np.arange(-(2**15), 2**15)
    expected = [sum(digit != 0 for digit in canonical_digits(int(v))) for v in values]
    assert count_csd_terms(values).tolist() == expected


def test_digits_have_the_value_and_no_two_nonzeros_side_by_side() -> None:
    for value in range(-500, 500):
        digits = canonical_digits(value)
        assert sum(digit * 2**place for place, digit in enumerate(digits)) == value
        assert not any(a and b for a, b in itertools.pairwise(digits))


def test_no_sum_of_signed_powers_of_two_has_fewer_terms() -> None:
    least = fewest_terms(300)
    values = np.arange(301)
    assert count_csd_terms(values).tolist() == [least[int(v)] for v in values]


@given(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=20))
def test_digits_agree_with_the_loop_up_to_32_bits(values: list[int]) -> None:
    expected = [sum(digit != 0 for digit in canonical_digits(v)) for v in values]
    assert count_csd_terms(np.array(values, dtype=np.int64)).tolist() == expected


weights = hnp.arrays(
    np.float64,
    hnp.array_shapes(max_dims=3, max_side=5),
    elements=st.floats(-8, 8, width=32).filter(lambda v: v == 0 or abs(v) > 1e-6),
)


@given(weights, st.integers(2, 12), st.integers(1, 4), st.booleans())
def test_rounding_takes_the_nearest_power_term_by_term(
    values: np.ndarray, bits: int, terms: int, per_channel: bool
) -> None:
    rounded, used = round_to_powers(values, bits, terms, per_channel=per_channel)
    powers = [2.0**-k for k in range(bits - 1)]
    for place in np.ndindex(values.shape):
        among = values[place[0]] if per_channel else values
        scale = float(np.abs(among).max()) or 1.0
        left, count = float(values[place]) / scale, 0
        total = 0.0
        for _ in range(terms):
            # Nearest of zero and the powers; on a tie the larger.
            best = min([0.0, *powers], key=lambda p: (abs(abs(left) - p), -p))
            if best == 0.0:
                break
            step = best if left > 0 else -best
            left, total, count = left - step, total + step, count + 1
        assert used[place] == count
        assert rounded[place] == total * scale


@given(weights, st.integers(2, 16), st.booleans())
def test_quantising_agrees_with_one_weight_at_a_time(
    values: np.ndarray, bits: int, per_channel: bool
) -> None:
    integers = quantize_symmetric(values, bits, per_channel=per_channel)
    most = 2 ** (bits - 1) - 1
    for place in np.ndindex(values.shape):
        among = values[place[0]] if per_channel else values
        scale = float(np.abs(among).max()) or 1.0
        assert integers[place] == round(float(values[place]) / scale * most)
        assert abs(int(integers[place])) <= most


@given(hnp.arrays(np.bool_, st.integers(0, 200)), st.integers(1, 5), st.integers(1, 16))
def test_run_length_bits_agree_with_an_encoder_that_writes_them(
    pattern: np.ndarray, run_bits: int, bits: int
) -> None:
    longest, entries, run = 2**run_bits - 1, 0, 0
    pending = 0  # entries that hold a stored zero, written once a nonzero follows
    for present in pattern:
        if present:
            entries, run, pending = entries + pending + 1, 0, 0
        elif run == longest:
            run, pending = 0, pending + 1
        else:
            run += 1
    stored = encode_weights(
        pattern.shape,
        int(pattern.sum()),
        bits,
        "run_length",
        pattern=pattern,
        run_bits=run_bits,
    )
    assert (stored.values, stored.index) == (entries * bits, entries * run_bits)
