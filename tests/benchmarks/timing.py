"""How benchmarks take a time."""

import time
from collections.abc import Callable

__all__ = ["best_seconds"]


def best_seconds(
    run: Callable[[], object], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> float:
    """The fastest of a few runs."""
    times = []
    for _ in range(repeats):
        start = clock()
        run()
        times.append(clock() - start)
    return min(times)
