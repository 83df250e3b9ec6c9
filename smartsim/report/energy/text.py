"""Energies and tables of energies -> text for a terminal."""

from collections.abc import Iterable, Sequence

from smartsim.cost import Energy, Table, list_tables, load_table
from smartsim.cost.prices.laws import law_of
from smartsim.cost.tables.table import Row
from smartsim.graph import Stage
from smartsim.report.style.numbers import format_energy
from smartsim.report.style.text import grid, wrap, wrap_all

__all__ = ["render_energy", "render_table", "render_table_list"]

_STAGES: tuple[Stage, ...] = ("switch", "noise", "input")


def render_energy(energy: Energy, *, beside: Sequence[Energy] = ()) -> str:
    """What a model costs: totals, by action and stage, and by layer.

    Args:
        energy: The energy to show.
        beside: The same counts in other formats, to be held against; shift-adds are always shown
            beside integers by the command line.
    """
    settings = ", ".join(f"{name} = {value:g}" for name, value in energy.condition.items())
    title = f"{energy.model}{f' at {settings}' if settings else ''}, {energy.plan}"
    parts = [
        "\n".join([title, *_facts(energy)]),
        _totals(energy, beside),
        _by_action(energy),
        _by_layer(energy),
        _remarks(energy),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _facts(energy: Energy) -> list[str]:
    """What the numbers include, from which node, and what a MAC is."""
    lines = [
        f"table {energy.table}: {energy.technology}",
        f"an energy includes {energy.includes}",
        *energy.macs,
        f"convention {energy.convention.name}: {energy.convention.description}",
    ]
    return [line for text in lines for line in wrap(text)]


def _totals(energy: Energy, beside: Sequence[Energy]) -> str:
    rows = []
    for one in (energy, *beside):
        whole = one.per_inference_pj
        share = 100 * one.conditional_pj / whole if whole else 0.0
        shares = " ".join(f"{100 * value:.0f}" for value in one.basis_shares.values())
        rows.append(
            [
                one.plan,
                format_energy(whole, one.unit),
                f"{share:.3g}",
                format_energy(one.per_switch_pj, one.unit),
                format_energy(one.per_deployment_pj, one.unit),
                format_energy(one.memory_pj, one.unit) if one.memory else "-",
                shares,
            ]
        )
    head = ["format", "inference", "cond. %", "a switch", "deployment", "memory", "p/i/e %"]
    text = grid(rows, head, "lrrrrrr")
    switches = (
        "one switch an inference"
        if energy.inferences_per_switch == 1
        else f"a switch spread over {energy.inferences_per_switch:g} inferences"
    )
    legend = wrap(
        f"inference: arithmetic, {switches}; cond. %: what is there only because the model is "
        "conditional; memory is not in it; p/i/e: shares that are published, interpolated, "
        "extrapolated"
    )
    return "\n".join([text, *legend])


def _by_action(energy: Energy) -> str:
    sums: dict[tuple[str, Stage], tuple[float, float]] = {}
    for item in energy.items:
        number, cost = sums.get((item.action, item.stage), (0.0, 0.0))
        sums[item.action, item.stage] = (number + item.number, cost + item.energy_pj)
    rows = [
        [action, stage, f"{number:,.0f}", format_energy(cost, energy.unit)]
        for (action, stage), (number, cost) in sorted(sums.items(), key=lambda s: -s[1][1])
        if stage != "deploy"
    ]
    return grid(rows, ["action", "stage", "number", "energy"], "llrr")


def _by_layer(energy: Energy) -> str:
    per_inference = energy.group("layer")
    whole = energy.per_inference_pj or 1.0
    memory: dict[str, float] = {}
    for moved in energy.memory:
        memory[moved.layer] = memory.get(moved.layer, 0.0) + moved.energy_pj
    rows = []
    for (layer,), cost in per_inference.items():
        switch = energy.total(layer=layer, stages=("switch",))
        if cost == 0 and switch == 0:
            continue
        row = [
            layer or "(model)",
            format_energy(cost, energy.unit),
            f"{100 * cost / whole:.2f}",
            format_energy(switch, energy.unit) if switch else "-",
        ]
        rows.append([*row, format_energy(memory.get(layer, 0.0))] if energy.memory else row)
    head = ["layer", "inference", "%", "a switch", *(["memory"] if energy.memory else [])]
    return grid(rows, head, "lrrrr"[: len(head)])


def _remarks(energy: Energy) -> str:
    lines = [
        f"without a price, so in no energy: {u.number:,} {u.action} at stage {u.stage} ({u.format})"
        for u in energy.unpriced
        if u.stage in _STAGES
    ]
    lines += [f"note: {note}" for note in energy.notes]
    return wrap_all(lines, "  ")


def render_table_list() -> str:
    """The shipped tables, a line each."""
    rows = []
    for name in list_tables():
        table = load_table(name)
        prices = [kind for kind in ("int", "fp", "bf") if table.points("add", kind)]
        prices += ["shift"] if table.points("shift", "int") else []
        prices += ["memory"] if table.levels else []
        rows.append([name, f"{table.node_nm:g} nm", len(table.rows), ", ".join(prices)])
    text = grid(rows, ["table", "node", "rows", "prices"], "lrrl")
    return f"{text}\n\nsmartsim tables NAME shows the rows; a+b joins two tables of one node\n"


def render_table(table: Table) -> str:
    """One table with every row's unit, source, locator and basis."""
    unit = "pJ" if table.unit == "pJ" else "16-bit MACs"
    lines = [
        f"{table.name}: {table.description}",
        f"technology: {table.technology}",
        f"an energy includes {table.includes}",
        f"energy in {unit}, area in um2 (square micrometres)",
    ]
    sources = {source.key: f"[{place}]" for place, source in enumerate(table.sources, start=1)}
    rows = [_row_cells(row, sources) for row in table.rows]
    head = ["what", unit if unit == "pJ" else "MACs", "um2", "basis", "status", "source, locator"]
    parts = [wrap_all(lines)]
    parts.append(grid(rows, head, "lrrlll", wrapped=(5,)))
    parts.append("\n".join(_laws(table)))
    parts.append(
        "\n".join(
            line
            for source in table.sources
            for line in wrap(f"{sources[source.key]} {source.citation}", "    ")
        )
    )
    remarks = [f"{_name(row)}: {row.note}" for row in table.rows if row.note]
    parts.append(wrap_all(remarks, "  "))
    return "\n\n".join(part for part in parts if part) + "\n"


def _name(row: Row) -> str:
    if row.level:
        return f"{row.level} / {row.bits}b"
    return f"{row.action} {row.format}{row.bits}"


def _row_cells(row: Row, sources: dict[str, str]) -> list[str]:
    high = f"-{row.energy_high_pj:g}" if row.energy_high_pj is not None else ""
    return [
        _name(row),
        f"{row.energy_pj:.4g}{high}",
        f"{row.area_um2:g}" if row.area_um2 is not None else "-",
        row.basis,
        row.status,
        f"{sources[row.source]} {row.locator}",
    ]


def _laws(table: Table) -> Iterable[str]:
    actions = dict.fromkeys(row.action for row in table.rows if row.format == "int")
    if actions:
        laws = ", ".join(f"{action} {law_of(action).name}" for action in actions)
        yield from wrap(f"between and beyond the integer points: {laws}")
