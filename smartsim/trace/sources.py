"""What a user calls a model on the command line -> a torch module. Knows the built-in names."""

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path

import torch

from smartsim.errors import ConfigurationError
from smartsim.models import METHODS, build_named_model
from smartsim.trace.exported import load_exported

__all__ = ["load_model", "parse_condition", "parse_shape"]


def load_model(name: str) -> torch.nn.Module:
    """The model that `name` stands for.

    Args:
        name: A built-in such as "smart:resnet34", "package.module:callable" where the callable
            is a module class or a function that returns a module, or the path of a file that
            `torch.export.save` wrote (ending in .pt2).

    Raises:
        ConfigurationError: If the name leads nowhere, or not to a torch module.
        FileFormatError: If the file is no exported program.
    """
    if name.endswith(".pt2"):
        return load_exported(Path(name))
    head = name.partition(":")[0]
    if head in METHODS or ("." not in head and not _is_importable(head)):
        return build_named_model(name)
    return _import_model(name)


def _is_importable(head: str) -> bool:
    return (Path.cwd() / head).is_dir() or (Path.cwd() / f"{head}.py").is_file()


def _import_model(name: str) -> torch.nn.Module:
    module_name, _, attribute = name.partition(":")
    if not attribute:
        raise ConfigurationError(
            f"{name!r} names no model; write package.module:callable, a built-in such as "
            "smart:resnet34, or the path of a .pt2 file"
        )
    folder = str(Path.cwd())
    sys.path.insert(0, folder)
    try:
        module = importlib.import_module(module_name)
    except (ImportError, SyntaxError) as error:
        raise ConfigurationError(
            f"module {module_name!r} does not import from {folder}: {error}"
        ) from error
    finally:
        sys.path.remove(folder)
    build = getattr(module, attribute, None)
    if build is None:
        raise ConfigurationError(f"module {module_name!r} has no {attribute!r}")
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
    except (TypeError, ValueError, RuntimeError, LookupError, AttributeError) as error:
        raise ConfigurationError(
            f"{name}() raised {type(error).__name__}: {error}; it is called without arguments"
        ) from error


def parse_shape(text: str) -> tuple[int, ...]:
    """A shape such as "1,3,32,32".

    >>> parse_shape("1,3,32,32")
    (1, 3, 32, 32)

    Raises:
        ConfigurationError: If it is no list of whole numbers of 1 or more.
    """
    parts = [part.strip() for part in text.replace("x", ",").split(",")]
    if not all(part.isdigit() and int(part) > 0 for part in parts):
        raise ConfigurationError(
            f"input shape {text!r} must be whole numbers of 1 or more, such as 1,3,32,32"
        )
    return tuple(int(part) for part in parts)


def parse_condition(texts: tuple[str, ...]) -> Mapping[str, float]:
    """Conditions such as ("lam=1.0",).

    >>> parse_condition(("lam=0.5",))
    {'lam': 0.5}

    Raises:
        ConfigurationError: If one is not NAME=NUMBER.
    """
    condition: dict[str, float] = {}
    for text in texts:
        name, _, number = text.partition("=")
        try:
            condition[name.strip()] = float(number)
        except ValueError as error:
            raise ConfigurationError(
                f"condition {text!r} must be NAME=NUMBER, such as lam=1.0"
            ) from error
    return condition
