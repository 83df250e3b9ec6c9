"""How many shift-adds a real weight needs: its terms as a sum of signed powers of two.

Knows arrays of weights, not models. Three readings stand side by side: every MAC is one shift-add
(the SMART paper's), weights rounded to at most n signed powers of two, and the exact canonical
signed digits of weights quantised to integers. A weight of value zero needs no shift-add at all.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smartsim.cost.energy.energy import Energy
from smartsim.cost.energy.estimate import estimate_energy
from smartsim.cost.formats.numbers import parse_format
from smartsim.cost.tables.table import Table
from smartsim.counts.records import Counts
from smartsim.errors import ConfigurationError

__all__ = [
    "compare_shift_readings",
    "count_csd_terms",
    "count_mean_terms",
    "quantize_symmetric",
    "round_to_powers",
]

_MOST_BITS = 32

Weights = NDArray[np.floating[Any]]


def quantize_symmetric(
    weights: Weights, bits: int, *, per_channel: bool = False
) -> NDArray[np.int64]:
    """Weights as symmetric integers: `round(w / s)`, `s = max|w| / (2^(bits - 1) - 1)`.

    Args:
        weights: Any shape (c, ...).
        bits: Width of the integers, 2 to 32.
        per_channel: Whether each of the c leading slices has a scale of its own.

    >>> quantize_symmetric(np.array([1.0, -0.5, 0.1]), 8).tolist()
    [127, -64, 13]

    Raises:
        ConfigurationError: If `bits` is out of range or a weight is not finite.
    """
    most = 2 ** (_checked_bits(bits) - 1) - 1
    integers: NDArray[np.int64] = np.rint(_unit_weights(weights, per_channel) * most).astype(
        np.int64
    )
    return integers


def count_csd_terms(integers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Nonzero digits of each integer in canonical signed digit form, the fewest there can be.

    The digits of x that are not zero stand where `x` and `3x` differ.

    >>> count_csd_terms(np.array([0, 1, 7, -7, 11, 85])).tolist()
    [0, 1, 2, 2, 3, 4]

    Source: Reitwiesner, "Binary arithmetic", Advances in Computers 1, 1960 (the non-adjacent form).
    """
    magnitudes = np.abs(integers)
    digits: NDArray[np.int64] = np.bitwise_count(magnitudes ^ (3 * magnitudes)).astype(np.int64)
    return digits


def round_to_powers(
    weights: Weights, bits: int, terms: int, *, per_channel: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Round weights to sums of at most `terms` signed powers of two, nearest first.

    The powers are `s * 2^-k` with k from 0 to bits - 2 and s = max|w|: what a shifter of `bits`
    bits reaches. Each term takes the power nearest to what is left, the larger one on a tie, and
    none when zero is nearer.

    Args:
        weights: Any shape (c, ...).
        bits: Width of the shifter, 2 to 32.
        terms: Most terms a weight may have, at least 1.
        per_channel: Whether each of the c leading slices has a scale of its own.

    Returns:
        The rounded weights, and how many terms each one has, both of the weights' shape.

    >>> rounded, used = round_to_powers(np.array([1.0, 0.7, -0.3, 0.001]), 8, 2)
    >>> rounded.tolist(), used.tolist()
    ([1.0, 0.75, -0.3125, 0.0], [1, 2, 2, 0])
    """
    if terms < 1:
        raise ConfigurationError(f"a weight cannot have at most {terms} terms; possible: 1 or more")
    least = 2.0 ** -(_checked_bits(bits) - 2)
    left = _unit_weights(weights, per_channel)
    rounded, used = np.zeros_like(left), np.zeros(left.shape, dtype=np.int64)
    for _ in range(terms):
        size = np.abs(left)
        taken = size >= least / 2
        mantissa, exponent = np.frexp(size)  # size = mantissa * 2^exponent, mantissa in [0.5, 1)
        power = np.ldexp(np.where(mantissa >= 0.75, 1.0, 0.5), exponent)
        power = np.sign(left) * np.clip(power, least, 1.0) * taken
        rounded, left, used = rounded + power, left - power, used + taken
    return rounded * _scale(weights, per_channel), used


def count_mean_terms(
    weights: Mapping[str, Weights],
    bits: int,
    terms: int | None = None,
    *,
    per_channel: bool = False,
) -> dict[str, float]:
    """Mean number of terms of a weight in each layer, over the weights that are not zero.

    Zeros are left out because their MACs are not counted either. A weight that is small enough to
    be rounded to zero stays in the mean, with no terms. Every weight of a convolution acts equally
    often where products with padding count; where they do not, weights at a kernel's edge act
    slightly less often, which the mean does not follow.

    Args:
        weights: Effective weights by layer, as that path of the model uses them.
        bits: Width of the integers, or of the shifter.
        terms: At most so many signed powers of two; None for the exact digits of the integers.
        per_channel: Whether each output channel has a scale of its own.

    >>> count_mean_terms({"conv1": np.array([[1.0, 0.0], [0.5, 0.25]])}, 8)
    {'conv1': 1.3333333333333333}
    """
    means = {}
    for layer, values in weights.items():
        if terms is None:
            used = count_csd_terms(quantize_symmetric(values, bits, per_channel=per_channel))
        else:
            _, used = round_to_powers(values, bits, terms, per_channel=per_channel)
        present = int(np.count_nonzero(values))
        means[layer] = int(used.sum()) / present if present else 0.0
    return means


def compare_shift_readings(
    counts: Counts,
    table: Table,
    weights: Mapping[str, Weights],
    *,
    bits: int = 8,
    terms: int = 2,
    per_channel: bool = False,
    inferences_per_switch: float = 1,
) -> dict[str, Energy]:
    """The three readings of shift-add arithmetic, side by side, and the integer MAC they replace.

    Args:
        counts: What the model does.
        table: A table that prices shifts.
        weights: Effective weights of every layer that has MACs.
        bits: Width of activations and of the shifter.
        terms: Most terms of the middle reading.
        per_channel: Whether each output channel has a scale of its own.
        inferences_per_switch: Inferences between two switches.

    Returns:
        Energies by the name of the reading.
    """

    def estimate(name: str, mean_terms: Mapping[str, float] | None = None) -> Energy:
        return estimate_energy(
            counts,
            table,
            parse_format(name),
            inferences_per_switch=inferences_per_switch,
            mean_terms=mean_terms,
        )

    rounded = count_mean_terms(weights, bits, terms, per_channel=per_channel)
    exact = count_mean_terms(weights, bits, per_channel=per_channel)
    shift = f"shift{bits}"
    return {
        f"int{bits} MACs": estimate(f"int{bits}"),
        "one a MAC": estimate(shift),
        f"at most {terms} terms": estimate(shift, rounded),
        f"exact int{bits} digits": estimate(shift, exact),
    }


def _checked_bits(bits: int) -> int:
    if not 2 <= bits <= _MOST_BITS:
        raise ConfigurationError(f"weights of {bits} bits; possible: 2 to {_MOST_BITS}")
    return bits


def _scale(weights: Weights, per_channel: bool) -> NDArray[np.float64]:
    """The largest magnitude, of all or of each leading slice, in a shape that broadcasts."""
    values = np.asarray(weights, dtype=np.float64)
    if not np.isfinite(values).all():
        raise ConfigurationError("a weight is NaN or infinite; its terms cannot be counted")
    axes = tuple(range(1 if per_channel and values.ndim else 0, values.ndim))
    scale = np.max(np.abs(values), axis=axes, keepdims=True, initial=0.0)
    return np.where(scale == 0, 1.0, scale)


def _unit_weights(weights: Weights, per_channel: bool) -> NDArray[np.float64]:
    """Weights divided by their scale, in [-1, 1]."""
    return np.asarray(weights, dtype=np.float64) / _scale(weights, per_channel)
