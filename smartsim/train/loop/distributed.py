"""Several processes that train one model, each on its share of every batch.

The result is that of one process with the whole batch, within rounding: gradients are added, and
batch norms take their statistics over all processes.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from smartsim.models.condition import CLEAN, Condition
from smartsim.models.norms import BatchNorm2d

__all__ = ["Processes", "join_processes", "sum_gradients", "synchronise_norms"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes:
    """Which process this is, of how many.

    Attributes:
        rank: From 0.
        count: How many.
    """

    rank: int = 0
    count: int = 1

    @property
    def share(self) -> slice:
        """Which images of a batch are this process's: every `count`-th."""
        return slice(self.rank, None, self.count)

    @property
    def leads(self) -> bool:
        """Whether this process writes files and shows progress."""
        return self.rank == 0


@contextmanager
def join_processes(device: str = "cpu") -> Iterator[Processes]:
    """The processes that torchrun started, joined for the block; else this one alone.

    Args:
        device: This process's own; it decides what they talk through.
    """
    if "RANK" not in os.environ or int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Processes()
        return
    if device.startswith("cuda"):
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield Processes(rank=dist.get_rank(), count=dist.get_world_size())
    finally:
        dist.destroy_process_group()


def sum_gradients(model: nn.Module) -> None:
    """Add up the gradients of all processes, in one message."""
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    place = 0
    for gradient in gradients:
        gradient.copy_(flat[place : place + gradient.numel()].view_as(gradient))
        place += gradient.numel()


def sum_numbers(numbers: Tensor) -> Tensor:
    """The sum over all processes."""
    dist.all_reduce(numbers)
    return numbers


class _LinkedSum(torch.autograd.Function):
    """The sum over all processes, through which gradients flow back to all of them."""

    @staticmethod
    def forward(ctx: Any, numbers: Tensor) -> Tensor:
        """Every process gets the sum."""
        del ctx
        return sum_numbers(numbers.clone())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """What each process's loss gains by the sum, it gains by every summand."""
        del ctx
        return sum_numbers(gradients[0].clone())


def _sum_linked(numbers: Tensor) -> Tensor:
    total: Tensor = _LinkedSum.apply(numbers)  # type: ignore[no-untyped-call]
    return total


class _SharedBatchNorm2d(BatchNorm2d):
    """A batch norm with statistics over all processes; same parameters and buffers."""

    def forward(self, input: Tensor, condition: Condition = CLEAN) -> Tensor:
        """Normalise (n, c, h, w)."""
        if not self.training:
            return super().forward(input, condition)
        values = input.float() if input.dtype in (torch.bfloat16, torch.float16) else input
        count = values.new_full((1,), values.numel() // values.shape[1])
        total = _sum_linked(torch.cat([values.sum((0, 2, 3)), count]))
        number = total[-1].detach()
        mean = total[:-1] / number
        centred = values - mean[:, None, None]
        variance = _sum_linked(centred.square().sum((0, 2, 3))) / number
        self._remember(mean.detach(), variance.detach() * number / (number - 1))
        scale = torch.rsqrt(variance + self.eps)
        normalised = centred * (scale * self.weight)[:, None, None] + self.bias[:, None, None]
        shared: Tensor = normalised.to(input.dtype)
        return shared

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics, as torch's own does."""
        if self.running_mean is None or self.running_var is None:
            return
        share = 0.1 if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
        self.running_var.lerp_(variance.to(self.running_var.dtype), share)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)


def synchronise_norms(model: nn.Module) -> None:
    """Let every batch norm of the model take its statistics over all processes."""
    for module in model.modules():
        if type(module) is BatchNorm2d:
            module.__class__ = _SharedBatchNorm2d
