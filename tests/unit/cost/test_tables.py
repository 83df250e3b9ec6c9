"""Tables: every shipped one loads and is sourced; every broken one says where and why."""

import math
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from smartsim.cost import combine_tables, cost_models_folder, list_tables, load_table, memory_row
from smartsim.cost.tables.load import COLUMNS
from smartsim.errors import ConfigurationError, FileFormatError

HEADER = ",".join(COLUMNS)
ADD = "add,int,8,,0.03,,pJ,36,horowitz2014,Fig. 1.1.9,assumed,verified,"
MUL = "mul,int,8,,0.2,,pJ,282,horowitz2014,Fig. 1.1.9,assumed,verified,"
SRAM = "sram,data,64,65536,10,,pJ,,horowitz2014,Fig. 1.1.9,assumed,verified,"
DRAM = "dram,data,64,,1300,2600,pJ,,horowitz2014,Fig. 1.1.9,assumed,verified,"
DESCRIPTION = """
[tables.mine]
description = "d"
technology = "45 nm"
node_nm = 45
includes = "units"
"""

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a table from its lines or bytes, described beside it, and returns its path."""

    def write_table(*lines: str, data: bytes | None = None, sources: str = DESCRIPTION) -> Path:
        path = tmp_path / "mine.csv"
        path.write_bytes(data if data is not None else "\n".join(lines).encode())
        (tmp_path / "sources.toml").write_text(sources)
        return path

    return write_table


@pytest.mark.parametrize("name", list_tables())
def test_every_shipped_table_loads_and_every_row_is_sourced(name: str) -> None:
    table = load_table(name)
    sources = {source.key: source for source in table.sources}
    assert table.rows
    assert table.description
    assert table.technology
    assert table.node_nm > 0
    assert table.includes
    for row in table.rows:
        assert math.isfinite(row.energy_pj)
        assert row.energy_pj > 0
        assert row.locator
        assert sources[row.source].authors
        assert row.status != "unverified" or "unverified" in row.note


def test_the_tables_of_the_brief_are_shipped() -> None:
    """45 nm Horowitz, ShiftAddNet's ASIC and FPGA units, a 7 nm table, relative memory costs."""
    assert {
        "horowitz2014_45nm",
        "shiftaddnet2020_asic_45nm",
        "shiftaddnet2020_fpga_zc706",
        "jouppi2021_7nm",
        "eyeriss2016_relative",
    } <= set(list_tables())
    assert load_table("eyeriss2016_relative").unit == "relative"


def test_every_source_has_authors_title_venue_year_and_is_used() -> None:
    import tomllib

    data = tomllib.loads((cost_models_folder() / "sources.toml").read_text())
    for key, source in data["sources"].items():
        assert {"authors", "title", "venue", "year"} <= source.keys(), key
    used = {row.source for name in list_tables() for row in load_table(name).rows}
    assert used == set(data["sources"])
    assert set(data["tables"]) == set(list_tables())


def test_every_column_is_explained_in_the_readme() -> None:
    text = (cost_models_folder() / "README.md").read_text()
    for column in COLUMNS:
        assert f"`{column}`" in text
    for name in list_tables():
        assert name in text


@pytest.mark.parametrize(
    ("lines", "place", "rule"),
    [
        ([HEADER.replace(",unit", ""), ADD], "line 1", "column 'unit' is missing"),
        ([HEADER + ",colour", ADD + ","], "line 1", "unknown column 'colour'"),
        ([HEADER + ",unit", ADD + ",pJ"], "line 1", "column 'unit' appears twice"),
        ([HEADER, ADD.replace("0.03", "-0.03")], "line 2", "energy '-0.03' must be a positive"),
        ([HEADER, ADD.replace("0.03", "0")], "line 2", "energy '0' must be a positive"),
        ([HEADER, ADD.replace("0.03", "nan")], "line 2", "energy 'nan' must be a positive"),
        ([HEADER, ADD.replace("0.03", "inf")], "line 2", "energy 'inf' must be a positive"),
        ([HEADER, ADD.replace("0.03", "")], "line 2", "energy '' must be a positive"),
        ([HEADER, ADD.replace("0.03", "0,03")], "line 2", "has 14 cells instead of 13"),
        ([HEADER, ADD.replace("pJ", "kWh")], "line 2", "unknown unit 'kWh'"),
        ([HEADER, ADD.replace("pJ", "pj")], "line 2", "unknown unit 'pj'"),
        ([HEADER, ADD.replace("pJ", "")], "line 2", "unknown unit ''"),
        ([HEADER, ADD, MUL, ADD], "line 4", "repeats line 2"),
        ([HEADER, ADD.replace("int,8", "int,8.5")], "line 2", "bits '8.5' must be a whole"),
        ([HEADER, ADD.replace("int,8", "int,1")], "line 2", "from 2 to 64"),
        ([HEADER, ADD.replace("int,8", "int,128")], "line 2", "from 2 to 64"),
        ([HEADER, ADD.replace("add", "mac")], "line 2", "a MAC is priced as mul and add"),
        ([HEADER, ADD.replace("add", "ad")], "line 2", "did you mean 'add'"),
        ([HEADER, ADD.replace("int", "posit")], "line 2", "format 'posit' is none of"),
        ([HEADER, ADD.replace("horowitz2014", "")], "line 2", "source is empty"),
        ([HEADER, ADD.replace("horowitz2014", "horowitz2041")], "line 2", "in no sources.toml"),
        ([HEADER, ADD.replace("Fig. 1.1.9", " ")], "line 2", "locator is empty"),
        ([HEADER, ADD.replace("assumed", "guessed")], "line 2", "basis 'guessed' is none of"),
        ([HEADER, ADD.replace("verified", "maybe")], "line 2", "status 'maybe' is none of"),
        ([HEADER, ADD.replace("verified,", "unverified,")], "line 2", "must say so in its note"),
        ([HEADER, ADD.replace("pJ,36", "pJ,-36")], "line 2", "area_um2 '-36' must be a positive"),
        ([HEADER, ADD, MUL.replace("0.2", "0.02")], "line 3", "cheaper than the addition"),
        (
            [HEADER, ADD, ADD.replace("int,8", "int,16").replace("0.03", "0.02")],
            "line 3",
            "is cheaper than the same action with 8 bits",
        ),
        ([HEADER, SRAM, DRAM.replace("1300,2600", "9,")], "line 3", "a bit from dram is not above"),
        (
            [HEADER, SRAM, DRAM.replace("dram", "register")],
            "line 2",
            "a bit from sram is not above",
        ),
        ([HEADER, DRAM.replace("2600", "600")], "line 2", "energy_high 600 is below energy 1300"),
        (
            [HEADER, SRAM, SRAM.replace("65536,10", "131072,9")],
            "line 3",
            "a bit is cheaper than in a smaller memory",
        ),
        ([HEADER, ADD, MUL.replace("pJ", "relative")], "line 3", "do not mix with absolute"),
        ([HEADER, ADD.replace("int,8,", "int,8,4096")], "line 2", "capacity_bits '4096'"),
        ([HEADER], "", "has no rows"),
        ([HEADER, "", ""], "", "has no rows"),
        (["", ""], "", "is empty"),
        ([HEADER, '"add'], "", "damaged CSV"),
    ],
)
def test_a_broken_table_names_file_line_and_rule(
    write: Write, lines: list[str], place: str, rule: str
) -> None:
    path = write(*lines)
    with pytest.raises(FileFormatError) as caught:
        load_table(path)
    sentence = str(caught.value)
    assert sentence.startswith(f"{path}: ")
    assert place in sentence
    assert rule in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (bytes(range(256)), "is not UTF-8 text"),
        (b"PK\x03\x04\0\0\0\0", "is a binary file"),
    ],
)
def test_an_empty_or_binary_file_says_so(write: Write, data: bytes, rule: str) -> None:
    with pytest.raises(FileFormatError, match=rule):
        load_table(write(data=data))


def test_all_faults_of_a_file_are_listed_and_many_are_cut_short(write: Write) -> None:
    bad = ADD.replace("pJ", "kWh").replace("0.03", "-1")
    with pytest.raises(FileFormatError) as caught:
        load_table(write(HEADER, bad, MUL.replace("horowitz2014", "")))
    assert str(caught.value).count("line ") == 3
    with pytest.raises(FileFormatError, match="and 12 more"):
        load_table(write(HEADER, *[bad] * 10))


def test_byte_order_mark_and_windows_line_ends_are_accepted(write: Write) -> None:
    plain = load_table(write(HEADER, ADD, MUL))
    for data in (
        b"\xef\xbb\xbf" + "\n".join((HEADER, ADD, MUL)).encode(),
        "\r\n".join((HEADER, ADD, MUL, "")).encode(),
    ):
        assert load_table(write(data=data)).rows == plain.rows


def test_units_are_converted_to_picojoules(write: Write) -> None:
    rows = load_table(
        write(HEADER, ADD.replace("0.03,,pJ", "30,,fJ"), MUL.replace("0.2,,pJ", "0.0002,,nJ"))
    ).rows
    # 30 fJ = 0.03 pJ; 0.0002 nJ = 0.2 pJ.
    assert [row.energy_pj for row in rows] == pytest.approx([0.03, 0.2])


def test_a_table_of_ones_own_needs_a_description_and_may_bring_sources(write: Write) -> None:
    with pytest.raises(FileFormatError, match=r"add \[tables.mine\]"):
        load_table(write(HEADER, ADD, sources="# nothing yet"))
    own = DESCRIPTION + '[sources.lab]\nauthors = ["A"]\ntitle = "T"\nvenue = "V"\nyear = 2026\n'
    table = load_table(write(HEADER, ADD.replace("horowitz2014", "lab"), sources=own))
    assert [source.key for source in table.sources] == ["lab"]
    assert table.sources[0].citation == 'A: "T", V, 2026'


@pytest.mark.parametrize(
    ("sources", "rule"),
    [
        ("[tables.mine", "is damaged TOML"),
        ('[tables.mine]\ndescription = "d"\n', "no field 'technology' of tables.mine"),
        (DESCRIPTION + "[sources.x]\nyear = 'soon'\n", "year of sources.x cannot be 'soon'"),
        (DESCRIPTION + "[tales.x]\n", "unknown field 'tales'"),
    ],
)
def test_a_broken_sources_file_names_the_field(write: Write, sources: str, rule: str) -> None:
    with pytest.raises(FileFormatError) as caught:
        load_table(write(HEADER, ADD, sources=sources))
    assert "sources.toml: " in str(caught.value)
    assert rule in str(caught.value)


def test_an_unknown_table_suggests_a_near_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'horowitz2014_45nm'"):
        load_table("horowitz2014_45")
    with pytest.raises(FileFormatError, match="cannot be read"):
        load_table(tmp_path / "none.csv")


def test_joined_tables_take_from_the_second_only_what_the_first_lacks() -> None:
    first, second = load_table("horowitz2014_45nm"), load_table("shiftaddnet2020_asic_45nm")
    both = load_table("horowitz2014_45nm+shiftaddnet2020_asic_45nm")
    assert both.points("add", "int") == first.points("add", "int")
    assert both.points("shift", "int") == second.points("shift", "int")
    assert both.name == "horowitz2014_45nm+shiftaddnet2020_asic_45nm"
    assert {source.key for source in both.sources} == {"horowitz2014", "you2020"}
    assert combine_tables(first, second) == both


def test_tables_of_two_nodes_do_not_join() -> None:
    with pytest.raises(ConfigurationError, match="node and unit must agree"):
        load_table("horowitz2014_45nm+jouppi2021_7nm")


def test_a_memory_level_is_found_by_name_or_refused_with_what_there_is() -> None:
    table = load_table("horowitz2014_45nm")
    assert memory_row(table, "sram:32KiB").energy_pj == 20
    assert memory_row(table, "dram").energy_high_pj == 2600
    with pytest.raises(ConfigurationError, match=r"ambiguous.*sram:8KiB, sram:32KiB"):
        memory_row(table, "sram")
    with pytest.raises(ConfigurationError, match="it has sram:8KiB"):
        memory_row(table, "flash")
    with pytest.raises(ConfigurationError, match="prices arithmetic only"):
        memory_row(load_table("shiftaddnet2020_asic_45nm"), "dram")


def test_a_copy_of_a_shipped_table_loads_from_anywhere(tmp_path: Path) -> None:
    for name in ("horowitz2014_45nm.csv", "sources.toml"):
        shutil.copy(cost_models_folder() / name, tmp_path)
    assert (
        load_table(tmp_path / "horowitz2014_45nm.csv").rows == load_table("horowitz2014_45nm").rows
    )
