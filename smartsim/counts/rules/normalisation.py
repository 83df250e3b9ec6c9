"""Batch, layer and group norms, softmax, weight norm."""

import math
from collections.abc import Mapping

from smartsim.counts.records import Action
from smartsim.counts.rules.registry import (
    Cost,
    Facts,
    register_rule,
)

__all__: list[str] = []


@register_rule("aten.native_batch_norm")
def _batch_norm(facts: Facts) -> Cost:
    """In eval mode a scale and a shift an element, both prepared once a channel.

    scale = weight / sqrt(var + eps), shift = bias - mean * scale. With the batch's own statistics
    (an instance norm) these are computed from the data in every run.
    """
    if facts.shapes.attributes.get("training", False):
        rows = facts.shapes.data[1]
        return Cost(run=_normalize(facts, rows, facts.shapes.arguments))
    channels, given = facts.outputs, facts.shapes.arguments
    return Cost(
        run={"mul": facts.sites, "add": facts.sites},
        prepared={
            "add": channels + (channels if "bias" in given else 0),
            "sqrt": channels,
            "div": channels,
            "mul": channels + (channels if "weight" in given else 0),
        },
    )


@register_rule("smartsim.fold_batch_norm")
def _fold_batch_norm(facts: Facts) -> Cost:
    """Scaling the weights of the layer before: one multiplication a nonzero weight.

    The scale itself is prepared as for the batch norm; with a bias in the layer, shift and bias
    are one multiply-add a channel more.
    """
    given = facts.shapes.arguments
    channels = facts.outputs
    shifts = ("bias" in given) + ("layer_bias" in given)
    return Cost(
        run={
            "mul": facts.sites + channels * (1 + ("weight" in given) + ("layer_bias" in given)),
            "add": channels * (1 + shifts),
            "sqrt": channels,
            "div": channels,
        }
    )


@register_rule("aten.native_layer_norm", "aten.layer_norm")
def _layer_norm(facts: Facts) -> Cost:
    """Mean, variance and normalisation over the last dimensions, then the affine map."""
    width = math.prod(facts.shapes.attributes["normalized_shape"])
    rows = math.prod(facts.shapes.data) // width if width else 0
    return Cost(run=_normalize(facts, rows, facts.shapes.arguments))


@register_rule("aten.native_group_norm")
def _group_norm(facts: Facts) -> Cost:
    """As layer norm, over each group of channels of each image."""
    rows = facts.shapes.data[0] * int(facts.shapes.attributes["group"])
    return Cost(run=_normalize(facts, rows, facts.shapes.arguments))


@register_rule("aten._fused_rms_norm", "aten.rms_norm")
def _rms_norm(facts: Facts) -> Cost:
    """N squares, n - 1 additions, a mean, an epsilon, a reciprocal root, n products; the weight."""
    width = math.prod(facts.shapes.attributes["normalized_shape"])
    elements = math.prod(facts.shapes.data)
    rows = elements // width if width else 0
    weighted = elements if "weight" in facts.shapes.arguments else 0
    return Cost(
        run={"mul": 2 * elements + rows + weighted, "add": elements, "sqrt": rows, "div": rows}
    )


@register_rule("aten._softmax", "aten._safe_softmax", "aten._log_softmax")
def _softmax(facts: Facts) -> Cost:
    """Largest of the row, subtract it, exponentials, their sum; then divide, or take its log."""
    elements, rows = facts.sites, facts.outputs
    run: dict[Action, int] = {"compare": elements - rows, "exp": elements}
    if facts.shapes.name == "aten._log_softmax":
        return Cost(run={**run, "add": 3 * elements - rows, "log": rows})
    return Cost(run={**run, "add": 2 * elements - rows, "div": elements})


@register_rule("aten._weight_norm_interface")
def _weight_norm(facts: Facts) -> Cost:
    """G * v / |v|: the 2-norm of each slice along `dim`, a quotient each, and n products."""
    elements, rows = math.prod(facts.shapes.data), math.prod(facts.shapes.inputs[1].shape)
    return Cost(
        run={"mul": 2 * elements, "add": elements - rows, "sqrt": rows, "div": rows},
    )


def _normalize(facts: Facts, rows: int, given: Mapping[str, object]) -> dict[Action, int]:
    """Mean and variance of each row, and every element normalised by them."""
    elements = math.prod(facts.shapes.data)
    each = 0 if rows == 0 else elements - rows
    return {
        "add": 2 * each + elements + rows + (elements if "bias" in given else 0),
        "mul": 2 * elements + 2 * rows + (elements if "weight" in given else 0),
        "sqrt": rows,
        "div": rows,
    }
