"""A tiny data set, a tiny network, and runs that take a second."""

from pathlib import Path
from typing import Any

import torch

from smartsim.models import ConditionalModel, build_from_settings
from smartsim.train.data import Dataset, DatasetSpec, make_synthetic
from smartsim.train.loop import Trained, train
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
