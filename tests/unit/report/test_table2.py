"""The comparison as a record: which rows it has, of which kind, unit and price."""

import csv
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from smartsim.counts import CONVENTIONS, count_actions, count_parameters, get_convention
from smartsim.errors import ConfigurationError, FileFormatError
from smartsim.records.files import find_shipped_folder
from smartsim.report.accuracy.results import Measured, load_measured
from smartsim.report.methods import MethodTraces
from smartsim.report.published import load_published
from smartsim.report.style.provenance import collect_provenance
from smartsim.report.table2.build import build_table2
from smartsim.report.table2.measured_rows import add_measured_rows, check_protocol
from smartsim.report.table2.render import render_latex, render_markdown, render_terminal
from smartsim.report.table2.table import Row, Table2
from tests.unit.report.helpers import LABELS, build_small_table, trace_small

COUNT, RATIO, PERCENT = "count", "ratio", "percent"

# metric, how often it is paid, unit; of every lam
EXPECTED = [
    ("CA", "", "published", PERCENT),
    ("RA", "", "published", PERCENT),
    ("active parameters", "", "derived", COUNT),
    ("normalised active parameters", "", "derived", RATIO),
    ("normalised active parameters", "", "published", RATIO),
    ("stored parameters", "", "derived", COUNT),
    ("normalised stored parameters", "", "derived", RATIO),
    ("MACs", "an inference", "derived", COUNT),
    ("MAC overhead", "an inference", "derived", COUNT),
    ("MAC overhead", "a switch", "derived", COUNT),
    ("MAC overhead", "both", "derived", COUNT),
    ("MAC overhead", "", "published", COUNT),
    ("ADD overhead", "an inference", "derived", COUNT),
    ("ADD overhead", "", "published", COUNT),
    ("ADDs on noisy weights", "an inference", "derived", COUNT),
    ("all actions of a lam switch", "a switch", "derived", COUNT),
]


def rows_at(table: Table2, lam: float) -> list[tuple[str, str, str, str]]:
    return [(r.metric, r.paid, r.kind, r.unit) for r in table.rows if r.lam == lam]


@pytest.mark.parametrize("lam", [0.0, 1.0])
def test_each_lam_has_every_row_with_its_kind_unit_and_price(lam: float) -> None:
    rows = rows_at(build_small_table(), lam)
    assert rows[: len(EXPECTED)] == EXPECTED
    frozen = [("ADD overhead, noise frozen", "a switch", "derived", COUNT)]
    assert rows[len(EXPECTED) :] == (frozen if lam else [])


def test_without_published_numbers_every_row_is_ours() -> None:
    table = build_small_table(published=False)
    assert {row.kind for row in table.rows} == {"derived"}
    assert all(row.notes == () for row in table.rows)
    assert table.notes == {}
    assert not any(row.metric.startswith("OAT's") for row in table.rows)


def test_published_rows_repeat_the_file_to_the_digit() -> None:
    folder = find_shipped_folder("published", "reports/published", "sources.toml")
    with (folder / "smart2023_table2.csv").open(newline="") as stream:
        cells = list(csv.DictReader(stream))
    assert len(cells) == 40  # 5 metrics, 2 lam, 4 methods
    table = build_small_table()
    metrics = {"normalised parameters": "normalised active parameters"}
    for cell in cells:
        metric = metrics.get(cell["metric"], cell["metric"])
        row = table.find(metric, float(cell["lam"]), "published")
        assert row.values[cell["method"]] == float(cell["value"])
        assert row.unit == cell["unit"]
        assert row.source == "Kundu et al. 2023, arXiv 2302.03523, Table 2"


def test_derived_rows_are_the_counts_of_the_graphs() -> None:
    table = build_small_table()
    for trace in trace_small():
        graph = trace.paths[1.0]
        counts = count_actions(graph, "paper")
        both = [graph, trace.paths[0.0]]
        found = {row.metric: row.values.get(trace.label) for row in derived(table, 1.0)}
        assert found["MACs"] == counts.total("mac", stages=("noise", "input"))
        assert found["stored parameters"] == count_parameters(both, "paper").stored
        assert found["active parameters"] == count_parameters(both, "paper").active
        assert found["ADD overhead"] == counts.total("add", conditional=True)
        assert found["all actions of a lam switch"] == counts.total(stages=("switch",))


def derived(table: Table2, lam: float) -> list[Row]:
    return [row for row in table.rows if row.lam == lam and row.kind == "derived"]


def test_the_parts_of_the_mac_overhead_add_up() -> None:
    for lam in (0.0, 1.0):
        parts = {
            r.paid: r.values
            for r in derived(build_small_table(), lam)
            if r.metric == "MAC overhead"
        }
        for label in LABELS:
            whole = (parts["an inference"][label] or 0) + (parts["a switch"][label] or 0)
            assert whole == parts["both"][label]


def test_frozen_noise_is_added_once_a_switch_to_the_noisy_weights() -> None:
    table = build_small_table()
    frozen = table.find("ADD overhead, noise frozen", 1.0).values
    noisy = table.find("ADDs on noisy weights", 1.0).values
    assert frozen == {label: noisy[label] for label in ("FLOAT", "SMART")}


def test_ratios_are_taken_of_the_plain_network() -> None:
    table = build_small_table()
    active = table.find("active parameters", 0.0).values
    ratios = table.find("normalised active parameters", 0.0).values
    assert ratios["PGD-AT"] == 1
    assert ratios["OAT"] == (active["OAT"] or 0) / (active["PGD-AT"] or 1)


def test_without_the_plain_network_the_first_column_is_the_unit() -> None:
    table = build_table2(trace_small()[2:], setting="two", convention=get_convention("exact"))
    assert table.find("normalised active parameters", 0.0).values["FLOAT"] == 1


def test_every_difference_to_the_paper_has_a_note_and_every_note_a_row() -> None:
    table = build_small_table()
    used = {note for row in table.rows for note in row.notes}
    assert used == set(table.notes)
    for metric, lam in (("MAC overhead", 1.0), ("ADD overhead", 1.0)):
        assert any(row.notes for row in table.rows if (row.metric, row.lam) == (metric, lam))
    assert all(sentence.endswith(".") for sentence in table.notes.values())


def test_a_path_that_only_one_method_has_leaves_the_others_out() -> None:
    first, second, *_ = trace_small()
    half = dataclasses.replace(first, paths={0.0: first.paths[0.0]})
    table = build_table2([half, second], setting="", convention=CONVENTIONS["exact"])
    assert set(table.find("MACs", 1.0).values) == {"OAT"}
    assert set(table.find("MACs", 0.0).values) == {"PGD-AT", "OAT"}


def test_two_columns_of_one_label_are_refused() -> None:
    first, second, *_ = trace_small()
    twin = MethodTraces(label="PGD-AT", paths=second.paths)
    with pytest.raises(ConfigurationError, match="two columns are called 'PGD-AT'"):
        build_table2([first, twin], setting="", convention=CONVENTIONS["exact"])


def test_what_is_not_in_the_table_cannot_be_found() -> None:
    with pytest.raises(LookupError, match="no measured row 'CA'"):
        build_small_table().find("CA", 0.0, "measured")


# Measured accuracies


def write_results(path: Path, **changes: Any) -> Path:
    """A small valid result file, with some fields changed; None takes a field away."""
    rows = [
        {"lam": 0.0, "attack": "clean", "accuracy": 91.0, "images": 100},
        {"lam": 0.0, "attack": "PGD-7", "accuracy": 40.0, "images": 100},
        {"lam": 0.0, "attack": "PGD-50", "accuracy": 36.0, "images": 100},
        {"lam": 0.3, "attack": "clean", "accuracy": 88.0, "images": 100},
    ]
    data = {
        "format": "smartsim-accuracies",
        "method": "SMART",
        "setting": "resnet8, 2 epochs",
        "results": rows,
        **changes,
    }
    path.write_text(json.dumps({key: value for key, value in data.items() if value is not None}))
    return path


def measured_table(measured: tuple[Measured, ...]) -> Table2:
    table = build_table2(trace_small(), setting="", convention=CONVENTIONS["exact"])
    return add_measured_rows(table, measured)


def test_measured_accuracies_are_the_worst_over_the_attacks(tmp_path: Path) -> None:
    measured = load_measured([write_results(tmp_path / "a.json")])
    table = measured_table(measured)
    assert table.find("CA", 0.0, "measured").values == {"SMART": 91.0}
    worst = table.find("RA", 0.0, "measured")
    assert worst.values == {"SMART": 36.0}
    # sqrt(0.36 * 0.64 / 100) = 4.8 %
    assert worst.source == ("Measured on resnet8, 2 epochs: SMART 36.0 ± 4.8 (PGD-50, n = 100).")
    assert [table.notes[key] for key in worst.notes] == [worst.source]
    assert worst.unit == PERCENT


def test_the_papers_protocol_is_pgd7_alone(tmp_path: Path) -> None:
    rows = [
        {"lam": 0.0, "attack": "pgd7", "accuracy": 40.0, "images": 100, "standard_error": 3.5},
        {"lam": 0.0, "attack": "eot", "accuracy": 36.0, "images": 100},
    ]
    measured = load_measured([write_results(tmp_path / "a.json", results=rows)])
    table = build_table2(trace_small(), setting="", convention=CONVENTIONS["exact"])
    paper = add_measured_rows(table, measured, "paper").find("RA", 0.0, "measured")
    assert paper.values == {"SMART": 40.0}
    # The evaluator's own standard error, where it is given.
    assert paper.source.endswith("SMART 40.0 ± 3.5 (pgd7, n = 100).")
    with pytest.raises(ConfigurationError, match="'papre'; did you mean 'paper'"):
        check_protocol("papre")


def test_variants_of_a_column_are_left_out(tmp_path: Path) -> None:
    files = [
        write_results(tmp_path / "a.json"),
        write_results(tmp_path / "b.json", method="SMART [SSSS] overlap 0"),
    ]
    table = measured_table(load_measured(files))
    assert table.find("CA", 0.0, "measured").values == {"SMART": 91.0}


def test_measured_rows_follow_the_papers(tmp_path: Path) -> None:
    table = build_small_table()
    whole = add_measured_rows(table, load_measured([write_results(tmp_path / "a.json")]))
    kinds = [(row.metric, row.kind) for row in whole.rows if row.lam == 0][:5]
    assert kinds[:4] == [
        ("CA", "published"), ("RA", "published"), ("CA", "measured"), ("RA", "measured"),
    ]  # fmt: skip
    assert [row for row in whole.rows if row.kind != "measured"] == list(table.rows)


def test_accuracies_of_a_lam_that_the_table_has_not_are_left_out(tmp_path: Path) -> None:
    table = measured_table(load_measured([write_results(tmp_path / "a.json")]))
    assert {row.lam for row in table.rows if row.kind == "measured"} == {0.0}


def test_accuracies_of_two_settings_never_share_a_row(tmp_path: Path) -> None:
    files = [
        write_results(tmp_path / "a.json"),
        write_results(tmp_path / "b.json", method="FLOAT", setting="other"),
        write_results(tmp_path / "c.json", method="OAT"),
    ]
    table = measured_table(load_measured(files))
    rows = [r for r in table.rows if (r.metric, r.kind) == ("CA", "measured")]
    assert [set(row.values) for row in rows] == [{"SMART", "OAT"}, {"FLOAT"}]


def test_accuracies_of_another_network_stand_apart_under_its_name(tmp_path: Path) -> None:
    setting = "resnet10 of width 0.25, 6 epochs"
    path = write_results(tmp_path / "a.json", setting=setting)
    table = add_measured_rows(build_small_table(), load_measured([path]))
    assert table.networks == ("", setting)
    apart = [row for row in table.rows if row.network]
    assert [(row.metric, row.kind, row.network) for row in apart] == [
        ("CA", "measured", setting), ("RA", "measured", setting),
    ]  # fmt: skip
    assert list(table.rows[-2:]) == apart
    text = render_terminal(table)
    assert text.index("over both paths") < text.index(f"Measured on another network: {setting}")
    markdown = render_markdown(table)
    before, after = markdown.split(f"## Measured on another network: {setting}")
    assert "measured  |" not in before
    assert "parameters" not in after.split("\n\n")[1]
    assert f"Measured on another network: {setting}" in render_latex(table)
    assert render_latex(table).count(r"\toprule") == 2


def test_a_small_model_beside_a_large_one_is_never_normalised_to_0() -> None:
    table = build_small_table()
    tiny = dataclasses.replace(
        table.find("normalised active parameters", 1.0), values={"SMART": 640 / 21_282_122}
    )
    text = render_terminal(dataclasses.replace(table, rows=(tiny,)))
    assert "3.01e-05" in text


def test_accuracies_of_an_unknown_method_are_refused(tmp_path: Path) -> None:
    measured = load_measured([write_results(tmp_path / "a.json", method="MART")])
    with pytest.raises(ConfigurationError, match="of 'MART' belong to no column of this table"):
        measured_table(measured)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"format": "smartsim-graph"}, "is no result file of the evaluator"),
        ({"format": None}, r"its format is None, expected 'smartsim-accuracies'"),
        ({"method": None}, "no field 'method'"),
        ({"results": None}, "no field 'results'"),
        ({"results": 3}, "damaged result file"),
        ({"results": ["a"]}, "damaged result file"),
        ({"results": [{"lam": 0}]}, "no field 'accuracy'"),
        (
            {"results": [{"lam": 0, "attack": "clean", "accuracy": 101, "images": 1}]},
            r"accuracy of results\.0 cannot be 101; it must be less than or equal to 100",
        ),
        (
            {"results": [{"lam": 0, "attack": "clean", "accuracy": 50, "images": 0}]},
            r"images of results\.0 cannot be 0",
        ),
        (
            {"results": [{"lam": 1.5, "attack": "clean", "accuracy": 50, "images": 1}]},
            r"lam of results\.0 cannot be 1\.5",
        ),
        (
            {"results": [{"lam": float("nan"), "attack": "a", "accuracy": 50, "images": 1}]},
            "is damaged JSON",
        ),
        (
            {"results": [{"lam": 0, "attack": "a", "accuracy": float("nan"), "images": 1}]},
            "is damaged JSON",
        ),
    ],
)
def test_a_broken_result_file_is_named(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    path = write_results(tmp_path / "broken.json", **changes)
    with pytest.raises(FileFormatError, match=reason) as caught:
        load_measured([path])
    assert str(caught.value).startswith(str(path))


# Published tables and provenance


def test_published_tables_have_a_source_and_numbers() -> None:
    for name in ("smart2023_table1", "smart2023_table2"):
        table = load_published(name)
        assert {"authors", "title", "year", "arxiv", "locator", "setting"} <= table.source.keys()
        for row in table.rows:
            assert float(row["value"]) >= 0
    assert load_published("smart2023_table2").find(metric="CA", lam="2") is None
    with pytest.raises(FileFormatError, match="no published table of this name"):
        load_published("smart2024_table2")


def test_provenance_says_command_versions_and_commit() -> None:
    facts = collect_provenance(["smartsim", "report", "table2", "--add", "a b:c"])
    assert facts["command"] == "smartsim report table2 --add 'a b:c'"
    assert {"python", "smartsim", "torch", "numpy"} <= facts.keys()
    assert facts["torch"].startswith("2.")


def test_outside_of_a_checkout_no_commit_is_claimed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # an installed package may lie in somebody else's repository
    from smartsim.report.style import provenance

    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "smartsim" / "report" / "x.py"))
    assert "commit" not in collect_provenance(["smartsim"])
