"""Areas, fronts, knees and clouds of a sweep against loops that do the obvious."""

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from smartsim.cost import Row, Table, cost_models_folder, load_table
from smartsim.cost.prices.laws import interpolate_energy, law_of
from smartsim.simulate.explore.clouds import PER_DECADE, Cloud, cloud_of, merge_clouds
from smartsim.simulate.explore.fronts import Front, find_knee, front_of, merge_fronts
from smartsim.simulate.machine.area import measure_areas
from tests.oracle.sweep_designs import below_chord, buffer_area, build_array, thin_out, unbeaten

WIDTHS = st.dictionaries(st.integers(2, 64), st.integers(1, 9000), min_size=1, max_size=4)
SIZES = st.dictionaries(st.integers(1, 10**6), st.integers(1, 10**6), min_size=1, max_size=3)


def row(action: str, bits: int, area: int | None, capacity: int | None = None) -> Row:
    return Row(
        action=action,
        format="data" if action == "sram" else "int",
        bits=bits,
        capacity_bits=capacity,
        energy_pj=1.0,
        area_um2=area,
        source="nobody",
        locator="nowhere",
        basis="assumed",
        status="unverified",
    )


def table_with(
    multipliers: Mapping[int, int], adders: Mapping[int, int], sizes: Mapping[int, int]
) -> Table:
    rows = [row("mul", bits, area) for bits, area in multipliers.items()]
    rows += [row("add", bits, area) for bits, area in adders.items()]
    rows += [row("sram", 64, area, capacity) for capacity, area in sizes.items()]
    rows += [row("mul", 65, None)]  # an energy without an area is no point of the curve
    return Table(
        name="drawn",
        description="",
        technology="",
        node_nm=45,
        includes="",
        unit="pJ",
        rows=tuple(rows),
        sources=(),
    )


@given(
    WIDTHS,
    WIDTHS,
    st.one_of(st.just({}), SIZES),
    st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(2, 64), st.integers(1, 10**6)),
)
def test_an_area_is_that_of_the_array_laid_out_element_by_element(
    multipliers: dict[int, int],
    adders: dict[int, int],
    sizes: dict[int, int],
    design: tuple[int, int, int, int],
) -> None:
    areas = measure_areas(table_with(multipliers, adders, sizes))
    assert areas is not None
    rows, cols, bits, capacity = design
    expected = build_array(rows, cols, bits, multipliers, adders)
    if sizes:
        expected += 3 * buffer_area(sizes, capacity)
    found = float(areas.measure(rows, cols, bits, capacity))
    assert found == pytest.approx(float(expected), rel=1e-9)
    assert ("three buffers" in areas.scope) == bool(sizes)


def test_areas_of_horowitz_are_printed_or_marked() -> None:
    # 282 + 137 um2 are Horowitz's 8-bit multiplier and 32-bit adder; with n^2 through (8, 282) and
    # (32, 3495), 16 bits lie at 282 + (3495 - 282) * (256 - 64) / (1024 - 64) = 924.6.
    areas = measure_areas(load_table("horowitz2014_45nm"))
    assert areas is not None
    assert areas.element_um2[8] == 419
    assert areas.element_um2[16] == pytest.approx(924.6 + 137)
    assert areas.parts[8] == "mul int8 282 um2 + add int32 137 um2 (area unverified)"
    assert areas.parts[16].startswith("mul int16 924.6 um2 (interpolated)")
    assert areas.parts[4].startswith("mul int4 70.5 um2 (extrapolated)")
    assert not areas.covers_buffers


@pytest.mark.parametrize(
    ("unit", "bits", "percent"),
    [
        ("mul", 8, -22.5),  # from 32: 3495 / 16 = 218.4 in place of 282
        ("mul", 32, 29.1),  # from 8: 282 * 16 = 4512 in place of 3495
        ("add", 8, -4.9),  # from 32: 137 / 4 = 34.25 in place of 36
        ("add", 32, 5.1),  # from 8: 36 * 4 = 144 in place of 137
    ],
)
def test_what_the_laws_miss_in_areas_is_documented(unit: str, bits: int, percent: float) -> None:
    table = load_table("horowitz2014_45nm")
    areas = {b: row.area_um2 for b, row in table.points(unit, "int").items() if row.area_um2}
    truth = areas.pop(bits)
    (area,), (basis,) = interpolate_energy(areas, np.array([bits]), law_of(unit))
    assert basis == 2
    assert 100 * (area / truth - 1) == pytest.approx(percent, abs=0.06)
    text = (cost_models_folder() / "README.md").read_text()
    assert f"| horowitz2014_45nm | area of {unit} int{bits} | {percent:+.1f} % |" in text


@pytest.mark.parametrize("name", ["jouppi2021_7nm", "eyeriss2016_relative", "han2015_45nm"])
def test_a_table_without_areas_has_none(name: str) -> None:
    assert measure_areas(load_table(name)) is None


POINTS = st.lists(
    st.tuples(st.sampled_from([4, 8]), st.integers(1, 9), st.integers(1, 9), st.integers(1, 10**6)),
    min_size=1,
    max_size=25,
    unique_by=lambda point: point[3],
)


@given(POINTS, st.integers(0, 25))
def test_a_front_is_what_no_pair_beats_however_it_was_cut(
    points: list[tuple[int, int, int, int]], cut: int
) -> None:
    names = ("bits", "cycles", "dram_bits", "pes")
    axes = ("cycles", "dram_bits")

    def front(some: list[tuple[int, int, int, int]]) -> Front:
        columns = np.array(some, dtype=np.int64).reshape(-1, 4).T
        return front_of(dict(zip(names, columns, strict=True)), axes)

    whole = front(points)
    assert set(whole.points) == unbeaten(points)
    assert merge_fronts(front(points[cut:]), front(points[:cut])) == whole


def fronts() -> st.SearchStrategy[tuple[list[float], list[float]]]:
    values = st.lists(st.floats(1e-3, 1e9), min_size=1, max_size=12, unique=True)
    return values.flatmap(
        lambda first: st.tuples(
            st.just(sorted(first)),
            st.lists(
                st.floats(1e-3, 1e9), min_size=len(first), max_size=len(first), unique=True
            ).map(lambda second: sorted(second, reverse=True)),
        )
    )


@given(fronts())
@example(([1.0], [1.0]))
@example(([1.0, 2.0], [2.0, 1.0]))
def test_a_knee_is_the_point_farthest_below_the_chord(
    front: tuple[list[float], list[float]],
) -> None:
    first, second = front
    knee = find_knee(first, second)
    distances = below_chord(first, second)
    assert distances[knee] == pytest.approx(max(distances), abs=1e-6)
    scaled = find_knee([8 * value for value in first], [value / 1e3 for value in second])
    assert distances[scaled] == pytest.approx(max(distances), abs=1e-6)  # units do not matter


def test_a_knee_by_hand() -> None:
    # logs (0, 3), (1, 0.5), (2, 0.25), (3, 0): the second lies 1 - 1/3 - 1/6 = 0.5 below.
    assert find_knee([1, 10, 100, 1000], [10**3, 10**0.5, 10**0.25, 1]) == 1


def in_a_cell(place: int, share: float) -> float:
    """A value well inside a cell: on an edge, rounding decides."""
    return float(10 ** ((place + share) / PER_DECADE))


INSIDE = st.builds(in_a_cell, st.integers(998, 1000), st.floats(0.01, 0.99))


@given(
    st.lists(st.tuples(st.sampled_from([4, 8]), INSIDE, INSIDE, st.integers(0, 4)), max_size=20),
    st.integers(0, 20),
)
def test_a_cloud_has_the_best_used_design_of_every_cell(
    points: list[tuple[int, float, float, int]], cut: int
) -> None:
    def cloud(some: list[tuple[int, float, float, int]]) -> Cloud:
        columns = {
            "bits": np.array([p[0] for p in some], dtype=np.int64),
            "cycles": np.array([p[1] for p in some], dtype=np.float64),
            "energy_pj": np.array([p[2] for p in some], dtype=np.float64),
            "utilization": np.array([p[3] / 1000 for p in some], dtype=np.float64),
        }
        return cloud_of(columns, ("cycles", "energy_pj"))

    whole = cloud(points)
    found = list(zip(whole.bits, whole.first, whole.second, whole.utilization, strict=True))
    twin = thin_out(points, PER_DECADE)
    assert len(found) == len(twin)
    assert set(found) == twin
    assert merge_clouds(cloud(points[:cut]), cloud(points[cut:])) == whole
    assert Cloud.from_dict(whole.to_dict()) == whole
