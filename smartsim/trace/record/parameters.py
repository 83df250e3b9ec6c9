"""The parameters and buffers of a model, and whether they are fit to be traced."""

import math
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Literal

import torch
from torch.nn.parameter import is_lazy

from smartsim.errors import InvalidModelError

__all__ = ["ModelTensor", "check_values", "list_tensors"]

ModelTensor = tuple[Literal["parameter", "buffer"], str, torch.Tensor]
"""A parameter or buffer of a model, with its qualified name."""

_FEW_ELEMENTS = 1 << 20


def list_tensors(model: torch.nn.Module) -> list[ModelTensor]:
    """Every parameter, then every buffer, each once.

    Raises:
        InvalidModelError: If one has no shape yet, is sparse, or is no plain tensor.
    """
    tensors: list[ModelTensor] = [("parameter", *item) for item in model.named_parameters()]
    tensors += [("buffer", *item) for item in model.named_buffers()]
    for kind, name, tensor in tensors:
        if is_lazy(tensor):
            raise InvalidModelError(
                f"{kind} {name!r} has no shape yet; run the model once, so that its lazy layers "
                "take one"
            )
        if type(tensor).__torch_dispatch__ is not torch.Tensor.__torch_dispatch__:
            raise InvalidModelError(
                f"{kind} {name!r} is a {type(tensor).__name__}, which runs operators in its own "
                "way; give plain tensors: build a model without data on the meta device, and a "
                "distributed or quantised one as it was before that"
            )
        if tensor.layout != torch.strided:
            raise InvalidModelError(
                f"{kind} {name!r} is stored as {tensor.layout}; make it dense, and let its zeros "
                "be known by a mask or by declared_zeros"
            )
    return tensors


@contextmanager
def check_values(tensors: Iterable[ModelTensor]) -> Iterator[None]:
    """Refuse a model with NaN parameters, at the end of the block at the latest.

    Reading all the weights takes about as long as tracing them, so that many are read in a thread
    of their own while the block runs.

    Raises:
        InvalidModelError: If a parameter holds NaN.
    """
    parameters = [
        (name, tensor)
        for kind, name, tensor in tensors
        if kind == "parameter" and not tensor.is_meta and tensor.is_floating_point()
    ]
    if sum([tensor.numel() for _, tensor in parameters]) <= _FEW_ELEMENTS:
        _refuse_nan(parameters)
        yield
        return
    with ThreadPoolExecutor(max_workers=1) as pool:
        check = pool.submit(_refuse_nan, parameters)
        yield
        check.result()


def _refuse_nan(parameters: Sequence[tuple[str, torch.Tensor]]) -> None:
    """A norm over all is NaN when an element is, and is the fastest full look: one call."""
    with torch.no_grad():
        plain = [t for _, t in parameters if t.layout == torch.strided and t.element_size() > 1]
        norm = torch.nn.utils.get_total_norm(plain, foreach=True)
        if len(plain) == len(parameters) and math.isfinite(norm):
            return
        for name, tensor in parameters:
            values = tensor if tensor.element_size() > 1 else tensor.float()  # torch has no 8-bit
            count = int(torch.isnan(values).sum())
            if count:
                raise InvalidModelError(
                    f"parameter {name!r} holds {count} NaN of {values.numel()} values; "
                    "load sound weights, or build the model anew"
                )
