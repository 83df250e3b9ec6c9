"""One call of an operator, as the rules see it, and the table of the rules.

A rule executes an operator on arrays of scalars: it takes a `Call`, makes each result with
`Call.act`, which notes what it cost, and returns an array of scalars for each result of the op.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import torch

from smartsim.counts.conventions import Convention
from smartsim.counts.records import Action
from smartsim.errors import ConfigurationError
from smartsim.graph import Stage
from smartsim.testing.memory import Operand
from smartsim.testing.scalars import Act, Scalar, ScalarArray, Site, elements

__all__ = ["RULES", "Call", "Rule", "ScalarRule", "broadcast", "scalar_rule", "tie"]

ScalarRule: TypeAlias = Callable[["Call"], ScalarArray | tuple[ScalarArray | None, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How one operator is executed with scalars.

    Attributes:
        execute: The rule itself.
        reads: Names of the tensor arguments whose numbers it reads; None for all of them.
        contraction: Whether it is a contraction, whose work is never there only because the
            model is conditional.
        whole: Whether it runs whole or not at all: one needed result needs all of its arithmetic.
    """

    execute: ScalarRule
    reads: tuple[str, ...] | None = None
    contraction: bool = False
    whole: bool = False


RULES: dict[str, Rule] = {}
"""Every rule by the operator's name without overload, such as "aten.add"."""


def scalar_rule(
    *names: str,
    reads: tuple[str, ...] | None = None,
    contraction: bool = False,
    whole: bool = False,
) -> Callable[[ScalarRule], ScalarRule]:
    """Make a function the rule of some operators; the in-place variants come along.

    Args:
        names: Operators without overload and without the in-place underscore, such as "aten.sin".
        reads: Tensor arguments whose numbers the operator reads; None for all of them. An
            operator that only looks at a shape, such as "aten.zeros_like", reads none.
        contraction: Whether it is a contraction and no elementwise arithmetic.
        whole: Whether it runs whole or not at all, such as a softmax, whose row is one piece.

    Returns:
        A decorator that enters the function and returns it unchanged.

    Raises:
        ConfigurationError: If an operator has a rule already.

    >>> @scalar_rule("aten.my_cube")
    ... def execute_my_cube(call: Call) -> ScalarArray:
    ...     return call.map(lambda a: call.act(a.value**3, (a,), {"mul": 2}), "self")
    >>> _ = RULES.pop("aten.my_cube")
    """

    def enter(execute: ScalarRule) -> ScalarRule:
        for name in names:
            if name in RULES:
                raise ConfigurationError(f"operator {name!r} has a scalar rule already")
            RULES[name] = Rule(execute=execute, reads=reads, contraction=contraction, whole=whole)
        return execute

    return enter


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of an operator.

    Attributes:
        site: Which operator, called by which module, how often it runs.
        overload: The operator itself, for rules that let torch move elements.
        arguments: Every argument by the operator's own name for it, defaults included.
        operands: Every tensor and number that it reads, by name; a list of them for a list.
        results: What torch computed.
        convention: The counting choices; only padding and zeros matter to the oracle.
        acts: Every act of the run so far; `act` adds to it.
    """

    site: Site
    overload: torch._ops.OpOverload[Any, Any]
    arguments: Mapping[str, Any]
    operands: Mapping[str, Operand | list[Operand | None]]
    results: tuple[torch.Tensor, ...]
    convention: Convention
    acts: list[Act] = field(repr=False)

    def __getitem__(self, name: str) -> Operand:
        """The tensor or number that the op takes under this name."""
        operand = self.operands[name]
        assert isinstance(operand, Operand)
        return operand

    def get(self, name: str) -> Operand | None:
        """The same, or None when it was not given."""
        operand = self.operands.get(name)
        assert not isinstance(operand, list)
        return operand

    @property
    def skips_zeros(self) -> bool:
        """Whether what is known of zeros saves work."""
        return self.convention.skip_zeros

    def site_at(self, stage: Stage) -> Site:
        """The site of acts that can be done at an earlier stage than the call's."""
        conditional = self.site.conditional if stage == self.site.stage else False
        return replace(
            self.site, stage=stage, conditional=conditional or stage in ("switch", "noise")
        )

    def act(
        self,
        value: float,
        operands: Iterable[Scalar],
        actions: Mapping[Action, int],
        *,
        site: Site | None = None,
    ) -> Scalar:
        """Compute one scalar.

        Args:
            value: The result.
            operands: What was read to get it.
            actions: What it took, such as `{"mul": 1, "add": 1}`; empty when the number is only
                passed on.
            site: Where and when it is done; None for the site of the call.
        """
        made_by = tuple({s.act: None for s in operands if s.act is not None})
        if not actions and len(made_by) < 2:
            return Scalar(value, act=made_by[0] if made_by else None)
        done = Act(site or self.site, actions, made_by)
        self.acts.append(done)
        return Scalar(value, act=done)

    def zero(self) -> Scalar:
        """A zero that is structure, if the convention looks at structure."""
        return Scalar(0.0, zero=self.skips_zeros)

    def literal(self, name: str) -> float | None:
        """The number in the code that an argument is, where literals save work."""
        operand = self.get(name)
        return operand.literal if operand is not None and self.skips_zeros else None

    def passes(self, name: str, sign: int = 1) -> ScalarArray:
        """An operand as the result, with another sign at most: nothing is computed."""
        shape = tuple(self.results[0].shape)
        return broadcast(
            lambda a, _: self.zero() if a.zero else self.act(sign * a.value, (a,), {}),
            self[name].scalars,
            np.empty(shape, dtype=object),
        )

    def constant(self, value: float) -> ScalarArray:
        """One number everywhere, which nothing is read for."""
        scalar = self.zero() if value == 0 else Scalar(value)
        return np.full(tuple(self.results[0].shape), scalar, dtype=object)

    def map(self, function: Callable[..., Scalar], *arguments: str | ScalarArray) -> ScalarArray:
        """Apply a function of scalars to each element of operands that broadcast.

        Args:
            function: Takes one scalar of each argument and makes one.
            arguments: Names of operands, or arrays.
        """
        return broadcast(
            function, *(self[a].scalars if isinstance(a, str) else a for a in arguments)
        )


def tie(call: Call, outputs: tuple[ScalarArray | None, ...]) -> tuple[ScalarArray | None, ...]:
    """Make every result need the arithmetic of all results, as of an op that runs whole."""
    made = [s.act for array in outputs if array is not None for s in elements(array)]
    act = Act(call.site, {}, tuple(a for a in made if a is not None))
    return tuple(
        None if array is None else call.map(lambda s: replace(s, act=act), array)
        for array in outputs
    )


def broadcast(function: Callable[..., Scalar], *arrays: ScalarArray) -> ScalarArray:
    """Apply a function of scalars to each element of arrays that broadcast."""
    shape = np.broadcast_shapes(*(a.shape for a in arrays))
    result = np.empty(shape, dtype=object)
    columns = (np.broadcast_to(a, shape).ravel() for a in arrays)
    for place, scalars in enumerate(zip(*columns, strict=True)):
        result.flat[place] = function(*scalars)
    return result
