"""Where the elements of a view lie, against writing every element's place down."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartsim.trace.record.geometry import (
    ALL,
    NOTHING,
    Bits,
    Need,
    View,
    join_needs,
    need_of_view,
    need_within_view,
)


def list_places(view: View) -> list[int]:
    """The place of every element that the view shows, in row-major order, by plain arithmetic."""
    strides = view.strides
    if strides is None:
        return list(range(view.size))
    indices = itertools.product(*(range(n) for n in view.shape))
    return [
        view.offset + sum(i * s for i, s in zip(index, strides, strict=True)) for index in indices
    ]


@st.composite
def views(draw: st.DrawFn) -> View:
    """Any window on up to a few hundred elements: strided, shifted, permuted, expanded, folded."""
    shape = tuple(draw(st.lists(st.integers(1, 4), max_size=4)))
    strides = tuple(draw(st.integers(0, 9)) for _ in shape)
    offset = draw(st.integers(0, 5))
    reach = offset + sum(s * (n - 1) for s, n in zip(strides, shape, strict=True))
    return View(reach + 1 + draw(st.integers(0, 6)), shape, strides, offset)


@st.composite
def sliced_views(draw: st.DrawFn) -> View:
    """What slicing, transposing and expanding a whole tensor gives, where periods occur."""
    whole = np.empty(tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))), np.int8)
    cut: list[slice] = []
    for n in whole.shape:
        start = draw(st.integers(0, n - 1))
        cut.append(slice(start, draw(st.integers(start + 1, n)), draw(st.integers(1, 2))))
    window = whole[tuple(cut)].transpose(draw(st.permutations(range(whole.ndim))))
    offset = window.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
    return View(whole.size, window.shape, window.strides, offset)


any_view = views() | sliced_views()


def draw_bits(data: st.DataObject, shape: tuple[int, ...]) -> Bits:
    size = int(np.prod(shape))
    flat = data.draw(st.lists(st.booleans(), min_size=size, max_size=size))
    return np.array(flat, dtype=np.bool_).reshape(shape)


@given(any_view)
def test_a_view_shows_the_elements_at_its_places(view: View) -> None:
    numbers = np.arange(view.size)
    assert view.take(numbers).reshape(-1).tolist() == list_places(view)


@given(any_view)
def test_the_need_of_a_view_is_every_place_it_shows(view: View) -> None:
    shown = set(list_places(view))
    flat = need_of_view(view).flat(view.size)
    assert {int(place) for place in np.flatnonzero(flat)} == shown


@given(any_view, st.data())
def test_the_need_within_a_view_is_every_place_where_any_copy_is_wanted(
    view: View, data: st.DataObject
) -> None:
    bits = draw_bits(data, view.shape)
    wanted = {
        place for place, is_wanted in zip(list_places(view), bits.flat, strict=True) if is_wanted
    }
    flat = need_within_view(view, bits).flat(view.size)
    assert {int(place) for place in np.flatnonzero(flat)} == wanted


@given(any_view, st.booleans(), st.data())
def test_putting_into_a_view_overwrites_what_it_shows_and_nothing_else(
    view: View, before: bool, data: st.DataObject
) -> None:
    bits = draw_bits(data, view.shape)
    expected = np.full(view.size, before)
    expected[list_places(view)] = False
    for place, bit in zip(list_places(view), bits.flat, strict=True):
        expected[place] |= bit
    flat = np.full(view.size, before)
    view.put(flat, bits)
    assert flat.tolist() == expected.tolist()


@given(any_view)
def test_a_view_is_overlapping_if_it_shows_an_element_twice(view: View) -> None:
    places = list_places(view)
    if len(set(places)) < len(places):  # the other way round, a false alarm costs only time
        assert view.is_overlapping


@given(sliced_views())
def test_windows_that_slicing_gives_do_not_overlap(view: View) -> None:
    assert not view.is_overlapping


@given(st.data())
def test_joined_needs_are_needed_by_either(data: st.DataObject) -> None:
    size = 24
    periods = [data.draw(st.sampled_from([1, 2, 3, 4, 8, 12, 24])) for _ in range(2)]
    first, second = (Need(draw_bits(data, (period,))) for period in periods)
    joined = join_needs(first, second, size).flat(size)
    assert joined.tolist() == (first.flat(size) | second.flat(size)).tolist()


def test_all_and_nothing_are_recognised_by_identity() -> None:
    assert join_needs(NOTHING, ALL, 6) is ALL
    assert join_needs(ALL, NOTHING, 6) is ALL
    assert join_needs(NOTHING, NOTHING, 6) is NOTHING
    halves = Need(np.array([True, False])), Need(np.array([False, True]))
    assert join_needs(*halves, 6) is ALL


def test_the_need_of_one_half_of_every_row_is_kept_as_one_row() -> None:
    # 1000 rows of 8; columns 4..7. A period of 8 says it all, whatever the number of rows.
    need = need_of_view(View(8000, (1000, 4), (8, 1), 4))
    assert need.period.tolist() == [False] * 4 + [True] * 4


@pytest.mark.parametrize("shape", [(0,), (2, 0)])
def test_an_empty_view_needs_nothing(shape: tuple[int, ...]) -> None:
    assert need_of_view(View(6, shape, (1,) * len(shape), 0)) is NOTHING
