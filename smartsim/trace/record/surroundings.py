"""What surrounds a forward pass: the modes and settings of torch, set aside and put back.

A graph is the same wherever it was traced. So the modes of the caller (a counter, a default device,
fake tensors, inference mode) neither see a trace nor change it; and what a forward sets for the
whole process (a default type, a flag, a seed) is as it was afterwards.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import wraps
from threading import RLock
from typing import Any, ParamSpec, TypeVar

import numpy as np
import torch
import torch.utils._device as torch_device
from torch._C import _len_torch_function_stack
from torch.backends import cuda as _cuda
from torch.overrides import _pop_mode, _push_mode

from smartsim.trace.record.evaluate import plain_torch
from smartsim.trace.record.generators import keep_generators_unchanged

__all__ = ["keep_surroundings_unchanged", "outside_of_compilers"]

Given = ParamSpec("Given")
Made = TypeVar("Made")

_ONE_AT_A_TIME = RLock()
"""A model is put into eval mode while it is traced, so that two threads must not trace at once."""

_Setting = tuple[Callable[[], Any], Callable[[Any], object]]


def _get_determinism() -> tuple[bool, bool]:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )


def _set_determinism(state: tuple[bool, bool]) -> None:
    torch.use_deterministic_algorithms(state[0], warn_only=state[1])


def _get_autocast() -> tuple[Any, ...]:
    return (
        torch.is_autocast_cache_enabled(),
        *((torch.is_autocast_enabled(d), torch.get_autocast_dtype(d)) for d in ("cpu", "cuda")),
    )


def _set_autocast(state: tuple[Any, ...]) -> None:
    torch.set_autocast_cache_enabled(state[0])
    for device, (enabled, dtype) in zip(("cpu", "cuda"), state[1:], strict=True):
        torch.set_autocast_enabled(device, enabled)
        torch.set_autocast_dtype(device, dtype)


def _flag(owner: Any, name: str) -> _Setting:
    return lambda: getattr(owner, name), lambda value: setattr(owner, name, value)


_PRINTED = torch._tensor_str.PRINT_OPTS
_CUDNN = ("enabled", "benchmark", "deterministic", "allow_tf32")
_SETTINGS: tuple[_Setting, ...] = (
    (torch.get_default_dtype, torch.set_default_dtype),
    (_get_determinism, _set_determinism),
    (_get_autocast, _set_autocast),
    (torch.is_grad_enabled, torch.set_grad_enabled),
    (torch.is_anomaly_enabled, torch.set_anomaly_enabled),
    (torch.get_num_threads, torch.set_num_threads),
    (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    *(_flag(torch.backends.cudnn, name) for name in _CUDNN),
    (_cuda.flash_sdp_enabled, _cuda.enable_flash_sdp),
    (_cuda.mem_efficient_sdp_enabled, _cuda.enable_mem_efficient_sdp),
    (_cuda.math_sdp_enabled, _cuda.enable_math_sdp),
    (_cuda.cudnn_sdp_enabled, _cuda.enable_cudnn_sdp),
    (torch.backends.mha.get_fastpath_enabled, torch.backends.mha.set_fastpath_enabled),
    (torch.is_warn_always_enabled, torch.set_warn_always),
    (sys.getrecursionlimit, sys.setrecursionlimit),
    (np.geterr, lambda state: np.seterr(**state)),
    (lambda: vars(_PRINTED).copy(), lambda state: vars(_PRINTED).update(state)),
    _flag(torch.backends.mkldnn, "enabled"),
    _flag(torch.utils.deterministic, "fill_uninitialized_memory"),
    _flag(torch_device, "CURRENT_DEVICE"),
)


@contextmanager
def keep_surroundings_unchanged() -> Iterator[None]:
    """One trace at a time, in surroundings of its own; the caller's are as they were afterwards."""
    with (
        _ONE_AT_A_TIME,
        plain_torch(),
        torch.inference_mode(False),
        keep_generators_unchanged(),
        _keep_settings_unchanged(),
        _set_function_modes_aside(),
        _run_compiled_eagerly(),
        torch._C._DisableAutocast(),  # it casts by device, and the data has none
        torch.no_grad(),
    ):
        yield


def outside_of_compilers(function: Callable[Given, Made]) -> Callable[Given, Made]:
    """A function that torch.compile leaves alone, also where it is called in compiled code."""

    @wraps(function)
    def call(*args: Given.args, **kwargs: Given.kwargs) -> Made:
        if "torch._dynamo" not in sys.modules:  # it takes a second to import
            return function(*args, **kwargs)
        disable: Callable[..., Callable[Given, Made]] = torch.compiler.disable
        return disable(function)(*args, **kwargs)

    return call


def _run_compiled_eagerly() -> AbstractContextManager[object]:
    """Compiled modules run as they were written."""
    compiles = "torch._dynamo" in sys.modules
    return torch.compiler.set_stance("force_eager") if compiles else nullcontext()


@contextmanager
def _keep_settings_unchanged() -> Iterator[None]:
    states = [get() for get, _ in _SETTINGS]
    try:
        yield
    finally:
        for (get, put), state in zip(_SETTINGS, states, strict=True):
            if get() != state:
                put(state)


@contextmanager
def _set_function_modes_aside() -> Iterator[None]:
    """Without the caller's function modes, of which a default device is one."""
    outer, device = _pop_function_modes(), _get_device_context()
    _set_device_context(None)
    try:
        yield
    finally:
        _pop_function_modes()  # such as a default device that the forward set
        _set_device_context(device)
        for mode in outer:
            _push_mode(mode)  # type: ignore[no-untyped-call]


def _pop_function_modes() -> list[Any]:
    """All of them, the outermost first."""
    count = _len_torch_function_stack()
    return [_pop_mode() for _ in range(count)][::-1]  # type: ignore[no-untyped-call]


def _get_device_context() -> Any:
    return getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)


def _set_device_context(context: Any) -> None:
    torch._GLOBAL_DEVICE_CONTEXT.device_context = context
