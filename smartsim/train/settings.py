"""Everything that determines a training run, as one record."""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from smartsim.errors import ConfigurationError, suggest_name
from smartsim.models import METHODS, ModelSettings
from smartsim.records.fields import check_fields
from smartsim.records.files import quote
from smartsim.train.presets import PRESETS, Preset, layer_preset, multiplies_bf16

__all__ = ["TRAIN_METHODS", "TrainSettings", "make_settings"]

TRAIN_METHODS = (*METHODS, "sparse")
"""The four methods, and sparse momentum learning of a plain network."""

_MANY = 10**9
Whole = Annotated[int, Field(ge=0, le=_MANY)]
Positive = Annotated[int, Field(ge=1, le=_MANY)]
Share = Annotated[float, Field(ge=0, le=1)]
Precision = Literal["fp32", "bf16"]
Redraw = Literal["step", "attack"]
Augment = Literal["crop-flip", "crop", "none"]
Schedule = Literal["cosine", "constant"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """Everything that determines a training run.

    The defaults are those of OAT's official code, which the SMART paper follows, except the
    batch: the official one is 128, and 256 for PGD-AT.

    Attributes:
        method: One of `TRAIN_METHODS`.
        model: The network.
        data: Name of the data set.
        train_images: How many training images to use, the first ones; None is all but those of
            `validation_images`.
        validation_images: How many images at the end of the training set are held out.
        augment: "crop-flip" shifts by up to `padding` pixels and mirrors; "crop" only shifts.
        padding: In pixels.
        epochs: Passes over the training images.
        batch_size: Images of a step, over all processes.
        learning_rate: At the start.
        schedule: "cosine" falls to 0, epoch by epoch; "constant" stays.
        momentum: Of SGD.
        weight_decay: Of every parameter but FLOAT's and SMART's alpha.
        lam: What PGD-AT and sparse learning train for.
        alpha: None trains FLOAT's and SMART's alpha from 0.25 on; a number keeps it there.
        epsilon: Radius of the ball, in units of the full range of a pixel.
        attack_steps: Of PGD in training.
        step_size: Of each; None is the official min(1.25 eps, eps + 4/255) / steps.
        redraw: Whether fresh noise is drawn at each step of the attack, or once an attack.
        sparse_density: Share of weights that sparse learning keeps.
        validation_attack_steps: Of the PGD that measures the RA on the held-out images.
        validate_every: Epochs between two measurements.
        precision: "fp32", or "bf16" products with fp32 weights.
        channels_last: Whether convolutions see channels last, which changes rounding only.
        fold_attack: Whether attacks in training run on the model with its batch norms folded into
            the weights, which changes rounding only.
        compile: Whether torch compiles the forward pass.
        threads: CPU threads; None leaves torch's choice.
    """

    method: str
    model: ModelSettings
    data: str = "cifar10"
    train_images: Positive | None = None
    validation_images: Whole = 5_000
    augment: Augment = "crop-flip"
    padding: Annotated[int, Field(ge=0, le=1_000)] = 4
    epochs: Positive = 200
    batch_size: Annotated[int, Field(ge=2, le=_MANY)] = 128
    learning_rate: Annotated[float, Field(ge=0)] = 0.1
    schedule: Schedule = "cosine"
    momentum: Share = 0.9
    weight_decay: Annotated[float, Field(ge=0)] = 5e-4
    lam: Share = 1.0
    alpha: float | None = None
    epsilon: Share = 8 / 255
    attack_steps: Positive = 7
    step_size: Share | None = None
    redraw: Redraw = "step"
    sparse_density: Annotated[float, Field(ge=1e-6, le=1)] = 0.1
    validation_attack_steps: Whole = 7
    validate_every: Positive = 1
    precision: Precision = "fp32"
    channels_last: bool = True
    fold_attack: bool = True
    compile: bool = False
    threads: Annotated[int, Field(ge=1, le=1_024)] | None = None

    def __post_init__(self) -> None:
        if self.method not in TRAIN_METHODS:
            raise ConfigurationError(
                f"unknown method {self.method!r}{suggest_name(self.method, TRAIN_METHODS)}"
            )
        expected = "pgdat" if self.method == "sparse" else self.method
        if self.model.method != expected:
            raise ConfigurationError(
                f"method {self.method!r} trains a {expected} network, not {self.model.method!r}"
            )
        check_fields(self)
        if self.alpha is not None and not self.model.features.noisy:
            raise ConfigurationError(f"{self.method} has no alpha; leave it out")

    @property
    def seed(self) -> int:
        """Where weights, masks, batches, augmentation and attacks come from."""
        return self.model.seed

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON-ready values."""
        row = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {**row, "model": self.model.to_dict()}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> "TrainSettings":
        """Settings from `to_dict`'s values.

        Raises:
            ConfigurationError: If a setting is unknown, or holds what it cannot hold.
        """
        if not isinstance(data, Mapping):
            raise ConfigurationError(f"no settings of a training run: {quote(data)}")
        unknown = data.keys() - _FIELDS.keys()
        if unknown or not {"method", "model"} <= data.keys():
            raise ConfigurationError(
                f"no settings of a training run: {', '.join(sorted(unknown)) or 'no method'}"
            )
        return TrainSettings(**{**data, "model": ModelSettings.from_dict(data["model"])})


def make_settings(
    method: str,
    *,
    preset: str | None = None,
    changes: Mapping[str, Any] | Iterable[str] = (),
) -> TrainSettings:
    """Settings of a method: the defaults, changed by a preset, changed by `changes`.

    Where a data set is named, its number of classes and of channels go with it. The precision
    "auto" becomes "bf16" where `multiplies_bf16`, else "fp32".

    Args:
        method: One of `TRAIN_METHODS`.
        preset: One of `PRESETS`.
        changes: Fields of `TrainSettings` or `ModelSettings`, as a mapping or as "key=value".

    Raises:
        ConfigurationError: If a name is unknown or a value cannot be.

    >>> make_settings("smart", preset="laptop", changes=["overlap=0", "epochs=1"]).epochs
    1
    >>> make_settings("smart", preset="paper", changes=["data=svhn"]).model.name
    'smart:wrn16_8:dropout=0.3'
    >>> make_settings("oat", changes={"epoch": 3})
    Traceback (most recent call last):
    ...
    smartsim.errors.ConfigurationError: no setting 'epoch'; did you mean 'epochs'?
    """
    if method not in TRAIN_METHODS:
        raise ConfigurationError(f"unknown method {method!r}{suggest_name(method, TRAIN_METHODS)}")
    if preset is not None and preset not in PRESETS:
        raise ConfigurationError(f"unknown preset {preset!r}{suggest_name(preset, PRESETS)}")
    chosen = PRESETS[preset] if preset else Preset(description="")
    given = changes if isinstance(changes, Mapping) else _parse_changes(changes)
    values = layer_preset(chosen, method, given)
    if values.get("precision") == "auto":
        values["precision"] = "bf16" if multiplies_bf16() else "fp32"
    model: dict[str, Any] = {"method": "pgdat" if method == "sparse" else method}
    train: dict[str, Any] = {}
    for key, value in values.items():
        if key in _OWNERS and method not in _OWNERS[key]:
            raise ConfigurationError(
                f"{method} has no {key}; it belongs to {' and '.join(_OWNERS[key])}"
            )
        if key in _FIELDS and key not in ("method", "model"):
            train[key] = value
        elif key in _MODEL_FIELDS and key != "method":
            model[key] = value
        else:
            raise ConfigurationError(
                f"no setting {key!r}{suggest_name(key, {**_FIELDS, **_MODEL_FIELDS})}"
            )
    return TrainSettings(method=method, model=ModelSettings.from_dict(model), **train)


_FIELDS = {f.name: f.type for f in dataclasses.fields(TrainSettings)}
_MODEL_FIELDS = {f.name: f.type for f in dataclasses.fields(ModelSettings)}
_OWNERS: Mapping[str, tuple[str, ...]] = {
    "lam": ("pgdat", "sparse"),
    "sparse_density": ("sparse",),
    "alpha": ("float", "smart"),
}
"""Settings that only some methods have."""


def _parse_changes(pairs: Iterable[str]) -> dict[str, Any]:
    """`key=value` texts as values of the settings' types."""
    changes = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise ConfigurationError(f"{pair!r} is no setting; write key=value")
        changes[key] = _parse_value(key, text, str({**_MODEL_FIELDS, **_FIELDS}.get(key, str)))
    return changes


def _parse_value(key: str, text: str, kind: str) -> Any:
    if text == "none" and "None" in kind:
        return None
    try:
        if "bool" in kind:
            return {"true": True, "false": False}[text.lower()]
        if "int" in kind:
            return int(text)
        if "float" in kind:
            above, slash, below = text.partition("/")
            return float(above) / float(below) if slash else float(text)
    except (ValueError, KeyError, ZeroDivisionError) as error:
        wanted = "true or false" if "bool" in kind else "a number"
        raise ConfigurationError(f"{key} is {quote(text)}; it must be {wanted}") from error
    return text
