"""What a user calls a model on the command line -> a torch module. Knows the built-in names."""

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from smartsim.errors import USER_CODE_ERRORS, ConfigurationError, suggest_name
from smartsim.models import METHODS, build_named_model
from smartsim.trace.sources.exported import ExportedModel, load_exported

__all__ = ["load_model", "takes_argument"]


def load_model(name: str, *, draw: bool = True) -> torch.nn.Module:
    """The model that `name` stands for.

    Args:
        name: A built-in such as "smart:resnet34", "package.module:callable" where the callable
            is a module class or a function that returns a module, or the path of a file that
            `torch.export.save` wrote (ending in .pt2).
        draw: Whether a built-in's weights get values, on which no count depends.

    Raises:
        ConfigurationError: If the name leads nowhere, or not to a torch module.
        FileFormatError: If the file is no exported program.
    """
    if name.endswith(".pt2"):
        return load_exported(Path(name))
    head = name.partition(":")[0]
    _refuse_files(name, head)
    if head in METHODS or ("." not in head and not _is_importable(head)):
        return build_named_model(name, draw=draw)
    return _import_model(name)


_WEIGHTS = (".pt", ".pth", ".safetensors", ".bin", ".ckpt")


def _refuse_files(name: str, head: str) -> None:
    """Say what to do instead of naming a file that is no exported program."""
    ending = Path(head).suffix.lower()
    if ending == ".py":
        module = ".".join(Path(head).with_suffix("").parts)
        attribute = name.partition(":")[2] or "build"
        raise ConfigurationError(
            f"{name!r} names a file; name its module, from the folder that it lies in: "
            f"{module}:{attribute}"
        )
    if ending == ".onnx":
        raise ConfigurationError(
            f"{name!r} is an ONNX file; convert it to a torch module (onnx2torch), and name the "
            "function that returns it, package.module:callable"
        )
    if ending in _WEIGHTS:
        raise ConfigurationError(
            f"{name!r} holds weights and no program; name a function that builds the model and "
            "loads them, package.module:callable, or a .pt2 file of torch.export.save"
        )


def _is_importable(head: str) -> bool:
    """Whether Python finds a top-level module of this name, here or installed."""
    with _folder_on_path():
        try:
            return bool(head) and importlib.util.find_spec(head) is not None
        except ValueError:  # a module that was made by hand
            return head in sys.modules


@contextmanager
def _folder_on_path() -> Iterator[str]:
    """Let modules of the working folder be imported, as `python -m` does."""
    folder = str(Path.cwd())
    sys.path.insert(0, folder)
    try:
        yield folder
    finally:
        if folder in sys.path:
            sys.path.remove(folder)


def _import_model(name: str) -> torch.nn.Module:
    module_name, _, attribute = name.partition(":")
    if not attribute or not all(map(str.isidentifier, module_name.split("."))):
        raise ConfigurationError(
            f"{name!r} names no model; write package.module:callable, a built-in such as "
            "smart:resnet34, or the path of a .pt2 file"
        )
    with _folder_on_path() as folder:
        try:
            module = importlib.import_module(module_name)
        except (*USER_CODE_ERRORS, SystemExit) as error:
            raise ConfigurationError(
                f"module {module_name!r} does not import from {folder}: "
                f"{type(error).__name__}: {error}"
            ) from error
        build = getattr(module, attribute, None)
        if build is None:
            near = suggest_name(attribute, [n for n in vars(module) if not n.startswith("_")])
            raise ConfigurationError(
                f"module {module_name!r} has no {attribute!r}"
                f"{near if near.startswith('; did') else ''}"
            )
        model = build if isinstance(build, torch.nn.Module) else _call(name, build)
    if not isinstance(model, torch.nn.Module):
        raise ConfigurationError(
            f"{name} returned a {type(model).__name__}; it must return a torch.nn.Module"
        )
    return model


def _call(name: str, build: object) -> object:
    if not callable(build):
        raise ConfigurationError(f"{name} is a {type(build).__name__}, which cannot be called")
    try:
        return build()
    except USER_CODE_ERRORS as error:
        raise ConfigurationError(
            f"{name}() raised {type(error).__name__}: {error}; it is called without arguments"
        ) from error


def takes_argument(model: torch.nn.Module, name: str) -> bool:
    """Whether the model's forward takes an argument of this name.

    >>> takes_argument(torch.nn.ReLU(), "lam")
    False
    """
    if isinstance(model, ExportedModel):
        return name in model.argument_names
    kinds = inspect.signature(model.forward).parameters
    return name in kinds or any(kind.kind is kind.VAR_KEYWORD for kind in kinds.values())
