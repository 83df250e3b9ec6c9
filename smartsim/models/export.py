"""One path of a conditional model as a plain network, and frozen noise for a model with fresh."""

import torch
from torch import Tensor

from smartsim.errors import ConfigurationError
from smartsim.models.condition import make_condition
from smartsim.models.layers import Conv2d, Linear, NoisyWeight
from smartsim.models.model import ConditionalModel
from smartsim.models.norms import BatchNorm2d, DualBatchNorm2d, FilmedNorm
from smartsim.models.settings import ModelSettings

__all__ = ["export_path", "freeze_noise"]


def export_path(
    model: ConditionalModel, lam: float, *, generator: torch.Generator | None = None
) -> ConditionalModel:
    """The plain network that `model` is at one lam: weights baked, one batch norm, no condition.

    Masks are multiplied in, frozen noise is added, FiLM's gamma and beta become part of the batch
    norm's gain and offset. Fresh noise is left out, which is its expectation, unless a generator
    is given: then one draw is baked. In eval mode the outputs are those of `model` at `lam`.

    Args:
        model: What `build_model` made. It is not changed, and shares no memory with the result.
        lam: The path, a number in [0, 1].
        generator: Where one draw of fresh noise comes from.

    Returns:
        A network as PGD-AT has it, in eval mode, called as `network(x)`.

    Raises:
        ConfigurationError: If lam is NaN or outside [0, 1].
    """
    condition = make_condition(lam)
    if condition.value is None:
        raise ConfigurationError("a path is exported for one lam; give a number")
    settings = model.settings
    plain = model.make_empty(
        ModelSettings(
            method="pgdat",
            arch=settings.arch,
            classes=settings.classes,
            in_channels=settings.in_channels,
            width=settings.width,
            dropout=settings.dropout,
            seed=settings.seed,
        )
    )
    state: dict[str, Tensor] = {}
    with torch.no_grad():
        condition = model.encode(condition)
        for name, _ in plain.named_modules():
            layer = model.get_submodule(name)
            if isinstance(layer, Conv2d | Linear):
                state[f"{name}.weight"] = layer.bake_weight(condition, generator)
            if isinstance(layer, Linear):
                state[f"{name}.bias"] = layer.bias
            if isinstance(layer, BatchNorm2d | DualBatchNorm2d | FilmedNorm):
                state |= {f"{name}.{key}": value for key, value in layer.bake(condition).items()}
    plain.load_state_dict(
        {key: value.detach().clone() for key, value in state.items()}, assign=True
    )
    return plain.eval()


def freeze_noise(model: ConditionalModel, generator: torch.Generator) -> ConditionalModel:
    """A copy of a model with fresh noise whose noise is one draw, frozen in buffers.

    Args:
        model: A FLOAT or SMART model. It is not changed, and shares no memory with the result.
        generator: Where the draw comes from; `redraw_noise` of the copy makes another.

    Raises:
        ConfigurationError: If the method has no noise.
    """
    frozen = model.make_empty(model.settings.with_frozen_noise())
    state = {key: value.detach().clone() for key, value in model.state_dict().items()}
    for name, layer in model.named_modules():
        if isinstance(layer, NoisyWeight):
            state[f"{name}.noise"] = torch.zeros(layer.weight.shape, device=layer.weight.device)
    frozen.load_state_dict(state, assign=True)
    frozen.redraw_noise(generator)
    return frozen.train(model.training)
