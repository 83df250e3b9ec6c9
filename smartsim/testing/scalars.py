"""The numbers that the oracle computes with, and the acts that made them.

Knows no torch. A `Scalar` remembers the act that computed it and an act remembers the acts that
computed its operands, so that what an output needed is found by walking back from it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from smartsim.counts.records import Action, Count
from smartsim.graph import STAGES, Stage

__all__ = [
    "Act",
    "Scalar",
    "ScalarArray",
    "Site",
    "count_acts",
    "elements",
    "find_needed_acts",
    "latest_stage",
]

ScalarArray: TypeAlias = NDArray[np.object_]
"""An array of `Scalar` objects; it has the shape of the tensor that it stands for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where, by what and how often acts are done: all that one `Count` says but the number.

    Attributes:
        layer: Qualified name of the innermost module that called the op; "" for the model.
        op: Operator, such as "aten.convolution".
        stage: The latest stage of the operands of the whole op.
        conditional: Whether it is there only because the model is conditional.
    """

    layer: str
    op: str
    stage: Stage
    conditional: bool


@dataclass(frozen=True, slots=True, eq=False)
class Act:
    """The arithmetic that made one scalar, or that several scalars share.

    Attributes:
        site: Where it is done.
        actions: How many of each action it takes; empty for a number that is merely passed on.
        operands: The acts that made what it reads. What was not computed (a parameter, an input)
            has no act and is left out.
    """

    site: Site
    actions: Mapping[Action, int]
    operands: tuple["Act", ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    """One number of a tensor.

    Attributes:
        value: What it is.
        zero: Whether it is known to be zero by structure, and not merely by its value.
        gate: Whether it is the one of a known mask, where a mask is a factor.
        cut: Whether it is known to be minus infinity, so that a softmax gives it no weight.
        act: What computed it; None for a parameter, a constant or an input.
    """

    value: float
    zero: bool = False
    gate: bool = False
    cut: bool = False
    act: Act | None = None


def elements(array: ScalarArray) -> list[Scalar]:
    """The scalars of an array in row-major order."""
    scalars: list[Scalar] = array.ravel().tolist()
    return scalars


def latest_stage(stages: Iterable[Stage]) -> Stage:
    """The latest of some stages; "deploy" when there is none.

    >>> latest_stage(["switch", "input", "noise"])
    'input'
    """
    return max(stages, key=STAGES.index, default="deploy")


def find_needed_acts(outputs: Iterable[Scalar]) -> set[Act]:
    """Every act that some output was computed from, however indirectly."""
    needed: set[Act] = set()
    open_acts = [scalar.act for scalar in outputs if scalar.act is not None]
    while open_acts:
        act = open_acts.pop()
        if act not in needed:
            needed.add(act)
            open_acts.extend(act.operands)
    return needed


def count_acts(acts: Iterable[Act]) -> tuple[Count, ...]:
    """Merge acts to counts, in the order of their first occurrence."""
    numbers: dict[tuple[Site, Action], int] = {}
    for act in acts:
        for action, number in act.actions.items():
            if number:
                place = (act.site, action)
                numbers[place] = numbers.get(place, 0) + number
    return tuple(
        Count(
            layer=site.layer,
            op=site.op,
            stage=site.stage,
            action=action,
            conditional=site.conditional,
            number=number,
        )
        for (site, action), number in numbers.items()
    )
