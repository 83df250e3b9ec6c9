"""The memory of tensors, which Python can reach past every dispatch mode: by numpy, by address.

While the forward runs, a tensor shows numpy what the trace knows of it, and that cannot be written
to. An address cannot be guarded: what is behind it is copied first, and put back.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import _get_current_dispatch_mode

from smartsim.errors import InvalidModelError
from smartsim.trace.record.evaluate import plain_torch
from smartsim.trace.record.lines import user_line
from smartsim.trace.record.recorder import Recorder

__all__ = ["guard_memory"]

_Method = Callable[..., Any]


@contextmanager
def guard_memory(recorder: Recorder) -> Iterator[None]:
    """Let nothing but recorded ops reach the memory of tensors while `recorder` is active.

    Raises:
        InvalidModelError: If the forward wrote to an address.
    """
    shown: list[tuple[torch.Tensor, torch.Tensor]] = []

    def numpy(plain: _Method, tensor: torch.Tensor, **keywords: Any) -> Any:
        array = plain(recorder.read(tensor), **keywords)
        array.flags.writeable = False
        return array

    def tolist(plain: _Method, tensor: torch.Tensor) -> Any:
        return plain(recorder.read(tensor))

    def dlpack(_plain: _Method, _tensor: torch.Tensor, **_: Any) -> Any:
        raise InvalidModelError(
            f"a tensor is handed to another library by DLPack at {user_line()}, where a trace "
            "cannot follow it; write that line with tensor operations"
        )

    def data_ptr(plain: _Method, tensor: torch.Tensor) -> Any:
        if tensor.device.type == "cpu":
            flat = torch.empty(0, dtype=torch.uint8).set_(tensor.untyped_storage())
            shown.append((flat, flat.clone()))
        return plain(tensor)

    guards: dict[str, _Method] = {
        "numpy": numpy,
        "tolist": tolist,
        "__dlpack__": dlpack,
        "data_ptr": data_ptr,
    }
    before = {name: vars(torch.Tensor).get(name) for name in guards}
    for name, guard in guards.items():
        setattr(torch.Tensor, name, _guarded(recorder, getattr(torch.Tensor, name), guard))
    try:
        yield
    finally:
        for name, method in before.items():
            if method is None:
                delattr(torch.Tensor, name)
            else:
                setattr(torch.Tensor, name, method)
        written = [pair for pair in shown if not torch.equal(*pair)]
        for flat, content in written:
            flat.copy_(content)
    if written:
        raise InvalidModelError(
            "the forward writes into the memory of a tensor by its data_ptr(), where a trace "
            "cannot follow it; write with tensor operations such as copy_"
        )


def _guarded(recorder: Recorder, plain: _Method, guard: _Method) -> _Method:
    """`guard` in this forward; `plain` in other threads, and where ops are executed."""

    def method(tensor: torch.Tensor, *args: Any, **keywords: Any) -> Any:
        if _get_current_dispatch_mode() is not recorder:
            return plain(tensor, *args, **keywords)
        with plain_torch():
            return guard(plain, tensor, *args, **keywords)

    return method
