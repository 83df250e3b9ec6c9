"""What a forward can do past every dispatch mode, while it runs: to memory, and to torch's modes.

A tensor shows numpy what the trace knows of it, and that cannot be written to. An address cannot be
guarded: what is behind it is copied first, and put back. Inference mode stays off, in which torch
takes operators apart in other ways, and so does autocast, which casts by device.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import _get_current_dispatch_mode
from torch.utils._pytree import tree_map_only

from smartsim.errors import InvalidModelError
from smartsim.trace.record.evaluate import plain_torch
from smartsim.trace.record.lines import user_line
from smartsim.trace.record.recorder import Recorder

__all__ = ["guard_forward"]

_Method = Callable[..., Any]
_STORAGE_CHANGES = ("__setitem__", "fill_", "copy_", "resize_", "share_memory_", "data_ptr")


@contextmanager
def guard_forward(recorder: Recorder) -> Iterator[None]:
    """Let a forward reach tensors by recorded ops alone, and leave it no mode to change them by.

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

    def change_storage(
        plain: _Method, storage: torch.UntypedStorage, *arguments: Any, **keywords: Any
    ) -> Any:
        if recorder.memories.holds(storage):
            raise InvalidModelError(
                f"the storage of a tensor is changed at {user_line()}, where a trace cannot follow "
                "it; write that line with tensor operations such as copy_"
            )
        return plain(storage, *arguments, **keywords)

    def swap(_plain: _Method, *_tensors: torch.Tensor) -> Any:
        raise InvalidModelError(
            f"two tensors are swapped at {user_line()}; a trace leaves the model as it is, so give "
            "the module another attribute"
        )

    def take(plain: _Method, *arguments: Any, **keywords: Any) -> Any:
        stand_in = recorder.memories.stand_in  # its kernel insists on one device
        arguments, keywords = tree_map_only(torch.Tensor, stand_in, (arguments, keywords))
        with recorder:
            return plain(*arguments, **keywords)

    def inference_mode(plain: _Method, _enabled: bool) -> Any:
        return plain(False)

    def set_autocast_enabled(plain: _Method, *arguments: Any) -> None:
        if arguments[-1]:
            recorder.notes[
                f"autocast at {user_line(short=True)} is not followed: "
                "what it would cast has the type of its parameters"
            ] = None
        plain(*arguments[:-1], False)

    guards: tuple[tuple[Any, str, _Method], ...] = (
        (torch.Tensor, "numpy", numpy),
        (torch.Tensor, "tolist", tolist),
        (torch.Tensor, "__dlpack__", dlpack),
        (torch.Tensor, "data_ptr", data_ptr),
        *((torch.UntypedStorage, name, change_storage) for name in _STORAGE_CHANGES),
        (torch._C, "_swap_tensor_impl", swap),
        (torch, "take_along_dim", take),
        (torch.Tensor, "take_along_dim", take),
        (torch._C, "_InferenceMode", inference_mode),
        (torch, "set_autocast_enabled", set_autocast_enabled),
    )
    try:
        with ExitStack() as stack:
            for owner, name, guard in guards:
                guarded = _guarded(recorder, getattr(owner, name), guard)
                stack.enter_context(_replaced(owner, name, guarded))
            yield
    finally:
        written = [pair for pair in shown if not torch.equal(*pair)]
        for flat, content in written:
            flat.copy_(content)
    if written:
        raise InvalidModelError(
            "the forward writes into the memory of a tensor by its data_ptr(), where a trace "
            "cannot follow it; write with tensor operations such as copy_"
        )


@contextmanager
def _replaced(owner: Any, name: str, method: _Method) -> Iterator[None]:
    """`method` for the attribute of a class or module; an inherited one is inherited again."""
    before = vars(owner).get(name)
    setattr(owner, name, method)
    try:
        yield
    finally:
        if before is None:
            delattr(owner, name)
        else:
            setattr(owner, name, before)


def _guarded(recorder: Recorder, plain: _Method, guard: _Method) -> _Method:
    """`guard` in this forward; `plain` in other threads, and where ops are executed."""

    def method(*args: Any, **keywords: Any) -> Any:
        if _get_current_dispatch_mode() is not recorder:
            return plain(*args, **keywords)
        with plain_torch():
            return guard(plain, *args, **keywords)

    return method
