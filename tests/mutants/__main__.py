"""Run the tests against mutants of the package: `make mutants`, or `python -m tests.mutants`.

Each mutant is one change of one line in a copy of the package, and the tests of its room are run
until one fails. Survivors are printed and written; `known.toml` says which of them change nothing
that can be observed, and why. A run can be stopped and goes on from its output.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from tests.mutants.mutate import Mutant, list_mutants

ROOT = Path(__file__).resolve().parents[2]
_COUNTED = (
    "tests/oracle/test_op_tables.py tests/unit/trace tests/unit/counts "
    "tests/oracle/test_scalar_oracle.py tests/property/test_counts_against_oracle.py "
    "tests/property/test_masks.py tests/property/test_count_laws.py tests/golden/test_peers.py "
    "tests/golden/test_smart_paper.py"
)
_SIMULATED = (
    "tests/unit/simulate tests/oracle/test_systolic_array.py tests/oracle/test_tiled_memory.py "
    "tests/oracle/test_sweep_designs.py tests/property/test_simulate_laws.py "
    "tests/golden/test_scalesim.py tests/golden/test_simulate_golden.py"
)
_PRICED = (
    "tests/unit/cost tests/oracle/test_energy_peers.py tests/oracle/test_csd_terms.py "
    "tests/property/test_energy_laws.py tests/golden/test_energy_golden.py"
)
_ATTACKED = (
    "tests/unit/train/test_attacks.py tests/oracle/test_attack_peers.py "
    "tests/unit/train/test_folded.py tests/property/test_attack_laws.py"
)
ROOMS = {
    "trace": _COUNTED,
    "counts": _COUNTED,
    "simulate": _SIMULATED,
    "cost": _PRICED,
    "train/attack": _ATTACKED,
}
"""A room of the package -> the tests that are to notice its faults, the likeliest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One mutant and where it is.

    Attributes:
        room: Key of `ROOMS`.
        path: The module, from the root.
        mutant: The change.
    """

    room: str
    path: str
    mutant: Mutant

    @property
    def key(self) -> str:
        """What it is called in files; it stays when other lines move."""
        return f"{self.path}: {self.mutant.before} -> {self.mutant.after}"


def list_cases(rooms: list[str]) -> list[Case]:
    """Every mutant of the rooms."""
    cases = []
    for room in rooms:
        for path in sorted((ROOT / "smartsim" / room).rglob("*.py")):
            name = str(path.relative_to(ROOT))
            made = list_mutants(path.read_text())
            cases += [Case(room=room, path=name, mutant=mutant) for mutant in made]
    return cases


def copy_package(folder: Path) -> Path:
    """A root of its own, whose package can be changed."""
    copied = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "smartsim", folder / "smartsim", ignore=copied)
    for name in ("tests", "pyproject.toml", "cost_models", "reports", "README.md", "docs"):
        (folder / name).symlink_to(ROOT / name)
    return folder


def run_tests(root: Path, tests: str, seconds: float) -> str:
    """ "killed", "survived", or "slow" where they do not end, as a loop without an end does."""
    present = [test for test in tests.split() if (ROOT / test).exists()]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *present]
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return "slow"
    return "survived" if done.returncode == 0 else "killed"


def main() -> None:
    """Draw mutants, try each, and say which no test has noticed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--rooms", default=",".join(ROOMS), help="such as trace,counts")
    parser.add_argument("--files", default="", help="only modules whose path holds this")
    parser.add_argument("--number", type=int, default=100, help="how many to draw; 0 is all")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seconds", type=float, default=600, help="limit of one mutant")
    parser.add_argument("--output", type=Path, default=Path("runs/mutants.json"))
    options = parser.parse_args()
    cases = [c for c in list_cases(options.rooms.split(",")) if options.files in c.path]
    total = len(cases)
    if options.number and options.number < total:
        cases = random.Random(options.seed).sample(cases, options.number)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    verdicts: dict[str, str] = {}
    if options.output.exists():
        verdicts = json.loads(options.output.read_text())
    left = [case for case in cases if case.key not in verdicts]
    print(f"{len(cases)} of {total} mutants, {len(left)} to be tried", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        roots: SimpleQueue[Path] = SimpleQueue()
        for worker in range(options.workers):
            roots.put(copy_package(Path(folder) / str(worker)))

        def judge(case: Case) -> None:
            root, began = roots.get(), time.monotonic()
            target = root / case.path
            target.write_text(case.mutant.source)
            verdict = run_tests(root, ROOMS[case.room], options.seconds)
            target.write_text((ROOT / case.path).read_text())
            roots.put(root)
            verdicts[case.key] = verdict
            options.output.write_text(json.dumps(verdicts, indent=1) + "\n")
            took = time.monotonic() - began
            print(
                f"{verdict:9} {took:5.0f} s  {case.path}:{case.mutant.line}  "
                f"{case.mutant.before!r} -> {case.mutant.after!r}",
                flush=True,
            )

        with ThreadPoolExecutor(options.workers) as pool:
            list(pool.map(judge, left))
    known = tomllib.loads((Path(__file__).parent / "known.toml").read_text())["known"]
    survivors = [case for case in cases if verdicts[case.key] == "survived"]
    news = [case for case in survivors if case.key not in known]
    print(f"{len(cases)} tried, {len(survivors)} survived, {len(news)} of them unexplained")
    for case in news:
        print(f"  {case.path}:{case.mutant.line}  {case.mutant.before!r} -> {case.mutant.after!r}")
    raise SystemExit(1 if news else 0)


if __name__ == "__main__":
    main()
