"""What a result was made with: versions, command, commit."""

import platform
import shlex
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
    facts = {"command": shlex.join(command), "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = "not installed"
    commit = _commit()
    return {**facts, "commit": commit} if commit else facts


def _commit() -> str:
    """The checkout's commit, marked when it has changes; empty outside of a checkout."""
    folder = Path(__file__).resolve().parents[3]
    if not (folder / ".git").exists():
        return ""  # installed: a repository further up would be somebody else's
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""
