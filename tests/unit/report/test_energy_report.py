"""The energy report: the data behind the figure, what stands on its axes, sections and files."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from smartsim.cost import estimate_energy, find_break_even, load_table
from smartsim.counts import Count, Counts, get_convention
from smartsim.errors import ConfigurationError
from smartsim.report.energy.data import COLUMNS, EnergyVsBits, build_energy_vs_bits
from smartsim.report.energy.figure import draw_energy_vs_bits
from smartsim.report.energy.report import DEFAULT_TABLES, write_energy_report
from smartsim.report.energy.sections import (
    accumulator_section,
    break_even_section,
    energy_section,
    sensitivity_section,
)
from smartsim.report.style.sections import render_sections

TABLES = [load_table(name) for name in DEFAULT_TABLES]

# Golden counts of ResNet-34 (convention `paper`): MACs, conditional MACs a switch and an inference,
# additions an inference.
GOLDEN = {
    ("PGD-AT", 0.0): (1_159_402_496, 0, 0, 0),
    ("OAT", 0.0): (1_159_402_496, 10_091_392, 966_656, 0),
    ("FLOAT", 0.0): (1_159_402_496, 0, 0, 0),
    ("SMART", 0.0): (838_538_240, 0, 0, 0),
    ("PGD-AT", 1.0): (1_159_402_496, 0, 0, 0),
    ("OAT", 1.0): (1_159_402_496, 10_091_392, 966_656, 0),
    ("FLOAT", 1.0): (1_159_402_496, 0, 0, 21_282_122),
    ("SMART", 1.0): (838_538_240, 0, 0, 11_402_570),
}


def make_counts(lam: float, macs: int, switch: int, film: int, adds: int) -> Counts:
    rows = (
        ("conv", "input", "mac", False, macs),
        ("film", "switch", "mac", True, switch),
        ("film", "input", "mac", True, film),
        ("conv", "noise", "add", True, adds),
        ("conv", "noise", "noise", True, adds),
    )
    return Counts(
        model="resnet34",
        condition={"lam": lam},
        convention=get_convention("paper"),
        items=tuple(
            Count(layer=layer, op="x", stage=stage, action=action, conditional=c, number=n)  # type: ignore[arg-type]
            for layer, stage, action, c, n in rows
            if n
        ),
    )


def golden_counts() -> dict[str, dict[float, Counts]]:
    found: dict[str, dict[float, Counts]] = {}
    for (method, lam), numbers in GOLDEN.items():
        found.setdefault(method, {})[lam] = make_counts(lam, *numbers)
    return found


@pytest.fixture(scope="module")
def data() -> EnergyVsBits:
    return build_energy_vs_bits(golden_counts(), TABLES, setting="ResNet-34")


@pytest.fixture(scope="module")
def figure(data: EnergyVsBits) -> Figure:
    return draw_energy_vs_bits(data)


def cell(data: EnergyVsBits, method: str, lam: float, name: str) -> Any:
    frame = data.frame
    found = frame[
        (frame["method"] == method)
        & (frame["lam"] == lam)
        & (frame["format"] == name)
        & (frame["table"] == TABLES[0].name)
    ]
    assert len(found) == 1
    return found.iloc[0]


@pytest.mark.parametrize(
    ("method", "name", "energy_uj", "percent"),
    [
        # 1,159,402,496 * 0.23 pJ = 266.663 uJ; + 21,282,122 * 0.03 pJ = 0.638 uJ.
        ("PGD-AT", "int8", 266.663, 0.0),
        ("FLOAT", "int8", 267.301, 100 * 0.638464 / 266.662574),
        ("FLOAT", "shift8", 63.2462, 100 * 0.638464 / (1159.402496 * 0.054)),
        ("FLOAT", "fp16", 1747.617, 100 * 21.282122 * 0.4 / (1159.402496 * 1.5)),
        # SMART's overhead is a share of PGD-AT's energy, not of its own.
        ("SMART", "int8", 838.53824 * 0.23 + 11.40257 * 0.03, 100 * 0.3420771 / 266.662574),
        # One switch an inference: (10,091,392 + 966,656) / 1,159,402,496.
        ("OAT", "int32", 3710.088 + 35.386, 100 * 11_058_048 / 1_159_402_496),
    ],
)
def test_the_data_are_energies_and_overheads_computed_by_hand(
    data: EnergyVsBits, method: str, name: str, energy_uj: float, percent: float
) -> None:
    found = cell(data, method, 1.0, name)
    assert found["energy_uj"] == pytest.approx(energy_uj, rel=1e-5)
    assert found["overhead_percent"] == pytest.approx(percent, rel=1e-6)


def test_the_frame_has_a_row_for_each_method_lam_table_and_format_that_has_a_price(
    data: EnergyVsBits,
) -> None:
    assert tuple(data.frame.columns) == COLUMNS
    keys = ["method", "lam", "table", "format"]
    assert not data.frame.duplicated(keys).any()
    assert data.frame["energy_uj"].notna().all()
    per_method = data.frame.groupby(["method", "lam"]).size().unique()
    # 45 nm: 31 int + 31 shift + fp16, fp32; 7 nm: 31 int + fp16, bf16, fp32; 40 nm: 31 + 31;
    # FPGA: 31 + 31 + fp32.
    assert per_method.tolist() == [64 + 34 + 62 + 63]


def test_each_row_knows_what_it_rests_on(data: EnergyVsBits) -> None:
    assert cell(data, "SMART", 1.0, "int8")["basis"] == "published"
    assert cell(data, "SMART", 1.0, "int16")["basis"] == "interpolated"
    assert cell(data, "SMART", 1.0, "int4")["basis"] == "extrapolated"
    fractions = data.frame[[f"{b}_fraction" for b in ("published", "interpolated", "extrapolated")]]
    assert np.allclose(fractions.sum(axis=1), 1)


def test_spreading_a_switch_lowers_only_what_is_paid_at_a_switch() -> None:
    often = build_energy_vs_bits(golden_counts(), TABLES[:1])
    seldom = build_energy_vs_bits(golden_counts(), TABLES[:1], inferences_per_switch=100)
    saved = 10_091_392 * 0.23 * (1 - 1 / 100) / 1e6
    for method, expected in (("OAT", saved), ("FLOAT", 0.0)):
        difference = (
            cell(often, method, 1.0, "int8")["energy_uj"]
            - cell(seldom, method, 1.0, "int8")["energy_uj"]
        )
        assert difference == pytest.approx(expected, abs=1e-9)


def test_nothing_to_draw_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="needs a method, a table and a width"):
        build_energy_vs_bits({}, TABLES)


def name_of(line: Line2D) -> str:
    return str(line.get_label()).removeprefix("_")


def lines(figure: Figure, panel: int) -> dict[str, list[tuple[float, float]]]:
    """Points on one panel by what they are; curves of two line styles are two entries."""
    found: dict[str, list[tuple[float, float]]] = {}
    for line in figure.axes[panel].get_lines():
        points = zip(*(np.asarray(d, dtype=float) for d in line.get_data()), strict=True)
        found.setdefault(name_of(line), []).extend(points)
    return found


def test_the_energy_panels_show_the_data_of_their_lam(data: EnergyVsBits, figure: Figure) -> None:
    for panel, lam in ((0, 0.0), (1, 1.0)):
        drawn = lines(figure, panel)
        for method in data.methods:
            for kind in ("int", "shift"):
                curve = {*drawn[f"{method}/{kind}/solid"], *drawn[f"{method}/{kind}/dashed"]}
                expected = {
                    (float(bits), float(cell(data, method, lam, f"{kind}{bits}")["energy_uj"]))
                    for bits in range(2, 33)
                }
                assert curve == expected
            floats = {bits for bits, _ in drawn[f"{method}/fp/published"]}
            assert floats == {16.0, 32.0}


def test_markers_are_published_solid_is_interpolated_and_dashed_extrapolated(
    figure: Figure,
) -> None:
    drawn = lines(figure, 1)

    def widths(name: str) -> set[float]:
        return {bits for bits, _ in drawn[name]}

    assert widths("SMART/int/published") == {8, 32}
    assert widths("SMART/shift/published") == {8, 16, 32}
    assert widths("SMART/int/dashed") == set(range(2, 9))
    assert widths("SMART/int/solid") == set(range(8, 33))
    styles = {name_of(line): line for line in figure.axes[1].get_lines()}
    assert styles["SMART/int/solid"].get_linestyle() == "-"
    assert styles["SMART/int/dashed"].get_linestyle() == "--"
    assert styles["SMART/int/published"].get_linestyle() == "None"
    # Filled for integers, hollow for shift-adds.
    assert styles["SMART/int/published"].get_markerfacecolor() != "white"
    assert styles["SMART/shift/published"].get_markerfacecolor() == "white"


def test_the_overhead_panel_is_in_percent_of_the_baseline(
    data: EnergyVsBits, figure: Figure
) -> None:
    drawn = dict(lines(figure, 2)["FLOAT/int/published"])
    assert drawn[8.0] == pytest.approx(cell(data, "FLOAT", 1.0, "int8")["overhead_percent"])
    assert not any(name.startswith("PGD-AT") for name in lines(figure, 2))
    floats = dict(lines(figure, 2)["FLOAT/int/dashed"])
    assert floats[2.0] > floats[4.0] > floats[8.0]  # the fewer bits, the more additions weigh


def test_the_last_panel_shows_the_same_from_every_table(figure: Figure) -> None:
    drawn = lines(figure, 3)
    assert {name.split("/")[0] for name in drawn} == {table.name for table in TABLES}
    assert not any(name.startswith("jouppi2021_7nm/shift") and drawn[name] for name in drawn)


def test_axes_say_what_they_show_and_in_which_unit(figure: Figure) -> None:
    energy_0, energy_1, overhead, by_table = figure.axes
    assert "λ = 0" in energy_0.get_title(loc="left")
    assert "λ = 1" in energy_1.get_title(loc="left")
    for ax in (energy_0, energy_1):
        assert ax.get_ylabel() == "energy of an inference (µJ)"
        assert ax.get_yscale() == "log"
        assert ax.get_ylim() == energy_0.get_ylim()
    for ax in (overhead, by_table):
        assert ax.get_ylabel() == "overhead (% of PGD-AT in the same format)"
    for ax in figure.axes:
        assert ax.get_xlabel() == "bits of an operand"
        assert [text.get_text() for text in ax.get_xticklabels()] == ["2", "4", "8", "16", "32"]
    texts = {text.get_text() for ax in figure.axes for text in ax.texts}
    assert {"INT MACs", "shift-adds", "fp16", "fp32"} <= texts
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert set(legend) >= {"PGD-AT", "OAT", "FLOAT", "SMART", "interpolated", "extrapolated"}


def test_the_caption_says_what_is_in_the_numbers_and_what_is_not(figure: Figure) -> None:
    caption = figure.get_supxlabel()
    assert "no memory" in caption
    assert "45 nm CMOS" in caption
    assert "convention paper" in caption
    assert "a multiplication and an accumulation as wide as its operands" in caption
    assert "21.3M noise (FLOAT at lam = 1)" in caption


def luminance(color: str) -> float:
    red, green, blue = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return 0.299 * red + 0.587 * green + 0.114 * blue


def test_methods_differ_in_marker_and_grey_without_their_colours(figure: Figure) -> None:
    markers, greys = set(), []
    for line in figure.axes[1].get_lines():
        if name_of(line).endswith("/int/published"):
            markers.add(line.get_marker())
            greys.append(luminance(str(line.get_markeredgecolor())))
    assert len(markers) == 4
    assert min(np.diff(sorted(greys))) > 0.08


def test_every_format_is_written_and_the_same_data_give_the_same_files(
    data: EnergyVsBits, tmp_path: Path
) -> None:
    sections = [energy_section(data, ["int8", "shift8"])]

    def digests(folder: Path) -> dict[str, str]:
        paths = write_energy_report(data, sections, folder, provenance={"command": "x"})
        return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in paths}

    first = digests(tmp_path / "a")
    assert sorted(first) == [f"energy_vs_bits.{e}" for e in ("csv", "md", "pdf", "png", "svg")]
    assert digests(tmp_path / "b") == first
    read = pd.read_csv(tmp_path / "a" / "energy_vs_bits.csv")
    assert tuple(read.columns) == COLUMNS
    assert np.allclose(read["energy_uj"], data.frame["energy_uj"], rtol=1e-9)
    markdown = (tmp_path / "a" / "energy_vs_bits.md").read_text()
    assert "Mark Horowitz" in markdown
    assert "square micrometres" in markdown
    assert "21,282,122 noise an inference" in markdown
    with pytest.raises(ConfigurationError, match="did you mean 'svg'"):
        write_energy_report(data, sections, tmp_path, ["svgs"])


def widest(text: str) -> int:
    return max(len(line) for line in text.splitlines())


def test_the_energy_section_prints_energy_and_what_is_conditional(data: EnergyVsBits) -> None:
    text = render_sections([energy_section(data, ["int8", "shift8"])], markdown=False)
    assert "int8, lam = 1" in text
    assert "267.3 +0.24%" in text
    assert widest(text) <= 80


def test_the_break_even_section_prints_what_find_break_even_finds() -> None:
    counts = golden_counts()
    oat, smart = counts["OAT"][1.0], counts["SMART"][1.0]
    section = break_even_section({"OAT": oat}, ("SMART", smart), TABLES[0], ["int8"])
    found = find_break_even(
        estimate_energy(oat, TABLES[0], "int8"),
        estimate_energy(smart, TABLES[0], "int8"),
        quantity="conditional",
    )
    assert section.rows == (
        ("OAT, overhead", f"{found.inferences:.1f}"),
        ("OAT, all of it", "never"),
    )


def test_the_accumulator_section_shows_where_the_papers_argument_ends() -> None:
    """FLOAT's additions over PGD-AT's MACs, 21,282,122 / 1,159,402,496 = 1.8356 %, times prices.

    int2, extrapolated: add 0.0075, mul 0.0125, accumulation 0.0075 or 0.1 (32 bits):
    1.8356 * 0.0075 / 0.02 = 0.688 and 1.8356 * 0.0075 / 0.1125 = 0.122.
    int8: 1.8356 * 0.03 / 0.23 = 0.239 and 1.8356 * 0.03 / 0.3 = 0.184; int32: 0.057 both ways.
    """
    counts = golden_counts()
    section = accumulator_section(
        counts["FLOAT"][1.0], counts["PGD-AT"][1.0], TABLES[0], (2, 8, 32), "FLOAT"
    )
    assert section.rows == (
        ("int2", "0.688", "0.122"),
        ("int8", "0.239", "0.184"),
        ("int32", "0.057", "0.057"),
    )
    assert "from 0.06 to 0.69 % with accumulators as wide" in section.remarks[0]


def test_the_sensitivity_section_prints_the_papers_ratios_and_others() -> None:
    rows: Iterable[tuple[str, ...]] = sensitivity_section().rows
    by_table = {row[0]: row[1:] for row in rows}
    assert by_table["horowitz2014_45nm"][0] == "4.17"
    assert by_table["shiftaddnet2020_asic_45nm"] == ("4.17", "1.80", "2.30")
    assert by_table["jouppi2021_7nm"] == ("4.58", "-", "-")
    assert widest(render_sections([sensitivity_section()], markdown=False)) <= 80
