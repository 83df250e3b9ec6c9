"""What two masks of one density can share, in numbers alone."""

import math

from smartsim.errors import ConfigurationError

__all__ = ["check_overlap", "count_ones"]

_TOLERANCE = 1e-9
"""A feasible overlap may miss its bound by the rounding of `2 * density - 1`."""


def check_overlap(density: float, overlap: float) -> None:
    """Refuse a density and an overlap that no two masks can have.

    Two masks of density d share at least `max(0, 2 d - 1)` of all positions, for together they
    cover no more than everything, and at most d.

    >>> check_overlap(0.5, 0.25)
    >>> check_overlap(0.75, 0.25)
    Traceback (most recent call last):
    ...
    smartsim.errors.ConfigurationError: two masks of density 0.75 cannot overlap in 0.25 of all \
positions; feasible: 0.5 to 0.75

    Raises:
        ConfigurationError: If there is no such pair; the sentence says what is feasible.
    """
    if not 0 < density <= 1:
        raise ConfigurationError(f"density is {density}; it must be in (0, 1]")
    least = max(0.0, 2 * density - 1)
    if math.isnan(overlap) or not least - _TOLERANCE <= overlap <= density + _TOLERANCE:
        raise ConfigurationError(
            f"two masks of density {density:g} cannot overlap in {overlap:g} of all positions; "
            f"feasible: {least:g} to {density:g}"
        )


def count_ones(elements: int, density: float, overlap: float) -> tuple[int, int]:
    """How many ones each mask has, and how many positions are one in both.

    Both numbers are rounded to the nearest; where that makes two masks that do not fit, the common
    positions move to the nearest number that does, which is one away at most.

    >>> count_ones(2304, 0.5, 0.25)
    (1152, 576)
    >>> count_ones(7, 0.5, 0.0)  # 4 ones each do not fit into 7 places without sharing one
    (4, 1)
    """
    ones = round(density * elements)
    common = round(overlap * elements)
    return ones, min(max(common, 2 * ones - elements, 0), ones)
