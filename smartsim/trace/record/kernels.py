"""Outputs of ops as shapes without data: by our own rule, else by the op's own meta kernel.

Meta kernels are slow Python, and a network repeats itself, so each signature is worked out once.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from smartsim.trace.record.operators import Operator

__all__ = ["META", "MetaKernels", "map_tensors", "to_meta"]

META = torch.device("meta")

_Spec = tuple[tuple[int, ...], tuple[int, ...], torch.dtype]


class MetaKernels:
    """Runs ops on the meta device; remembers the shapes of what they returned."""

    def __init__(self) -> None:
        self._specs: dict[Any, tuple[bool, list[_Spec | None]]] = {}

    def run(
        self, function: Any, operator: Operator, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """The outputs of `function`, on the meta device."""
        if operator.shape_rule is not None:
            outputs = operator.shape_rule(*args, **kwargs)
            if outputs is not None:
                return outputs
        try:
            signature = (
                function,
                torch.get_default_dtype(),
                _sign(args),
                _sign(tuple(kwargs.items())),
            )
            known = self._specs.get(signature)
        except TypeError:  # an argument that cannot be hashed, such as a generator's state
            return _run_on_meta(function, operator, args, kwargs)
        if known is None:
            outputs = _run_on_meta(function, operator, args, kwargs)
            specs = _describe_outputs(outputs, args, kwargs)
            if specs is not None:
                self._specs[signature] = (isinstance(outputs, torch.Tensor), specs)
            return outputs
        is_single, specs = known
        tensors = [None if spec is None else _make(spec) for spec in specs]
        return tensors[0] if is_single else tuple(tensors)


def map_tensors(change: Callable[[torch.Tensor], Any], argument: Any) -> Any:
    """An operator's argument with each tensor in it changed."""
    if isinstance(argument, torch.Tensor):
        return change(argument)
    if isinstance(argument, list):
        return [map_tensors(change, item) for item in argument]
    if isinstance(argument, tuple):
        return tuple([map_tensors(change, item) for item in argument])
    return argument


def to_meta(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor of the same shape and type without data; itself, if it has none."""
    if tensor.device == META:
        return tensor
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=META)


def _make(spec: _Spec) -> torch.Tensor:
    shape, strides, dtype = spec
    return torch.empty_strided(shape, strides, dtype=dtype, device=META)


def _sign(argument: Any) -> Any:
    """What the shapes of the outputs can depend on; 1, 1.0 and True are told apart."""
    if isinstance(argument, torch.Tensor):
        return (argument.shape, argument.stride(), argument.dtype)
    if isinstance(argument, tuple | list):
        return tuple([_sign(item) for item in argument])
    return (type(argument), argument)


def _describe_outputs(
    outputs: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> list[_Spec | None] | None:
    """What it takes to make the same outputs again; None where they are not plain new tensors."""
    taken: set[int] = set()
    map_tensors(lambda t: taken.add(t.untyped_storage()._cdata), [*args, *kwargs.values()])
    specs: list[_Spec | None] = []
    for output in outputs if isinstance(outputs, tuple | list) else (outputs,):
        if output is None:
            specs.append(None)
            continue
        if not isinstance(output, torch.Tensor) or output.device != META:
            return None
        memory = output.untyped_storage()
        spec = (tuple(output.shape), output.stride(), output.dtype)
        if memory._cdata in taken or _make(spec).untyped_storage().nbytes() != memory.nbytes():
            return None
        taken.add(memory._cdata)
        specs.append(spec)
    return specs


def _run_on_meta(
    function: Any, operator: Operator, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    """The op's own meta kernel."""
    makes_tensor = operator.makes_tensor and not any(isinstance(a, torch.Tensor) for a in args)
    args = map_tensors(to_meta, args)
    keywords = {name: map_tensors(to_meta, value) for name, value in kwargs.items()}
    if "device" in keywords or makes_tensor:
        keywords["device"] = META
    if keywords.get("generator") is not None:
        keywords["generator"] = None
    if keywords.get("pin_memory"):
        keywords["pin_memory"] = False
    return function(*args, **keywords)
