"""Models from settings and a seed, or from a name such as "smart:resnet34:overlap=0"."""

import dataclasses
from typing import Any

import torch
from torch import nn

from smartsim.errors import ConfigurationError
from smartsim.models.backbones import ResNet, WideResNet
from smartsim.models.kit import make_kit
from smartsim.models.layers import INITIAL_ALPHA, Conv2d, Linear, NoisyWeight
from smartsim.models.model import ConditionalModel
from smartsim.models.norms import BatchNorm2d, Film, LamEncoding
from smartsim.models.settings import ModelSettings

__all__ = ["build_from_settings", "build_model", "build_named_model", "parse_model"]


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
) -> ConditionalModel:
    """Build the model that `settings` describe; see `build_model`.

    Everything is drawn on the CPU, so a seed gives the same model on every device. The weights of
    the backbone are drawn first: with one seed, all methods start from the same ones.
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
    model.to_empty(device="cpu")
    _initialise(model, generator)
    return model.to(device)


def build_named_model(
    name: str,
    *,
    generator: torch.Generator | None = None,
    device: str | torch.device = "cpu",
    **settings: Any,
) -> ConditionalModel:
    """Build the model called `name`, such as "smart:resnet34"; see `parse_model`, `build_model`.

    Args:
        name: A model name; `settings` override what it says.
        generator: As in `build_model`.
        device: As in `build_model`.
        **settings: Fields of `ModelSettings`.
    """
    chosen = ModelSettings.from_dict({**_split_name(name), **settings})
    return build_from_settings(chosen, generator=generator, device=device)


def parse_model(name: str) -> ModelSettings:
    """The settings behind a model name, `method[:arch][:key=value,...]`.

    >>> parse_model("smart:resnet18:stages=SSSS,overlap=0").overlap
    0.0
    >>> parse_model("smrt:resnet18")
    Traceback (most recent call last):
    ...
    smartsim.errors.ConfigurationError: unknown method 'smrt'; did you mean 'smart'?

    Raises:
        ConfigurationError: If a name or a key is unknown, or a value cannot be.
    """
    return ModelSettings.from_dict(_split_name(name))


def _split_name(name: str) -> dict[str, Any]:
    """A model name as plain values for `ModelSettings.from_dict`."""
    method, *rest = name.split(":")
    found: dict[str, Any] = {"method": method}
    if rest and "=" not in rest[0]:
        found["arch"] = rest.pop(0)
    if len(rest) > 1:
        raise ConfigurationError(
            f"{name!r} is no model name; write method:arch:key=value,key=value, such as "
            "'smart:resnet34:stages=DDSS,overlap=0'"
        )
    for pair in rest[0].split(",") if rest else ():
        key, equals, value = pair.partition("=")
        if not equals:
            raise ConfigurationError(
                f"{pair!r} in model name {name!r} is no setting; write key=value"
            )
        if key in found:
            raise ConfigurationError(f"model name {name!r} says {key} twice")
        found[key] = _read_value(key, value)
    return found


def _read_value(key: str, text: str) -> Any:
    """The value of a setting as a name spells it; words and unknown keys stay text."""
    kinds = {f.name: f.type for f in dataclasses.fields(ModelSettings)}
    try:
        match kinds.get(key):
            case kind if kind in (int, int | None):
                return int(text)
            case kind if kind in (float, float | None):
                return float(text)
    except ValueError as error:
        raise ConfigurationError(f"{key} is {text!r}; it must be a number") from error
    return text


def _initialise(model: ConditionalModel, generator: torch.Generator) -> None:
    """Give every parameter and buffer its first value, drawn in a fixed order."""
    settings = model.settings
    modules = list(model.modules())
    for module in modules:
        if isinstance(module, Conv2d | Linear):
            module.draw_weights(generator)
        if isinstance(module, BatchNorm2d):
            module.reset_parameters()
        if isinstance(module, NoisyWeight):
            nn.init.constant_(module.alpha, INITIAL_ALPHA)
    for module in modules:
        if isinstance(module, Film):
            module.draw_weights(generator)
        if isinstance(module, LamEncoding):
            module.draw_rows(generator)
    if settings.density is not None and settings.overlap is not None:
        for module in modules:
            if isinstance(module, NoisyWeight):
                module.draw_masks(settings.density, settings.overlap, generator)
    model.redraw_noise(generator)
