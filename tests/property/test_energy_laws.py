"""Laws that every energy obeys, whatever the counts, the table and the format."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartsim.cost import (
    NumberFormat,
    PrecisionPlan,
    Table,
    estimate_energy,
    load_table,
    parse_format,
    price_actions,
    price_counts,
)
from smartsim.cost.prices.laws import LAWS, Law, interpolate_energy
from smartsim.counts.conventions import get_convention
from smartsim.counts.records import ACTIONS, Count, Counts
from smartsim.graph import STAGES

TABLES = {
    name: load_table(name)
    for name in (
        "horowitz2014_45nm+shiftaddnet2020_asic_45nm",
        "shiftaddnet2020_fpga_zc706",
        "aladdin2014_40nm_1ns",
    )
}
LAYERS = ("conv1", "layer1.0.conv1", "linear")
WIDTHS = st.integers(2, 64)

tables = st.sampled_from(sorted(TABLES)).map(TABLES.__getitem__)
formats = st.one_of(
    WIDTHS.map(lambda bits: parse_format(f"int{bits}")),
    st.tuples(WIDTHS, st.integers(1, 4)).map(
        lambda drawn: parse_format(f"shift{drawn[0]}x{min(drawn)}")
    ),
)
counts = st.lists(
    st.builds(
        Count,
        layer=st.sampled_from(LAYERS),
        op=st.sampled_from(("aten.convolution", "aten.add")),
        stage=st.sampled_from(STAGES),
        action=st.sampled_from(ACTIONS),
        conditional=st.booleans(),
        number=st.integers(0, 10**12),
    ),
    max_size=12,
).flatmap(
    lambda items: st.sampled_from(("paper", "exact")).map(
        lambda name: Counts(
            model="m",
            condition={"lam": 1.0},
            convention=get_convention(name),
            items=tuple(items),
        )
    )
)


def scaled(table: Table, factor: float) -> Table:
    rows = tuple(dataclasses.replace(r, energy_pj=r.energy_pj * factor) for r in table.rows)
    return dataclasses.replace(table, rows=rows)


def multiplied(given_counts: Counts, factor: int) -> Counts:
    items = tuple(dataclasses.replace(i, number=i.number * factor) for i in given_counts.items)
    return dataclasses.replace(given_counts, items=items)


@given(counts, tables, formats, st.integers(0, 1000))
def test_energy_is_linear_in_counts(
    given_counts: Counts, table: Table, number_format: NumberFormat, factor: int
) -> None:
    once = estimate_energy(given_counts, table, number_format)
    many = estimate_energy(multiplied(given_counts, factor), table, number_format)
    assert many.per_inference_pj == pytest.approx(factor * once.per_inference_pj, rel=1e-9)
    both = estimate_energy(multiplied(given_counts, factor) + given_counts, table, number_format)
    assert both.per_inference_pj == pytest.approx((factor + 1) * once.per_inference_pj, rel=1e-9)


@given(counts, tables, formats, st.floats(1e-3, 1e3))
def test_scaling_a_table_scales_the_energy(
    given_counts: Counts, table: Table, number_format: NumberFormat, factor: float
) -> None:
    plain = estimate_energy(given_counts, table, number_format)
    other = estimate_energy(given_counts, scaled(table, factor), number_format)
    assert other.per_inference_pj == pytest.approx(factor * plain.per_inference_pj, rel=1e-9)


@given(counts, tables, formats, st.floats(0.1, 1e6))
def test_the_sum_over_layers_stages_and_actions_is_the_total(
    given_counts: Counts, table: Table, number_format: NumberFormat, inferences: float
) -> None:
    energy = estimate_energy(given_counts, table, number_format, inferences_per_switch=inferences)
    for keys in (("layer",), ("stage",), ("action",), ("layer", "stage", "action", "conditional")):
        assert sum(energy.group(*keys).values()) == pytest.approx(energy.per_inference_pj, rel=1e-9)
    by_stage = sum(energy.total(stages=[stage]) for stage in STAGES)
    assert by_stage == pytest.approx(energy.total(), rel=1e-9)
    if energy.per_inference_pj:
        assert sum(energy.basis_shares.values()) == pytest.approx(1.0)


@given(counts, tables, formats)
def test_what_is_priced_and_what_is_not_are_all_of_the_counts(
    given_counts: Counts, table: Table, number_format: NumberFormat
) -> None:
    energy = estimate_energy(given_counts, table, number_format)
    priced = sum(item.number for item in energy.items)
    unpriced = sum(item.number for item in energy.unpriced)
    assert priced + unpriced == given_counts.total()


@given(counts, tables, WIDTHS, WIDTHS, st.sampled_from(("int", "shift")))
def test_energy_never_falls_with_the_width(
    given_counts: Counts, table: Table, one: int, other: int, kind: str
) -> None:
    low, high = sorted((one, other))
    energies = [
        estimate_energy(given_counts, table, f"{kind}{bits}").per_inference_pj
        for bits in (low, high)
    ]
    assert energies[0] <= energies[1] * (1 + 1e-12)


@given(counts, tables, st.integers(2, 32), st.integers(1, 4))
def test_energy_never_falls_with_the_terms_of_a_weight(
    given_counts: Counts, table: Table, bits: int, terms: int
) -> None:
    terms = min(terms, bits - 1)
    few = estimate_energy(given_counts, table, f"shift{bits}x{terms}")
    more = estimate_energy(given_counts, table, f"shift{bits}x{terms + 1}")
    assert few.per_inference_pj <= more.per_inference_pj * (1 + 1e-12)


@given(counts, tables, formats, formats, st.sets(st.sampled_from(LAYERS)))
def test_a_mixed_plan_lies_between_its_extremes_layer_by_layer(
    given_counts: Counts,
    table: Table,
    one: NumberFormat,
    other: NumberFormat,
    chosen: set[str],
) -> None:
    chosen &= set(given_counts.layers)
    plan = PrecisionPlan(
        name="mixed", rules=tuple((layer, one) for layer in sorted(chosen)), default=other
    )
    mixed = estimate_energy(given_counts, table, plan)
    pure = [estimate_energy(given_counts, table, number_format) for number_format in (one, other)]
    least = most = 0.0
    for layer in given_counts.layers:
        ends = sorted(energy.group("layer").get((layer,), 0.0) for energy in pure)
        least, most = least + ends[0], most + ends[1]
    assert least * (1 - 1e-12) <= mixed.per_inference_pj <= most * (1 + 1e-12)


points = st.dictionaries(st.integers(2, 64), st.floats(1e-6, 1e6), min_size=1, max_size=6).map(
    lambda drawn: dict(zip(sorted(drawn), sorted(drawn.values()), strict=True))
)


@given(points, st.sampled_from(sorted(LAWS)).map(LAWS.__getitem__))
def test_a_law_passes_through_its_points_exactly_and_never_falls(
    known: dict[int, float], law: Law
) -> None:
    widths = np.arange(2, 65)
    energies, basis = interpolate_energy(known, widths, law)
    for width, energy, kind in zip(widths.tolist(), energies, basis, strict=True):
        assert (width in known) == (kind == 0)
        if kind == 0:
            assert energy == known[width]  # exactly
        else:
            assert (kind == 2) == (width < min(known) or width > max(known))
    assert (np.diff(energies) >= -1e-12 * energies[1:]).all()
    assert (energies > 0).all()


@given(st.sampled_from(sorted(TABLES)).map(TABLES.__getitem__), formats)
def test_a_mac_is_never_cheaper_than_its_accumulation(
    table: Table, number_format: NumberFormat
) -> None:
    for accumulator in ("paper", "hardware"):
        prices = price_actions([table], [number_format], accumulator).energy_pj.sum(axis=0)[0, 0]
        assert prices[ACTIONS.index("mac")] > prices[ACTIONS.index("add")]


@given(st.lists(counts, min_size=1, max_size=3), st.lists(formats, min_size=1, max_size=4))
def test_the_grid_is_the_estimates_as_arrays(drawn: list[Counts], chosen: list[Any]) -> None:
    convention = get_convention("exact")
    named = {
        str(index): dataclasses.replace(given_counts, convention=convention)
        for index, given_counts in enumerate(drawn)
    }
    grid = price_counts(named, list(TABLES.values()), chosen)
    for m, given_counts in enumerate(named.values()):
        for t, table in enumerate(TABLES.values()):
            for f, number_format in enumerate(chosen):
                energy = estimate_energy(given_counts, table, number_format)
                assert grid.per_inference_pj()[m, t, f] == pytest.approx(
                    energy.per_inference_pj, rel=1e-9
                )
