"""The same counts priced by other tools' published constants, with the differences listed."""

import pytest

from smartsim.cost import estimate_energy, load_table, parse_format, price_actions
from smartsim.counts.conventions import get_convention
from smartsim.counts.records import ACTIONS, Count, Counts

MACS, ADDS = 1_159_402_496, 21_282_122  # FLOAT ResNet-34 at lam = 1, convention `paper`


def qtools_add(bits: int) -> float:
    """QKeras, qtools/config_public.py, "horowitz" / "fpm_add" (Apache-2.0)."""
    return 0.003125 * bits


def qtools_mul(bits: int) -> float:
    """QKeras, qtools/config_public.py, "horowitz" / "fpm_mul" (Apache-2.0)."""
    return 0.002994791667 * bits**2 + 0.001041666667 * bits


def price(table: str, number_format: str, action: str, accumulator: str = "paper") -> float:
    prices = price_actions([load_table(table)], [parse_format(number_format)], accumulator)
    return float(prices.energy_pj[:, 0, 0, ACTIONS.index(action)].sum())


# bits: ours over QTools' in percent. Additions: Horowitz prints 0.03 at 8 bits and QTools fits a
# line through 0.1 at 32, so ours are 20 % higher up to 8 bits and equal at 16 and 32.
# Multiplications: both go through 0.2 and 3.1; QTools' fit has a linear term that ours lacks.
ADD_DIFFERENCES = {2: 20.0, 4: 20.0, 8: 20.0, 12: 6.7, 16: 0.0, 24: 0.0, 32: 0.0}
MUL_DIFFERENCES = {2: -11.1, 4: -4.0, 8: 0.0, 12: -0.5, 16: -0.4, 24: -0.2, 32: 0.0}


@pytest.mark.parametrize(("bits", "percent"), sorted(ADD_DIFFERENCES.items()))
def test_additions_differ_from_qtools_as_listed(bits: int, percent: float) -> None:
    ratio = price("horowitz2014_45nm", f"int{bits}", "add") / qtools_add(bits)
    assert 100 * (ratio - 1) == pytest.approx(percent, abs=0.06)


@pytest.mark.parametrize(("bits", "percent"), sorted(MUL_DIFFERENCES.items()))
def test_multiplications_differ_from_qtools_as_listed(bits: int, percent: float) -> None:
    ratio = price("horowitz2014_45nm", f"int{bits}", "mul") / qtools_mul(bits)
    assert 100 * (ratio - 1) == pytest.approx(percent, abs=0.06)


@pytest.mark.parametrize(("bits", "percent"), [(8, 2.3), (16, -0.4), (32, 0.0)])
def test_a_network_differs_from_qtools_by_what_its_additions_do(bits: int, percent: float) -> None:
    counts = Counts(
        model="float:resnet34",
        condition={"lam": 1.0},
        convention=get_convention("paper"),
        items=(
            Count(layer="a", op="x", stage="input", action="mac", conditional=False, number=MACS),
            Count(layer="a", op="x", stage="noise", action="add", conditional=True, number=ADDS),
        ),
    )
    ours = estimate_energy(counts, load_table("horowitz2014_45nm"), f"int{bits}").per_inference_pj
    theirs = MACS * (qtools_mul(bits) + qtools_add(bits)) + ADDS * qtools_add(bits)
    assert 100 * (ours / theirs - 1) == pytest.approx(percent, abs=0.06)


# Accelergy's Aladdin plug-in: adders and comparators linear in the width from 32 bits, multipliers
# quadratic (its `width / 32` and quadratic interpolation), from the same 1 ns rows, rounded to
# 0.21, 12.68 and 0.02947 pJ.
@pytest.mark.parametrize("bits", [2, 4, 8, 16, 32, 64])
@pytest.mark.parametrize(
    ("action", "at_32", "power"), [("add", 0.21, 1), ("mul", 12.68, 2), ("compare", 0.02947, 1)]
)
def test_aladdin_prices_are_accelergys_at_any_width(
    bits: int, action: str, at_32: float, power: int
) -> None:
    ours = price("aladdin2014_40nm_1ns", f"int{bits}", action)
    assert ours == pytest.approx(at_32 * (bits / 32) ** power, rel=3e-3)  # its rounding


def test_a_mac_is_accelergys_intmac() -> None:
    # Accelergy adds an adder of 16 bits to a multiplier of 8 by default; here the accumulator is
    # 32 bits: 12.68 / 16 + 0.21 = 1.0025 pJ.
    ours = price("aladdin2014_40nm_1ns", "int8", "mac", "hardware")
    assert ours == pytest.approx(12.68 / 16 + 0.21, rel=3e-3)
