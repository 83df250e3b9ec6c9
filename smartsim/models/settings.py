"""One record of everything that determines a model before training. Builds nothing."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from smartsim.errors import ConfigurationError, suggest_name
from smartsim.models.catalogue import ARCHITECTURES, METHODS, Architecture, Method
from smartsim.models.overlap import check_overlap

__all__ = ["ModelSettings"]

_WHOLE = {"classes": 1, "in_channels": 1, "film_dimension": 1, "seed": 0}
"""Settings that are whole numbers, with the least that they can be."""

_REAL = ("width", "density", "overlap", "dropout")

_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "film": {"film_dimension": 1},
    "noisy": {"noise": "fresh"},
    "masked": {"stages": None, "density": 0.5, "overlap": None},
}
"""Settings that only some methods have: feature of a method -> setting -> default (None where it
depends on another setting)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """Everything that determines a model before training.

    Settings that a method does not have stay None; those that it has and that are left None get
    the paper's value, so that a finished record says everything.

    Attributes:
        method: One of `METHODS`.
        arch: One of `ARCHITECTURES`.
        classes: Number of classes.
        in_channels: Channels of the images.
        width: Factor on every channel count of the backbone.
        norm: "single" or "dual" batch norm; None is the method's own.
        stages: SMART's pattern, a letter a stage, D dense and S sparse, such as "DDSS"; None
            makes the last two stages sparse.
        density: Share of ones in each of SMART's masks, in (0, 1]; None is 0.5.
        overlap: Share of positions where both masks are one; None is the share of two independent
            masks, density squared, which is the paper's 0.25 at density 0.5.
        noise: FLOAT's and SMART's noise: "fresh" in every forward (None), or "frozen" in a buffer.
        film_dimension: Length of OAT's encoding of lam: 1 is the bare lam (None); from 6 on, a row
            of a random orthogonal matrix of that size (the official code has 128).
        dropout: Probability of dropout in the blocks of a Wide ResNet in training, in [0, 1); OAT
            trains with 0.3.
        seed: Where initial weights, masks and frozen noise come from.

    >>> ModelSettings(method="smart").stages
    'DDSS'
    """

    method: str
    arch: str = "resnet34"
    classes: int = 10
    in_channels: int = 3
    width: float = 1.0
    norm: str | None = None
    stages: str | None = None
    density: float | None = None
    overlap: float | None = None
    noise: str | None = None
    film_dimension: int | None = None
    dropout: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.method, str) or self.method not in METHODS:
            raise ConfigurationError(
                f"unknown method {self.method!r}{suggest_name(str(self.method), METHODS)}"
            )
        if not isinstance(self.arch, str) or self.arch not in ARCHITECTURES:
            raise ConfigurationError(
                f"unknown architecture {self.arch!r}{suggest_name(str(self.arch), ARCHITECTURES)}"
            )
        _resolve(self)
        _check_numbers(self)
        _check_norm(self)
        _check_noise(self)
        _check_stages(self)
        _check_film(self)
        _check_dropout(self)
        _check_masks(self)

    @property
    def name(self) -> str:
        """The shortest name that `parse_model` reads as these settings.

        >>> ModelSettings(method="smart", overlap=0).name
        'smart:resnet34:overlap=0.0'
        """
        said: dict[str, Any] = {"method": self.method, "arch": self.arch}
        for key, value in self.to_dict().items():
            if getattr(ModelSettings(**said), key) != value:
                said[key] = value
        changes = ",".join(f"{key}={value}" for key, value in list(said.items())[2:])
        return f"{self.method}:{self.arch}" + (f":{changes}" if changes else "")

    @property
    def architecture(self) -> Architecture:
        """The record behind `arch`."""
        return ARCHITECTURES[self.arch]

    @property
    def features(self) -> Method:
        """The record behind `method`."""
        return METHODS[self.method]

    @property
    def sparse_stages(self) -> tuple[bool, ...]:
        """For each stage of the backbone whether its 3x3 convolutions are masked."""
        pattern = self.stages or "D" * len(self.architecture.blocks)
        return tuple(letter == "S" for letter in pattern)

    def with_frozen_noise(self) -> "ModelSettings":
        """The same model with frozen noise.

        Raises:
            ConfigurationError: If the method has no noise.
        """
        return dataclasses.replace(self, noise="frozen")

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON-ready values."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> "ModelSettings":
        """Settings from plain values, for instance of a JSON file or a command line.

        Raises:
            ConfigurationError: If a setting is unknown, missing, or holds what it cannot hold.
        """
        fields = {f.name for f in dataclasses.fields(ModelSettings)}
        for key in data:
            if key not in fields:
                raise ConfigurationError(
                    f"a model has no setting {key!r}{suggest_name(key, fields)}"
                )
        if "method" not in data:
            raise ConfigurationError(f"a model needs a method; possible: {', '.join(METHODS)}")
        return ModelSettings(**data)


def _resolve(settings: ModelSettings) -> None:
    """Give a method's own settings their defaults, and refuse those that it does not have."""
    method = settings.features
    if settings.norm is None:
        object.__setattr__(settings, "norm", method.norm)
    for feature, defaults in _DEFAULTS.items():
        for key, default in defaults.items():
            value = getattr(settings, key)
            if not getattr(method, feature):
                if value is not None:
                    raise ConfigurationError(
                        f"{method.title} has no {key}; leave it out, or choose one of the methods "
                        f"{', '.join(m.name for m in METHODS.values() if getattr(m, feature))}"
                    )
            elif value is None:
                object.__setattr__(settings, key, default)
    if method.masked and settings.stages is None:
        object.__setattr__(settings, "stages", settings.architecture.default_stages)


def _check_numbers(settings: ModelSettings) -> None:
    for key, least in _WHOLE.items():
        value = getattr(settings, key)
        if value is None:
            continue
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or not least <= value < 2**63:
            raise ConfigurationError(
                f"{key} is {value!r}; it must be a whole number of at least {least}"
            )
    for key in _REAL:
        value = getattr(settings, key)
        if value is None:
            continue
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
        ):
            raise ConfigurationError(f"{key} is {value!r}; it must be a number")
        object.__setattr__(settings, key, float(value))
    if settings.width <= 0:
        raise ConfigurationError(f"width is {settings.width}; it must be greater than 0")


def _check_norm(settings: ModelSettings) -> None:
    if settings.norm not in ("single", "dual"):
        raise ConfigurationError(f"norm is {settings.norm!r}; possible: 'single', 'dual'")
    if settings.norm == "dual" and not settings.features.conditional:
        raise ConfigurationError(
            f"{settings.features.title} ignores lam, so its norm can only be 'single'"
        )


def _check_noise(settings: ModelSettings) -> None:
    if settings.noise not in (None, "fresh", "frozen"):
        raise ConfigurationError(f"noise is {settings.noise!r}; possible: 'fresh', 'frozen'")


def _check_stages(settings: ModelSettings) -> None:
    pattern = settings.stages
    if pattern is None:
        return
    wanted = len(settings.architecture.blocks)
    if not isinstance(pattern, str) or set(pattern.upper()) - {"D", "S"} or len(pattern) != wanted:
        raise ConfigurationError(
            f"stages is {pattern!r}; {settings.arch} has {wanted} stages and needs one letter for "
            f"each, D dense or S sparse, such as {settings.architecture.default_stages!r}"
        )
    object.__setattr__(settings, "stages", pattern.upper())


def _check_masks(settings: ModelSettings) -> None:
    if settings.density is None:
        return
    overlap = settings.density**2 if settings.overlap is None else settings.overlap
    check_overlap(settings.density, overlap)
    object.__setattr__(settings, "overlap", overlap)


def _check_film(settings: ModelSettings) -> None:
    if settings.film_dimension is not None and 1 < settings.film_dimension < 6:
        raise ConfigurationError(
            f"film_dimension is {settings.film_dimension}; it must be 1 (the bare lam) or at least "
            "6 (a row of an orthogonal matrix for each of the six lam of training)"
        )


def _check_dropout(settings: ModelSettings) -> None:
    if not 0 <= settings.dropout < 1:
        raise ConfigurationError(f"dropout is {settings.dropout}; it must be in [0, 1)")
    if settings.dropout and settings.architecture.family != "wrn":
        raise ConfigurationError(
            f"{settings.arch} has no dropout; leave it out, or choose a Wide ResNet"
        )
