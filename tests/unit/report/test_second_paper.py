"""A table of a further paper is two files: its numbers, and how they stand beside ours."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from smartsim.cli import cli
from smartsim.counts import get_convention
from smartsim.errors import ConfigurationError, FileFormatError
from smartsim.report.published import load_published
from smartsim.report.table2.build import build_table2
from smartsim.report.table2.render import render_markdown, render_terminal
from smartsim.report.table2.table import Table2
from tests.unit.report.helpers import trace_small

CELLS = """metric,lam,method,value,unit
accuracy,1,FLOAT,91.5,percent
size,1,FLOAT,1,ratio
size,1,SMART,0.6,ratio
MACs,1,SMART,9000000,count
"""
HOW = """
baseline = "FLOAT"
setting = { arch = "resnet8", classes = 10, input = "1,3,32,32" }
beside = { size = "normalised active parameters" }

[source]
authors = ["Nobody"]
title = "A paper that only this test knows"
year = 2031
arxiv = "3101.00001"
locator = "Table 7"

[[ratios]]
metric = "FLOAT's size over SMART's"
short = "size, FLOAT / SMART"
above = "FLOAT"
below = "SMART"
ours = "active parameters"
printed = "size"
lam = 1

[values]
own = { metric = "normalised active parameters", method = "SMART" }
theirs = { metric = "normalised active parameters", kind = "published", method = "SMART" }
absent = { metric = "MACs", method = "nobody's" }

[facts]
seven = 7

[notes.size]
at = { metric = "normalised active parameters", lam = 1 }
text = "We count {own:.2f}, the paper {theirs:.2f}, and {seven} is typed."

[notes.never]
at = { metric = "MACs" }
text = "{absent:M} cannot be known without its column."
"""


def write_paper(folder: Path, cells: str = CELLS, how: str = HOW) -> str:
    (folder / "other2031_table7.csv").write_text(cells)
    (folder / "other2031_table7.toml").write_text(how)
    return str(folder / "other2031_table7.toml")


def build(path: str) -> Table2:
    convention = get_convention("paper")
    published = load_published(path)
    return build_table2(
        trace_small(), setting="resnet8", convention=convention, published=published
    )


def test_its_rows_ratios_and_notes_come_from_its_files(tmp_path: Path) -> None:
    table = build(write_paper(tmp_path))
    at_1 = [(row.metric, row.kind) for row in table.rows if row.lam == 1]
    assert at_1[0] == ("accuracy", "published")  # no row of ours to stand beside
    place = at_1.index(("normalised active parameters", "published"))
    assert at_1[place - 1] == ("normalised active parameters", "derived")
    assert table.find("MACs", 1, "published").values == {"SMART": 9_000_000}
    assert table.find("normalised active parameters", 1).values["FLOAT"] == 1  # its baseline
    own = table.find("normalised active parameters", 1).values["SMART"]
    assert table.notes == {"size": f"We count {own:.2f}, the paper 0.60, and 7 is typed."}
    assert table.find("FLOAT's size over SMART's", None, "published").values == {"SMART": 1.67}
    for text in (render_terminal(table), render_markdown(table)):
        assert "9M" in text
        assert "and 7 is typed." in text
        assert "OAT's active" not in text
    assert "size, FLOAT / SMART" in render_terminal(table)
    assert table.rows[-1].source == "Nobody et al. 2031, arXiv 3101.00001, Table 7"


def test_the_command_line_takes_its_path(tmp_path: Path) -> None:
    path = write_paper(tmp_path)
    arguments = ("report", "table2", "--arch", "resnet8", "--published", path)
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    assert "size, FLOAT / SMART" in result.output


def test_it_never_stands_beside_another_network(tmp_path: Path) -> None:
    table = load_published(write_paper(tmp_path))
    assert table.fits({"arch": "resnet8", "classes": 10, "input": "1,3,32,32"})
    with pytest.raises(ConfigurationError, match="are of arch resnet8, classes 10, input"):
        table.check_fits({"arch": "resnet34", "classes": 10, "input": "1,3,32,32"})


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("0.6,ratio", "0.6,parsecs", "unit 'parsecs' is none of percent, count"),
        ("0.6,ratio", "much,ratio", "line 4: value 'much' is no number"),
        ("0.6,ratio", ",ratio", "line 4: no value"),
    ],
)
def test_a_damaged_cell_is_named(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    with pytest.raises(FileFormatError, match=sentence):
        load_published(write_paper(tmp_path, cells=CELLS.replace(old, new)))


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("{seven}", "{sevn}", "note size names 'sevn'; did you mean 'seven'"),
        ("[source]", "[sourcs]", "unknown field 'sourcs'"),
        ('arxiv = "3101.00001"', "", "its source has no arxiv"),
        ('own = { metric = "normalised active parameters", method', "own = { method", "needs a"),
    ],
)
def test_a_fault_of_its_description_is_named(
    tmp_path: Path, old: str, new: str, sentence: str
) -> None:
    assert old in HOW
    with pytest.raises(FileFormatError, match=sentence):
        load_published(write_paper(tmp_path, how=HOW.replace(old, new)))
