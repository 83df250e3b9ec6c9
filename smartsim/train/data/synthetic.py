"""A data set that is drawn: a coarse random pattern for each class, under noise. Easy to learn."""

import hashlib

import torch
from torch import Tensor

from smartsim.train.data.catalogue import Dataset, DatasetSpec

__all__ = ["make_synthetic"]


def make_synthetic(spec: DatasetSpec, *, seed: int = 0) -> Dataset:
    """Draw a data set of the numbers and shape in `spec`.

    Each class is a pattern of 4 x 4 blocks between 0.2 and 0.8; an image is its class's pattern
    with Gaussian noise of standard deviation 0.1 on each pixel.
    """
    generator = torch.Generator().manual_seed(seed)
    channels, height, width = spec.shape
    blocks = 0.2 + 0.6 * torch.rand(spec.classes, channels, 4, 4, generator=generator)
    patterns = torch.nn.functional.interpolate(blocks, (height, width), mode="nearest")

    def draw(count: int) -> tuple[Tensor, Tensor]:
        labels = torch.randint(spec.classes, (count,), generator=generator)
        noise = 0.1 * torch.randn(count, *spec.shape, generator=generator)
        images = (255 * (patterns[labels] + noise)).round().clamp(0, 255).to(torch.uint8)
        return images, labels

    train_images, train_labels = draw(spec.train_count)
    test_images, test_labels = draw(spec.test_count)
    digest = hashlib.sha256(train_images.numpy().tobytes() + test_images.numpy().tobytes())
    return Dataset(
        name=spec.name,
        classes=spec.classes,
        train_images=train_images,
        train_labels=train_labels,
        test_images=test_images,
        test_labels=test_labels,
        checksum=digest.hexdigest(),
        flips=False,
    )
