"""What a trace shares with the rest of the process: settings, generators, threads, other traces."""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from numpy.random import get_bit_generator, set_bit_generator  # type: ignore[attr-defined]
from torch import Tensor, nn

from smartsim.graph import Graph
from smartsim.models import build_model
from smartsim.trace import trace_model
from smartsim.trace.record.generators import keep_generators_unchanged
from tests.unit.trace.helpers import trace_function

_FILL = "fill_uninitialized_memory"


def _global_state() -> dict[str, Any]:
    cudnn = torch.backends.cudnn
    return {
        "dtype": torch.get_default_dtype(),
        "device": torch.get_default_device(),
        "made on": torch.empty(1).device,
        "determinism": torch.get_deterministic_debug_mode(),
        "fill": getattr(torch.utils.deterministic, _FILL),
        "cudnn": (cudnn.enabled, cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32),
        "attention": torch._C._get_flash_sdp_enabled(),
        "precision": torch.get_float32_matmul_precision(),
        "autocast": (torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")),
        "gradients": (torch.is_grad_enabled(), torch.is_anomaly_enabled()),
        "threads": torch.get_num_threads(),
        "torch": torch.get_rng_state().tolist(),
        "numpy": str(np.random.get_state()),
        "python": random.getstate(),
    }


def _set_everything(_: Any, x: Tensor) -> Tensor:
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    torch.use_deterministic_algorithms(True, warn_only=True)
    setattr(torch.utils.deterministic, _FILL, False)
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.enable_flash_sdp(False)
    torch.set_float32_matmul_precision("high")
    torch.set_autocast_enabled("cpu", True)
    torch.set_autocast_dtype("cpu", torch.float16)
    torch.set_grad_enabled(True)
    torch.set_anomaly_enabled(True)
    torch.set_num_threads(3)
    torch.manual_seed(5)
    np.random.seed(5)
    np.random.rand(3)
    random.seed(5)
    return x * random.random()


@pytest.mark.parametrize("device", [None, "meta", "cpu"])
def test_what_a_forward_sets_for_the_whole_process_is_put_back(device: str | None) -> None:
    with torch.device(device) if device else torch.no_grad():
        before = _global_state()
        trace_function(_set_everything)
        assert _global_state() == before
    assert torch.empty(1).device.type == "cpu"


def test_a_default_device_set_for_good_is_put_back() -> None:
    torch.set_default_device("meta")
    try:
        trace_function(_set_everything)
        assert torch.empty(1).device.type == "meta"
    finally:
        torch.set_default_device(None)
    assert torch.empty(1).device.type == "cpu"


# Threads


@contextmanager
def _another_thread(work: Callable[[], None]) -> Iterator[None]:
    """Do `work` again and again in a thread of its own."""
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            work()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_the_draws_of_another_thread_are_never_repeated() -> None:
    torch_draws: list[int] = []
    other_draws: list[tuple[int, int]] = []

    def draw() -> None:
        torch_draws.append(int(torch.randint(2**62, ())))
        other_draws.append((np.random.randint(2**31), random.getrandbits(62)))

    model = build_model("float", "resnet8")
    with _another_thread(draw):
        for _ in range(5):
            trace_model(model, (1, 3, 32, 32), condition={"lam": 1.0})
    assert len(set(torch_draws)) == len(torch_draws) > 0
    assert len({second for _, second in other_draws}) == len(other_draws)


_SEEDS: tuple[Callable[[int], object], ...] = (torch.manual_seed, np.random.seed, random.seed)
_DRAWS: tuple[Callable[[], object], ...] = (lambda: torch.rand(1000), np.random.rand, random.random)
_READS: tuple[Callable[[], Any], ...] = (
    lambda: torch.get_rng_state().tolist(),
    lambda: str(np.random.get_state()),
    random.getstate,
)


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("draws", [0, 1, 700])
def test_while_threads_live_a_seed_is_put_back_and_draws_are_not(
    place: int, seed: int, draws: int
) -> None:
    with _another_thread(lambda: None):
        _SEEDS[place](0)
        _DRAWS[place]()
        before = _READS[place]()
        with keep_generators_unchanged():
            _SEEDS[place](seed)
            for _ in range(3 * seed):
                _DRAWS[place]()
        assert _READS[place]() == before
        with keep_generators_unchanged():
            for _ in range(draws):
                _DRAWS[place]()
            drawn = _READS[place]()
        assert _READS[place]() == drawn


def test_a_generator_that_is_no_twister_is_put_back_while_nobody_else_draws() -> None:
    before = get_bit_generator()
    set_bit_generator(np.random.PCG64(3))
    try:
        expected = np.random.RandomState(np.random.PCG64(3)).rand()
        with keep_generators_unchanged():
            np.random.rand()
        assert np.random.rand() == expected
    finally:
        set_bit_generator(before)


def test_a_model_that_is_traced_in_many_threads_gives_equal_graphs() -> None:
    model = build_model("smart", "resnet8").train()
    graphs: list[Graph] = []

    def trace() -> None:
        for _ in range(3):
            graphs.append(trace_model(model, (1, 3, 32, 32), condition={"lam": 1.0}))

    threads = [threading.Thread(target=trace) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(graphs) == 9
    assert all(graph == graphs[0] for graph in graphs)
    assert all(module.training for module in model.modules())


def test_a_model_that_runs_in_another_thread_is_not_in_the_graph() -> None:
    model = build_model("pgdat", "resnet8")
    alone = trace_model(model, (1, 3, 32, 32), condition={"lam": 1.0})
    other, x = nn.Sequential(nn.Linear(3, 3), nn.ReLU()), torch.ones(2, 3)
    expected = other(x)
    results: list[bool] = []
    with _another_thread(lambda: results.append(torch.equal(other(x), expected))):
        graphs = [trace_model(model, (1, 3, 32, 32), condition={"lam": 1.0}) for _ in range(5)]
    assert all(graph == alone for graph in graphs)
    assert all(results)


# Traces in traces


def test_ops_of_a_nested_trace_are_in_the_graph_of_that_trace_alone() -> None:
    part = nn.LSTM(4, 4, batch_first=True)
    graphs: list[Graph] = []

    def forward(module: Any, x: Tensor) -> Any:
        graphs.append(trace_model(module.part, (1, 2, 4)))
        return module.part(x + 1)[0]

    outer = trace_function(forward, (1, 2, 4), part=part)
    inner = trace_model(part, (1, 2, 4))
    assert graphs == [inner]
    assert len(outer.ops) == len(inner.ops) + 1
    assert {op.module for op in outer.ops} == {"", "part"}


def test_a_counter_around_a_trace_sees_nothing_of_it() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    model = nn.Linear(4, 4)
    alone = trace_model(model, (2, 4))
    with FlopCounterMode(display=False) as counter:
        assert trace_model(model, (2, 4)) == alone
    assert counter.get_total_flops() == 0
