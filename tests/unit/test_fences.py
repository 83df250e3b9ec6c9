"""The fences between the rooms, as import-linter checks them, and that they can turn red."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

LINT = (
    "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
)


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter with the settings and the package in `folder`."""
    return subprocess.run(
        [sys.executable, "-c", LINT],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_every_import_keeps_to_the_rooms() -> None:
    answer = lint(ROOT)
    assert answer.returncode == 0, answer.stdout
    assert " 0 broken." in answer.stdout


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("counts/rules/registry.py", "import torch"),
        ("graph/records.py", "import smartsim.counts"),
        ("trace/record/tape.py", "import pandas"),
        ("models/masks.py", "import smartsim.trace"),
        ("cost/formats/numbers.py", "import smartsim.cost.energy.energy"),
        ("trace/record/tape.py", "import smartsim.trace.semantics.table"),
        ("report/style/text.py", "import smartsim.report.energy"),
        ("report/energy/marks.py", "import smartsim.report.table2"),
        ("simulate/machine/area.py", "import smartsim.simulate.explore.grids"),
    ],
)
def test_an_import_over_a_fence_is_found(tmp_path: Path, place: str, line: str) -> None:
    # a copy of the package as links, but for the one file
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    for source in sorted((ROOT / "smartsim").rglob("*.py")):
        target = tmp_path / source.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(source)
    broken = tmp_path / "smartsim" / place
    text = broken.read_text()
    broken.unlink()
    broken.write_text(f"{text}\n{line}\n")
    answer = lint(tmp_path)
    assert answer.returncode != 0
    assert "BROKEN" in answer.stdout


def drawn_rooms() -> list[list[str]]:
    """The lines of the drawing in docs/rooms.md, each with its rooms."""
    text = (ROOT / "docs" / "rooms.md").read_text()
    drawing = text.split("```text\n")[1].split("```")[0]
    return [
        [name.strip() for name in re.split(r"\s{2,}|$", line, maxsplit=1)[0].split(",")]
        for line in drawing.splitlines()
    ]


def test_the_drawing_of_the_rooms_is_the_contract_and_the_package() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = contracts["contracts"][0]["layers"]
    held = [[name.strip().removeprefix("smartsim.") for name in at.split("|")] for at in layers]
    assert drawn_rooms() == held
    there = {
        path.stem
        for path in (ROOT / "smartsim").iterdir()
        if (path / "__init__.py").is_file() or path.suffix == ".py"
    }
    assert {room for at in held for room in at} == there - {"__init__"}


def test_the_oldest_versions_that_are_declared_are_those_of_the_lowest_run() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    declared = dict(line.split(">=") for line in settings["project"]["dependencies"])
    lines = (ROOT / "constraints-lowest.txt").read_text().splitlines()
    tried = dict(line.split("==") for line in lines if not line.startswith("#"))
    for name in declared.keys() - {"torch"}:
        oldest = declared[name].split(".")
        assert tried[name].split(".")[: len(oldest)] == oldest, name
