"""What counting leaves: how many of each action, by layer, op and stage. Knows no op."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from smartsim.counts.conventions import Convention
from smartsim.errors import ConfigurationError
from smartsim.graph import STAGES, Stage
from smartsim.records.document import STRICT, Document, Number, Whole
from smartsim.records.shown import Shown

__all__ = ["ACTIONS", "Action", "Count", "Counts", "ParameterCounts", "load_counts", "save_counts"]

Action = Literal[
    "mac",
    "mul",
    "add",
    "shift_add",
    "compare",
    "div",
    "sqrt",
    "exp",
    "log",
    "trig",
    "erf",
    "tanh",
    "pow",
    "logic",
    "noise",
]
"""One primitive arithmetic act of hardware.

`mac` is one multiplication and its accumulation; `add` also stands for a subtraction, `compare`
for a minimum, a maximum or a sign test, `logic` for one bitwise or boolean act, `noise` for one
random draw, `shift_add` for one shift and its accumulation.
"""

ACTIONS: tuple[Action, ...] = get_args(Action)


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many of one action one layer does at one stage.

    Attributes:
        layer: Qualified module name; "" for the model itself.
        op: Operator, such as "aten.convolution".
        stage: How often it is paid for.
        action: What is counted.
        conditional: Whether it is there only because the model is conditional: work at stage
            switch or noise, and elementwise work at stage input on what those stages made.
        number: How many. An `int`, unless a measured density multiplied it.
    """

    __pydantic_config__ = STRICT

    layer: str
    op: str
    stage: Stage
    action: Action
    conditional: bool
    number: Number


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterCounts:
    """How many parameters a path of the model has, as the convention counts them.

    Attributes:
        total: All elements of all parameters.
        active: Nonzero elements that this path reads after deployment.
        stored: Nonzero elements that a device must keep to run every path that was given.
    """

    __pydantic_config__ = STRICT

    total: Whole
    active: Whole
    stored: Whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts(Shown):
    """The actions of one model under one convention.

    Attributes:
        model: How the model was named.
        condition: Value of each condition at which it was traced.
        convention: The choices that were made.
        items: The counts; one layer, op, stage, action and conditional mark appears once.
        parameters: Parameter counts; None where they were not asked for or do not add up.
        ignored: Ops that were left out because the caller said so.
        notes: What a reader of the numbers must know.
    """

    __pydantic_config__ = STRICT

    model: str
    condition: Mapping[str, float]
    convention: Convention
    items: tuple[Count, ...]
    parameters: ParameterCounts | None = None
    ignored: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        at = "".join(f", {name} = {value:g}" for name, value in self.condition.items())
        return (
            f"<Counts of {self.model}{at}: {self.macs:,} MACs, {self.adds:,} ADDs in "
            f"{len(self.layers)} layers ({self.convention.name})>"
        )

    def __iter__(self) -> Iterator[Count]:
        return iter(self.items)

    def __add__(self, other: "Counts") -> "Counts":
        """Layer by layer sum, for instance of two models that run one after the other."""
        return self._combine(other, lambda a, b: a + b)

    def __sub__(self, other: "Counts") -> "Counts":
        """Layer by layer difference; a negative number says that `other` does more there."""
        return self._combine(other, lambda a, b: a - b)

    @property
    def macs(self) -> int | float:
        """MACs that are paid for after deployment."""
        return self.total("mac", stages=("switch", "noise", "input"))

    @property
    def adds(self) -> int | float:
        """Additions that are paid for after deployment, apart from those within MACs."""
        return self.total("add", stages=("switch", "noise", "input"))

    @property
    def layers(self) -> tuple[str, ...]:
        """Every layer that has a count, in order of execution."""
        return tuple(dict.fromkeys(item.layer for item in self.items))

    def total(
        self,
        action: Action | None = None,
        *,
        stages: Iterable[Stage] = STAGES,
        layer: str | None = None,
        conditional: bool | None = None,
    ) -> int | float:
        """Sum of the numbers that match; None matches all."""
        wanted = frozenset(stages)
        return sum(
            item.number
            for item in self.items
            if item.stage in wanted
            and action in (None, item.action)
            and layer in (None, item.layer)
            and conditional in (None, item.conditional)
        )

    def group(self, *keys: str) -> dict[tuple[Any, ...], int | float]:
        """Sums by the named fields of `Count`, such as `group("layer", "stage", "action")`.

        Raises:
            ConfigurationError: If a key is no field of `Count` to group by.
        """
        possible = [f.name for f in dataclasses.fields(Count) if f.name != "number"]
        for key in keys:
            if key not in possible:
                raise ConfigurationError(
                    f"cannot group by {key!r}; possible: {', '.join(possible)}"
                )
        sums: dict[tuple[Any, ...], int | float] = {}
        for item in self.items:
            place = tuple(getattr(item, key) for key in keys)
            sums[place] = sums.get(place, 0) + item.number
        return sums

    def records(self) -> list[dict[str, Any]]:
        """The items as plain rows, ready for a data frame."""
        return [dataclasses.asdict(item) for item in self.items]

    def _combine(
        self, other: "Counts", combine: Callable[[int | float, int | float], int | float]
    ) -> "Counts":
        if self.convention != other.convention:
            raise ConfigurationError(
                f"counts under convention {self.convention.name!r} and {other.convention.name!r} "
                "cannot be combined; count both graphs under one"
            )
        keys = ("layer", "op", "stage", "action", "conditional")
        mine, theirs = self.group(*keys), other.group(*keys)
        return dataclasses.replace(
            self,
            model=self.model if self.model == other.model else f"{self.model}, {other.model}",
            condition=self.condition if self.condition == other.condition else {},
            items=tuple(
                Count(
                    **dict(zip(keys, place, strict=True)),
                    number=combine(mine.get(place, 0), theirs.get(place, 0)),
                )
                for place in dict.fromkeys((*mine, *theirs))
            ),
            parameters=None,
            ignored=tuple(dict.fromkeys((*self.ignored, *other.ignored))),
            notes=tuple(dict.fromkeys((*self.notes, *other.notes))),
        )


def save_counts(counts: Counts, path: str | Path) -> None:
    """Write `counts` as JSON to `path`, whole or not at all."""
    _DOCUMENT.save(counts, path)


def load_counts(path: str | Path) -> Counts:
    """Read counts that `save_counts` wrote.

    Raises:
        FileFormatError: If the file is missing, damaged, or something else; the sentence names it.
    """
    return _DOCUMENT.load(path)


_DOCUMENT = Document(
    record=Counts,
    format="smartsim-counts",
    version=1,
    what="smartsim counts",
    remedy="make them with `smartsim count GRAPH --output FILE`",
)
