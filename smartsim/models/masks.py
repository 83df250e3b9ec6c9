"""Random pairs of binary masks with an exact density and an exact overlap."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from smartsim.models.overlap import check_overlap, count_ones

__all__ = ["draw_mask_pair"]


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
    # Whole numbers of 32 bits come in the same order, and faster; numpy places ones faster.
    kind = torch.int32 if elements < 2**31 else torch.int64
    order = torch.randperm(elements, generator=generator, dtype=kind).numpy()
    clean, adversarial = np.zeros(elements, dtype=bool), np.zeros(elements, dtype=bool)
    clean[order[:ones]] = True
    # Of one random order, the clean mask takes the front; the adversarial starts where the common
    # positions do, at the end of that front.
    adversarial[order[ones - common : 2 * ones - common]] = True
    return torch.from_numpy(clean).reshape(*shape), torch.from_numpy(adversarial).reshape(*shape)
