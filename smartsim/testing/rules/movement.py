"""Scalar rules of operators that move elements and compute nothing.

A mover needs no loops of its own: torch moves the numbers of the places instead of the elements,
and the scalars follow. Place 0 stands for an element that comes from nowhere, such as padding.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils._pytree import tree_map

from smartsim.errors import MissingRuleError
from smartsim.testing.calls import Call, scalar_rule
from smartsim.testing.memory import Operand, to_values
from smartsim.testing.rules.elementwise import CUT_OFF
from smartsim.testing.scalars import Scalar, ScalarArray, elements

__all__: list[str] = []

_CONTROLS = ("index", "indices")
"""Arguments that say which element goes where."""

_FILLERS = frozenset(
    f"aten.{name}"
    for name in ("constant_pad_nd", "index_fill", "scatter", "tril", "triu", "im2col")
)
"""Operators whose constant is written in the program: a zero there is structure."""


@scalar_rule(
    "aten.cat",
    "aten.stack",
    "aten.index",
    "aten.index_put",
    "aten.index_select",
    "aten.gather",
    "aten.index_copy",
    "aten.index_fill",
    "aten.scatter",
    "aten.take_along_dim",
    "aten.channel_shuffle",
    "aten.slice_scatter",
    "aten.select_scatter",
    "aten.embedding",
    "aten.roll",
    "aten.flip",
    "aten.repeat",
    "aten.clone",
    "aten.tril",
    "aten.triu",
    "aten.constant_pad_nd",
    "aten.reflection_pad1d",
    "aten.reflection_pad2d",
    "aten.replication_pad1d",
    "aten.replication_pad2d",
    "aten.upsample_nearest1d",
    "aten.upsample_nearest2d",
    "aten.upsample_nearest3d",
    "aten.im2col",
    "aten.pixel_shuffle",
    "aten.pixel_unshuffle",
)
def _execute_move(call: Call) -> ScalarArray:
    if call.arguments.get("accumulate") or call.arguments.get("reduce"):
        raise MissingRuleError(
            f"{call.site.op} in module {call.site.layer!r} adds what it moves, which has no scalar "
            "rule; move and add in two steps"
        )
    sources: list[Scalar] = [_filler(call)]
    arguments = {
        name: value if name in _CONTROLS else _number_places(call, name, sources)
        for name, value in call.arguments.items()
    }
    schema = call.overload._schema
    moved: torch.Tensor = call.overload(
        *[arguments[a.name] for a in schema.arguments if not a.kwarg_only],
        **{a.name: arguments[a.name] for a in schema.arguments if a.kwarg_only},
    )
    places: NDArray[np.int64] = to_values(moved).astype(np.int64)
    table = np.empty(len(sources), dtype=object)
    table[:] = sources
    return _controlled(call, table[places], sources)


def _filler(call: Call) -> Scalar:
    """What stands at places that no element moves to."""
    value = float(call.arguments.get("value") or 0)
    if call.site.op in _FILLERS and value == 0:
        return call.zero()
    return Scalar(value)


def _number_places(call: Call, name: str, sources: list[Scalar]) -> object:
    """An argument with places instead of elements; the scalars at the places go to `sources`."""
    value, operand = call.arguments[name], call.operands.get(name)
    if name == "value" and not isinstance(value, torch.Tensor):
        return 0
    if operand is None or not isinstance(value, torch.Tensor | Sequence):
        return value
    operands = iter(operand if isinstance(operand, list) else [operand])

    def number(leaf: object) -> object:
        if not isinstance(leaf, torch.Tensor):
            return leaf
        part = next(operands)
        assert part is not None
        first = len(sources)
        filled = part.literal == 0 and call.skips_zeros  # with the number zero, as by a fill
        sources.extend(call.zero() if filled else scalar for scalar in elements(part.scalars))
        places = torch.arange(first, len(sources), dtype=torch.float64)
        return places.reshape(part.scalars.shape)

    return tree_map(number, value)


def _controlled(call: Call, moved: ScalarArray, sources: list[Scalar]) -> ScalarArray:
    """Let results need what made the choice; a choice that data makes may take any element."""
    controls: list[Operand] = []
    for name in _CONTROLS:
        operand = call.operands.get(name)
        parts = operand if isinstance(operand, list) else [operand]
        controls += [part for part in parts if part is not None]
    makers = [s for part in controls for s in elements(part.scalars) if s.act is not None]
    if any(control.stage in ("noise", "input") for control in controls):
        makers += [s for s in sources if s.act is not None]
        if not all(s.zero for s in sources[1:]):
            moved = call.map(lambda s: Scalar(s.value, act=s.act), moved)
    if not makers:
        return moved
    choice = call.act(0.0, makers, {})
    return call.map(lambda s: s if s.zero else call.act(s.value, (s, choice), {}), moved)


@scalar_rule("aten.where")
def _execute_where(call: Call) -> ScalarArray:
    return _choose(call, call["condition"], call["self"], call["other"])


@scalar_rule("aten.masked_fill")
def _execute_masked_fill(call: Call) -> ScalarArray:
    return _choose(call, call["mask"], _known_number(call, call["value"]), call["self"])


def _choose(call: Call, condition: Operand, yes: Operand, no: Operand) -> ScalarArray:
    """One of two elements; both may be needed when only data can tell which."""
    late = condition.stage in ("noise", "input")

    def choose(c: Scalar, a: Scalar, b: Scalar) -> Scalar:
        chosen = a if c.value else b
        if late:
            return chosen if a.zero and b.zero else call.act(chosen.value, (c, a, b), {})
        if chosen.zero or chosen.cut:
            return chosen
        source = yes if c.value else no
        if call.skips_zeros and source.literal is not None and source.literal <= CUT_OFF:
            return Scalar(chosen.value, cut=True)
        return chosen if c.act is None else call.act(chosen.value, (c, chosen), {})

    return call.map(choose, condition.scalars, yes.scalars, no.scalars)


@scalar_rule("aten._to_copy")
def _execute_to_copy(call: Call) -> ScalarArray:
    return _cast(call, call["self"].scalars)


@scalar_rule("aten.copy", reads=("src",))
def _execute_copy(call: Call) -> ScalarArray:
    return np.broadcast_to(_cast(call, call["src"].scalars), call.results[0].shape)


@scalar_rule("aten.fill", reads=("value",))
def _execute_fill(call: Call) -> ScalarArray:
    value = _known_number(call, call["value"])
    return np.broadcast_to(_cast(call, value.scalars), call.results[0].shape)


def _known_number(call: Call, operand: Operand) -> Operand:
    """An operand to fill with: the number 0, written in the program, is structure."""
    if operand.is_number and operand.scalars.item().value == 0:
        return replace(operand, scalars=np.array(call.zero(), dtype=object))
    return operand


def _cast(call: Call, scalars: ScalarArray) -> ScalarArray:
    """The same scalars, rounded to the result's dtype."""
    values = torch.tensor([s.value for s in elements(scalars)], dtype=torch.float64)
    rounded = values.to(call.results[0].dtype).to(torch.float64).tolist()
    result = np.empty(scalars.shape, dtype=object)
    for place, (scalar, value) in enumerate(zip(elements(scalars), rounded, strict=True)):
        result.flat[place] = (
            scalar if value == scalar.value else Scalar(value, zero=scalar.zero, act=scalar.act)
        )
    return result
