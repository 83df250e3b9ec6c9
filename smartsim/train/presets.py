"""Named choices of settings: the paper's, and those that a laptop and experiments can afford."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from smartsim.models import ARCHITECTURES
from smartsim.train.data.catalogue import DATASETS

__all__ = ["PRESETS", "Preset", "layer_preset", "multiplies_bf16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A named choice of settings; what stands further below goes before what stands above.

    Attributes:
        description: One sentence for a reader.
        model: Fields of `ModelSettings`.
        train: Fields of `TrainSettings`; "auto" as precision is bf16 where `multiplies_bf16`.
        methods: Method -> further fields of `TrainSettings` and `ModelSettings`.
        datasets: Data set -> further fields.
        families: Family of the network -> further fields.
    """

    description: str
    model: Mapping[str, Any] = field(default_factory=dict)
    train: Mapping[str, Any] = field(default_factory=dict)
    methods: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    datasets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    families: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


PRESETS: Mapping[str, Preset] = {
    "paper": Preset(
        description="the network and the numbers of OAT's official code for each data set, such "
        "as ResNet-34 for 200 epochs on CIFAR-10",
        model={"arch": "resnet34"},
        methods={"pgdat": {"batch_size": 256}, "oat": {"film_dimension": 128}},
        datasets={
            "svhn": {"arch": "wrn16_8", "augment": "none", "validation_images": 5_000},
            # The official code trains on all 5,000 and picks the best epoch by the test images;
            # here none are held out and the last epoch stands.
            "stl10": {"arch": "wrn40_2", "padding": 4, "validation_images": 0},
            "tiny_imagenet": {"epochs": 80},  # SMART's, which OAT did not train on
        },
        families={"wrn": {"dropout": 0.3}},
    ),
    "laptop": Preset(
        description="ResNet-8 on CIFAR-10 for 15 epochs: under half an hour on two cores",
        model={"arch": "resnet8"},
        train={
            "epochs": 15,
            "precision": "auto",
            "validation_images": 1_000,
            "validate_every": 3,
        },
    ),
    "study": Preset(
        description="ResNet-10 of a quarter of the width on CIFAR-10 for 6 epochs: four stages, "
        "for the experiments in reports/results",
        model={"arch": "resnet10", "width": 0.25},
        train={"epochs": 6, "precision": "auto", "validate_every": 2, "validation_images": 1_000},
    ),
}
"""Named choices of settings."""


def layer_preset(preset: Preset, method: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """A preset's fields for a method, a data set and a network, under those that were given.

    A listed data set brings its number of classes and of channels.
    """
    values = {**preset.model, **preset.train, **preset.methods.get(method, {})}
    data = str({**values, **given}.get("data", "cifar10"))
    values |= preset.datasets.get(data, {})
    if data in DATASETS:  # a caller may bring one that is not listed
        spec = DATASETS[data]
        values |= {"classes": spec.classes, "in_channels": spec.shape[0]}
    network = ARCHITECTURES.get(str({**values, **given}.get("arch")))
    values |= preset.families.get(network.family, {}) if network else {}
    return {**values, **given}


def multiplies_bf16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the device that is used by default multiplies bf16, rather than emulate it.

    That is the GPU where torch finds one, else the CPU as Linux describes it.
    """
    import torch

    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if not cpuinfo.exists():
        return False
    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(cpuinfo.read_text().split())
