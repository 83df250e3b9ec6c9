"""Many prices in one call: models x layers x stages by tables x formats, as one array product."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smartsim.cost.formats.numbers import NumberFormat
from smartsim.cost.prices.recipes import ESSENTIAL, price_actions
from smartsim.cost.tables.table import Table
from smartsim.counts.records import ACTIONS, Counts
from smartsim.errors import ConfigurationError
from smartsim.graph import STAGES

__all__ = ["EnergyGrid", "price_counts"]

_SWITCH = STAGES.index("switch")
_RECURRING = [STAGES.index("noise"), STAGES.index("input")]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EnergyGrid:
    """Energies of many models in many formats from many tables.

    Attributes:
        models: Labels of the models.
        layers: Every layer that any of them has.
        tables: Names of the tables.
        formats: Names of the formats.
        energy_pj: Energies (model, layer, stage, table, format), each stage once, stages in the
            order of `STAGES`; NaN where a table cannot price a format.
        basis_pj: Energies (basis, model, stage, conditional, table, format) over all layers.
        unpriced: Acts without a price (model, stage, action, table, format).
    """

    models: tuple[str, ...]
    layers: tuple[str, ...]
    tables: tuple[str, ...]
    formats: tuple[str, ...]
    energy_pj: NDArray[np.float64]
    basis_pj: NDArray[np.float64]
    unpriced: NDArray[np.float64]

    def per_inference_pj(
        self, inferences_per_switch: float = 1, *, conditional: bool | None = None
    ) -> NDArray[np.float64]:
        """Energy of one inference with its share of a switch (model, table, format)."""
        sums = self.basis_pj.sum(axis=0)
        sums = sums.sum(axis=2) if conditional is None else sums[:, :, int(conditional)]
        recurring: NDArray[np.float64] = sums[:, _RECURRING].sum(axis=1)
        switch: NDArray[np.float64] = sums[:, _SWITCH] / inferences_per_switch
        return recurring + switch

    def basis_shares(self, inferences_per_switch: float = 1) -> NDArray[np.float64]:
        """Share of one inference's energy on each basis (basis, model, table, format)."""
        sums = self.basis_pj.sum(axis=3)
        parts = sums[:, :, _RECURRING].sum(axis=2) + sums[:, :, _SWITCH] / inferences_per_switch
        whole = parts.sum(axis=0)
        shares: NDArray[np.float64] = np.divide(
            parts, whole, out=np.zeros_like(parts), where=whole > 0
        )
        return shares


def price_counts(
    counts: Mapping[str, Counts], tables: Sequence[Table], formats: Sequence[NumberFormat]
) -> EnergyGrid:
    """Price every layer of every model in every format from every table, in one array product.

    Args:
        counts: Counts by the label of the model, all under one convention.
        tables: Energy tables.
        formats: Number formats, each for all layers.

    Raises:
        ConfigurationError: If there are no counts, or they are under different conventions.
    """
    conventions = {c.convention for c in counts.values()}
    if len(conventions) != 1:
        raise ConfigurationError(
            f"counts under {len(conventions)} conventions cannot stand in one grid; use one"
        )
    accumulator = next(iter(conventions)).accumulator
    layers = tuple(dict.fromkeys(layer for c in counts.values() for layer in c.layers))
    numbers = _count_array(counts, layers)
    prices = price_actions(tables, formats, accumulator)
    unpriced = np.einsum("msa,tfa->msatf", numbers.sum(axis=(1, 3)), ~prices.priced)
    essential = [ACTIONS.index(action) for action in ESSENTIAL]
    lacking = (unpriced[:, :, essential] > 0).any(axis=(0, 1, 2))
    by_stage = numbers.sum(axis=3)
    columns = prices.energy_pj.sum(axis=0).reshape(-1, len(ACTIONS)).T
    energy = by_stage.reshape(-1, len(ACTIONS)) @ columns
    energy = energy.reshape(*by_stage.shape[:-1], len(tables), len(formats))
    basis = np.einsum("msca,btfa->bmsctf", numbers.sum(axis=1), prices.energy_pj)
    energy[..., lacking], basis[..., lacking] = np.nan, np.nan
    return EnergyGrid(
        models=tuple(counts),
        layers=layers,
        tables=prices.tables,
        formats=prices.formats,
        energy_pj=energy,
        basis_pj=basis,
        unpriced=unpriced,
    )


def _count_array(counts: Mapping[str, Counts], layers: Sequence[str]) -> NDArray[np.float64]:
    """Numbers (model, layer, stage, conditional, action)."""
    place = {layer: index for index, layer in enumerate(layers)}
    stages = {stage: index for index, stage in enumerate(STAGES)}
    actions = {action: index for index, action in enumerate(ACTIONS)}
    numbers = np.zeros((len(counts), len(layers), len(STAGES), 2, len(ACTIONS)))
    for m, model in enumerate(counts.values()):
        for item in model:
            at = (m, place[item.layer], stages[item.stage], int(item.conditional))
            numbers[(*at, actions[item.action])] += item.number
    return numbers
