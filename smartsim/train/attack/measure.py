"""How many images a model classifies correctly, clean or under an attack, in batches."""

from collections.abc import Iterator

import torch
from torch import Tensor

from smartsim.models import Condition, ConditionalModel
from smartsim.train.attack.folded import fold_model
from smartsim.train.attack.pgd import Pgd, attack_images, undisturbed
from smartsim.train.data.augment import scale_images

__all__ = ["attack_in_batches", "batches", "measure_correct"]


def batches(images: Tensor, size: int) -> Iterator[slice]:
    """Slices that cover the images in order."""
    for start in range(0, len(images), size):
        yield slice(start, min(start + size, len(images)))


@torch.no_grad()
def measure_correct(
    model: ConditionalModel,
    images: Tensor,
    labels: Tensor,
    condition: Condition,
    *,
    batch_size: int,
    draws: int = 1,
) -> Tensor:
    """Whether each image is classified correctly, for each forward pass.

    Args:
        model: Is put into eval mode and back.
        images: Shape (n, c, h, w), bytes or in [0, 1].
        labels: Shape (n,).
        condition: Of the whole pass.
        batch_size: Images of one forward.
        draws: Forward passes, each with noise of its own.

    Returns:
        Booleans of shape (draws, n).
    """
    if not len(labels):
        return torch.zeros(draws, 0, dtype=torch.bool, device=labels.device)
    rows = []
    with undisturbed(model):
        for _ in range(draws):
            parts = [
                model(as_floats(images[part]), condition).argmax(1) == labels[part]
                for part in batches(images, batch_size)
            ]
            rows.append(torch.cat(parts))
    return torch.stack(rows)


def attack_in_batches(
    model: ConditionalModel,
    images: Tensor,
    labels: Tensor,
    condition: Condition,
    attack: Pgd,
    generator: torch.Generator,
    *,
    batch_size: int,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """Adversarial images for all images, float32 in [0, 1]; the model is left as it was.

    They are sought in `dtype`, or in that of the model's weights.
    """
    found = []
    with undisturbed(model):
        dtype = dtype or model.linear.weight.dtype
        predict = fold_model(model, condition, dtype=dtype, redraw=True)
        for part in batches(images, batch_size):
            victims = as_floats(images[part]).contiguous(memory_format=torch.channels_last)
            found.append(attack_images(predict, victims, labels[part], attack, generator))
    return torch.cat(found)


def as_floats(images: Tensor) -> Tensor:
    """Images in [0, 1], whether given as bytes or so already."""
    return scale_images(images) if images.dtype == torch.uint8 else images
