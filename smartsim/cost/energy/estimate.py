"""Counts times a table: what the arithmetic of one model costs."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from smartsim.cost.energy.energy import Energy, EnergyItem, MemoryEnergy, Unpriced
from smartsim.cost.formats.numbers import NumberFormat
from smartsim.cost.formats.plans import PrecisionPlan, load_plan
from smartsim.cost.prices.recipes import (
    ESSENTIAL,
    describe_mac,
    missing_price,
    price_actions,
    recipe_of,
)
from smartsim.cost.tables.load import load_table
from smartsim.cost.tables.table import Table
from smartsim.counts.records import ACTIONS, Action, Counts
from smartsim.errors import ConfigurationError
from smartsim.graph import Stage
from smartsim.records.accept import expect

__all__ = ["estimate_energy"]


def estimate_energy(
    counts: Counts,
    table: Table | str | Path,
    plan: PrecisionPlan | NumberFormat | str | Path = "int8",
    *,
    inferences_per_switch: float = 1,
    mean_terms: Mapping[str, float] | None = None,
    memory: Iterable[MemoryEnergy] = (),
) -> Energy:
    """Price counts from a table.

    Energy is the sum over layers, stages and actions of number times price. The price of a MAC is
    that of a multiplication and an accumulation; in shift arithmetic of so many shifts and
    accumulations as a weight has terms.

    Args:
        counts: What the model does; its convention decides how wide an accumulator is.
        table: Published energies, by name, path or as a record.
        plan: One format for all layers, or a plan by layer; by name, path or as a record.
        inferences_per_switch: Inferences between two switches of the condition, above 0.
        mean_terms: Mean number of terms of a weight, by layer, counted from real weights (see
            `smartsim.cost.energy.terms`); takes the place of a shift format's own number in the
            layers that it names.
        memory: What `estimate_memory` returned, as a column of its own.

    Raises:
        ConfigurationError: If the table cannot price the format, the plan does not fit the layers,
            or `inferences_per_switch` is not above 0.
    """
    if not 0 < inferences_per_switch < float("inf"):
        raise ConfigurationError(
            f"inferences_per_switch is {inferences_per_switch!r}; it must be a number above 0"
        )
    expect(counts, Counts, "counts")
    table, plan = load_table(table), load_plan(plan)
    formats = plan.resolve(counts.layers)
    used = {number_format.name: number_format for number_format in formats.values()}
    items, unpriced = _price_items(counts, table, formats, mean_terms or {})
    accumulator = counts.convention.accumulator
    return Energy(
        model=counts.model,
        condition=counts.condition,
        convention=counts.convention,
        table=table.name,
        technology=table.technology,
        includes=table.includes,
        unit=table.unit,
        plan=plan.name,
        macs=tuple(describe_mac(table, chosen, accumulator) for chosen in used.values()),
        inferences_per_switch=float(inferences_per_switch),
        items=items,
        unpriced=unpriced,
        memory=tuple(memory),
        notes=(
            *counts.notes,
            *_notes(counts, table, used.values()),
            *_terms_notes(counts, formats, mean_terms),
        ),
    )


def _price_items(
    counts: Counts,
    table: Table,
    formats: Mapping[str, NumberFormat],
    mean_terms: Mapping[str, float],
) -> tuple[tuple[EnergyItem, ...], tuple[Unpriced, ...]]:
    """Number times price for each layer, stage and action, and what the table does not price."""
    names = {number_format.name: number_format for number_format in formats.values()}
    prices = price_actions([table], tuple(names.values()), counts.convention.accumulator)
    items: list[EnergyItem] = []
    missing: dict[tuple[Stage, Action, str], int | float] = {}
    for key, number in counts.group("layer", "stage", "action", "conditional").items():
        layer, stage, action, conditional = key
        number_format = formats[layer]
        f, a = prices.formats.index(number_format.name), ACTIONS.index(action)
        if not prices.priced[0, f, a]:
            if action in ESSENTIAL and number:
                raise ConfigurationError(missing_price(table, number_format))
            place = (stage, action, number_format.name)
            missing[place] = missing.get(place, 0) + number
            continue
        times = float(number)
        if action == "mac" and number_format.kind == "shift" and layer in mean_terms:
            times *= mean_terms[layer] / number_format.terms
        published, interpolated, extrapolated = (times * prices.energy_pj[:, 0, f, a]).tolist()
        items.append(
            EnergyItem(
                layer=layer,
                stage=stage,
                action=action,
                conditional=conditional,
                format=number_format.name,
                number=number,
                published_pj=published,
                interpolated_pj=interpolated,
                extrapolated_pj=extrapolated,
            )
        )
    unpriced = (
        Unpriced(stage=stage, action=action, format=name, number=number)
        for (stage, action, name), number in missing.items()
        if number
    )
    return tuple(items), tuple(unpriced)


def _terms_notes(
    counts: Counts, formats: Mapping[str, NumberFormat], mean_terms: Mapping[str, float] | None
) -> list[str]:
    """Which layers kept the format's own number of terms although terms were counted."""
    if mean_terms is None:
        return []
    kept = [
        layer or "(model)"
        for layer in counts.layers
        if layer not in mean_terms
        and formats[layer].kind == "shift"
        and counts.total("mac", layer=layer)
    ]
    if not kept:
        return []
    some = ", ".join(kept[:3]) + (f" and {len(kept) - 3} more" if len(kept) > 3 else "")
    return [f"no weights were given for {some}: their MACs have the format's own number of terms"]


def _notes(counts: Counts, table: Table, formats: Iterable[NumberFormat]) -> list[str]:
    """What weakens the numbers: unchecked prices, accumulators that would overflow."""
    accumulator, notes = counts.convention.accumulator, []
    parts = {
        (part.unit, part.format)
        for number_format in formats
        for action in ESSENTIAL
        if counts.total(action)
        for part in recipe_of(number_format, action, accumulator)
    }
    unchecked = [
        f"{row.action} {row.format}{row.bits}"
        for row in table.rows
        if row.status == "unverified" and (row.action, row.format) in parts
    ]
    if unchecked:
        notes.append(f"unverified in table {table.name}: {', '.join(unchecked)}")
    if accumulator == "paper" and any(f.kind != "fp" and f.bits < 32 for f in formats):
        notes.append(
            f"convention {counts.convention.name} adds in sums as wide as the operand, which would "
            "overflow; real integer hardware accumulates in about 32 bits and pays for it"
        )
    return notes
