"""What a trace shares with the rest of the process: settings, generators, threads, other traces."""

import random
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from numpy.random import get_bit_generator, set_bit_generator  # type: ignore[attr-defined]
from torch import Tensor, nn

from smartsim.errors import InvalidModelError
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
        "attention of layers": torch.backends.mha.get_fastpath_enabled(),
        "warnings": torch.is_warn_always_enabled(),
        "recursion": sys.getrecursionlimit(),
        "numpy errors": np.geterr(),
        "printed": str(torch.tensor(1 / 3, device="cpu")),
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
    torch.backends.mha.set_fastpath_enabled(False)
    torch.set_warn_always(True)
    set_printed: Any = torch.set_printoptions
    set_printed(precision=2)
    sys.setrecursionlimit(5000)
    np.seterr(all="ignore")
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


# Modes and compilers


def _small() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5)
    )


def _fake_mode() -> Any:
    from torch._subclasses.fake_tensor import FakeTensorMode

    return FakeTensorMode()


@pytest.mark.parametrize(
    "mode",
    [
        lambda: torch.device("meta"),
        lambda: torch.autocast("cpu", dtype=torch.bfloat16),
        torch.inference_mode,
        torch.enable_grad,
        _fake_mode,
    ],
    ids=["default device", "autocast", "inference", "gradients", "fake tensors"],
)
def test_the_modes_of_the_caller_change_nothing(mode: Callable[[], Any]) -> None:
    model = _small()
    usual = trace_model(model, (1, 3, 8, 8))
    with mode():
        assert trace_model(model, (1, 3, 8, 8)) == usual
    with mode():
        assert trace_model(model, torch.empty(1, 3, 8, 8)) == usual


def test_a_model_that_is_built_in_inference_mode_counts_the_same() -> None:
    with torch.inference_mode():
        model = _small()
    assert trace_model(model, (1, 3, 8, 8)) == trace_model(_small(), (1, 3, 8, 8))


_ATTENTION = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Dropout(), (2, 8)),
        (_ATTENTION, (1, 4, 8)),
        (nn.LSTM(8, 4, batch_first=True), (1, 3, 8)),
        (nn.Upsample(scale_factor=2, mode="bilinear"), (1, 2, 4, 4)),
    ],
)
def test_inference_mode_in_a_forward_adds_no_op(layer: nn.Module, shape: tuple[int, ...]) -> None:
    def forward(m: Any, x: Tensor) -> Any:
        return m.part(x)

    @torch.inference_mode()
    def infer(m: Any, x: Tensor) -> Any:
        return m.part(x)

    assert trace_function(infer, shape, part=layer) == trace_function(forward, shape, part=layer)


def test_autocast_in_a_forward_is_noted_and_not_followed() -> None:
    def forward(m: Any, x: Tensor) -> Any:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            x = m.part(x)
        with torch.autocast("cpu", enabled=False):
            return x + 1

    graph = trace_function(forward, (1, 3, 8, 8), part=_small())
    assert {tensor.dtype for tensor in graph.tensors} == {"float32"}
    assert [note.partition(" (")[0].rpartition(":")[0] for note in graph.notes] == [
        "autocast at test_surroundings.py"
    ]


def test_a_fake_model_is_refused_in_one_sentence() -> None:
    with _fake_mode() as mode:
        model = _small()
    for outer in (mode, torch.no_grad()):
        with outer, pytest.raises(InvalidModelError, match=r"'0\.weight' is a FakeTensor"):
            trace_model(model, (1, 3, 8, 8))


def test_a_compiled_model_is_traced_as_it_was_written_and_gains_nothing() -> None:
    model = _small()
    compiled: Any = torch.compile(model, backend="eager")
    before = set(vars(compiled)), set(vars(model))
    graph = trace_model(compiled, (1, 3, 8, 8))
    assert (set(vars(compiled)), set(vars(model))) == before
    assert model.training
    model.compile(backend="eager")
    again = trace_model(model, (1, 3, 8, 8))
    assert [op.name for op in graph.ops] == [op.name for op in again.ops]
    assert [op.live for op in graph.ops] == [op.live for op in again.ops]


def test_a_trace_in_compiled_code_is_left_alone() -> None:
    model = _small()
    usual = trace_model(model, (1, 3, 8, 8))

    def work(x: Tensor) -> tuple[Tensor, Graph]:
        return x + 1, trace_model(model, (1, 3, 8, 8))

    compiled = torch.compile(work, backend="eager")
    assert compiled(torch.ones(2))[1] == usual
