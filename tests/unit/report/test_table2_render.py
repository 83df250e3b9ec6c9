"""The comparison as text: terminal, Markdown, LaTeX, CSV and JSON, each read back."""

import csv
import dataclasses
import io
import json
import re
from pathlib import Path

import pandas as pd
import pytest

from smartsim.errors import ConfigurationError
from smartsim.report.style.files import check_formats
from smartsim.report.style.numbers import format_number
from smartsim.report.table2.build import build_table2
from smartsim.report.table2.render import (
    FORMATS,
    render_format,
    render_latex,
    render_markdown,
    render_terminal,
    table2_frame,
    write_table2,
)
from smartsim.report.table2.table import Table2
from tests.unit.report.helpers import LABELS, build_small_table, trace_small


def with_awkward_column() -> Table2:
    """A user's own model beside the four, with a name that LaTeX would stumble over."""
    first, *rest = trace_small()
    own = dataclasses.replace(first, label="my_net&co")
    table = build_small_table()
    return build_table2([first, *rest, own], setting=table.setting, convention=table.convention)


def test_the_terminal_shows_four_methods_in_80_columns() -> None:
    text = render_terminal(build_small_table())
    assert max(map(len, text.splitlines())) <= 80
    assert text.splitlines()[5].split() == list(LABELS)
    assert text.endswith("\n")
    assert not any(line.endswith(" ") for line in text.splitlines())


def test_the_terminal_has_a_line_for_each_row_and_a_paragraph_for_each_note() -> None:
    table = build_small_table()
    lines = render_terminal(table).splitlines()
    kinds = {"derived": "ours", "published": "paper"}
    marked = [line for line in lines if re.search(r"  (ours|paper)( |$)", line)]
    assert len(marked) == len(table.rows)
    for line, row in zip(marked, table.rows, strict=True):
        assert kinds[row.kind] in line
    assert len([line for line in lines if re.match(r"[a-z]  [A-Z0-9]", line)]) == len(table.notes)


def test_the_terminal_says_which_lam_each_row_belongs_to() -> None:
    lines = render_terminal(build_small_table()).splitlines()
    headings = [line for line in lines if line.startswith(("lam", "over"))]
    assert headings == ["lam = 0 (clean)", "lam = 1 (adversarial)", "over both paths"]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (21_282_122, "count", "21.28M"),
        (999_999, "count", "999,999"),
        (1_000_000, "count", "1.00M"),
        (0, "count", "0"),
        (-1_500_000, "count", "-1.50M"),
        (1.4756, "ratio", "1.476"),
        (1.0, "ratio", "1"),
        (0.5358, "ratio", "0.536"),
        (57.84, "percent", "57.84"),
        (None, "count", ""),
    ],
)
def test_numbers_are_printed_for_people(value: float | None, unit: str, text: str) -> None:
    assert format_number(value, unit) == text


def test_markdown_is_one_table_with_a_line_for_each_row() -> None:
    table = build_small_table()
    text = render_markdown(table)
    grid = [line for line in text.splitlines() if line.startswith("|")]
    head, rule, *body = [[cell.strip() for cell in line.strip("|").split("|")] for line in grid]
    assert head == ["lam", "metric", "paid", "kind", *LABELS, "note"]
    assert all(set(cell) <= {"-", ":"} for cell in rule)
    assert len(body) == len(table.rows)
    assert [row[3] for row in body] == [row.kind for row in table.rows]
    for row, cells in zip(table.rows, body, strict=True):
        assert all(
            bool(cell) == (label in row.values)
            for label, cell in zip(LABELS, cells[4:8], strict=True)
        )
    for sentence in table.notes.values():
        assert sentence in text
    assert "- command: `smartsim report table2 --add a_b:net`" in text


def test_latex_has_booktabs_rules_and_as_many_columns_as_it_says() -> None:
    text = render_latex(build_small_table())
    for rule in (r"\toprule", r"\midrule", r"\bottomrule"):
        assert text.count(rule) == 1
    columns = re.search(r"\\begin\{tabular\}\{(\w+)\}", text)
    assert columns is not None
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {line.count(" & ") for line in rows} == {len(columns.group(1)) - 1}
    assert len(rows) == 1 + len(build_small_table().rows)
    comments = [line for line in text.splitlines() if line.startswith("%")]
    assert any(line.startswith("% command: smartsim") for line in comments)
    assert not re.search(r"(?<!\\)%", "\n".join(rows))


def test_latex_escapes_what_a_label_brings_along() -> None:
    text = render_latex(with_awkward_column())
    assert r"my\_net\&co" in text


def test_csv_is_read_back_cell_by_cell() -> None:
    table = build_small_table()
    text = render_format(table, "csv")
    frame = pd.read_csv(io.StringIO(text), keep_default_na=False)
    cells = [(row, label, value) for row in table.rows for label, value in row.values.items()]
    assert len(frame) == len(cells)
    for (row, label, value), (_, line) in zip(cells, frame.iterrows(), strict=True):
        assert (line["metric"], line["method"], line["kind"]) == (row.metric, label, row.kind)
        assert float(line["value"]) == value
        assert line["unit"] == row.unit
    assert set(frame["lam"].astype(str)) == {"0.0", "1.0", ""}


def test_counts_stay_whole_numbers_in_csv() -> None:
    reader = csv.DictReader(io.StringIO(render_format(build_small_table(), "csv")))
    counts = [r["value"] for r in reader if (r["unit"], r["kind"]) == ("count", "derived")]
    assert counts
    assert all(re.fullmatch(r"\d+", value) for value in counts)


def test_json_holds_the_whole_record() -> None:
    table = build_small_table()
    data = json.loads(render_format(table, "json"))
    assert (data["format"], data["version"]) == ("smartsim-table2", 1)
    assert data["methods"] == list(LABELS)
    assert data["notes"] == dict(table.notes)
    assert data["provenance"] == dict(table.provenance)
    assert data["convention"]["name"] == "paper"
    assert [row["values"] for row in data["rows"]] == [dict(row.values) for row in table.rows]


def test_the_long_frame_names_kind_and_source_of_each_cell() -> None:
    frame = table2_frame(build_small_table())
    assert set(frame["kind"]) == {"published", "derived"}
    assert (frame["source"] != "").all()


def test_files_are_written_one_a_format(tmp_path: Path) -> None:
    table = build_small_table()
    paths = write_table2(table, tmp_path / "new" / "folder", ("md", "csv"), stem="mine")
    assert [path.name for path in paths] == ["mine.md", "mine.csv"]
    assert paths[0].read_text() == render_markdown(table)
    assert len(write_table2(table, tmp_path)) == len(FORMATS)


def test_an_unknown_format_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="unknown format 'html'; possible: csv, json, md"):
        write_table2(build_small_table(), tmp_path / "folder", ("md", "html"))
    assert not (tmp_path / "folder").exists()
    assert check_formats(["csv", "csv", "md"], FORMATS) == ("csv", "md")
