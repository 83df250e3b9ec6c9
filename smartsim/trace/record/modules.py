"""Which module is running, and which one raised."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import get_ident
from typing import Any

import torch
from torch.nn.modules import module as torch_module

__all__ = ["ModuleStack", "running_modules", "track_modules"]


class ModuleStack:
    """The qualified names of the modules that are running, innermost last."""

    def __init__(self, model: torch.nn.Module) -> None:
        self._names: dict[int, str] = {}
        for name, module in model.named_modules():
            self._names.setdefault(id(module), name)
        self._stack: list[tuple[str, str]] = [("", type(model).__name__)]
        self._failure: tuple[BaseException | None, str] = (None, "")

    @property
    def innermost(self) -> tuple[str, str]:
        """Qualified name and class name of the module that is running."""
        return self._stack[-1]

    @contextmanager
    def named(self, name: str, kind: str) -> Iterator[None]:
        """What runs inside counts as the named module's."""
        self._stack.append((name, kind) if name or kind else self._stack[-1])
        try:
            yield
        finally:
            self._stack.pop()

    def enter(self, module: torch.nn.Module) -> None:
        """`module` begins; one that is not part of the model counts as its caller."""
        name = self._names.get(id(module))
        outer = self._stack[-1]
        self._stack.append(outer if name is None else (name, type(module).__name__))

    def leave(self) -> None:
        """The innermost module ends, perhaps because something was raised in it."""
        error = sys.exception()
        if error is not None and error is not self._failure[0]:
            self._failure = (error, self._stack[-1][0])
        if len(self._stack) > 1:
            self._stack.pop()

    def place_of(self, error: BaseException) -> str:
        """Qualified name of the innermost module that was running when `error` was raised."""
        return self._failure[1] if self._failure[0] is error else ""


_RUNNING: ContextVar[ModuleStack] = ContextVar("running_modules")


def running_modules() -> ModuleStack:
    """The stack of the trace that is under way; an idle one outside of a trace."""
    return _RUNNING.get(ModuleStack(torch.nn.Identity()))


@contextmanager
def track_modules(model: torch.nn.Module) -> Iterator[ModuleStack]:
    """Follow which module of `model` is running, by hooks that are no part of the model."""
    stack, thread = ModuleStack(model), get_ident()
    # Hooks of all modules are called before those of one; its own must still count as its work.
    hooked = {id(m): m for m in model.modules() if getattr(m, "_forward_hooks", None)}

    def before(module: torch.nn.Module, _inputs: Any) -> None:
        if get_ident() == thread:  # the hooks are called for all threads
            stack.enter(module)

    def after(module: torch.nn.Module, _inputs: Any, _outputs: Any) -> None:
        if get_ident() == thread and id(module) not in hooked:
            stack.leave()

    def at_last(_module: torch.nn.Module, _inputs: Any, _outputs: Any) -> None:
        if get_ident() == thread:
            stack.leave()

    handles = [
        *(m.register_forward_hook(at_last, always_call=True) for m in hooked.values()),
        torch_module.register_module_forward_pre_hook(before),
        torch_module.register_module_forward_hook(after, always_call=True),
    ]
    token = _RUNNING.set(stack)
    try:
        with _no_word_about_hooks(model):
            yield stack
    finally:
        _RUNNING.reset(token)
        for handle in handles:
            handle.remove()


@contextmanager
def _no_word_about_hooks(model: torch.nn.Module) -> Iterator[None]:
    """Compiled modules warn of global hooks; these are ours, and gone before any is compiled."""
    compiles = "torch._dynamo" in sys.modules
    if compiles and any(type(m).__name__ == "OptimizedModule" for m in model.modules()):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"Using `torch\.compile\(module\)` when there are")
            yield
    else:
        yield
