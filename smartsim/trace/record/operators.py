"""What the schema of a torch operator says about it, read once."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

from smartsim.trace.record.shapes import SHAPE_RULES

__all__ = ["PACK", "Operator", "describe_operator"]

PACK = "aten._pack_padded_sequence"

_RETURN_NUMBERS = frozenset(f"aten.{name}" for name in ("equal", "allclose", "is_nonzero"))
_CHANGES_MEMORY = frozenset({"aten.resize", "aten.resize_as", "aten.set"})


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator.

    Attributes:
        name: Without overload or in-place mark, such as "aten.convolution".
        names: Its arguments.
        is_view: Whether it only looks at its argument's memory in another way.
        changes_view: Whether it does so in place.
        writes: Which argument it writes to; None if none.
        is_random: Whether it draws numbers.
        is_composite: Whether torch takes it apart into other operators.
        shape_only: Whether it reads only shape and type of its arguments.
        value_decides_shape: Whether the shape of its output depends on values.
        returns_number: Whether it hands Python a number that it reads off its arguments.
        makes_tensor: Whether it takes a device for its output.
        shape_rule: Our own rule for its outputs, if there is one.
    """

    name: str
    names: tuple[str, ...]
    is_view: bool
    changes_view: bool
    writes: int | None
    is_random: bool
    is_composite: bool
    shape_only: bool
    value_decides_shape: bool
    returns_number: bool
    makes_tensor: bool
    shape_rule: Callable[..., Any] | None


@cache
def describe_operator(function: Any) -> Operator:
    """The description of a `torch._ops.OpOverload`."""
    schema = function._schema
    aliases = [argument.alias_info for argument in schema.arguments]
    writes = [i for i, alias in enumerate(aliases) if alias is not None and alias.is_write]
    name = schema.name.replace("::", ".")
    if writes and name.endswith("_") and not name.endswith("__"):
        name = name[:-1]
    returns_alias = any(r.alias_info is not None for r in schema.returns)
    names = tuple(argument.name for argument in schema.arguments)
    return Operator(
        name=name,
        names=names,
        is_view=(returns_alias and not writes) or name == "aten._unsafe_view",
        changes_view=torch.Tag.inplace_view in function.tags and name not in _CHANGES_MEMORY,
        writes=writes[0] if writes else None,
        is_random=torch.Tag.nondeterministic_seeded in function.tags,
        is_composite=torch._C._dispatch_has_kernel_for_dispatch_key(
            function.name(), "CompositeImplicitAutograd"
        ),
        shape_only=name.endswith("_like") or name.startswith("aten.new_"),
        value_decides_shape=name == PACK or torch.Tag.dynamic_output_shape in function.tags,
        returns_number=name in _RETURN_NUMBERS,
        makes_tensor="device" in names,
        shape_rule=SHAPE_RULES.get(function),
    )
