"""What an index chooses is known also where it is a list, an array or a range."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import smartsim
from smartsim.testing import assert_counts_agree


class _Chosen(nn.Module):
    """Of four channels two are used."""

    def __init__(self, choose: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, bias=False)
        self.choose = choose

    def forward(self, x: Tensor) -> Tensor:
        return self.choose(self.conv(x))


def _write(y: Tensor) -> Tensor:
    y = y.clone()
    y[:, [1, 3]] = 0.0
    return y * 1.5


def _try(y: Tensor) -> Tensor:
    try:
        return y[:, [0, 2]]
    except Exception:  # noqa: BLE001
        return y


HALF = torch.tensor([0, 2])
CHOICES: dict[str, Callable[[Tensor], Tensor]] = {
    "list": lambda y: y[:, [0, 2]],
    "negative": lambda y: y[:, [-4, -2]],
    "booleans": lambda y: y[:, [True, False, True, False]],
    "lists": lambda y: y[:, [[0], [2]]],
    "array": lambda y: y[:, np.array([0, 2])],
    "range": lambda y: y[:, range(0, 4, 2)],
    "two lists": lambda y: y[[0, 0], [0, 2]],
    "tensor": lambda y: y[:, torch.tensor([0, 2])],
    "written": _write,
    "in a try": _try,
    "take_along_dim": lambda y: torch.take_along_dim(y, HALF.reshape(1, 2, 1, 1), 1),
    "method": lambda y: y.take_along_dim(HALF.reshape(1, 2, 1, 1), dim=-3),
    "flat": lambda y: y.take_along_dim(torch.arange(32).reshape(2, 16)),
}


@pytest.mark.parametrize("choice", CHOICES)
def test_what_a_list_leaves_out_is_not_needed(choice: str) -> None:
    model = _Chosen(CHOICES[choice]).double().eval()
    x = torch.randn(1, 3, 6, 6, dtype=torch.float64)
    assert_counts_agree(model, x)
    half = 2 * 27 * 16
    assert smartsim.count_actions(smartsim.trace_model(model, x)).macs == half


def test_plain_tensors_stay_what_they_are() -> None:
    x = torch.ones(2, 3)
    smartsim.trace_model(_Chosen(CHOICES["list"]), (1, 3, 6, 6))
    assert torch.tensor([x[0, 0], x[1, 1]]).tolist() == [1, 1]
    assert torch.take_along_dim(x, torch.tensor([[0]]), 1).shape == (2, 1)
    assert "take_along_dim" not in vars(torch.Tensor)
