"""Tasks in processes of one thread each, side by side: begun, watched, and asked to save in time.

Knows of a task only its name and its command.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from smartsim.train.experiments.tasks import Task

__all__ = ["run_tasks"]


def run_tasks(
    find: Callable[[], Sequence[Task]],
    logs: Path,
    *,
    jobs: int,
    until: float,
    tell: Callable[[str], None] = lambda line: None,
) -> list[str]:
    """Run processes side by side until there is nothing left to do.

    Args:
        find: What there is to do; asked whenever there is room for a process.
        logs: Folder of the processes' words.
        jobs: How many processes at a time.
        until: When to stop, by the monotonic clock: all are then asked to save.
        tell: Told what begins and ends.

    Returns:
        The names of those that failed, which are not tried again.
    """
    running, failed = dict[Task, subprocess.Popen[bytes]](), list[str]()
    asked = False
    try:
        while True:
            busy = {task.name for task in running} | set(failed)
            idle = [] if asked else [task for task in find() if task.name not in busy]
            for task in idle[: jobs - len(running)]:
                tell(f"begins: {task.name}")
                running[task] = _start(task, logs)
            if not running:
                return failed
            while all(process.poll() is None for process in running.values()):
                if time.monotonic() >= until and not asked:
                    asked = True
                    _interrupt(running)
                time.sleep(0.1)
            for task, process in list(running.items()):
                if process.poll() is not None:
                    del running[task]
                    bad = bool(process.returncode) and not asked
                    tell(f"{'failed' if bad else 'ended'}: {task.name}")
                    failed += [task.name] if bad else []
            asked = asked or time.monotonic() >= until
    finally:
        if not asked:
            _interrupt(running)
        for process in running.values():
            process.wait()


def _start(task: Task, logs: Path) -> "subprocess.Popen[bytes]":
    """A process of one thread, in a session of its own: Ctrl-C reaches it through us, once."""
    with (logs / f"{task.name.replace(': ', '-')}.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "smartsim", *task.command],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )


def _interrupt(running: Mapping[Task, "subprocess.Popen[bytes]"]) -> None:
    """Trainings save on this; evaluations keep the lam that are finished."""
    for process in running.values():
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
