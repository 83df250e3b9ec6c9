"""The counting choices, each under a name; every report prints the one that it used."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from smartsim.errors import ConfigurationError, suggest_name
from smartsim.records.accept import expect
from smartsim.records.document import STRICT
from smartsim.records.files import quote, read_toml
from smartsim.records.shown import Shown

__all__ = ["CONVENTIONS", "Accumulator", "Convention", "get_convention", "load_convention"]

Accumulator = Literal["paper", "hardware"]
"""As wide as the operand, or 32 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Convention(Shown):
    """A named set of counting choices.

    Attributes:
        name: What reports print.
        description: One sentence for a reader.
        count_padding: Whether products with padding zeros count.
        skip_zeros: Whether products and sums with known zeros, and results that nobody needs, are
            skipped (zero-skipping hardware), or every op counts whole (a dense forward pass).
        skip_activation_zeros: Whether measured zeros of activations are skipped as well; needs a
            graph with measured densities, and makes counts expected values.
        fold_batch_norm: Whether an eval-mode batch norm is folded into the convolution or linear
            layer before it.
        fuse_multiply_add: Whether an elementwise multiplication whose product is only added to
            something counts as one MAC, as in FiLM's `gamma * x + beta`.
        count_noise_scaling: Whether scaling noise that is drawn in every inference counts as
            multiplications, or the generator delivers it already scaled.
        noise_on_every_parameter: Whether an inference with weight noise counts one addition for
            every active parameter, also for those that get no noise, as the SMART paper does.
        count_scalar_parameters: Whether parameters of shape () or one element, such as noise
            amplitudes, count as parameters.
        accumulator: Width of the accumulator of a MAC: as wide as the operand, or 32 bits.
    """

    __pydantic_config__ = STRICT

    name: str
    description: str = ""
    count_padding: bool = False
    skip_zeros: bool = True
    skip_activation_zeros: bool = False
    fold_batch_norm: bool = True
    fuse_multiply_add: bool = False
    count_noise_scaling: bool = True
    noise_on_every_parameter: bool = False
    count_scalar_parameters: bool = True
    accumulator: Accumulator = "hardware"

    def __repr__(self) -> str:
        return f"<Convention {self.name}: {self.description[:120]}>"

    def to_dict(self) -> dict[str, Any]:
        """The choices as JSON-ready values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """A convention from plain values, for instance of a user's TOML or JSON file.

        Raises:
            ConfigurationError: If a choice is unknown or of the wrong type.
        """
        fields = {f.name: f for f in dataclasses.fields(Convention)}
        for key, value in data.items():
            if key not in fields:
                raise ConfigurationError(
                    f"a convention has no {quote(key)}{suggest_name(key, fields)}"
                )
            wanted = bool if fields[key].type is bool else str
            if not isinstance(value, wanted):
                raise ConfigurationError(
                    f"a convention's {key} is {quote(value)}; it must be a {wanted.__name__}"
                )
        if "name" not in data:
            raise ConfigurationError("a convention needs a name, so that reports can print it")
        if data.get("accumulator", "hardware") not in ("paper", "hardware"):
            raise ConfigurationError(
                f"a convention's accumulator is {quote(data['accumulator'])}; "
                "possible: 'paper' (as wide as the operand), 'hardware' (32 bits)"
            )
        return cls(**data)


_SHIPPED = (
    Convention(
        name="paper",
        description="the SMART paper's Table 2: padding counted, weight zeros skipped, "
        "batch norm folded, noise stored scaled, one ADD for every active parameter",
        count_padding=True,
        fuse_multiply_add=True,
        count_noise_scaling=False,
        noise_on_every_parameter=True,
        count_scalar_parameters=False,
        accumulator="paper",
    ),
    Convention(
        name="dense",
        description="a dense forward pass, as fvcore and torch's flop counter report it: "
        "padding counted, no zeros skipped, nothing folded",
        count_padding=True,
        skip_zeros=False,
        fold_batch_norm=False,
    ),
    Convention(
        name="exact",
        description="what zero-skipping hardware executes: no padding, no known zeros, "
        "no results that nobody needs; batch norm folded",
    ),
)

CONVENTIONS: Mapping[str, Convention] = {convention.name: convention for convention in _SHIPPED}


def get_convention(name: str) -> Convention:
    """The shipped convention called `name`.

    >>> get_convention("exact").count_padding
    False

    Raises:
        ConfigurationError: If no convention has this name.
    """
    if name not in CONVENTIONS:
        raise ConfigurationError(f"unknown convention {name!r}{suggest_name(name, CONVENTIONS)}")
    return CONVENTIONS[name]


def load_convention(name: str | Path | Convention) -> Convention:
    """A shipped convention by name, or one of your own by the path of its `.toml` file.

    A convention is returned as it is.

    >>> load_convention("paper").count_padding
    True

    Raises:
        ConfigurationError: If there is no such convention, or the file names what it has not.
        FileFormatError: If the file cannot be read, or is damaged.
    """
    if not isinstance(name, str | Path):
        return expect(name, Convention, "convention")
    if not str(name).lower().endswith(".toml"):
        return get_convention(str(name))
    try:
        return Convention.from_dict(read_toml(name, "a convention"))
    except ConfigurationError as error:
        raise ConfigurationError(f"{name}: {error}") from error
