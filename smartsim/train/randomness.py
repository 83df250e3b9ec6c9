"""Random numbers without state: each generator is made from the seed and the place in the run.

So a resumed run draws what an uninterrupted one does, and every process of several draws the same.
"""

from typing import Literal, get_args

import numpy as np
import torch

__all__ = ["Stream", "make_generator", "make_seed", "send"]

Stream = Literal["order", "augment", "lam", "attack", "noise", "masks", "evaluate", "dropout"]
_STREAMS = get_args(Stream)


def make_generator(
    seed: int, stream: Stream, *place: int, device: torch.device | str = "cpu"
) -> torch.Generator:
    """A generator for one purpose at one place of a run.

    Args:
        seed: Of the run.
        stream: What it is for.
        *place: For instance the step.
        device: Where its numbers are used.

    >>> one, two = (make_generator(3, "order", 7) for _ in range(2))
    >>> torch.equal(torch.rand(4, generator=one), torch.rand(4, generator=two))
    True
    """
    return torch.Generator(device).manual_seed(make_seed(seed, stream, *place))


def make_seed(seed: int, stream: Stream, *place: int) -> int:
    """The seed behind `make_generator`."""
    entropy = (seed, _STREAMS.index(stream), *place)
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> np.uint64(1))


def send(drawn: torch.Tensor, device: torch.device) -> torch.Tensor:
    """What was drawn on the CPU, on the device; a GPU need not wait for it."""
    if device.type == "cuda":
        return drawn.pin_memory().to(device, non_blocking=True)
    return drawn.to(device)
