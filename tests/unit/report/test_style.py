"""What all reports share: text that fits, numbers, files, the look of figures."""

import io
from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

from smartsim.errors import ConfigurationError
from smartsim.report.style.figures import (
    FIGURE_FORMATS,
    figure_makers,
    figure_style,
    looks_of,
    render_figure,
    save_figure,
)
from smartsim.report.style.files import check_formats, write_files
from smartsim.report.style.numbers import (
    format_amount,
    format_bytes,
    format_count,
    format_energy,
    format_number,
    format_percent,
    format_ratio,
    format_time,
)
from smartsim.report.style.text import fold, grid, shorten, terminal_width, wrap

HEAD = ("layer", "output shape", "multiplications", "share, %", "where it is published")
ROWS = [
    ("encoder.layer.11.attention.self.query", "1x64x56x56", "115,605,504", "9.97", "Table 2, text"),
    ("encoder.layer.11.output.dense", "1x64x56x56", "115,605,504", "9.97", "a supplement to it"),
]


def widest(text: str) -> int:
    return max(map(len, text.splitlines()))


def test_the_width_is_what_columns_says_and_80_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "123")
    assert terminal_width() == 123
    monkeypatch.delenv("COLUMNS")
    monkeypatch.setattr("sys.__stdout__", io.StringIO())
    assert terminal_width() == 80


@pytest.mark.parametrize("width", [40, 50, 60, 70, 80, 100, 120, 200])
def test_no_line_of_a_table_is_longer_than_the_width(width: int) -> None:
    assert widest(grid(ROWS, HEAD, "lrrrl", width=width, wrapped=(4,))) <= width


def test_where_there_is_room_nothing_is_shortened() -> None:
    text = grid(ROWS, HEAD, "lrrrl", width=200, wrapped=(4,))
    assert len(text.splitlines()) == 2 + len(ROWS)
    assert all(cell in text for row in [HEAD, *ROWS] for cell in row)


def test_columns_that_do_not_fit_go_on_below_beside_the_first() -> None:
    rows = [("first", *("1,000,000" for _ in range(9)))]
    text = grid(rows, ["name", *(f"column{n}" for n in range(9))], width=60)
    blocks = text.split("\n\n")
    assert len(blocks) == 2
    assert all(block.splitlines()[2].startswith("first") for block in blocks)
    assert text.count("1,000,000") == 9


def test_a_table_without_rows_keeps_its_headings() -> None:
    assert grid([], ["a", "b"]).splitlines()[0].split() == ["a", "b"]


def test_long_words_never_run_over() -> None:
    assert max(map(len, wrap("x" * 300, width=80))) == 80
    assert max(map(len, fold("x" * 30, 8))) == 8
    assert fold("my_net:build", 200) == ["my_net:build"]
    assert shorten("abc", 3) == "abc"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (format_bytes(21_265_088), "21.27 MB"),
        (format_bytes(0), "0 B"),
        (format_energy(3.539e9), "3.539 mJ"),
        (format_count(0), "0"),
        (format_ratio(640 / 21_282_122), "3.01e-05"),
        (format_ratio(0), "0"),
        (format_ratio(0.0536), "0.0536"),
        (format_amount(966_656.25), "966,656.2"),
        (format_amount(1_159_402_496), "1.16G"),
        (format_number(1_159_402_496, "count"), "1159.40M"),
        (format_percent(0.123456), "12.3 %"),
        (format_time(3.5), "3.5 s"),
    ],
)
def test_numbers_say_their_unit_and_never_lose_all_digits(text: str, expected: str) -> None:
    assert text == expected


def test_files_are_all_made_before_the_first_is_written(tmp_path: Path) -> None:
    def fail() -> str:
        raise ConfigurationError("cannot be drawn")

    with pytest.raises(ConfigurationError, match="cannot be drawn"):
        write_files(tmp_path / "x", "report", {"md": lambda: "text", "csv": fail}, ["md", "csv"])
    assert not (tmp_path / "x").exists()
    paths = write_files(tmp_path, "report", {"md": lambda: "text", "svg": lambda: b"<"}, ["svg"])
    assert [path.name for path in paths] == ["report.svg"]
    with pytest.raises(ConfigurationError, match="unknown format 'html'; possible: csv, md"):
        check_formats(["html"], ["md", "csv"])


def a_figure() -> Figure:
    with figure_style():
        figure = Figure()
        figure.subplots().plot([1, 2])
    return figure


def test_the_same_figure_gives_the_same_bytes_whatever_the_users_settings() -> None:
    plain = [render_figure(a_figure(), kind) for kind in FIGURE_FORMATS]
    with mpl.rc_context({"font.size": 23, "savefig.dpi": 30}):
        assert [render_figure(a_figure(), kind) for kind in FIGURE_FORMATS] == plain
        assert mpl.rcParams["font.size"] == 23


def test_a_figure_is_drawn_only_when_asked_for_and_once() -> None:
    drawn = []

    def draw() -> Figure:
        drawn.append(1)
        return a_figure()

    makers = figure_makers(draw)
    assert not drawn
    assert all(maker() for maker in makers.values())
    assert len(drawn) == 1


def test_a_figure_is_written_by_its_ending(tmp_path: Path) -> None:
    save_figure(a_figure(), tmp_path / "x.svg")
    assert (tmp_path / "x.svg").read_text().startswith("<?xml")
    with pytest.raises(ConfigurationError, match=r"written as \.svg, \.png, \.pdf, not '\.gif'"):
        save_figure(a_figure(), tmp_path / "x.gif")


def test_a_method_has_one_look_whoever_stands_beside_it() -> None:
    alone, together = looks_of(["SMART"]), looks_of(["mine", "FLOAT", "SMART", "SMART overlap 0"])
    assert alone["SMART"] == together["SMART"]
    assert len({(look.color, look.marker) for look in together.values()}) == 4
    assert together["SMART overlap 0"].color == together["SMART"].color
