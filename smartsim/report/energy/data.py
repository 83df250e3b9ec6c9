"""COUNTS x TABLES -> the data behind "energy against bit width". Draws nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from smartsim.cost import NumberFormat, Table, parse_format, price_counts
from smartsim.cost.formats.numbers import FLOAT_FORMATS
from smartsim.cost.prices.laws import BASIS_ORDER
from smartsim.counts import ACTIONS, Convention, Counts
from smartsim.errors import ConfigurationError
from smartsim.graph import STAGES

__all__ = ["COLUMNS", "EnergyVsBits", "build_energy_vs_bits"]

COLUMNS = (
    "method",
    "lam",
    "table",
    "arithmetic",
    "format",
    "bits",
    "energy_uj",
    "conditional_uj",
    "baseline_uj",
    "overhead_percent",
    "published_fraction",
    "interpolated_fraction",
    "extrapolated_fraction",
    "basis",
)
"""One row of the CSV: a method at a lam in a format, priced from a table."""

_PJ_PER_UJ = 1e6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EnergyVsBits:
    """Energies of several methods over bit width.

    Attributes:
        setting: Network, classes and input.
        convention: Counting choices.
        inferences_per_switch: Inferences over which a switch is spread.
        baseline: Method that overheads are percentages of.
        tables: The tables, the one that the figure shows in full first.
        frame: The data, columns as `COLUMNS` says.
        unpriced: What no energy contains: action -> the most acts in an inference, and where.
    """

    setting: str
    convention: Convention
    inferences_per_switch: float
    baseline: str
    tables: tuple[Table, ...]
    frame: pd.DataFrame
    unpriced: Mapping[str, tuple[float, str]]

    @property
    def methods(self) -> tuple[str, ...]:
        """Methods in the order in which they were given."""
        return tuple(self.frame["method"].unique())


def build_energy_vs_bits(
    counts: Mapping[str, Mapping[float, Counts]],
    tables: Sequence[Table],
    *,
    setting: str = "",
    widths: Sequence[int] = tuple(range(2, 33)),
    inferences_per_switch: float = 1,
) -> EnergyVsBits:
    """Price every method at every width, in integers, floating point and shift-adds.

    Args:
        counts: Method -> lam -> counts, all under one convention; the first method is the baseline.
        tables: Energy tables.
        setting: Network, classes and input, for the heading.
        widths: Bits of integers and shift-adds.
        inferences_per_switch: Inferences between two switches.

    Raises:
        ConfigurationError: If no method, table or width was given.
    """
    if not counts or not tables or not widths:
        raise ConfigurationError("energy against bits needs a method, a table and a width")
    labelled = {(name, lam): c for name, by_lam in counts.items() for lam, c in by_lam.items()}
    formats = _formats(widths)
    grid = price_counts({f"{m}@{lam:g}": c for (m, lam), c in labelled.items()}, tables, formats)
    total = grid.per_inference_pj(inferences_per_switch) / _PJ_PER_UJ
    extra = grid.per_inference_pj(inferences_per_switch, conditional=True) / _PJ_PER_UJ
    shares = grid.basis_shares(inferences_per_switch)
    keys = list(labelled)
    first = next(iter(counts))
    places = {key: place for place, key in enumerate(keys)}
    base = np.stack([total[places.get((first, lam), places[keys[0]])] for _, lam in keys])
    axes = pd.MultiIndex.from_product(
        [range(len(keys)), range(len(tables)), range(len(formats))],
        names=["key", "table", "format"],
    )
    at_key, at_table, at_format = (axes.get_level_values(i) for i in range(3))
    frame = pd.DataFrame(
        {
            "method": [keys[k][0] for k in at_key],
            "lam": [keys[k][1] for k in at_key],
            "table": [tables[t].name for t in at_table],
            "arithmetic": [formats[f].kind for f in at_format],
            "format": [formats[f].name for f in at_format],
            "bits": [formats[f].bits for f in at_format],
            "energy_uj": total.ravel(),
            "conditional_uj": extra.ravel(),
            "baseline_uj": base.ravel(),
            "overhead_percent": (100 * extra / base).ravel(),
            **{
                f"{basis}_fraction": share.ravel()
                for basis, share in zip(BASIS_ORDER, shares, strict=True)
            },
            "basis": _worst_basis(shares).ravel(),
        },
        columns=list(COLUMNS),
    )
    return EnergyVsBits(
        setting=setting,
        convention=next(iter(labelled.values())).convention,
        inferences_per_switch=inferences_per_switch,
        baseline=first,
        tables=tuple(tables),
        frame=frame[frame["energy_uj"].notna()].reset_index(drop=True),
        unpriced=_find_unpriced(labelled, tables[0], formats),
    )


def _formats(widths: Sequence[int]) -> list[NumberFormat]:
    names = [f"int{bits}" for bits in widths] + [f"shift{bits}" for bits in widths]
    return [parse_format(name) for name in (*names, *FLOAT_FORMATS)]


def _worst_basis(shares: NDArray[np.float64]) -> NDArray[np.str_]:
    """The weakest basis that any part of an energy rests on."""
    present = shares > 1e-12
    place = np.where(present[2], 2, np.where(present[1], 1, 0))
    return np.array(BASIS_ORDER)[place]


def _find_unpriced(
    counts: Mapping[tuple[str, float], Counts], table: Table, formats: Sequence[NumberFormat]
) -> dict[str, tuple[float, str]]:
    """The most unpriced acts of an inference, by action, and the method that has them."""
    grid = price_counts({f"{m}@{lam:g}": c for (m, lam), c in counts.items()}, [table], formats[:1])
    paid = [place for place, stage in enumerate(STAGES) if stage != "deploy"]
    numbers = grid.unpriced[..., 0, 0][:, paid].sum(axis=1)
    found: dict[str, tuple[float, str]] = {}
    for place, action in enumerate(ACTIONS):
        most = int(numbers[:, place].argmax())
        if numbers[most, place] > 0:
            method, lam = list(counts)[most]
            found[action] = (float(numbers[most, place]), f"{method} at lam = {lam:g}")
    return found
