"""The small records of a graph: what one tensor, one op and one parameter are."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, PlainSerializer

from smartsim.records.document import STRICT, Whole

__all__ = ["STAGES", "Op", "ParameterSpec", "Role", "Stage", "TensorSpec", "Work"]

Stage = Literal["deploy", "switch", "noise", "input"]
"""How often work is paid for: once a deployment, a lam switch, an inference, or per input data."""

STAGES: tuple[Stage, ...] = get_args(Stage)

Role = Literal["parameter", "buffer", "input", "condition", "constant", "activation"]

Share = Annotated[float, Field(ge=0, le=1)]


def _jsonable(value: Any) -> Any:
    """An op's attribute as a JSON value; JSON has no infinity."""
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    if isinstance(value, tuple | list):
        return [_jsonable(v) for v in value]
    if isinstance(value, Mapping):
        return {key: _jsonable(v) for key, v in value.items()}
    return value


def _frozen(value: Any) -> Any:
    """A JSON value with tuples for lists."""
    if isinstance(value, list):
        return tuple(_frozen(v) for v in value)
    if isinstance(value, dict):
        if value.keys() == {"float"}:
            return float(value["float"])
        return {key: _frozen(v) for key, v in value.items()}
    return value


Attributes = Annotated[
    Mapping[str, Any],
    BeforeValidator(_frozen),
    PlainSerializer(_jsonable),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """A tensor as one op reads or writes it.

    Attributes:
        index: Its place in `Graph.tensors`.
        value: The data behind it; views of the same data share one value.
        shape: Elements along each dimension.
        dtype: Element type as torch names it, such as "float32".
        stage: The latest thing that its elements depend on.
        role: Where the value comes from.
        name: Qualified name of a parameter, buffer, input or condition; else "".
        nonzeros: Elements not known to be zero; None when nothing is known (dense).
        needed: Elements that a later op or the output needs; None when every one is.
        pattern: Place in `Graph.patterns` of the pattern behind `nonzeros`, when it was kept.
    """

    __pydantic_config__ = STRICT

    index: Whole
    value: Whole
    shape: tuple[Whole, ...]
    dtype: str
    stage: Stage
    role: Role = "activation"
    name: str = ""
    nonzeros: Whole | None = None
    needed: Whole | None = None
    pattern: Whole | None = None

    @property
    def elements(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """How much of an op there is to do, before it is said what one piece of it costs.

    Attributes:
        sites: Places where the op acts: a product of a contraction, an input element of a
            reduction or of a pooling window, an output element of an elementwise op. Products
            with padding zeros are included.
        sites_in_bounds: The same without padding.
        outputs: Output elements that are written.
    """

    __pydantic_config__ = STRICT

    sites: Whole
    sites_in_bounds: Whole
    outputs: Whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Op:
    """One operation of the traced program.

    Attributes:
        index: Its place in `Graph.ops`, the order of execution.
        name: Operator without overload or in-place mark, such as "aten.convolution".
        module: Qualified name of the innermost module that called it; "" for the model itself.
        module_type: Class name of that module.
        stage: The latest stage of its operands: how often it runs.
        inputs: Tensors it reads, as places in `Graph.tensors`.
        arguments: The operator's own name of each input, such as ("input", "weight").
        outputs: Tensors it writes.
        attributes: Its other arguments by name, such as stride or dim.
        live: The work left when known zeros and unneeded results are skipped; None when that
            is all of it, and the op's shapes say how much.
        gating: Whether it multiplies by a known mask of zeros and ones: hardware that skips
            zeros then keeps or drops elements and multiplies nothing.
        input_density: Measured share of nonzeros in its data operand, in [0, 1]; None unmeasured.
    """

    __pydantic_config__ = STRICT

    index: Whole
    name: str
    module: str
    module_type: str
    stage: Stage
    inputs: tuple[Whole, ...]
    arguments: tuple[str, ...]
    outputs: tuple[Whole, ...]
    attributes: Attributes = field(default_factory=dict)
    live: Work | None = None
    gating: bool = False
    input_density: Share | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterSpec:
    """A parameter, or a buffer that holds a mask or frozen noise, as the device stores it.

    Attributes:
        name: First qualified name in the model; a shared parameter appears once.
        shape: Elements along each dimension; () for a scalar.
        dtype: Element type as torch names it.
        kind: "parameter" or "buffer".
        active: Elements that this path of the model reads after deployment, without known zeros.
        pattern: Place in `Graph.patterns` of the active elements; None when all or none are.
    """

    __pydantic_config__ = STRICT

    name: str
    shape: tuple[Whole, ...]
    dtype: str
    kind: Literal["parameter", "buffer"]
    active: Whole
    pattern: Whole | None = None

    @property
    def elements(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)
