"""The weights as each layer meets them: masked, scaled, noise at its mean. For bit-level costs."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from smartsim.trace.record.arguments import KnownInputs
from smartsim.trace.record.evaluate import compute_arguments
from smartsim.trace.record.forward import record_forward
from smartsim.trace.record.surroundings import outside_of_compilers
from smartsim.trace.record.tape import NOISE, Node

__all__ = ["collect_weights"]

_WEIGHT_PLACE = {"aten.convolution": 1, "aten.addmm": 2, "aten.mm": 1}


@outside_of_compilers
def collect_weights(
    model: torch.nn.Module,
    inputs: Any,
    *,
    condition: Mapping[str, float] | None = None,
    known_inputs: KnownInputs = (),
) -> dict[str, NDArray[np.float64]]:
    """The effective weight of every convolution and linear layer on one path.

    Args:
        model: A module on a device with data.
        inputs: As `smartsim.trace.trace_model` takes them.
        condition: As `smartsim.trace.trace_model` takes it.
        known_inputs: As `smartsim.trace.trace_model` takes it.

    Returns:
        Layer -> weight, `(c_out, c_in / groups, *kernel)` or `(out, in)`; masked positions are 0,
        and noise that is drawn in every inference is taken at its mean, 0. A layer that runs
        several times appears once, with the weight of its first run.

    Example:
        >>> layer = torch.nn.Linear(3, 2)
        >>> collect_weights(layer, (1, 3))[""].shape
        (2, 3)
    """
    weights: dict[str, NDArray[np.float64]] = {}
    with record_forward(model, inputs, dict(condition or {}), known_inputs) as (recorder, _):
        for node in recorder.nodes:
            place = _WEIGHT_PLACE.get(node.name)
            if place is not None and node.module not in weights:
                weight = _read_weight(node, place)
                if weight is not None:
                    weights[node.module] = weight
    return weights


def _read_weight(node: Node, place: int) -> NDArray[np.float64] | None:
    """The weight's content; None where it depends on the input data."""
    operand = node.inputs[place]
    if operand.value.stage > NOISE:
        return None
    (content,), _ = compute_arguments((torch.empty(0),), {}, [operand])
    array: NDArray[np.float64] = content.detach().cpu().to(torch.float64).numpy()
    return array if node.name == "aten.convolution" else array.T
