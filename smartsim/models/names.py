"""A model's name, such as "smart:resnet34:overlap=0" -> its settings. Builds nothing."""

import dataclasses
from typing import Any

from smartsim.errors import ConfigurationError
from smartsim.models.settings import ModelSettings

__all__ = ["parse_model", "split_name"]


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
    return ModelSettings.from_dict(split_name(name))


def split_name(name: str) -> dict[str, Any]:
    """A model name as plain values for `ModelSettings.from_dict`.

    Raises:
        ConfigurationError: If it is no model name, or a value is no number that must be one.
    """
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
