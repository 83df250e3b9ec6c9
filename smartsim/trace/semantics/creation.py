"""Tensors that the forward pass itself fills: with a literal zero, or with anything else."""

from collections.abc import Mapping

import numpy as np

from smartsim.trace.record.geometry import Bits
from smartsim.trace.record.tape import Node
from smartsim.trace.semantics.rule import (
    POINTWISE,
    Rule,
    live_pointwise,
    output_shape,
    read_all,
    read_pointwise,
)

__all__ = ["CREATION"]


def _zeros_made(node: Node) -> Bits | None:
    """Tensors that the forward pass itself fills with a literal zero."""
    return np.zeros(output_shape(node), dtype=np.bool_)


def _zeros_fill(node: Node) -> Bits | None:
    literals = [
        node.attributes[key] for key in ("value", "fill_value", "s") if key in node.attributes
    ]
    return _zeros_made(node) if literals == [0] and not node.inputs else None


_POINTWISE_OPS = """
    bernoulli rand_like randn_like normal uniform randn rand ones ones_like arange empty
    empty_like new_empty new_ones native_dropout
""".split()

CREATION: Mapping[str, Rule] = {
    **{f"aten.{name}": POINTWISE for name in _POINTWISE_OPS},
    **{
        f"aten.{name}": Rule(_zeros_made, read_all, live_pointwise)
        for name in ("zeros", "zeros_like", "new_zeros", "zero")
    },
    **{
        f"aten.{name}": Rule(_zeros_fill, read_pointwise, live_pointwise)
        for name in ("fill", "full", "full_like", "new_full", "scalar_tensor")
    },
}
