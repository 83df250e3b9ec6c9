"""lam on its way through a network: checked once, then carried to every layer."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from smartsim.errors import ConfigurationError

__all__ = ["CLEAN", "Condition", "make_condition"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Condition:
    """lam as one forward pass carries it.

    Attributes:
        lam: A float or 0-d tensor for the whole batch, or a tensor of shape (n,) with one lam a
            sample, those with lam = 0 first.
        path: "clean" where every lam is 0, "adversarial" where none is, "mixed" otherwise.
        clean_count: How many samples of a mixed batch have lam = 0.
        order: The sample behind each lam, shape (n,), where the batch was given in another order.
        encoding: What FiLM layers are given for lam, of shape (1 or n, d); the model fills it in.
    """

    lam: float | Tensor
    path: Literal["clean", "adversarial", "mixed"]
    clean_count: int = 0
    order: Tensor | None = None
    encoding: Tensor | None = None

    @property
    def value(self) -> float | None:
        """The float that lam is, read when it is asked for; None where each sample has its own."""
        if not isinstance(self.lam, Tensor):
            return self.lam
        return None if self.lam.dim() else float(self.lam.item())


CLEAN = Condition(lam=0.0, path="clean")
"""What a layer assumes when it is called alone."""


def make_condition(lam: float | Tensor) -> Condition:
    """Check lam and route it.

    Made beforehand, and handed to the model in place of lam, it spares a trainer the check, and the
    look at a tensor of lam that would make a GPU wait.

    Args:
        lam: A number in [0, 1], or a tensor of shape () or (n,) of such.

    Raises:
        ConfigurationError: If lam is NaN, outside [0, 1], or of another shape.

    >>> make_condition(0.3).path
    'adversarial'
    >>> make_condition(torch.tensor([0.2, 0.0, 1.0])).order
    tensor([1, 0, 2])
    """
    if isinstance(lam, Tensor):
        if lam.is_meta:
            raise ConfigurationError("lam is a tensor on the meta device; its value must be known")
        if lam.dim() > 0:
            return _route_samples(lam)
        if not bool((lam >= 0) & (lam <= 1)):  # comparisons, so that lam stays a tensor
            _check(float(lam.item()))
    else:
        lam = _read(lam)
        _check(lam)
    return Condition(lam=lam, path="clean" if bool(lam == 0) else "adversarial")


def _read(lam: float) -> float:
    try:
        return float(lam)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"lam is {lam!r}; it must be a number in [0, 1]") from error


def _check(value: float) -> None:
    if not 0 <= value <= 1:  # also false for NaN
        raise ConfigurationError(
            f"lam is {value:g}; it must be in [0, 1], from clean (0) to adversarial (1)"
        )


def _route_samples(lam: Tensor) -> Condition:
    """One lam a sample: those with lam = 0 go first, so that a slice is enough to split them."""
    if lam.dim() != 1 or not lam.numel():
        raise ConfigurationError(
            f"lam has shape {tuple(lam.shape)}; it must be one number, or a tensor of shape () or "
            "(n,) for a batch of n"
        )
    values = lam.tolist()
    for value in values:
        _check(value)
    clean_count = values.count(0)
    if clean_count in (0, len(values)):
        return Condition(
            lam=lam, path="clean" if clean_count else "adversarial", clean_count=clean_count
        )
    order = sorted(range(len(values)), key=lambda place: values[place] > 0)
    if order == list(range(len(values))):
        return Condition(lam=lam, path="mixed", clean_count=clean_count)
    places = torch.tensor(order, device=lam.device)
    return Condition(lam=lam[places], path="mixed", clean_count=clean_count, order=places)
