"""What the reports compare: the traced graphs of a method's model, by lam."""

from collections.abc import Mapping
from dataclasses import dataclass

from smartsim.graph import Graph

__all__ = ["MethodTraces"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodTraces:
    """The traces of one method's model.

    Attributes:
        label: Column heading.
        paths: Trace at each lam.
        frozen: Trace at lam = 1 of the variant whose noise is frozen in a buffer, if it has noise.
    """

    label: str
    paths: Mapping[float, Graph]
    frozen: Graph | None = None
