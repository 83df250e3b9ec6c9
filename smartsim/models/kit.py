"""The layers that a method gives to a backbone: all that the methods differ in."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from smartsim.models.layers import Conv2d, Linear, NoisyConv2d, NoisyLinear
from smartsim.models.norms import BatchNorm2d, DualBatchNorm2d, Film, FilmedNorm
from smartsim.models.settings import ModelSettings

__all__ = ["LayerKit", "Norm", "make_kit"]

Norm = BatchNorm2d | DualBatchNorm2d | FilmedNorm


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerKit:
    """How to make each kind of layer; every layer is called as `layer(x, condition)`.

    Attributes:
        conv: Makes a convolution that is never masked, as
            `conv(inputs, outputs, kernel=3, stride=1)`.
        sparse_conv: Likewise, for the 3x3 convolutions of sparse stages.
        norm: Makes a batch norm for a number of channels.
        bare_norm: Likewise, without what a method adds to norms.
        linear: Makes the classifier, as `linear(inputs, outputs)`.
    """

    conv: Callable[..., Conv2d]
    sparse_conv: Callable[..., Conv2d]
    norm: Callable[[int], Norm]
    bare_norm: Callable[[int], Norm]
    linear: Callable[[int, int], Linear]


def make_kit(settings: ModelSettings) -> LayerKit:
    """The layers of the method and the choices in `settings`."""
    bare_norm = DualBatchNorm2d if settings.norm == "dual" else BatchNorm2d
    norm: Callable[[int], Norm] = bare_norm
    if settings.film_dimension is not None:
        norm = partial(_make_filmed_norm, bare_norm, settings.film_dimension)
    if not settings.features.noisy:
        return LayerKit(
            conv=Conv2d, sparse_conv=Conv2d, norm=norm, bare_norm=bare_norm, linear=Linear
        )
    noise: Literal["fresh", "frozen"] = "frozen" if settings.noise == "frozen" else "fresh"
    return LayerKit(
        conv=partial(NoisyConv2d, noise=noise),
        sparse_conv=partial(NoisyConv2d, noise=noise, masked=settings.features.masked),
        norm=norm,
        bare_norm=bare_norm,
        linear=partial(NoisyLinear, noise=noise),
    )


def _make_filmed_norm(
    bare_norm: type[BatchNorm2d] | type[DualBatchNorm2d], dimension: int, channels: int
) -> FilmedNorm:
    return FilmedNorm(bare_norm(channels), Film(channels, dimension))
