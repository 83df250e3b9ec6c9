"""Golden energies: the paper's two ratios, and each method on ResNet-34 computed by hand."""

import pytest

from smartsim.cost import (
    Table,
    estimate_energy,
    find_break_even,
    load_table,
    parse_format,
    price_actions,
)
from smartsim.counts import Counts, count_actions
from smartsim.counts.records import ACTIONS
from smartsim.models import build_named_model
from smartsim.trace import trace_model

TABLE = load_table("shiftaddnet2020_asic_45nm")

# The golden counts of ResNet-34 at 32 x 32, convention `paper` (see tests/golden for where the MACs
# and ADDs come from). What every method shares besides MACs:
#   comparisons of ReLU: 65,536 of the stem, and two in each block:
#     6 * 65,536 + 8 * 32,768 + 12 * 16,384 + 6 * 8,192 + 65,536 = 966,656
#   residual additions: 3 * 65,536 + 4 * 32,768 + 6 * 16,384 + 3 * 8,192 = 450,560
#   average pool of 4 x 4: 512 * 15 = 7,680 additions and 512 multiplications
MACS, SMART_MACS = 1_159_402_496, 838_538_240
COMPARES, ADDS, MULS = 966_656, 450_560 + 7_680, 512
# Conditional: OAT's MLP of d = 1, once a switch: 10,091,392 MACs, two leaky ReLUs (a comparison and
# a multiplication) on 2C hidden values and 2C outputs of 33 layers: C adds up to 7,616, so
# 4 * 7,616 = 30,464 each; and gamma * x + beta on 966,656 activations in every inference.
OAT_SWITCH_MACS, OAT_LEAKY, OAT_MACS = 10_091_392, 30_464, 966_656
# FLOAT and SMART: an addition for every active parameter, and lam * alpha * std for each of 37
# layers at a switch, two multiplications each.
FLOAT_ADDS, SMART_ADDS, NOISE_MULS = 21_282_122, 11_402_570, 74

# Prices in pJ by hand: (MAC, add or compare, mul).
#   int8: 0.2 + 0.03; fp32: 3.7 + 0.9; shift8: 0.024 + 0.03, and a multiplication is one shift.
PRICES = {"int8": (0.23, 0.03, 0.2), "fp32": (4.6, 0.9, 3.7), "shift8": (0.054, 0.03, 0.024)}


def by_hand(method: str, lam: int, number_format: str) -> float:
    """Energy of one inference after one switch, in pJ."""
    mac, add, mul = PRICES[number_format]
    energy = (SMART_MACS if method == "smart" else MACS) * mac
    energy += (COMPARES + ADDS) * add + MULS * mul
    if method == "oat":
        energy += (OAT_SWITCH_MACS + OAT_MACS) * mac + OAT_LEAKY * (add + mul)
    if method in ("float", "smart") and lam:
        energy += (FLOAT_ADDS if method == "float" else SMART_ADDS) * add + NOISE_MULS * mul
    return energy


@pytest.fixture(scope="module")
def counts() -> dict[tuple[str, int], Counts]:
    """Counts of the four methods, traced, in the paper's convention."""
    found = {}
    for method in ("pgdat", "oat", "float", "smart"):
        model = build_named_model(f"{method}:resnet34").eval()
        for lam in (0, 1):
            graph = trace_model(model, (1, 3, 32, 32), condition={"lam": float(lam)})
            found[method, lam] = count_actions(graph, "paper")
    return found


def mac_to_add_gap(table: Table, bits: int) -> float:
    prices = price_actions([table], [parse_format(f"int{bits}")], "paper").energy_pj.sum(axis=0)
    return float(prices[0, 0, ACTIONS.index("mac")] / prices[0, 0, ACTIONS.index("add")])


def shift_add_over_add(table: Table, bits: int) -> float:
    prices = price_actions([table], [parse_format(f"shift{bits}")], "paper").energy_pj.sum(axis=0)
    return float(prices[0, 0, ACTIONS.index("shift_add")] / prices[0, 0, ACTIONS.index("add")])


def test_the_gap_between_mac_and_add_shrinks_4_17_times_from_32_to_8_bits() -> None:
    """((3.1 + 0.1) / 0.1) / ((0.2 + 0.03) / 0.03) = 32 / 7.667 = 4.17; the paper says 4.2."""
    table = load_table("horowitz2014_45nm")
    ratio = mac_to_add_gap(table, 32) / mac_to_add_gap(table, 8)
    assert ratio == pytest.approx(32 / (0.23 / 0.03), rel=1e-12)
    assert f"{ratio:.2f}" == "4.17"
    assert f"{ratio:.1f}" == "4.2"


def test_a_shift_add_costs_1_8_additions_at_8_bits() -> None:
    """(0.024 + 0.03) / 0.03 = 1.8, as the paper says."""
    assert shift_add_over_add(TABLE, 8) == pytest.approx(1.8, rel=1e-12)


@pytest.mark.parametrize(
    ("table", "ratio"),
    [
        # ((1.48 + 0.03) / 0.03) / ((0.07 + 0.007) / 0.007) = 50.33 / 11 = 4.58
        ("jouppi2021_7nm", 4.58),
        # ((19.6 + 0.1) / 0.1) / ((0.2 + 0.1) / 0.1) = 197 / 3 = 65.7
        ("shiftaddnet2020_fpga_zc706", 65.7),
    ],
)
def test_the_gap_depends_on_the_table(table: str, ratio: float) -> None:
    loaded = load_table(table)
    assert mac_to_add_gap(loaded, 32) / mac_to_add_gap(loaded, 8) == pytest.approx(ratio, rel=2e-3)


@pytest.mark.parametrize(
    ("table", "ratio"),
    [
        ("shiftaddnet2020_asic_45nm", 2.3),  # (0.13 + 0.1) / 0.1
        ("aladdin2014_40nm_1ns", 2.98),  # (0.4173 + 0.2104) / 0.2104
        ("aladdin2014_40nm_5ns", 5.86),  # (0.4165 + 0.0857) / 0.0857
    ],
)
def test_a_32_bit_shift_add_over_an_add_depends_on_the_table(table: str, ratio: float) -> None:
    assert shift_add_over_add(load_table(table), 32) == pytest.approx(ratio, rel=2e-3)


@pytest.mark.parametrize("number_format", ["int8", "fp32", "shift8"])
@pytest.mark.parametrize("lam", [0, 1])
@pytest.mark.parametrize("method", ["pgdat", "oat", "float", "smart"])
def test_each_method_costs_what_was_computed_by_hand(
    counts: dict[tuple[str, int], Counts], method: str, lam: int, number_format: str
) -> None:
    energy = estimate_energy(counts[method, lam], TABLE, number_format)
    assert energy.per_inference_pj == pytest.approx(by_hand(method, lam, number_format), rel=1e-12)
    assert energy.basis_shares["published"] == 1.0


def test_the_energies_of_table_2_in_microjoules(counts: dict[tuple[str, int], Counts]) -> None:
    """The same as plain numbers, so that a reader sees what they are.

    For instance PGD-AT in int8: 1,159,402,496 * 0.23 + 1,424,896 * 0.03 + 512 * 0.2 pJ =
    266,705,423 pJ.
    """
    found = {
        (method, name): round(
            estimate_energy(counts[method, 1], TABLE, name).per_inference_pj / 1e6, 2
        )
        for method in ("pgdat", "oat", "float", "smart")
        for name in PRICES
    }
    assert found == {
        ("pgdat", "int8"): 266.71,
        ("pgdat", "fp32"): 5334.54,
        ("pgdat", "shift8"): 62.65,
        ("oat", "int8"): 269.26,
        ("oat", "fp32"): 5385.54,
        ("oat", "shift8"): 63.25,
        ("float", "int8"): 267.34,
        ("float", "fp32"): 5353.69,
        ("float", "shift8"): 63.29,
        ("smart", "int8"): 193.25,
        ("smart", "fp32"): 3868.82,
        ("smart", "shift8"): 45.67,
    }


def test_noise_draws_are_reported_as_unpriced(counts: dict[tuple[str, int], Counts]) -> None:
    energy = estimate_energy(counts["float", 1], TABLE, "int8")
    # One Gaussian draw for each of the 21,265,088 weights.
    assert [(u.stage, u.action, u.number) for u in energy.unpriced if u.stage != "deploy"] == [
        ("noise", "noise", 21_265_088)
    ]


def test_oat_breaks_even_with_smart_in_overhead_only(
    counts: dict[tuple[str, int], Counts],
) -> None:
    """OAT: 10,091,392 MACs and 30,464 leaky ReLUs a switch, 966,656 MACs an inference.

    SMART: 11,402,570 additions an inference, 74 multiplications a switch. In int8 the two are
    equal at (10,091,392 * 0.23 + 30,464 * 0.23 - 74 * 0.2) / (11,402,570 * 0.03 - 966,656 * 0.23)
    = 2,328,012 / 119,746 = 19.44 inferences a switch. In total never: SMART skips 28 % of the MACs.
    """
    smart = estimate_energy(counts["smart", 1], TABLE, "int8")
    oat = estimate_energy(counts["oat", 1], TABLE, "int8")
    assert find_break_even(oat, smart).verdict == "never"
    found = find_break_even(oat, smart, quantity="conditional")
    assert found.verdict == "from"
    assert found.inferences == pytest.approx(2_328_012 / 119_746, rel=1e-5)


def test_frozen_noise_breaks_even_with_smart_in_overhead_only(
    counts: dict[tuple[str, int], Counts],
) -> None:
    """FLOAT with frozen noise scales and adds 21,265,088 stored values a switch, and then nothing.

    21,265,088 * (0.2 + 0.03) + 74 * 0.2 - 74 * 0.2 = 4,890,970 pJ against SMART's 342,077 pJ an
    inference: 14.30 inferences a switch.
    """
    frozen = build_named_model("float:resnet34:noise=frozen").eval()
    graph = trace_model(frozen, (1, 3, 32, 32), condition={"lam": 1.0})
    rival = estimate_energy(count_actions(graph, "paper"), TABLE, "int8")
    smart = estimate_energy(counts["smart", 1], TABLE, "int8")
    assert find_break_even(rival, smart).verdict == "never"
    found = find_break_even(rival, smart, quantity="conditional")
    assert found.verdict == "from"
    assert found.rival_recurring_pj == 0
    assert found.inferences == pytest.approx(4_890_970 / 342_077.1, rel=1e-5)
