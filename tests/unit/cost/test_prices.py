"""Prices: what a MAC is made of, what a table cannot price, and how far the laws can be trusted."""

import numpy as np
import pytest

from smartsim.cost import load_table, parse_format, price_actions
from smartsim.cost.prices.laws import interpolate_energy, law_of
from smartsim.cost.prices.recipes import describe_mac
from smartsim.counts.records import ACTIONS


def price(table: str, number_format: str, action: str, accumulator: str = "paper") -> float:
    prices = price_actions([load_table(table)], [parse_format(number_format)], accumulator)
    place = ACTIONS.index(action)
    return float(prices.energy_pj[:, 0, 0, place].sum()) if prices.priced[0, 0, place] else np.nan


ASIC = "shiftaddnet2020_asic_45nm"


@pytest.mark.parametrize(
    ("number_format", "action", "accumulator", "expected"),
    [
        ("int8", "mac", "paper", 0.2 + 0.03),
        ("int8", "mac", "hardware", 0.2 + 0.1),  # 8-bit product, 32-bit sum
        ("int32", "mac", "hardware", 3.1 + 0.1),
        ("fp32", "mac", "paper", 3.7 + 0.9),
        ("fp32", "mac", "hardware", 3.7 + 0.9),  # floating point sums in its own format
        ("shift8", "mac", "paper", 0.024 + 0.03),
        ("shift8", "mac", "hardware", 0.024 + 0.1),
        ("shift8x2", "mac", "paper", 2 * (0.024 + 0.03)),
        ("shift8", "shift_add", "paper", 0.024 + 0.03),
        ("shift8x2", "shift_add", "paper", 0.024 + 0.03),  # one is one, however many a weight has
        ("int8", "shift_add", "paper", 0.024 + 0.03),
        ("int8", "mul", "hardware", 0.2),
        ("int8", "add", "hardware", 0.03),  # only a MAC's sum is wide
        ("shift8", "add", "paper", 0.03),
        ("shift8", "mul", "paper", 0.024),  # one shift, nothing to add
        ("shift8x3", "mul", "paper", 3 * 0.024 + 2 * 0.03),
        ("int8", "compare", "paper", 0.03),  # the sign of a difference
        ("fp32", "compare", "paper", 0.9),
    ],
)
def test_an_action_costs_the_sum_of_its_parts(
    number_format: str, action: str, accumulator: str, expected: float
) -> None:
    assert price(ASIC, number_format, action, accumulator) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("table", "number_format", "action"),
    [
        (ASIC, "int8", "noise"),
        (ASIC, "int8", "exp"),
        (ASIC, "fp16", "mac"),  # exponents and mantissas do not interpolate
        (ASIC, "fp8", "mac"),
        (ASIC, "fp32", "shift_add"),
        ("horowitz2014_45nm", "shift8", "mac"),
        ("horowitz2014_45nm", "bf16", "mac"),
        ("eyeriss2016_relative", "int8", "add"),
    ],
)
def test_what_a_table_does_not_print_has_no_price(
    table: str, number_format: str, action: str
) -> None:
    assert np.isnan(price(table, number_format, action))


def test_a_row_of_its_own_prices_a_comparison() -> None:
    # Aladdin prints a comparator: 0.02947 pJ at 32 bits, a seventh of its adder.
    assert price("aladdin2014_40nm_1ns", "int32", "compare") == 0.02947


def test_brain_float_and_half_precision_are_two_formats_of_one_width() -> None:
    # 7 nm: fp16 0.34 + 0.16, bf16 0.21 + 0.11.
    assert price("jouppi2021_7nm", "fp16", "mac") == pytest.approx(0.50)
    assert price("jouppi2021_7nm", "bf16", "mac") == pytest.approx(0.32)


def test_the_description_of_a_mac_says_its_widths_prices_bases_and_area() -> None:
    text = describe_mac(load_table(ASIC), parse_format("int4"), "hardware")
    assert text == (
        "one int4 MAC = mul int4 0.05 pJ (extrapolated) + add int32 0.1 pJ = 0.15 pJ, "
        "no area in the table"
    )
    text = describe_mac(load_table(ASIC), parse_format("shift8x2"), "paper")
    assert text == (
        "one shift8x2 MAC = 2 x shift int8 0.024 pJ + 2 x add int8 0.03 pJ = 0.108 pJ, "
        "no area in the table"
    )


def test_the_area_of_a_mac_is_that_of_its_units_in_square_micrometres() -> None:
    # 282 um2 multiplier, 36 um2 adder.
    text = describe_mac(load_table("horowitz2014_45nm"), parse_format("int8"), "paper")
    assert text.endswith("= 0.23 pJ, 318 um2")


# Every published point that others of its table can predict, held out: relative error of the law in
# percent. The README of cost_models prints this list; a change of a law or a table shows here.
HELD_OUT = [
    ("horowitz2014_45nm", "add", 8, -16.7),  # extrapolated from 16: 0.05 * 8 / 16 = 0.025
    ("horowitz2014_45nm", "add", 16, 6.7),  # between 8 and 32: 0.03 + 0.07 / 3 = 0.0533
    ("horowitz2014_45nm", "add", 32, 0.0),  # extrapolated from 16: 0.05 * 32 / 16 = 0.1
    ("horowitz2014_45nm", "mul", 8, -3.1),  # extrapolated from 32: 3.1 / 16 = 0.19375
    ("horowitz2014_45nm", "mul", 32, 3.2),  # extrapolated from 8: 0.2 * 16 = 3.2
    ("shiftaddnet2020_asic_45nm", "shift", 8, -10.9),  # from 16: 0.057 * 24 / 64 = 0.021375
    ("shiftaddnet2020_asic_45nm", "shift", 16, -3.2),  # 0.024 + 0.106 * 40 / 136 = 0.05518
    ("shiftaddnet2020_asic_45nm", "shift", 32, 9.6),  # from 16: 0.057 * 160 / 64 = 0.1425
    ("jouppi2021_7nm", "add", 8, 7.1),  # extrapolated from 32: 0.03 / 4 = 0.0075
    ("jouppi2021_7nm", "add", 32, -6.7),  # extrapolated from 8: 0.007 * 4 = 0.028
    ("jouppi2021_7nm", "mul", 8, 32.1),  # extrapolated from 32: 1.48 / 16 = 0.0925
    ("jouppi2021_7nm", "mul", 32, -24.3),  # extrapolated from 8: 0.07 * 16 = 1.12
    ("shiftaddnet2020_fpga_zc706", "mul", 8, 512.5),  # from 32: 19.6 / 16 = 1.225
    ("shiftaddnet2020_fpga_zc706", "mul", 32, -83.7),  # from 8: 0.2 * 16 = 3.2
]


@pytest.mark.parametrize(("table", "action", "bits", "percent"), HELD_OUT)
def test_the_laws_miss_held_out_points_by_no_more_than_is_documented(
    table: str, action: str, bits: int, percent: float
) -> None:
    points = {
        width: row.energy_pj for width, row in load_table(table).points(action, "int").items()
    }
    truth = points.pop(bits)
    (energy,), (basis,) = interpolate_energy(points, np.array([bits]), law_of(action))
    assert basis > 0
    assert 100 * (energy / truth - 1) == pytest.approx(percent, abs=0.06)


def test_the_readme_prints_the_held_out_errors() -> None:
    from smartsim.cost import cost_models_folder

    text = (cost_models_folder() / "README.md").read_text()
    for table, action, bits, percent in HELD_OUT:
        assert f"| {table} | {action} int{bits} | {percent:+.1f} % |" in text


def test_n_log_n_has_the_smallest_worst_error_for_shifts_between_points() -> None:
    """16 bits held out of ShiftAddNet's shifters, and of shifters synthesised at 45 nm."""
    worst = dict.fromkeys(("shift", "add", "mul"), 0.0)
    for points, truth in (({8: 0.024, 32: 0.13}, 0.057), ({8: 0.0443, 32: 0.384}, 0.126)):
        for action in worst:
            (energy,), _ = interpolate_energy(points, np.array([16]), law_of(action))
            worst[action] = max(worst[action], abs(energy / truth - 1))
    # n log n 14.5 %, linear 25.0 %, quadratic 20.7 %.
    assert min(worst, key=lambda action: worst[action]) == "shift"
    assert worst == pytest.approx({"shift": 0.145, "add": 0.25, "mul": 0.207}, abs=1e-3)
