"""Energies: amortisation, what has no price, plans, break-even, and JSON there and back."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from smartsim.cost import (
    Energy,
    PrecisionPlan,
    estimate_energy,
    find_break_even,
    load_energy,
    load_table,
    parse_format,
    price_counts,
    save_energy,
)
from smartsim.counts.conventions import get_convention
from smartsim.counts.records import Count, Counts
from smartsim.errors import ConfigurationError, FileFormatError

TABLE = load_table("shiftaddnet2020_asic_45nm")


def make_counts(*rows: tuple[str, str, str, bool, int], convention: str = "paper") -> Counts:
    """Counts from rows of layer, stage, action, conditional, number."""
    items = (
        Count(layer=layer, op="aten.op", stage=stage, action=action, conditional=c, number=n)  # type: ignore[arg-type]
        for layer, stage, action, c, n in rows
    )
    return Counts(
        model="m", condition={"lam": 1.0}, convention=get_convention(convention), items=tuple(items)
    )


COUNTS = make_counts(
    ("conv1", "deploy", "mul", False, 50),
    ("conv1", "switch", "mac", True, 100),
    ("conv1", "noise", "add", True, 10),
    ("conv1", "noise", "noise", True, 10),
    ("conv1", "input", "mac", False, 1000),
    ("linear", "input", "mac", False, 200),
    ("linear", "input", "exp", False, 7),
)


def test_a_stage_is_paid_as_often_as_it_runs() -> None:
    energy = estimate_energy(COUNTS, TABLE, "int8", inferences_per_switch=4)
    # int8: MAC 0.23 pJ, mul 0.2 pJ, add 0.03 pJ.
    assert energy.per_deployment_pj == pytest.approx(50 * 0.2)
    assert energy.per_switch_pj == pytest.approx(100 * 0.23)
    assert energy.recurring_pj == pytest.approx(10 * 0.03 + 1200 * 0.23)
    assert energy.per_inference_pj == pytest.approx(10 * 0.03 + 1200 * 0.23 + 100 * 0.23 / 4)
    assert energy.conditional_pj == pytest.approx(10 * 0.03 + 100 * 0.23 / 4)
    assert sum(energy.group("layer").values()) == pytest.approx(energy.per_inference_pj)


def test_what_has_no_price_is_listed_and_never_silently_zero() -> None:
    energy = estimate_energy(COUNTS, TABLE, "int8")
    assert {(u.stage, u.action, u.number) for u in energy.unpriced} == {
        ("noise", "noise", 10),
        ("input", "exp", 7),
    }
    with pytest.raises(ConfigurationError, match=r"cannot price fp16.*it prices int, shift, fp32"):
        estimate_energy(COUNTS, TABLE, "fp16")
    with pytest.raises(ConfigurationError, match="it prices no arithmetic"):
        estimate_energy(COUNTS, load_table("eyeriss2016_relative"), "int8")


def test_a_table_that_prices_noise_makes_it_count() -> None:
    row = dataclasses.replace(TABLE.points("add", "int")[8], action="noise", energy_pj=5.0)
    energy = estimate_energy(COUNTS, dataclasses.replace(TABLE, rows=(*TABLE.rows, row)), "int8")
    assert energy.total(action="noise") == pytest.approx(10 * 5.0)


def test_a_table_that_prices_fp8_makes_it_a_format() -> None:
    rows = [
        dataclasses.replace(TABLE.points(action, "fp")[32], bits=8, energy_pj=energy)
        for action, energy in (("mul", 0.3), ("add", 0.2))
    ]
    table = dataclasses.replace(TABLE, rows=(*TABLE.rows, *rows))
    energy = estimate_energy(COUNTS, table, "fp8")
    assert energy.total(layer="linear", action="mac") == pytest.approx(200 * (0.3 + 0.2))


def test_a_plan_prices_each_layer_in_its_format() -> None:
    plan = PrecisionPlan(
        name="mixed", rules=(("conv*", parse_format("int8")),), default=parse_format("fp32")
    )
    energy = estimate_energy(COUNTS, TABLE, plan)
    assert energy.total(layer="conv1", stages=["input"]) == pytest.approx(1000 * 0.23)
    assert energy.total(layer="linear", stages=["input"]) == pytest.approx(200 * 4.6)
    assert len(energy.macs) == 2


def test_counted_terms_replace_the_formats_own_number() -> None:
    shift = estimate_energy(COUNTS, TABLE, "shift8")
    counted = estimate_energy(COUNTS, TABLE, "shift8", mean_terms={"conv1": 2.5, "linear": 1.0})
    assert counted.total(layer="conv1", action="mac") == pytest.approx(
        2.5 * shift.total(layer="conv1", action="mac")
    )
    assert counted.total(layer="linear") == pytest.approx(shift.total(layer="linear"))
    assert counted.total(action="add") == shift.total(action="add")
    two = estimate_energy(COUNTS, TABLE, "shift8x2", mean_terms={"conv1": 2.5, "linear": 1.0})
    assert two.total(action="mac") == pytest.approx(counted.total(action="mac"))
    part = estimate_energy(COUNTS, TABLE, "shift8", mean_terms={"conv1": 2.5})
    assert part.total(layer="linear") == shift.total(layer="linear")
    assert any("no weights were given for linear" in note for note in part.notes)


def test_the_accumulator_of_the_convention_decides_the_price_of_a_mac() -> None:
    exact = dataclasses.replace(COUNTS, convention=get_convention("exact"))
    energy = estimate_energy(exact, TABLE, "int8")
    assert energy.total(layer="linear") == pytest.approx(200 * (0.2 + 0.1))
    assert not any("overflow" in note for note in energy.notes)
    assert any("overflow" in note for note in estimate_energy(COUNTS, TABLE, "int8").notes)


def test_unverified_prices_are_named_in_the_notes() -> None:
    notes = estimate_energy(COUNTS, TABLE, "shift8").notes
    assert any("unverified in table shiftaddnet2020_asic_45nm: shift int16" in n for n in notes)
    assert not any("unverified" in n for n in estimate_energy(COUNTS, TABLE, "int8").notes)


@pytest.mark.parametrize("number", [0, -1, float("nan"), float("inf")])
def test_inferences_per_switch_must_be_a_number_above_zero(number: float) -> None:
    with pytest.raises(ConfigurationError, match="inferences_per_switch"):
        estimate_energy(COUNTS, TABLE, "int8", inferences_per_switch=number)


def test_an_empty_model_costs_nothing() -> None:
    energy = estimate_energy(make_counts(), TABLE, "int8")
    assert energy.per_inference_pj == 0
    assert sum(energy.basis_shares.values()) == 0


def test_grouping_by_what_is_not_there_says_what_is() -> None:
    with pytest.raises(ConfigurationError, match="cannot group by 'op'; possible: layer"):
        estimate_energy(COUNTS, TABLE, "int8").group("op")


def test_an_energy_goes_to_json_and_back(tmp_path: Path) -> None:
    energy = estimate_energy(COUNTS, TABLE, "int4", inferences_per_switch=3)
    save_energy(energy, tmp_path / "e.json")
    assert load_energy(tmp_path / "e.json") == energy


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"format": "smartsim-counts"}, "not a smartsim energy of version 1"),
        ({"version": 2}, "not a smartsim energy of version 1"),
        ({"items": [{"layer": "a"}]}, "damaged smartsim energy"),
        ({"items": None}, "damaged smartsim energy"),
        ({"extra": 1}, "damaged smartsim energy"),
        ({"convention": {"nmae": 1}}, "damaged smartsim energy"),
    ],
)
def test_a_damaged_energy_file_is_named(tmp_path: Path, change: Any, rule: str) -> None:
    path = tmp_path / "e.json"
    path.write_text(json.dumps({**estimate_energy(COUNTS, TABLE, "int8").to_dict(), **change}))
    with pytest.raises(FileFormatError, match=rule) as caught:
        load_energy(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [("stage", "later"), ("action", "mak"), ("number", "7"), ("conditional", 1), ("layer", 3)],
)
def test_an_item_that_cannot_be_is_refused(field: str, value: Any) -> None:
    data = estimate_energy(COUNTS, TABLE, "int8").to_dict()
    data["items"][0][field] = value
    with pytest.raises(FileFormatError, match=field):
        Energy.from_dict(data)


def energy_of(recurring: int, switch: int) -> Energy:
    rows = (("a", "input", "add", True, recurring), ("a", "switch", "add", True, switch))
    return estimate_energy(make_counts(*rows), TABLE, "int8")


@pytest.mark.parametrize(
    ("rival", "reference", "verdict", "inferences"),
    [
        # 10 + 60 / N = 30 + 0 / N  ->  N = 60 / 20 = 3.
        ((10, 60), (30, 0), "from", 3.0),
        ((30, 0), (10, 60), "up to", 3.0),
        # 10 + 60 / N = 30 + 20 / N  ->  N = 40 / 20 = 2.
        ((10, 60), (30, 20), "from", 2.0),
        ((10, 5), (30, 20), "always", None),
        ((30, 20), (10, 5), "never", None),
        ((10, 5), (10, 5), "always", None),
        ((10, 6), (10, 5), "never", None),
        ((11, 5), (10, 5), "never", None),
    ],
)
def test_two_models_break_even_where_recurring_and_switch_costs_balance(
    rival: tuple[int, int], reference: tuple[int, int], verdict: str, inferences: float | None
) -> None:
    found = find_break_even(energy_of(*rival), energy_of(*reference))
    assert found.verdict == verdict
    assert found.inferences == pytest.approx(inferences)


def test_only_energies_of_one_table_and_plan_break_even() -> None:
    other = estimate_energy(COUNTS, TABLE, "int4")
    with pytest.raises(ConfigurationError, match="cannot break even"):
        find_break_even(other, energy_of(1, 1))


def test_the_grid_agrees_with_one_estimate_at_a_time() -> None:
    tables = [TABLE, load_table("jouppi2021_7nm")]
    formats = [parse_format(name) for name in ("int8", "int16", "fp32", "shift8")]
    other = make_counts(("linear", "input", "mac", False, 3), ("x", "input", "tanh", False, 2))
    grid = price_counts({"a": COUNTS, "b": other}, tables, formats)
    assert grid.layers == ("conv1", "linear", "x")
    for m, counts in enumerate((COUNTS, other)):
        for t, table in enumerate(tables):
            for f, number_format in enumerate(formats):
                cell = grid.per_inference_pj(5)[m, t, f]
                if table.name == "jouppi2021_7nm" and number_format.kind == "shift":
                    assert cell != cell  # NaN: that table has no shifts
                    continue
                energy = estimate_energy(counts, table, number_format, inferences_per_switch=5)
                assert cell == pytest.approx(energy.per_inference_pj)
                conditional = grid.per_inference_pj(5, conditional=True)[m, t, f]
                assert conditional == pytest.approx(energy.conditional_pj)
                shares = grid.basis_shares(5)[:, m, t, f]
                assert shares == pytest.approx(list(energy.basis_shares.values()))
                unpriced = grid.unpriced[m, :, :, t, f].sum()
                assert unpriced == sum(u.number for u in energy.unpriced)


def test_counts_under_two_conventions_do_not_share_a_grid() -> None:
    other = dataclasses.replace(COUNTS, convention=get_convention("exact"))
    with pytest.raises(ConfigurationError, match="2 conventions"):
        price_counts({"a": COUNTS, "b": other}, [TABLE], [parse_format("int8")])
