"""The batch is only a factor: of the counts, not of the time or the memory that a trace takes."""

import resource
import time

import pytest
import torch
from torch import Tensor, nn

import smartsim
from smartsim.errors import InvalidModelError
from smartsim.models import build_model


class _Strided(nn.Module):
    """A part of what a convolution makes is never read."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 5, 1, stride=2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.second(self.first(x).relu())
        return made


class _Padded(nn.Module):
    """Zeros that only the data know of, so that they are kept for each image."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(6, 4, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.conv(torch.cat([x, torch.zeros_like(x)], 1))
        return made[:, :2, ::2]


@pytest.mark.parametrize("model", ["strided", "pgdat:resnet8", "smart:resnet8", "oat:resnet8"])
def test_a_million_images_are_a_million_times_the_work_of_one(model: str) -> None:
    made = _Strided() if model == "strided" else build_model(*model.split(":"))
    condition = {"lam": 0.5} if model[:3] in ("sma", "oat") else None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    few, many = (
        smartsim.count_actions(smartsim.trace_model(made, (batch, 3, 32, 32), condition=condition))
        for batch in (2, 2_000_000)
    )
    assert time.process_time() - began < 5
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - most) >> 10 < 200
    assert any(count.action == "mac" for count in few)
    for large, small in zip(many, few, strict=True):
        if (large.stage, large.action) == ("input", "mac"):
            assert large.number == small.number * 1_000_000


def test_a_pattern_that_no_memory_holds_is_a_sentence() -> None:
    assert smartsim.trace_model(_Padded(), (2, 3, 16, 16)).ops
    with pytest.raises(InvalidModelError, match="trace a smaller batch, whose counts scale"):
        smartsim.trace_model(_Padded(), (10_000_000, 3, 16, 16))
