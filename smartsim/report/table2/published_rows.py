"""A paper's rows beside ours: where they stand, what they are divided by, why they differ.

All that is said of a paper comes from its files in `reports/published`; nothing here knows one.
"""

import dataclasses
import string
from collections.abc import Iterable, Sequence
from typing import Any, cast

from smartsim.report.published import Comparison, Place, PublishedTable, Ratio, load_published
from smartsim.report.style.numbers import NumberUnit, format_short
from smartsim.report.table2.table import Number, Row, Table2

__all__ = ["add_published_rows"]


def add_published_rows(table: Table2, published: PublishedTable) -> Table2:
    """The comparison with a paper's numbers, each below the row that it is to be held against.

    What has no such row, accuracies above all, stands first; ratios that the paper makes of two
    columns stand last.

    Args:
        table: Derived rows alone.
        published: The paper's table.
    """
    rows: list[Row] = []
    for lam in dict.fromkeys(row.lam for row in table.rows if row.lam is not None):
        at_lam = [row for row in table.rows if row.lam == lam]
        printed = _printed_rows(published, lam)
        known = {row.metric for row in at_lam}
        rows += [row for row in printed if row.metric not in known]
        for place, row in enumerate(at_lam):
            rows.append(row)
            if row.metric not in {later.metric for later in at_lam[place + 1 :]}:
                rows += [one for one in printed if one.metric == row.metric]
    for ratio in published.comparison.ratios:
        rows += _ratio_rows(rows, ratio, published, f"convention {table.convention.name}")
    shown = [row for row in rows if set(row.values) & set(table.methods)]
    if published.comparison.baseline not in table.methods:  # ours are ratios to another column
        shown = [r for r in shown if r.kind != "published" or not r.metric.startswith("normalised")]
    return _annotate(dataclasses.replace(table, rows=tuple(shown)), published.comparison)


def _printed_rows(published: PublishedTable, lam: float) -> list[Row]:
    """The paper's numbers at one lam, in its order."""
    cells = [row for row in published.rows if float(row["lam"]) == lam]
    rows = []
    for metric in dict.fromkeys(cell["metric"] for cell in cells):
        of_metric = [cell for cell in cells if cell["metric"] == metric]
        rows.append(
            Row(
                lam=lam,
                metric=published.comparison.beside.get(metric, metric),
                paid="",
                kind="published",
                unit=cast(NumberUnit, of_metric[0]["unit"]),
                values={cell["method"]: _read_number(cell["value"]) for cell in of_metric},
                source=published.citation,
            )
        )
    return rows


def _read_number(text: str) -> int | float:
    value = float(text)
    return int(value) if value.is_integer() and value > 2 else value


def _ratio_rows(
    rows: Sequence[Row], ratio: Ratio, published: PublishedTable, source: str
) -> list[Row]:
    """Our ratio of two columns, and the paper's of its rounded numbers."""
    counted = _find(rows, Place(metric=ratio.ours, lam=ratio.lam))
    above, below = (_value(counted, label) for label in (ratio.above, ratio.below))
    if not above or not below:
        return []
    ours = Row(
        lam=None,
        metric=ratio.metric,
        paid="",
        kind="derived",
        unit="ratio",
        values={ratio.below: above / below},
        source=source,
        short=ratio.short,
    )
    printed = [
        published.find(metric=ratio.printed, lam=f"{ratio.lam:g}", method=label)
        for label in (ratio.above, ratio.below)
    ]
    if not printed[0] or not printed[1]:
        return [ours]
    values = {ratio.below: round(printed[0] / printed[1], 2)}
    return [
        ours,
        dataclasses.replace(ours, kind="published", values=values, source=published.citation),
    ]


def _find(rows: Iterable[Row], place: Place) -> Row | None:
    """The last row there: at the largest lam, where none is said."""
    return next((row for row in reversed(list(rows)) if _is_at(row, place)), None)


def _is_at(row: Row, place: Place) -> bool:
    return (
        (row.metric, row.kind) == (place.metric, place.kind)
        and place.lam in (None, row.lam)
        and place.paid in (None, row.paid)
    )


def _value(row: Row | None, method: str) -> Number:
    return None if row is None else row.values.get(method)


def _annotate(table: Table2, comparison: Comparison) -> Table2:
    """The table with the notes that it has the numbers for."""
    names = _Names(table, comparison)
    texts: dict[str, str] = {}
    for key, note in comparison.notes.items():
        try:
            texts[key] = _Writer().format(note.text, **names.of(note.text))
        except LookupError:
            continue  # a column or a path that it speaks of is not in this table
    rows = tuple(
        dataclasses.replace(
            row, notes=tuple(key for key in texts if _is_at(row, comparison.notes[key].at))
        )
        for row in table.rows
    )
    used = dict.fromkeys(key for row in rows for key in row.notes)
    return dataclasses.replace(table, rows=rows, notes={key: texts[key] for key in used})


class _Writer(string.Formatter):
    """Also prints millions: `:M` with two decimals, `:Mg` with the digits that there are."""

    def format_field(self, value: Any, format_spec: str) -> str:
        match format_spec:
            case "M":
                return f"{value / 1e6:.2f}M"
            case "Mg":
                return format_short(value)
            case _:
                return str(super().format_field(value, format_spec))


class _Names:
    """Looks up what the notes name."""

    def __init__(self, table: Table2, comparison: Comparison) -> None:
        self._table, self._comparison = table, comparison

    def of(self, text: str) -> dict[str, int | float]:
        """The numbers that a text names.

        Raises:
            LookupError: If one is not in the table.
        """
        names = [name for _, name, _, _ in string.Formatter().parse(text) if name]
        return {name: self._look_up(name) for name in names}

    def _look_up(self, name: str) -> int | float:
        for numbers in (self._comparison.facts, self._comparison.quotes):
            if name in numbers:
                number = numbers[name]
                return int(number) if number.is_integer() else number
        place = dict(self._comparison.values[name])
        found: Number
        if "table" in place:
            found = load_published(place.pop("table")).find(**place)
        else:
            method = place.pop("method")
            found = _value(_find(self._table.rows, Place.model_validate(place)), method)
        if found is None:
            raise LookupError(name)
        return found
