"""Where the chunks of a sweep run: this process, processes, a Slurm cluster, a Dask cluster.

submitit and Dask are optional (`pip install -e .[cluster]` in a checkout); nothing else of the
package needs them.
"""

import importlib
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from smartsim.errors import ConfigurationError

__all__ = ["open_executor"]

_LOG_FOLDER = Path("sweep_logs")


@contextmanager
def open_executor(kind: str, workers: int, cluster: str | None = None) -> Iterator[Executor | None]:
    """An executor for a sweep, closed at the end.

    Args:
        kind: "processes", "submitit" or "dask".
        workers: Processes, or jobs at a time; one process needs no executor.
        cluster: submitit's cluster ("slurm", "local", or found out), or the address of a running
            Dask scheduler (None starts one here).

    Yields:
        Something with the interface of `concurrent.futures.Executor`; None for this process.

    Raises:
        ConfigurationError: If the kind is unknown or its package is not installed.
    """
    match kind:
        case "processes" if workers == 1:
            yield None
        case "processes":
            with ProcessPoolExecutor(workers) as pool:
                yield pool
        case "submitit":
            submitit = _import("submitit", kind)
            jobs = submitit.AutoExecutor(folder=_LOG_FOLDER, cluster=cluster)
            jobs.update_parameters(timeout_min=240, cpus_per_task=1)
            if jobs.cluster == "slurm":
                jobs.update_parameters(slurm_array_parallelism=workers)
            yield cast(Executor, jobs)
        case "dask":
            distributed = _import("distributed", kind)
            settings: dict[str, Any] = {"address": cluster}
            if cluster is None:
                settings = {
                    "n_workers": workers,
                    "threads_per_worker": 1,
                    "dashboard_address": None,
                }
            with distributed.Client(**settings) as client, client.get_executor() as pool:
                yield pool
        case _:
            raise ConfigurationError(
                f"unknown executor {kind!r}; possible: processes, submitit, dask"
            )


def _import(name: str, kind: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigurationError(
            f"executor {kind} needs the package {name}, which is not installed; "
            "install the project's extra `cluster`"
        ) from error
