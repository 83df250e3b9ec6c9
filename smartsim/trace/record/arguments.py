"""INPUTS x CONDITION -> what the forward is called with, each declared at its stage.

An input lies on the meta device: a trace knows its shape and its type. What the caller declares
known lies on the CPU, with its values; it is data all the same, at stage input.
"""

import inspect
from collections.abc import Collection, Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any

import torch
from torch.utils._pytree import tree_map_only

from smartsim.errors import ConfigurationError, suggest_name
from smartsim.trace.record.memories import Memories
from smartsim.trace.record.recorder import Recorder
from smartsim.trace.record.tape import INPUT, SWITCH

__all__ = ["KnownInputs", "make_input", "prepare_arguments"]

KnownInputs = Iterable[str] | Mapping[str, torch.Tensor]
"""Names of inputs whose values are known, or such inputs by name, besides the others."""


def prepare_arguments(
    model: torch.nn.Module,
    inputs: Any,
    condition: Mapping[str, float],
    known_inputs: KnownInputs,
    recorder: Recorder,
) -> tuple[list[Any], dict[str, Any]]:
    """Positional and keyword arguments of the model's forward.

    Raises:
        ConfigurationError: If one cannot be, is missing, or is given twice.
    """
    args, kwargs = _by_place_or_name(inputs)
    known = set(known_inputs)
    if isinstance(known_inputs, Mapping):
        _refuse_twice(kwargs, known_inputs, "as an input and as a known input")
        kwargs |= known_inputs
    _refuse_twice(kwargs, condition, "as an input and as a condition")
    names = _argument_names(model)
    _require_arguments(model, len(args), {*kwargs, *condition})
    placed = [*zip(names, args, strict=False), *(("", item) for item in args[len(names) :])]
    _check_known(known, dict(placed) | kwargs)
    if known:
        recorder.notes[
            f"the values of {', '.join(sorted(known))} are declared known: these are the numbers "
            "of inputs with just these values"
        ] = None
    dtype = next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)

    def prepare(name: str, item: Any) -> Any:
        if name in known:
            return _place_known(item, recorder.memories)
        return _place(item, dtype, recorder.memories)

    settings = _prepare_condition(condition, recorder.memories)
    return (
        [prepare(name, item) for name, item in placed],
        {name: prepare(name, item) for name, item in kwargs.items()} | settings,
    )


def _by_place_or_name(inputs: Any) -> tuple[list[Any], dict[str, Any]]:
    if isinstance(inputs, Mapping):
        return [], {str(key): item for key, item in inputs.items()}
    if isinstance(inputs, torch.Tensor) or _is_shape(inputs):
        return [inputs], {}
    if isinstance(inputs, Sequence) and not isinstance(inputs, str):
        return list(inputs), {}
    raise ConfigurationError(
        f"inputs must be a tensor, a shape, or a sequence or mapping of these, not {inputs!r}"
    )


def _refuse_twice(first: Collection[str], second: Collection[str], how: str) -> None:
    both = ", ".join(sorted({*first} & {*second}))
    if both:
        raise ConfigurationError(f"{both} is given both {how}")


def _check_known(known: Collection[str], given: Mapping[str, Any]) -> None:
    """Each is an input, and a tensor that has values."""
    for name in sorted(known):
        if name not in given:
            raise ConfigurationError(
                f"known_inputs names {name!r}, which is no input{suggest_name(name, given)}"
            )
        item = given[name]
        if not isinstance(item, torch.Tensor) or item.is_meta:
            raise ConfigurationError(
                f"known_inputs names {name!r}, which is given without values; give a tensor on "
                "the CPU that holds them"
            )


def _place_known(tensor: torch.Tensor, memories: Memories) -> torch.Tensor:
    """A copy of what the user gave, so that no write of the forward's reaches it."""
    copy = tensor.detach().cpu().clone(memory_format=torch.preserve_format)
    memories.declare(copy, INPUT, "input", "")
    return copy


def _place(item: Any, dtype: torch.dtype, memories: Memories) -> Any:
    """A tensor, a shape, or a container of tensors, without data."""

    def place(tensor: torch.Tensor) -> torch.Tensor:
        meta = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")
        memories.declare(meta, INPUT, "input", "")
        return meta

    if _is_shape(item):
        item = make_input(item, dtype)
    return tree_map_only(torch.Tensor, place, item)


def make_input(shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
    """A tensor without data.

    Raises:
        ConfigurationError: If it would be too large.
    """
    try:
        return torch.empty(tuple(map(int, shape)), dtype=dtype, device="meta")
    except (RuntimeError, TypeError, OverflowError) as error:
        raise ConfigurationError(
            f"input shape {tuple(shape)} has more elements than torch can number"
        ) from error


def _is_shape(item: Any) -> bool:
    """A non-empty sequence of whole numbers stands for a tensor of that shape."""
    if not isinstance(item, tuple | list) or not item:
        return False
    whole = [isinstance(n, Integral) and not isinstance(n, bool) for n in item]
    if all(whole) and min(item) < 1:
        raise ConfigurationError(f"input shape {tuple(item)} must hold whole numbers of 1 or more")
    return all(whole)


def _argument_names(model: torch.nn.Module) -> list[str]:
    """What the forward calls its positional arguments; nothing if it is no Python function."""
    exported = getattr(model, "argument_names", None)
    if isinstance(exported, tuple):
        return list(exported)
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    try:
        parameters = inspect.signature(model.forward).parameters.values()
    except (TypeError, ValueError):
        return []
    return [p.name for p in parameters if p.kind in plain]


def _require_arguments(model: torch.nn.Module, positional: int, named: Collection[str]) -> None:
    """Name what the forward needs and was not given, before it runs."""
    try:
        parameters = list(inspect.signature(model.forward).parameters.values())
    except (TypeError, ValueError):  # a forward that is no Python function
        return
    plain = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = [p for p in plain[positional:] if p.default is p.empty]
    needed += [p for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
    missing = [p.name for p in needed if p.name not in named]
    if missing:
        first = missing[0]
        raise ConfigurationError(
            f"{', '.join(missing)} is missing: {type(model).__name__}'s forward takes it; give "
            f'condition={{"{first}": 1.0}} (--condition {first}=1.0 on the command line), or one '
            "more input"
        )


def _prepare_condition(
    condition: Mapping[str, float], memories: Memories
) -> dict[str, torch.Tensor]:
    """Each condition as a 0-d tensor of known value, declared at stage switch."""
    settings: dict[str, torch.Tensor] = {}
    for key, given in condition.items():
        try:
            value = torch.as_tensor(given, dtype=torch.get_default_dtype(), device="cpu")
        except (TypeError, ValueError, RuntimeError) as error:
            raise ConfigurationError(f"condition {key}={given!r} must be a number") from error
        if value.dim() or not bool(torch.isfinite(value)):
            raise ConfigurationError(f"condition {key}={given} must be one finite number")
        settings[key] = value.clone()
        memories.declare(settings[key], SWITCH, "condition", key)
    return settings
