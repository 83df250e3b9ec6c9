"""Batches from images that stay on the device as bytes: picked, shifted, mirrored, scaled."""

import torch
from torch import Tensor

from smartsim.train.randomness import send

__all__ = ["pad_images", "pick_batch", "scale_images"]


def pad_images(images: Tensor, padding: int) -> Tensor:
    """Images (n, c, h, w) with `padding` black pixels on every side."""
    return torch.nn.functional.pad(images, (padding,) * 4) if padding else images


def scale_images(images: Tensor) -> Tensor:
    """Bytes to float32 in [0, 1]."""
    return images.to(torch.float32).div_(255)


def pick_batch(
    padded: Tensor,
    places: Tensor,
    *,
    size: tuple[int, int],
    flips: bool,
    generator: torch.Generator,
) -> Tensor:
    """Random windows of some images, half of them mirrored, in one gather.

    Args:
        padded: All images as bytes, (n, c, h + 2 p, w + 2 p).
        places: Which to pick, shape (b,).
        size: Height and width of a window.
        flips: Whether to mirror.
        generator: On the CPU.

    Returns:
        Images of shape (b, c, *size), float32 in [0, 1].
    """
    count, device = len(places), padded.device
    (height, width), (tall, broad) = size, padded.shape[2:]
    down = torch.randint(tall - height + 1, (count, 1), generator=generator)
    right = torch.randint(broad - width + 1, (count, 1), generator=generator)
    rows = send(down + torch.arange(height), device)
    columns = right + torch.arange(width)
    if flips:
        mirrored = torch.rand(count, 1, generator=generator) < 0.5
        columns = torch.where(mirrored, columns.flip(1), columns)
    columns = send(columns, device)
    channels = torch.arange(padded.shape[1], device=device)
    picked = padded[
        places[:, None, None, None],
        channels[None, :, None, None],
        rows[:, None, :, None],
        columns[:, None, None, :],
    ]
    return scale_images(picked)
