"""What a result was made with: versions, command, commit."""

import platform
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["collect_provenance"]

_PACKAGES = ("smartsim", "torch", "numpy")


def collect_provenance(command: Sequence[str]) -> Mapping[str, str]:
    """Versions, commit and command, for storing beside a result.

    Args:
        command: The command line, without the interpreter.
    """
    facts = {"command": " ".join(command), "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = "not installed"
    commit = _commit()
    return {**facts, "commit": commit} if commit else facts


def _commit() -> str:
    """The checkout's commit, marked when it has changes; empty outside of a checkout."""
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=Path(__file__).resolve().parent,
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""
