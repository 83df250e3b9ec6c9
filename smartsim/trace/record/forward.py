"""MODEL x INPUTS x CONDITION -> TAPE: one forward pass under the recorder, and what it returned."""

import dataclasses
import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch.utils._pytree import tree_leaves

from smartsim.errors import (
    USER_CODE_ERRORS,
    DataDependentControlFlowError,
    InvalidModelError,
    SmartsimError,
)
from smartsim.trace.record.arguments import KnownInputs, prepare_arguments
from smartsim.trace.record.flexible import flexible_attention_by_parts
from smartsim.trace.record.guards import guard_forward
from smartsim.trace.record.indexing import WatchedIndices
from smartsim.trace.record.lines import user_line
from smartsim.trace.record.modules import track_modules
from smartsim.trace.record.parameters import check_values, list_tensors
from smartsim.trace.record.recorder import Recorder
from smartsim.trace.record.recurrent import stand_in_for_recurrent_weights
from smartsim.trace.record.surroundings import keep_surroundings_unchanged
from smartsim.trace.record.tape import Operand
from smartsim.trace.record.unchanged import keep_model_unchanged

__all__ = ["record_forward"]


@contextmanager
def record_forward(
    model: torch.nn.Module,
    inputs: Any,
    condition: Mapping[str, float],
    known_inputs: KnownInputs = (),
    *,
    watch_indices: bool = False,
) -> Iterator[tuple[Recorder, list[Operand]]]:
    """The tape of one forward pass and what it returned; the model is put back at the end.

    Args:
        model: The module.
        inputs: As `trace_model` takes them.
        condition: As `trace_model` takes it.
        known_inputs: As `trace_model` takes it.
        watch_indices: Whether indices that are lists are looked at before torch takes them.

    Raises:
        ListIndexError: If an index came as a list, and was not watched.
        Otherwise as `trace_model`.
    """
    with (
        keep_surroundings_unchanged(),
        _pause_collector(),
        check_values(tensors := list_tensors(model)),
        keep_model_unchanged(model),
        track_modules(model) as stack,
        Recorder(stack, tensors).kept() as recorder,
    ):
        recorder.indices_are_watched = watch_indices
        args, kwargs = prepare_arguments(model, inputs, condition, known_inputs, recorder)
        try:
            with (
                stand_in_for_recurrent_weights(model, recorder),
                guard_forward(recorder),
                flexible_attention_by_parts(),
                WatchedIndices() if watch_indices else nullcontext(),
                recorder,
            ):
                result = model(*args, **kwargs)
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
