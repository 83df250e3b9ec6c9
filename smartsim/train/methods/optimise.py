"""SGD as the methods are trained with it, and its state by the parameters' names."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from smartsim.errors import FileFormatError
from smartsim.train.settings import TrainSettings

__all__ = ["learning_rate", "make_optimizer", "momenta", "restore_momenta"]


def make_optimizer(
    model: nn.Module, settings: TrainSettings, device: torch.device
) -> torch.optim.SGD:
    """SGD with momentum; weight decay on every parameter but the noise amplitudes alpha."""
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    alphas = [p for name, p in trained if name.rpartition(".")[2] == "alpha"]
    others = [p for name, p in trained if name.rpartition(".")[2] != "alpha"]
    groups = [{"params": others, "weight_decay": settings.weight_decay}]
    if alphas:
        groups.append({"params": alphas, "weight_decay": 0.0})
    return torch.optim.SGD(
        groups,
        lr=settings.learning_rate,
        momentum=settings.momentum,
        fused=True if device.type == "cuda" else None,
    )


def learning_rate(settings: TrainSettings, epoch: int) -> float:
    """The rate of an epoch: `lr (1 + cos(pi epoch / epochs)) / 2`, or lr throughout."""
    if settings.schedule == "constant":
        return settings.learning_rate
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * epoch / settings.epochs))


def momenta(model: nn.Module, optimizer: torch.optim.SGD) -> dict[str, Tensor]:
    """SGD's buffers, by the names of the parameters that have one."""
    found = {}
    for name, parameter in model.named_parameters():
        buffer = optimizer.state.get(parameter, {}).get("momentum_buffer")
        if buffer is not None:
            found[name] = buffer
    return found


def restore_momenta(
    model: nn.Module, optimizer: torch.optim.SGD, buffers: Mapping[str, Tensor]
) -> None:
    """Give SGD its buffers back.

    Raises:
        FileFormatError: If a buffer belongs to no parameter.
    """
    parameters = dict(model.named_parameters())
    for name, buffer in buffers.items():
        if name not in parameters or parameters[name].shape != buffer.shape:
            raise FileFormatError(f"a checkpoint of another network: it has momentum for {name!r}")
        parameter = parameters[name]
        optimizer.state[parameter]["momentum_buffer"] = torch.empty_like(parameter).copy_(buffer)
