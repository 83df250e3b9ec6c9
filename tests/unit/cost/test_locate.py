"""The shipped tables are found from a checkout, an editable install and a wheel."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from smartsim.cost import cost_models_folder
from smartsim.errors import ConfigurationError

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = (
    "import smartsim, smartsim.cost as c; print(smartsim.__file__); print(c.cost_models_folder());"
    "print(c.load_table('horowitz2014_45nm').points('mul', 'int')[8].energy_pj)"
)


def run(path: Path, cwd: Path, *flags: str) -> list[str]:
    """Lines printed by a fresh interpreter whose import path starts with `path`."""
    start = f"import sys; sys.path.insert(0, {str(path)!r}); {PROGRAM}"
    done = subprocess.run(
        [sys.executable, *flags, "-c", start], cwd=cwd, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def test_a_checkout_finds_the_folder_beside_the_package(tmp_path: Path) -> None:
    package, folder, energy = run(ROOT, tmp_path)
    assert Path(package).parent == ROOT / "smartsim"
    assert Path(folder) == ROOT / "cost_models"
    assert energy == "0.2"


def test_an_editable_install_finds_the_folder_beside_the_package(tmp_path: Path) -> None:
    """An editable install is a .pth file that names the checkout, and nothing more."""
    (tmp_path / "smartsim.pth").write_text(f"{ROOT}\n")
    start = f"import site; site.addsitedir({str(tmp_path)!r}); {PROGRAM}"
    done = subprocess.run(
        [sys.executable, "-c", start], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert Path(done.stdout.splitlines()[1]) == ROOT / "cost_models"


def test_a_wheel_carries_the_folder_inside_the_package(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    unpacked = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(unpacked)
    package, folder, energy = run(unpacked, tmp_path)
    assert Path(package).parent == unpacked / "smartsim"
    assert (unpacked / "smartsim" / "report" / "style" / "smartsim.mplstyle").is_file()
    assert Path(folder) == unpacked / "smartsim" / "cost_models"
    assert energy == "0.2"


def test_a_package_without_its_tables_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"neither in .*cost_models nor in"):
        cost_models_folder(tmp_path / "smartsim")
