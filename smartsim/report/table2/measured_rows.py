"""The measured rows of Table 2: accuracies of our own runs, each with its attack."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, get_args

from smartsim.errors import ConfigurationError, suggest_name
from smartsim.report.accuracy.results import Measured, group_variants
from smartsim.report.table2.table import Row, Table2

__all__ = ["Protocol", "add_measured_rows", "check_protocol"]

Protocol = Literal["worst", "paper"]
"""What an RA is: what the worst attack left, or what the paper's, PGD-7, left."""

_PAPER_ATTACK = "pgd7"


def check_protocol(name: str) -> Protocol:
    """The protocol of this name.

    Raises:
        ConfigurationError: If there is none.
    """
    for protocol in get_args(Protocol):
        if name == protocol:
            known: Protocol = protocol
            return known
    raise ConfigurationError(f"unknown protocol {name!r}{suggest_name(name, get_args(Protocol))}")


def add_measured_rows(
    table2: Table2, measured: Sequence[Measured], protocol: Protocol = "worst"
) -> Table2:
    """Table 2 with a row of measured CA and RA for each lam and setting, below the paper's.

    Accuracies of another network than the table's stand apart, under its name: they say nothing of
    the parameters and MACs above them.

    Args:
        table2: The table without them.
        measured: Accuracies of our own runs. A lam that the table has not is left out, and so is
            a variant of a column's method.
        protocol: Which attack makes the RA.

    Raises:
        ConfigurationError: If accuracies belong to no column.
    """
    families = group_variants([*table2.methods, *(one.method for one in measured)])
    variants = {label for members in families.values() for label in members[1:]}
    measured = tuple(one for one in measured if one.method not in variants - set(table2.methods))
    for one in measured:
        if one.method not in table2.methods:
            raise ConfigurationError(
                f"accuracies of {one.method!r} belong to no column of this table; its columns are "
                f"{', '.join(table2.methods)}"
            )
    rows, notes = list[Row](), dict[str, str]()
    others: dict[str, list[Row]] = {}
    for lam in dict.fromkeys(row.lam for row in table2.rows):
        at_lam = [row for row in table2.rows if row.lam == lam]
        accuracies = [row for row in at_lam if row.kind == "published" and row.unit == "percent"]
        rows += accuracies
        for (metric, setting), cells in _groups(measured, lam, protocol).items():
            key = f"measured {setting} {metric} {lam}"
            notes[key] = _note(setting, cells)
            is_own = {cell.network for cell in cells.values()} == {table2.network}
            row = Row(
                lam=lam,
                metric=metric,
                paid="",
                kind="measured",
                unit="percent",
                values={method: cell.accuracy for method, cell in cells.items()},
                notes=(key,),
                source=_note(setting, cells),
                network="" if is_own else setting,
            )
            (rows if is_own else others.setdefault(setting, [])).append(row)
        rows += [row for row in at_lam if row not in accuracies]
    rows += [row for of_setting in others.values() for row in of_setting]
    # Notes are lettered as a reader meets them.
    known = {**table2.notes, **notes}
    used = dict.fromkeys(key for row in rows for key in row.notes)
    return dataclasses.replace(table2, rows=tuple(rows), notes={key: known[key] for key in used})


def _groups(
    measured: Iterable[Measured], lam: float | None, protocol: Protocol
) -> Mapping[tuple[str, str], Mapping[str, Measured]]:
    """Metric and setting -> method -> the accuracy that counts."""
    groups: dict[tuple[str, str], dict[str, Measured]] = {}
    for one in measured:
        if one.lam != lam:
            continue
        clean = one.attack == "clean"
        counts = one.attack == _PAPER_ATTACK if protocol == "paper" else one.is_attack
        if not clean and not counts:
            continue
        cells = groups.setdefault(("CA" if clean else "RA", one.setting), {})
        if one.method not in cells or one.accuracy < cells[one.method].accuracy:
            cells[one.method] = one
    return groups


def _note(setting: str, cells: Mapping[str, Measured]) -> str:
    each = ", ".join(
        f"{method} {cell.accuracy:.1f} ± {cell.standard_error:.1f} "
        f"({cell.attack}, n = {cell.images:,})"
        for method, cell in cells.items()
    )
    return f"Measured on {setting}: {each}."
