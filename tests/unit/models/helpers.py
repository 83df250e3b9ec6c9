"""Models that the tests of this folder share."""

import torch
from torch import Tensor, nn

from smartsim.models import ConditionalModel, build_named_model
from smartsim.models.layers import NoisyWeight
from smartsim.models.norms import Film

NAMES = [
    "pgdat",
    "oat",
    "oat:norm=single",
    "oat:film_dimension=8",
    "float:noise=frozen",
    "float:noise=frozen,norm=single",
    "smart:noise=frozen",
    "smart:noise=frozen,density=0.3,overlap=0.1",
]
"""Every kind of layer, all without fresh noise, so that a forward can be repeated."""

ARCHS = ["resnet8", "wrn16_8"]
"""One of each family."""


def lived_in_model(name: str, arch: str, *, width: float = 0.125) -> ConditionalModel:
    """A small model in eval mode whose norms and noise amplitudes are all far from their start."""
    model = build_named_model(name, arch=arch, width=width, classes=5)
    generator = torch.Generator().manual_seed(1)
    for key, value in model.state_dict().items():
        if "bn" in key and "film" not in key and value.is_floating_point():
            value.copy_(torch.rand(value.shape, generator=generator) + 0.5)
    for layer in model.modules():
        if isinstance(layer, NoisyWeight):
            layer.alpha.data.uniform_(-0.5, 1.0, generator=generator)
        if isinstance(layer, Film):
            # Gains near 1, so that what reaches the classifier still depends on the image.
            last = layer.mlp[2]
            assert isinstance(last, nn.Linear)
            last.bias.data.chunk(2)[0].add_(1.0)
    return model.eval()


def some_images(count: int = 3, pixels: int = 12) -> Tensor:
    """Images to classify."""
    return torch.rand(count, 3, pixels, pixels, generator=torch.Generator().manual_seed(9))
