"""MODEL x INPUTS x CONDITION -> TAPE: one forward pass under the recorder, and what it returned."""

import dataclasses
import gc
import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Integral
from typing import Any

import torch
from torch.utils._pytree import tree_leaves, tree_map_only

from smartsim.errors import (
    USER_CODE_ERRORS,
    ConfigurationError,
    DataDependentControlFlowError,
    InvalidModelError,
    SmartsimError,
)
from smartsim.trace.record.guards import guard_memory
from smartsim.trace.record.lines import user_line
from smartsim.trace.record.modules import track_modules
from smartsim.trace.record.parameters import check_values, list_tensors
from smartsim.trace.record.recorder import Recorder
from smartsim.trace.record.recurrent import stand_in_for_recurrent_weights
from smartsim.trace.record.surroundings import keep_surroundings_unchanged
from smartsim.trace.record.tape import INPUT, SWITCH, Operand
from smartsim.trace.record.unchanged import keep_model_unchanged

__all__ = ["make_input", "record_forward"]


@contextmanager
def record_forward(
    model: torch.nn.Module, inputs: Any, condition: Mapping[str, float]
) -> Iterator[tuple[Recorder, list[Operand]]]:
    """The tape of one forward pass and what it returned; the model is put back at the end.

    Args:
        model: The module.
        inputs: As `trace_model` takes them.
        condition: As `trace_model` takes it.

    Raises:
        As `trace_model`.
    """
    with (
        keep_surroundings_unchanged(),
        _pause_collector(),
        check_values(tensors := list_tensors(model)),
        keep_model_unchanged(model),
        track_modules(model) as stack,
        Recorder(stack, tensors).kept() as recorder,
    ):
        args, kwargs = _prepare_inputs(model, inputs, recorder)
        settings = _prepare_condition(condition, recorder)
        _require_arguments(model, args, {**kwargs, **settings})
        if kwargs.keys() & settings.keys():
            both = ", ".join(sorted(kwargs.keys() & settings.keys()))
            raise ConfigurationError(f"{both} is given both as an input and as a condition")
        try:
            with (
                stand_in_for_recurrent_weights(model, recorder),
                guard_memory(recorder),
                recorder,
            ):
                result = model(*args, **kwargs, **settings)
        except SmartsimError:
            raise
        except USER_CODE_ERRORS as error:
            given = [t for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
            raise _explain(model, given, stack.place_of(error), error) from error
        outputs = [recorder.operand(tensor, "") for tensor in _result_tensors(result)]
        if not outputs:
            raise InvalidModelError(
                f"{type(model).__name__} returns a {type(result).__name__} in which no tensor can "
                "be found, so nothing would be needed; return a tensor, or a tuple, list, dict or "
                "dataclass of them"
            )
        yield recorder, outputs


@contextmanager
def _pause_collector() -> Iterator[None]:
    """A trace makes many records and no garbage; a search for it would walk the whole heap."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _prepare_inputs(
    model: torch.nn.Module, inputs: Any, recorder: Recorder
) -> tuple[list[Any], dict[str, Any]]:
    """Data arguments on the meta device, declared at stage input."""
    dtype = next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)

    def place(tensor: torch.Tensor) -> torch.Tensor:
        meta = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")
        recorder.memories.declare(meta, INPUT, "input", "")
        return meta

    def prepare(item: Any) -> Any:
        if _is_shape(item):
            item = make_input(item, dtype)
        if isinstance(item, torch.Tensor):
            return place(item)
        return tree_map_only(torch.Tensor, place, item)

    if isinstance(inputs, Mapping):
        return [], {str(key): prepare(item) for key, item in inputs.items()}
    if isinstance(inputs, torch.Tensor) or _is_shape(inputs):
        return [prepare(inputs)], {}
    if isinstance(inputs, Sequence) and not isinstance(inputs, str):
        return [prepare(item) for item in inputs], {}
    raise ConfigurationError(
        f"inputs must be a tensor, a shape, or a sequence or mapping of these, not {inputs!r}"
    )


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


def _require_arguments(
    model: torch.nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> None:
    """Name what the forward needs and was not given, before it runs."""
    try:
        parameters = list(inspect.signature(model.forward).parameters.values())
    except (TypeError, ValueError):  # a forward that is no Python function
        return
    plain = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = [p for p in plain[len(args) :] if p.default is p.empty]
    needed += [p for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
    missing = [p.name for p in needed if p.name not in kwargs]
    if missing:
        first = missing[0]
        raise ConfigurationError(
            f"{', '.join(missing)} is missing: {type(model).__name__}'s forward takes it; give "
            f'condition={{"{first}": 1.0}} (--condition {first}=1.0 on the command line), or one '
            "more input"
        )


def _prepare_condition(condition: Mapping[str, float], recorder: Recorder) -> dict[str, Any]:
    """Each condition as a 0-d tensor of known value, declared at stage switch."""
    settings: dict[str, Any] = {}
    for key, given in condition.items():
        try:
            value = torch.as_tensor(given, dtype=torch.get_default_dtype(), device="cpu")
        except (TypeError, ValueError, RuntimeError) as error:
            raise ConfigurationError(f"condition {key}={given!r} must be a number") from error
        if value.dim() or not bool(torch.isfinite(value)):
            raise ConfigurationError(f"condition {key}={given} must be one finite number")
        settings[key] = value.clone()
        recorder.memories.declare(settings[key], SWITCH, "condition", key)
    return settings


def _result_tensors(result: Any) -> Iterator[torch.Tensor]:
    """Every tensor in what the forward returned."""
    for leaf in tree_leaves(result):
        if isinstance(leaf, torch.Tensor):
            yield leaf
        elif dataclasses.is_dataclass(leaf) and not isinstance(leaf, type):
            for field in dataclasses.fields(leaf):
                yield from _result_tensors(getattr(leaf, field.name))


_READS_PAST_THE_TRACE = (
    "tolist() shouldn't be called",
    "can't convert meta device type tensor",
    "Tensor.item() cannot be called on meta tensors",
)
_WRITES_PAST_THE_TRACE = ("destination is read-only", "array is read-only")


def _explain(
    model: torch.nn.Module, given: Sequence[torch.Tensor], place: str, error: BaseException
) -> SmartsimError:
    """What to raise in place of what the model's forward raised."""
    reason = " ".join(str(error).partition("\nException raised from")[0].split())
    if reason.startswith(_READS_PAST_THE_TRACE):
        return DataDependentControlFlowError(
            f"Python reads a tensor by torch.tensor() at {user_line(error)}; a trace knows no "
            "data, so write that line with tensor operations as torch.stack, or read what follows "
            "from parameters and the condition alone by item()"
        )
    if reason.endswith(_WRITES_PAST_THE_TRACE):
        return InvalidModelError(
            f"Python writes into the memory of a tensor by numpy() at {user_line(error)}; a trace "
            "leaves the model as it is, so write that line with tensor operations such as copy_"
        )
    where = f"module {place!r}" if place else "its own forward"
    shapes = ", ".join(str(tuple(tensor.shape)) for tensor in given) or "none"
    return InvalidModelError(
        f"{type(model).__name__} cannot run on inputs {shapes}: {type(error).__name__} in {where}: "
        f"{reason[:300] or 'no reason given'}; check the input shape, its type, and the condition"
    )
