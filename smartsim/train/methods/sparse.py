"""Sparse momentum learning: a network that trains at a given density from the start.

After each epoch the smallest weights of each layer are pruned, and as many grow again where the
momentum is largest, more of them in layers whose momentum is large.

Source: Dettmers and Zettlemoyer, arXiv 1907.04840, and its official code; the base of DNR,
arXiv 2011.03083.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from smartsim.models.layers import Conv2d, Linear
from smartsim.train.randomness import make_generator

__all__ = ["SparseLearner", "share_growth"]

FIRST_RATE, LAST_RATE = 0.5, 0.005
"""Share of each layer's weights that is pruned after the first epoch, and after the last."""

FULLEST = 0.99
"""Share of a layer's zeros that may grow at once."""


class SparseLearner:
    """The masks of a network, and what becomes of them while it trains.

    Attributes:
        masks: A boolean mask for the weight of each convolution and linear layer.
    """

    def __init__(self, model: nn.Module, density: float, seed: int) -> None:
        self.weights: dict[str, Tensor] = {
            f"{name}.weight": layer.weight
            for name, layer in model.named_modules()
            if isinstance(layer, Conv2d | Linear)
        }
        self.masks: dict[str, Tensor] = {}
        generator = make_generator(seed, "masks")
        for name, weight in self.weights.items():
            ones = max(1, round(density * weight.numel()))
            mask = torch.zeros(weight.numel(), dtype=torch.bool)
            mask[torch.randperm(weight.numel(), generator=generator)[:ones]] = True
            self.masks[name] = mask.view_as(weight).to(weight.device)
        self.apply()

    @torch.no_grad()
    def apply(self) -> None:
        """Set every masked weight to zero; gradients and momentum stay dense."""
        for name, weight in self.weights.items():
            weight.mul_(self.masks[name])

    @torch.no_grad()
    def regrow(self, optimizer: torch.optim.Optimizer, *, progress: float) -> None:
        """Prune and grow, as after each epoch.

        Args:
            optimizer: SGD with momentum.
            progress: Share of the training that is done, in [0, 1].
        """
        rate = LAST_RATE + (FIRST_RATE - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * progress))
        momenta = {
            name: optimizer.state[weight]["momentum_buffer"].abs()
            for name, weight in self.weights.items()
        }
        scores = [float(momenta[name][mask].mean()) for name, mask in self.masks.items()]
        removed = 0
        for name, weight in self.weights.items():
            mask = self.masks[name]
            alive = int(mask.sum())
            count = min(math.ceil(rate * alive), alive - 1)
            size = torch.where(mask, weight.abs(), torch.inf).flatten()
            mask.view(-1)[torch.topk(size, count, largest=False).indices] = False
            removed += count
        self.apply()  # what is pruned and grows again at once starts from zero, too
        zeros = [mask.numel() - int(mask.sum()) for mask in self.masks.values()]
        for (name, mask), count in zip(
            self.masks.items(), share_growth(scores, zeros, removed), strict=True
        ):
            size = torch.where(mask, -1.0, momenta[name]).flatten()
            mask.view(-1)[torch.topk(size, count).indices] = True

    def state(self) -> dict[str, Tensor]:
        """The masks, for a checkpoint."""
        return dict(self.masks)

    def load(self, masks: Mapping[str, Tensor]) -> None:
        """Take over masks of a checkpoint."""
        for name, mask in self.masks.items():
            mask.copy_(masks[name])
        self.apply()

    def utilities(self) -> dict[str, float]:
        """Share of nonzero weights of each layer: Fig. 2's parameter utility."""
        return {
            name.removesuffix(".weight"): float(mask.float().mean())
            for name, mask in self.masks.items()
        }


def share_growth(scores: Sequence[float], zeros: Sequence[int], total: int) -> list[int]:
    """How many weights each layer grows: by score, but no more than most of its zeros.

    What a full layer cannot take is shared out among the others, by score again.

    >>> share_growth([3.0, 1.0], [100, 100], 40)
    [30, 10]
    >>> share_growth([3.0, 1.0], [10, 100], 40)
    [9, 31]
    """
    most = [int(FULLEST * count) for count in zeros]
    total = min(total, sum(most))
    grown = [0] * len(scores)
    while (left := total - sum(grown)) > 0:
        open_layers = [i for i, count in enumerate(most) if grown[i] < count]
        weight = sum(scores[i] for i in open_layers)
        for i in sorted(open_layers, key=lambda i: -scores[i]):
            fair = math.ceil(left * (scores[i] / weight if weight > 0 else 1 / len(open_layers)))
            room = min(fair, most[i] - grown[i], total - sum(grown))
            grown[i] += room
    return grown
