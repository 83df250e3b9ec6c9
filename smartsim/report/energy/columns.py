"""Energies of the same counts in several number formats -> one table, a column a format."""

from collections.abc import Sequence

from smartsim.cost import Energy
from smartsim.report.style.numbers import format_energy, format_ratio
from smartsim.report.style.text import grid, wrap, wrap_all

__all__ = ["render_columns"]


def render_columns(energies: Sequence[Energy]) -> str:
    """What a model costs in each format: in all, and by layer.

    Args:
        energies: Energies of the same counts from one table, in order of the columns.
    """
    first = energies[0]
    settings = ", ".join(f"{name} = {value:g}" for name, value in first.condition.items())
    facts = [
        f"{first.model}{f' at {settings}' if settings else ''}: energy by number format",
        f"table {first.table}: {first.technology}",
        f"an energy includes {first.includes}",
        f"convention {first.convention.name}: {first.convention.description}",
        *dict.fromkeys(line for one in energies for line in one.macs),
    ]
    head = [one.plan for one in energies]
    parts = [wrap_all(facts), grid(_totals(energies), ["", *head])]
    layers = _by_layer(energies)
    if layers:
        parts.append(grid(layers, ["an inference, by layer", *head]))
    parts.append(_remarks(energies))
    return "\n\n".join(part for part in parts if part) + "\n"


def _totals(energies: Sequence[Energy]) -> list[list[str]]:
    first = energies[0]
    spread = first.inferences_per_switch
    inference = "an inference" if spread == 1 else f"an inference of {spread:g} a switch"
    rows = [
        [inference, *(_print(one, one.per_inference_pj) for one in energies)],
        [f"  over {first.plan}", *(_over(one, first) for one in energies)],
        ["  conditional", *(_print(one, one.conditional_pj) for one in energies)],
        ["a lam switch", *(_print(one, one.per_switch_pj) for one in energies)],
        ["deployment", *(_print(one, one.per_deployment_pj) for one in energies)],
    ]
    if any(one.memory for one in energies):
        rows.append(["memory, besides", *(_print(one, one.memory_pj) for one in energies)])
    shares = [" ".join(f"{100 * s:.0f}" for s in one.basis_shares.values()) for one in energies]
    return [*rows, ["p/i/e %", *shares]]


def _over(one: Energy, first: Energy) -> str:
    base = first.per_inference_pj
    return format_ratio(one.per_inference_pj / base) if base else "-"


def _by_layer(energies: Sequence[Energy]) -> list[list[str]]:
    sums = [one.group("layer") for one in energies]
    layers = dict.fromkeys(layer for of_one in sums for (layer,) in of_one)
    costs = {layer: [of_one.get((layer,), 0.0) for of_one in sums] for layer in layers}
    return [
        [layer or "(model)", *map(_print, energies, of_layer)]
        for layer, of_layer in costs.items()
        if any(of_layer)
    ]


def _print(energy: Energy, energy_pj: float) -> str:
    return format_energy(energy_pj, energy.unit)


def _remarks(energies: Sequence[Energy]) -> str:
    """What is in no column, and how to read them."""
    unpriced = dict.fromkeys(
        f"without a price, so in no energy: {u.number:,} {u.action} at stage {u.stage} ({u.format})"
        for one in energies
        for u in one.unpriced
        if u.stage != "deploy"
    )
    notes = dict.fromkeys(f"note: {note}" for one in energies for note in one.notes)
    legend = "p/i/e: shares that are published, interpolated, extrapolated"
    return "\n".join(
        [*wrap(legend), *(line for t in (*unpriced, *notes) for line in wrap(t, "  "))]
    )
