import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from smartsim.cli import cli
from smartsim.report.accuracy.results import collect_points, load_measured
from smartsim.report.accuracy.tables import render_attacks, render_table1
from smartsim.report.accuracy.utility import load_utilities


def _results(path: Path, method: str, rows: list[tuple[float, str, float]], **more: Any) -> Path:
    results = [
        {"lam": lam, "attack": attack, "accuracy": accuracy, "images": 100}
        for lam, attack, accuracy in rows
    ]
    head = {"format": "smartsim-accuracies", "method": method, "setting": "tiny"}
    path.write_text(json.dumps({**head, "results": results, **more}))
    return path


def _smart(tmp_path: Path) -> Path:
    return _results(
        tmp_path / "smart.json",
        "SMART",
        [
            (0.0, "clean", 90.0),
            (0.0, "fgsm", 40.0),
            (0.0, "pgd7", 20.0),
            (1.0, "clean", 80.0),
            (1.0, "pgd7", 50.0),
            (1.0, "eot", 40.0),
        ],
    )


def test_each_point_carries_the_attack_it_was_measured_with(tmp_path: Path) -> None:
    rows = load_measured([_smart(tmp_path)])
    worst = collect_points(rows, "worst")
    assert [(p.lam, p.clean, p.robust, p.attack) for p in worst] == [
        (0.0, 90.0, 20.0, "pgd7"),
        (1.0, 80.0, 40.0, "eot"),
    ]
    # sqrt(0.4 * 0.6 / 100) = 4.9 %
    assert worst[1].robust_error == pytest.approx(4.899, abs=1e-3)
    assert [p.robust for p in collect_points(rows, "pgd7")] == [20.0, 50.0]
    assert [p.lam for p in collect_points(rows, "fgsm")] == [0.0]


def test_table1_keeps_published_and_measured_numbers_apart(tmp_path: Path) -> None:
    text = render_table1(load_measured([_smart(tmp_path)]))
    assert "| [DDSS] overlap 0.25 | published | 95.26 | 19.26 | 89.04 | 57.84 | PGD-7 |" in text
    ours = [line for line in text.splitlines() if line.startswith("| SMART | measured")]
    assert [line.split("measured | ")[1] for line in ours] == [
        "90.00 | 20.00 ± 4.00 | 80.00 | 50.00 ± 5.00 | pgd7 (n=100) |",
        "90.00 | 20.00 ± 4.00 | 80.00 | 40.00 ± 4.90 | pgd7 (n=100), eot (n=100) |",
    ]


def test_fixing_the_noise_is_no_attack(tmp_path: Path) -> None:
    rows = [(1.0, "clean", 80.0), (1.0, "clean-known", 30.0), (1.0, "pgd7", 50.0)]
    points = collect_points(load_measured([_results(tmp_path / "a.json", "SMART", rows)]), "worst")
    assert [(point.clean, point.robust) for point in points] == [(80.0, 50.0)]


def test_each_attack_stands_beside_what_the_ones_before_left(tmp_path: Path) -> None:
    row = {"lam": 1.0, "images": 50, "standard_error": 2.0}
    rows = [
        {**row, "attack": "pgd7", "accuracy": 40.0, "before": None},
        {**row, "attack": "eot", "accuracy": 31.0, "before": 38.0},
    ]
    path = _results(tmp_path / "a.json", "SMART", [], results=rows)
    text = render_attacks(load_measured([path])).splitlines()
    assert text[2] == "| model | λ | pgd7 | eot |"
    assert text[4] == "| SMART | 1 | 40.0 ± 2.0 | 38.0 → 31.0 ± 2.0 |"


def test_variants_get_a_picture_of_their_own(tmp_path: Path) -> None:
    rows = [(0.0, "clean", 90.0), (0.0, "pgd7", 40.0)]
    labels = ("SMART", "SMART overlap 0", "OAT")
    files = [str(_results(tmp_path / f"{n}.json", label, rows)) for n, label in enumerate(labels)]
    out = tmp_path / "out"
    result = CliRunner().invoke(cli, ["report", "figures", *files, "--output", str(out)])
    assert result.exit_code == 0, result.output

    def drawn(name: str) -> list[str]:
        return [line.split(",")[0] for line in (out / name).read_text().splitlines()[1:]]

    assert drawn("figure4.csv") == ["OAT", "SMART"]
    assert drawn("variants_smart.csv") == ["SMART", "SMART overlap 0"]
    assert not (out / "variants_oat.csv").exists()


def test_figures_are_written_from_result_files(tmp_path: Path) -> None:
    sparse = _results(
        tmp_path / "sparse.json",
        "sparse learning density 0.1",
        [(0.5, "clean", 70.0)],
        layers=[{"name": "conv1", "weights": 10, "nonzeros": 4}],
    )
    assert load_utilities([sparse]) == {"sparse learning density 0.1": {"conv1": 0.4}}
    out = tmp_path / "out"
    files = [str(_smart(tmp_path)), str(sparse)]
    result = CliRunner().invoke(cli, ["report", "figures", *files, "--output", str(out)])
    assert result.exit_code == 0, result.output
    names = {path.name for path in out.iterdir()}
    assert {"figure2.svg", "figure4.png", "figure4.csv", "figure5.svg", "table1.md"} <= names
    assert (out / "figure2.csv").read_text().splitlines()[1:] == [
        "sparse learning density 0.1,conv1,0.4"
    ]
    # EOT was run at lam = 1 alone: in a picture it would make lam = 1 look worse than it is.
    assert (out / "worst_case.csv").read_text().splitlines()[1:] == [
        "SMART,0.0,90.0,20.0,4.0,pgd7,100,3.0",
        "SMART,1.0,80.0,50.0,5.0,pgd7,100,4.0",
    ]


def test_results_that_are_not_enough_get_one_sentence(tmp_path: Path) -> None:
    path = _results(tmp_path / "a.json", "SMART", [(0.0, "clean", 90.0)])
    out = str(tmp_path / "out")
    result = CliRunner().invoke(cli, ["report", "figures", str(path), "--output", out])
    assert result.exit_code == 2
    assert "have no clean accuracy beside an attack's" in result.output
