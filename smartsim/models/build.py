"""Models from settings and a seed, or from a name."""

from collections.abc import Collection
from typing import Any

import torch
from torch import nn

from smartsim.errors import ConfigurationError
from smartsim.models.backbones import ResNet, WideResNet
from smartsim.models.kit import make_kit
from smartsim.models.layers import INITIAL_ALPHA, Conv2d, Linear, NoisyWeight
from smartsim.models.model import ConditionalModel
from smartsim.models.names import split_name
from smartsim.models.norms import BatchNorm2d, Film, LamEncoding
from smartsim.models.settings import ModelSettings

__all__ = ["build_from_settings", "build_model", "build_named_model"]


def build_model(
    method: str,
    arch: str = "resnet34",
    *,
    generator: torch.Generator | None = None,
    device: str | torch.device = "cpu",
    **settings: Any,
) -> ConditionalModel:
    """Build a conditional model, ready to be trained.

    Args:
        method: "pgdat", "oat", "float" or "smart"; see `METHODS`.
        arch: A backbone such as "resnet34"; see `ARCHITECTURES`.
        generator: Where weights, masks and frozen noise come from, on the CPU; None makes one from
            the seed in the settings.
        device: Where the model goes; on "meta" it has shapes only, and costs nothing.
        **settings: The other fields of `ModelSettings`.

    Returns:
        The model, in training mode, called as `model(x, lam)`.

    Raises:
        ConfigurationError: If a name or a setting is unknown, or cannot be.

    >>> model = build_model("smart", "resnet8", classes=100, stages="DSS", seed=1)
    >>> model(torch.zeros(2, 3, 32, 32), 0.3).shape
    torch.Size([2, 100])
    """
    chosen = ModelSettings.from_dict({"method": method, "arch": arch, **settings})
    return build_from_settings(chosen, generator=generator, device=device)


def build_from_settings(
    settings: ModelSettings,
    *,
    generator: torch.Generator | None = None,
    device: str | torch.device = "cpu",
    draw: bool = True,
) -> ConditionalModel:
    """Build the model that `settings` describe; see `build_model`.

    Everything is drawn on the CPU, so a seed gives the same model on every device. The weights of
    the backbone are drawn first: with one seed, all methods start from the same ones.

    Args:
        settings: What to build.
        generator: As in `build_model`.
        device: As in `build_model`.
        draw: Whether weights and frozen noise get values. A model that is only traced needs none,
            since no count depends on them; without, they stay on the meta device. Masks are
            those of the seed in any case.
    """
    family = ResNet if settings.architecture.family == "resnet" else WideResNet
    with torch.device("meta"):
        model: ConditionalModel = family(settings, make_kit(settings))
    if torch.device(device).type == "meta":
        return model
    if generator is None:
        generator = torch.Generator().manual_seed(settings.seed)
    if generator.device.type != "cpu":
        raise ConfigurationError(
            f"the generator is on {generator.device}; models are drawn on the CPU, give one there"
        )
    _allocate(model, without=() if draw else _name_weights(model))
    if draw:
        _draw(model, generator)
    else:
        if settings.features.masked:
            _skip_weights(model, generator)
        if model.encoding is not None:
            model.encoding.draw_rows(generator)
    _initialise(model, generator)
    if not draw:
        return model
    model.redraw_noise(generator)
    return model.to(device)


def build_named_model(
    name: str,
    *,
    generator: torch.Generator | None = None,
    device: str | torch.device = "cpu",
    draw: bool = True,
    **settings: Any,
) -> ConditionalModel:
    """Build the model called `name`, such as "smart:resnet34"; see `parse_model`, `build_model`.

    Args:
        name: A model name; `settings` override what it says.
        generator: As in `build_model`.
        device: As in `build_model`.
        draw: As in `build_from_settings`.
        **settings: Fields of `ModelSettings`.
    """
    chosen = ModelSettings.from_dict({**split_name(name), **settings})
    return build_from_settings(chosen, generator=generator, device=device, draw=draw)


def _name_weights(model: ConditionalModel) -> frozenset[str]:
    """What is drawn: the weights of layers, all that FiLM has, and frozen noise."""
    names: set[str] = set()
    for name, module in model.named_modules():
        if isinstance(module, Conv2d | Linear):
            names |= {f"{name}.weight", f"{name}.noise"}
        elif isinstance(module, Film):
            names |= {f"{name}.{key}" for key, _ in module.named_parameters()}
    return frozenset(names)


def _allocate(model: ConditionalModel, without: Collection[str]) -> None:
    """Move a model from the meta device into memory that holds no values yet.

    `Module.to_empty` would do it through torch's Python reference of `empty_like`, which loads
    sympy.

    Args:
        model: On the meta device.
        without: Names in its state that stay there.
    """
    state = model.state_dict()
    for name, value in state.items():
        if name not in without:
            state[name] = torch.empty(value.shape, dtype=value.dtype)
    model.load_state_dict(state, assign=True)


def _draw(model: ConditionalModel, generator: torch.Generator) -> None:
    """Draw the weights of the backbone, then those of FiLM and the encoding of lam."""
    modules = list(model.modules())
    for module in modules:
        if isinstance(module, Conv2d | Linear):
            module.draw_weights(generator)
    for module in modules:
        if isinstance(module, Film):
            module.draw_weights(generator)
        if isinstance(module, LamEncoding):
            module.draw_rows(generator)


def _skip_weights(model: ConditionalModel, generator: torch.Generator) -> None:
    """Take out of the generator what the weights would have been, and throw it away."""
    layers = [module for module in model.modules() if isinstance(module, Conv2d | Linear)]
    scratch = torch.empty(max(layer.weight.numel() for layer in layers))
    for layer in layers:
        layer.draw_into(scratch[: layer.weight.numel()].view(layer.weight.shape), generator)


def _initialise(model: ConditionalModel, generator: torch.Generator) -> None:
    """Give what is not drawn its first value, and draw the masks."""
    settings = model.settings
    modules = list(model.modules())
    for module in modules:
        if isinstance(module, Linear):
            nn.init.zeros_(module.bias)
        if isinstance(module, BatchNorm2d):
            module.reset_parameters()
        if isinstance(module, NoisyWeight):
            nn.init.constant_(module.alpha, INITIAL_ALPHA)
    if settings.density is not None and settings.overlap is not None:
        for module in modules:
            if isinstance(module, NoisyWeight):
                module.draw_masks(settings.density, settings.overlap, generator)
