"""From published points to any width: one named law per action, exact at the points.

What is known of hardware: an adder of n bits has n full adders, an array multiplier n * n of
them, and a barrel shifter log2(n) rows of n multiplexers. So energy is interpolated in straight
lines over n, n^2 and n * log2(n), and beyond the outermost point it goes on in proportion to these.
Straight lines between points that do not fall give a curve that does not fall. What the laws miss
on points that were held out stands in the README of `cost_models`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

__all__ = ["LAWS", "Basis", "Law", "interpolate_energy", "law_of"]

Basis = Literal["published", "interpolated", "extrapolated"]
"""Whether a source prints a value, lies around it, or lies on one side of it only."""

BASIS_ORDER: tuple[Basis, ...] = get_args(Basis)


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """How the energy of an action grows with its width.

    Attributes:
        name: What reports print.
        scale: The function of width in which energy is a straight line.
    """

    name: str
    scale: Callable[[NDArray[np.float64]], NDArray[np.float64]]


LAWS: Mapping[str, Law] = {
    "linear": Law(name="linear in n", scale=lambda n: n),
    "quadratic": Law(name="quadratic in n", scale=lambda n: n * n),
    "n_log_n": Law(name="n log2 n", scale=lambda n: n * np.log2(n)),
}

_OF_ACTION = {"mul": "quadratic", "div": "quadratic", "shift": "n_log_n"}


def law_of(action: str) -> Law:
    """The law of an action: multiplications and divisions quadratic, shifts n log n, rest linear.

    >>> law_of("mul").name
    'quadratic in n'
    """
    return LAWS[_OF_ACTION.get(action, "linear")]


def interpolate_energy(
    points: Mapping[int, float], bits: NDArray[np.int_], law: Law
) -> tuple[NDArray[np.float64], NDArray[np.int_]]:
    """Energies at any width.

    Args:
        points: Published energy by width, at least one, widths above 1.
        bits: Widths (n,), each above 1.
        law: The law to follow.

    Returns:
        Energies (n,), and the place of each one's basis in `BASIS_ORDER` (n,).

    >>> horowitz = {8: 0.2, 32: 3.1}
    >>> energies, basis = interpolate_energy(horowitz, np.array([4, 8, 16]), LAWS["quadratic"])
    >>> energies.round(4).tolist(), basis.tolist()
    ([0.05, 0.2, 0.78], [2, 0, 1])
    """
    widths = np.array(sorted(points))
    known = np.array([points[int(width)] for width in widths])
    scale, places = law.scale(widths.astype(float)), law.scale(bits.astype(float))
    energies = np.interp(places, scale, known)
    below, above = bits < widths[0], bits > widths[-1]
    energies[below] = known[0] * (places[below] / scale[0])
    energies[above] = known[-1] * (places[above] / scale[-1])
    at = np.searchsorted(widths, bits).clip(max=len(widths) - 1)
    exact = widths[at] == bits
    energies[exact] = known[at[exact]]
    return energies, np.where(exact, 0, np.where(below | above, 2, 1))
