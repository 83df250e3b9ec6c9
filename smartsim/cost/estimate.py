"""Counts times a table: what the arithmetic of one model costs."""

from collections.abc import Iterable, Mapping

from smartsim.cost.energy import Energy, EnergyItem, MemoryEnergy, Unpriced
from smartsim.cost.formats import NumberFormat
from smartsim.cost.plans import PrecisionPlan, uniform_plan
from smartsim.cost.prices import ESSENTIAL, describe_mac, missing_price, price_actions, recipe_of
from smartsim.cost.tables import Table
from smartsim.counts.records import ACTIONS, Action, Counts
from smartsim.errors import ConfigurationError
from smartsim.graph import Stage

__all__ = ["estimate_energy"]


def estimate_energy(
    counts: Counts,
    table: Table,
    plan: PrecisionPlan | NumberFormat | str = "int8",
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
        table: Published energies.
        plan: One format for all layers, by name or as a record, or a plan by layer.
        inferences_per_switch: Inferences between two switches of the condition, above 0.
        mean_terms: Mean number of terms of a weight of each layer, counted from real weights (see
            `smartsim.cost.terms`); in place of the format's own number, for shift formats.
        memory: What `estimate_memory` returned, as a column of its own.

    Raises:
        ConfigurationError: If the table cannot price the format, the plan does not fit the layers,
            a layer's terms are missing, or `inferences_per_switch` is not above 0.
    """
    if not 0 < inferences_per_switch < float("inf"):
        raise ConfigurationError(
            f"inferences_per_switch is {inferences_per_switch!r}; it must be a number above 0"
        )
    if not isinstance(plan, PrecisionPlan):
        plan = uniform_plan(plan)
    formats = plan.resolve(counts.layers)
    used = {number_format.name: number_format for number_format in formats.values()}
    prices = price_actions([table], tuple(used.values()), counts.convention.accumulator)
    place = {name: index for index, name in enumerate(prices.formats)}
    items, missing = [], dict[tuple[Stage, Action, str], int | float]()
    for (layer, stage, action, conditional), number in counts.group(
        "layer", "stage", "action", "conditional"
    ).items():
        number_format = formats[layer]
        f, a = place[number_format.name], ACTIONS.index(action)
        if not prices.priced[0, f, a]:
            if action in ESSENTIAL and number:
                raise ConfigurationError(missing_price(table, number_format))
            key = (stage, action, number_format.name)
            missing[key] = missing.get(key, 0) + number
            continue
        times = float(number)
        if mean_terms is not None and action == "mac" and number_format.kind == "shift":
            times *= _terms_of(layer, mean_terms) / number_format.terms
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
        macs=tuple(
            describe_mac(table, number_format, accumulator) for number_format in used.values()
        ),
        inferences_per_switch=float(inferences_per_switch),
        items=tuple(items),
        unpriced=tuple(
            Unpriced(stage=stage, action=action, format=name, number=number)
            for (stage, action, name), number in missing.items()
            if number
        ),
        memory=tuple(memory),
        notes=(*counts.notes, *_notes(counts, table, used.values())),
    )


def _terms_of(layer: str, mean_terms: Mapping[str, float]) -> float:
    if layer not in mean_terms:
        raise ConfigurationError(
            f"layer {layer!r} has MACs in shift arithmetic but no counted terms; give its weights, "
            "or leave the weights out to charge the format's own number of terms"
        )
    return mean_terms[layer]


def _notes(counts: Counts, table: Table, formats: Iterable[NumberFormat]) -> list[str]:
    """What weakens the numbers: unchecked prices, accumulators that would overflow."""
    accumulator, notes = counts.convention.accumulator, []
    parts = {
        (part.unit, part.format)
        for number_format in formats
        for action in ESSENTIAL
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
