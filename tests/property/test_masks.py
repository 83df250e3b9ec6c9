"""Laws of the mask pairs, over drawn shapes, densities and overlaps."""

import math
import re
from itertools import combinations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from smartsim.errors import ConfigurationError
from smartsim.models import draw_mask_pair
from smartsim.models.overlap import count_ones

shapes = st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple)
densities = st.floats(0, 1, exclude_min=True)
seeds = st.integers(0, 2**31)


@st.composite
def feasible_pairs(draw: st.DrawFn) -> tuple[float, float]:
    """A density, and an overlap that two masks of that density can have."""
    density = draw(densities)
    return density, draw(st.floats(max(0.0, 2 * density - 1), density))


@given(shapes, feasible_pairs(), seeds)
def test_masks_have_exactly_the_requested_density(
    shape: tuple[int, ...], pair: tuple[float, float], seed: int
) -> None:
    density, overlap = pair
    masks = draw_mask_pair(
        shape, density=density, overlap=overlap, generator=torch.Generator().manual_seed(seed)
    )
    for mask in masks:
        assert mask.dtype == torch.bool
        assert mask.shape == shape
        assert int(mask.sum()) == round(density * math.prod(shape))


@given(shapes, feasible_pairs(), seeds)
def test_masks_share_exactly_the_requested_positions_where_rounding_leaves_room(
    shape: tuple[int, ...], pair: tuple[float, float], seed: int
) -> None:
    density, overlap = pair
    elements = math.prod(shape)
    clean, adversarial = draw_mask_pair(
        shape, density=density, overlap=overlap, generator=torch.Generator().manual_seed(seed)
    )
    shared, ones, wanted = (
        int((clean & adversarial).sum()),
        int(clean.sum()),
        round(overlap * elements),
    )
    if 2 * ones - wanted <= elements and wanted <= ones:
        assert shared == wanted
    else:
        # Each of three roundings is off by half at most: 2 ones - common misses by 1.5, so by 1.
        assert abs(shared - wanted) == 1


@pytest.mark.parametrize("overlap", [0.0, 0.1, 0.25, 0.5])
def test_a_3x3_convolution_gets_exact_halves(overlap: float) -> None:
    # 64 * 64 * 9 = 36,864 positions: 18,432 ones; 0, 3,686 (of 3,686.4), 9,216 or 18,432 common.
    clean, adversarial = draw_mask_pair(
        (64, 64, 3, 3), density=0.5, overlap=overlap, generator=torch.Generator().manual_seed(0)
    )
    assert int(clean.sum()) == int(adversarial.sum()) == 18_432
    expected = {0.0: 0, 0.1: 3_686, 0.25: 9_216, 0.5: 18_432}[overlap]
    assert int((clean & adversarial).sum()) == expected


@given(densities, st.floats(0.001, 2), st.booleans())
def test_an_infeasible_overlap_is_an_error_that_states_the_feasible_range(
    density: float, excess: float, above: bool
) -> None:
    least = max(0.0, 2 * density - 1)
    overlap = density + excess if above else least - excess
    with pytest.raises(ConfigurationError, match=re.escape(f"feasible: {least:g} to {density:g}")):
        draw_mask_pair((4, 4), density=density, overlap=overlap, generator=torch.Generator())


@pytest.mark.parametrize("density", [0.0, -0.1, 1.01, math.nan, math.inf])
def test_a_density_outside_0_to_1_is_an_error(density: float) -> None:
    with pytest.raises(ConfigurationError, match=r"density is .*; it must be in \(0, 1\]"):
        draw_mask_pair((4, 4), density=density, overlap=0.0, generator=torch.Generator())


def test_an_overlap_of_nan_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match=r"feasible: 0 to 0\.5$"):
        draw_mask_pair((4,), density=0.5, overlap=math.nan, generator=torch.Generator())


def test_the_bounds_of_the_feasible_range_are_feasible_despite_rounding() -> None:
    # 2 * 0.55 - 1 is 0.10000000000000009 in floating point, a hair above the true bound.
    assert count_ones(100, 0.55, 0.1) == (55, 10)
    draw_mask_pair((10, 10), density=0.55, overlap=0.1, generator=torch.Generator())


@given(st.integers(0, 40), feasible_pairs())
def test_the_counted_ones_always_fit_into_the_mask(
    elements: int, pair: tuple[float, float]
) -> None:
    ones, common = count_ones(elements, *pair)
    assert 0 <= common <= ones <= elements
    assert 2 * ones - common <= elements


def test_every_pair_of_masks_is_equally_likely() -> None:
    # Of 4 positions, 2 ones each, 1 common: choose the clean mask (6), the common one (2), and one
    # of the other two (2): 24 pairs. 4,800 draws give each 200 +- 14; five sigma is 70.
    generator = torch.Generator().manual_seed(0)
    found: dict[tuple[bool, ...], int] = {}
    for _ in range(4_800):
        clean, adversarial = draw_mask_pair((4,), density=0.5, overlap=0.25, generator=generator)
        key = (*clean.tolist(), *adversarial.tolist())
        found[key] = found.get(key, 0) + 1
    assert len(found) == len(list(combinations(range(4), 2))) * 2 * 2
    assert all(abs(count - 200) < 70 for count in found.values())


@given(seeds)
def test_one_seed_gives_one_pair_of_masks(seed: int) -> None:
    first, second = (
        draw_mask_pair(
            (5, 7), density=0.5, overlap=0.25, generator=torch.Generator().manual_seed(seed)
        )
        for _ in range(2)
    )
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_the_masks_of_a_seed_are_those_of_a_permutation_of_64_bits() -> None:
    generator = torch.Generator().manual_seed(7)
    order = torch.randperm(1000, generator=torch.Generator().manual_seed(7))
    clean, adversarial = draw_mask_pair((10, 100), density=0.5, overlap=0.2, generator=generator)
    for mask, places in ((clean, order[:500]), (adversarial, order[300:800])):
        expected = torch.zeros(1000, dtype=torch.bool)
        expected[places] = True
        assert torch.equal(mask.flatten(), expected)
