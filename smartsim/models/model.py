"""What every built model can do: take lam, redraw its noise, and export one of its paths."""

from abc import ABC, abstractmethod
from dataclasses import replace

import torch
from torch import Tensor, nn

from smartsim.errors import ConfigurationError
from smartsim.models.condition import CLEAN, Condition, make_condition
from smartsim.models.layers import NoisyWeight
from smartsim.models.norms import LamEncoding
from smartsim.models.settings import ModelSettings

__all__ = ["ConditionalModel"]


class ConditionalModel(nn.Module, ABC):
    """A classifier of images, called as `model(x, lam)`.

    lam moves it from clean (0) to adversarial (1). Made by `build_model`.

    Attributes:
        settings: What it was built from.
        encoding: How OAT's FiLM layers are given lam; None for the other methods.
        linear: The classifier, the last layer.
    """

    encoding: LamEncoding | None
    linear: nn.Linear

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.settings = settings
        dimension = settings.film_dimension
        self.encoding = None if dimension is None else LamEncoding(dimension)

    def forward(self, x: Tensor, lam: float | Tensor | Condition = 0.0) -> Tensor:
        """Classify images.

        Args:
            x: Images of shape (n, in_channels, h, w), values in [0, 1].
            lam: A number in [0, 1] or a 0-d tensor of one; for OAT also a tensor of shape (n,)
                with a lam for each image; or what `make_condition` made of it.

        Returns:
            Logits of shape (n, classes).

        Raises:
            ConfigurationError: If lam is NaN or outside [0, 1], or x has another shape.
        """
        condition = lam if isinstance(lam, Condition) else make_condition(lam)
        if x.dim() != 4 or x.shape[1] != self.settings.in_channels:
            raise ConfigurationError(
                f"images have shape {tuple(x.shape)}; this model takes "
                f"(n, {self.settings.in_channels}, height, width)"
            )
        if isinstance(condition.lam, Tensor) and condition.lam.dim() == 1:
            self._check_samples(condition.lam, x)
        if not self.settings.features.conditional:
            return self.run_path(x, CLEAN)
        if condition.order is None:
            return self.run_path(x, self.encode(condition))
        logits = self.run_path(x[condition.order], self.encode(condition))
        return logits[condition.order.argsort()]

    @abstractmethod
    def run_path(self, x: Tensor, condition: Condition) -> Tensor:
        """Images (n, in_channels, h, w), in the condition's order, to logits (n, classes)."""

    def encode(self, condition: Condition) -> Condition:
        """The condition with what this model's layers need to know of it."""
        lam, like = condition.lam, self.linear.weight
        if isinstance(lam, Tensor):
            condition = replace(condition, lam=lam.to(like.dtype))
        if self.encoding is not None:
            condition = replace(condition, encoding=self.encoding(condition, like))
        return condition

    def redraw_noise(self, generator: torch.Generator | None = None) -> None:
        """Draw the frozen noise of every layer anew; fresh noise is not touched."""
        for layer in self.modules():
            if isinstance(layer, NoisyWeight):
                layer.draw_noise(generator)

    def draw_fresh_noise_from(self, generator: torch.Generator | None) -> None:
        """From now on, draw fresh noise from `generator`; None is torch's global one."""
        for layer in self.modules():
            if isinstance(layer, NoisyWeight):
                layer.noise_generator = generator

    @abstractmethod
    def make_empty(self, settings: ModelSettings) -> "ConditionalModel":
        """A network of the same family on the meta device, with shapes and no values."""

    @abstractmethod
    def export_path(
        self, lam: float, *, generator: torch.Generator | None = None
    ) -> "ConditionalModel":
        """The plain network that this model is at one lam, for deployment; see `export_path`."""

    def _check_samples(self, lam: Tensor, x: Tensor) -> None:
        if self.settings.features.noisy:
            raise ConfigurationError(
                f"{self.settings.features.title} has one weight for the whole batch and takes one "
                "lam in a forward; call it once for each lam"
            )
        if lam.shape[0] != x.shape[0]:
            raise ConfigurationError(
                f"lam has shape {tuple(lam.shape)} for a batch of {x.shape[0]} images; give one "
                "lam for all, or one for each"
            )
