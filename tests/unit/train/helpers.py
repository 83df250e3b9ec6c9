"""A tiny data set, a tiny network, and runs that take a second."""

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from smartsim.models import ConditionalModel, build_from_settings
from smartsim.train.data import Dataset, DatasetSpec, make_synthetic
from smartsim.train.loop.checkpoint import load_checkpoint
from smartsim.train.loop.folder import RunFolder
from smartsim.train.loop.train import Trained, train
from smartsim.train.settings import TrainSettings, make_settings

SPEC = DatasetSpec(name="synthetic", classes=4, shape=(3, 8, 8), train_count=96, test_count=40)


def tiny_data() -> Dataset:
    return make_synthetic(SPEC)


def tiny_settings(method: str = "smart", **changes: Any) -> TrainSettings:
    """Two epochs of four batches on a network of 4, 8 and 16 channels."""
    tiny = {
        "arch": "resnet8",
        "width": 0.25,
        "classes": 4,
        "data": "synthetic",
        "epochs": 2,
        "batch_size": 18,
        "validation_images": 24,
        "attack_steps": 2,
        "validation_attack_steps": 1,
        "padding": 1,
    }
    return make_settings(method, changes={**tiny, **changes})


def tiny_model(method: str, **changes: Any) -> ConditionalModel:
    """Float64, so that equations hold to many digits."""
    return build_from_settings(tiny_settings(method, **changes).model).double()


def tiny_run(folder: Path, method: str = "smart", **changes: Any) -> Trained:
    torch.set_num_threads(1)
    return train(tiny_settings(method, **changes), tiny_data(), folder)


def stop_after(answers: int) -> Callable[[], bool]:
    """Says stop after some answers of no."""
    calls = iter(range(1_000))
    return lambda: next(calls) >= answers


def read_table(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))


def assert_same_run(one: Path, two: Path) -> None:
    """All that two runs left is the same to the bit, except the seconds that they took."""
    assert read_table(one / "metrics.csv") == read_table(two / "metrics.csv")
    first, second = (read_table(folder / "epochs.csv") for folder in (one, two))
    assert first[0][-1] == "seconds"
    assert [row[:-1] for row in first] == [row[:-1] for row in second]
    for name in ("last", "best"):
        paths = [getattr(RunFolder(path=folder), name) for folder in (one, two)]
        ours, theirs = (load_checkpoint(path) for path in paths)
        assert replace(ours.place, seconds=0.0) == replace(theirs.place, seconds=0.0)
        for part in ("model", "momentum", "masks"):
            mine, yours = getattr(ours, part), getattr(theirs, part)
            assert mine.keys() == yours.keys()
            assert all(torch.equal(tensor, yours[key]) for key, tensor in mine.items())


@contextmanager
def in_float64() -> Iterator[None]:
    """Models are built and images come in float64, for runs that are to agree to many digits."""

    def scale(images: Tensor) -> Tensor:
        return images.double() / 255

    torch.set_default_dtype(torch.float64)
    try:
        with patch("smartsim.train.data.augment.scale_images", scale):
            yield
    finally:
        torch.set_default_dtype(torch.float32)
