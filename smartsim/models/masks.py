"""Random pairs of binary masks with an exact density and an exact overlap."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from smartsim.errors import ConfigurationError

__all__ = ["check_overlap", "count_ones", "draw_mask_pair"]

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


def draw_mask_pair(
    shape: Sequence[int], *, density: float, overlap: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Draw two boolean masks, uniformly among all pairs of the given density and overlap.

    Args:
        shape: Shape of each mask.
        density: Share of ones in each mask, in (0, 1]: `round(density * n)` of n positions.
        overlap: Share of all positions where both are one: `round(overlap * n)` of them, or one
            off where rounding leaves no room (see `count_ones`).
        generator: Where the randomness comes from, on the CPU.

    Returns:
        The clean path's mask and the adversarial path's.

    Raises:
        ConfigurationError: If no such pair exists; the sentence states the feasible overlap.

    >>> g = torch.Generator().manual_seed(0)
    >>> clean, adversarial = draw_mask_pair((64, 64, 3, 3), density=0.5, overlap=0.25, generator=g)
    >>> int(clean.sum()), int(adversarial.sum()), int((clean & adversarial).sum())
    (18432, 18432, 9216)

    Source: SMART, arXiv 2302.03523, Table 1: overlap 0.25.
    """
    check_overlap(density, overlap)
    elements = math.prod(shape)
    ones, common = count_ones(elements, density, overlap)
    order = torch.randperm(elements, generator=generator)
    clean = torch.zeros(elements, dtype=torch.bool)
    clean[order[:ones]] = True
    adversarial = torch.zeros(elements, dtype=torch.bool)
    # Of one random order, the clean mask takes the front; the adversarial starts where the common
    # positions do, at the end of that front.
    adversarial[order[ones - common : 2 * ones - common]] = True
    return clean.reshape(*shape), adversarial.reshape(*shape)
