"""The energy rows of Table 2: what an inference costs in a few formats, and what of it is extra."""

import dataclasses
from collections.abc import Iterable, Sequence

from smartsim.cost import Energy, Table, estimate_energy, parse_format
from smartsim.counts import Convention, count_actions
from smartsim.report.methods import MethodTraces
from smartsim.report.table2.table import Row, Table2

__all__ = ["add_energy_rows"]

_PJ_PER_UJ = 1e6
_BESIDE_SHIFTS = "int8"


def add_energy_rows(
    table2: Table2,
    traces: Sequence[MethodTraces],
    energy_table: Table,
    formats: Sequence[str],
    *,
    convention: Convention,
    inferences_per_switch: float = 1,
    ignore: Iterable[str] = (),
) -> Table2:
    """Table 2 with the energy of an inference in each format, lam by lam.

    int8 is always there when a shift format is: nobody can judge one without the other.

    Args:
        table2: The table without energies.
        traces: What it was built from; the first method is the baseline.
        energy_table: Where prices come from.
        formats: Names of number formats.
        convention: Counting choices.
        inferences_per_switch: Inferences over which a lam switch is spread.
        ignore: Operators to leave out of the counts.

    Raises:
        ConfigurationError: If a format is unknown or the table cannot price it.
    """
    names = list(dict.fromkeys(formats))
    if any(parse_format(name).kind == "shift" for name in names) and _BESIDE_SHIFTS not in names:
        names.insert(0, _BESIDE_SHIFTS)
    left_out, rows, notes = tuple(ignore), list[Row](), dict(table2.notes)
    missing: dict[str, None] = {}
    own = [row for row in table2.rows if not row.network]
    for lam in dict.fromkeys(row.lam for row in own):
        rows += [row for row in own if row.lam == lam]
        if lam is None:
            continue
        at_lam = {trace.label: trace.paths[lam] for trace in traces if lam in trace.paths}
        counts = {
            label: count_actions(graph, convention, ignore=left_out)
            for label, graph in at_lam.items()
        }
        if not counts:
            continue
        for name in names:
            energies = {
                label: estimate_energy(
                    one, energy_table, name, inferences_per_switch=inferences_per_switch
                )
                for label, one in counts.items()
            }
            first = next(iter(energies.values()))
            source = f"convention {convention.name}; {first.macs[0]}; table {first.table}"
            missing |= {
                u.action: None
                for one in energies.values()
                for u in one.unpriced
                if u.stage != "deploy"
            }
            notes["energy"] = _note(first, tuple(missing))
            energy = Row(
                lam=lam,
                metric=f"energy {name}",
                paid="both",
                kind="derived",
                unit="microjoule",
                values={
                    label: one.per_inference_pj / _PJ_PER_UJ for label, one in energies.items()
                },
                notes=("energy",),
                source=source,
            )
            extra = dataclasses.replace(
                energy,
                metric=f"conditional energy {name}",
                values={label: one.conditional_pj / _PJ_PER_UJ for label, one in energies.items()},
            )
            rows += [energy, extra]
    rows += [row for row in table2.rows if row.network]
    return dataclasses.replace(table2, rows=tuple(rows), notes=notes)


def _note(energy: Energy, missing: Sequence[str]) -> str:
    switches = f"{1 / energy.inferences_per_switch:g} lam switches"
    left = f" Without a price, so in no energy: {', '.join(missing)}." if missing else ""
    return (
        f"Energy of one inference and {switches}, from {energy.table} ({energy.technology}); it "
        f"includes {energy.includes}, and no memory.{left}"
    ).replace(" 1 lam switches", " 1 lam switch")
