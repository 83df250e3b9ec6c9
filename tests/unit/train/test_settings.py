import json
from pathlib import Path

import pytest
import torch

from smartsim.errors import ConfigurationError
from smartsim.train.data import DATASETS
from smartsim.train.presets import PRESETS, multiplies_bf16
from smartsim.train.settings import TRAIN_METHODS, TrainSettings, make_settings


@pytest.mark.parametrize("method", TRAIN_METHODS)
@pytest.mark.parametrize("preset", [None, *PRESETS])
def test_settings_survive_json(method: str, preset: str | None) -> None:
    settings = make_settings(method, preset=preset)
    assert TrainSettings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings


def test_the_paper_preset_is_the_official_recipe() -> None:
    settings = make_settings("oat", preset="paper")
    # OAT's official code; the facts are listed in its paper's section 4.1.
    assert (settings.epochs, settings.batch_size, settings.learning_rate) == (200, 128, 0.1)
    assert (settings.momentum, settings.weight_decay) == (0.9, 5e-4)
    assert (settings.epsilon, settings.attack_steps) == (8 / 255, 7)
    assert (settings.validation_images, settings.padding) == (5_000, 4)
    assert (settings.model.arch, settings.model.film_dimension) == ("resnet34", 128)
    assert make_settings("pgdat", preset="paper").batch_size == 256


@pytest.mark.parametrize(
    ("data", "arch", "dropout", "augment", "epochs", "train_images"),
    [
        # OAT's official code: dataloaders/, models/ and the choice of networks in OAT.py.
        ("cifar10", "resnet34", 0.0, "crop-flip", 200, 45_000),
        ("svhn", "wrn16_8", 0.3, "none", 200, 68_257),
        ("stl10", "wrn40_2", 0.3, "crop-flip", 200, 5_000),
        # The SMART paper: as for CIFAR, but for 80 epochs.
        ("cifar100", "resnet34", 0.0, "crop-flip", 200, 45_000),
        ("tiny_imagenet", "resnet34", 0.0, "crop-flip", 80, 95_000),
    ],
)
def test_a_data_set_brings_its_own_numbers_to_the_paper_preset(
    data: str, arch: str, dropout: float, augment: str, epochs: int, train_images: int
) -> None:
    settings = make_settings("oat", preset="paper", changes=[f"data={data}"])
    assert (settings.model.arch, settings.model.dropout) == (arch, dropout)
    assert (settings.augment, settings.padding, settings.epochs) == (augment, 4, epochs)
    assert DATASETS[data].train_count - settings.validation_images == train_images
    assert (settings.batch_size, settings.model.film_dimension) == (128, 128)


@pytest.mark.parametrize("data", DATASETS)
@pytest.mark.parametrize("preset", [None, *PRESETS])
def test_a_named_data_set_brings_its_classes_and_channels(data: str, preset: str | None) -> None:
    model = make_settings("smart", preset=preset, changes={"data": data}).model
    assert (model.classes, model.in_channels) == (DATASETS[data].classes, DATASETS[data].shape[0])


def test_what_the_user_says_goes_before_what_the_data_set_brings() -> None:
    changes = ["data=svhn", "arch=resnet18", "augment=crop", "classes=3", "in_channels=1"]
    settings = make_settings("float", preset="paper", changes=changes)
    assert (settings.model.arch, settings.model.dropout) == ("resnet18", 0)
    assert (settings.augment, settings.model.classes, settings.model.in_channels) == ("crop", 3, 1)
    plain = make_settings("float", preset="paper", changes=["data=stl10", "dropout=0"])
    assert (plain.model.arch, plain.model.dropout) == ("wrn40_2", 0)
    assert make_settings("float", changes=["data=mine"]).model.classes == 10


@pytest.mark.parametrize(("multiplies", "precision"), [(True, "bf16"), (False, "fp32")])
@pytest.mark.parametrize("preset", ["laptop", "study"])
def test_the_precision_of_a_preset_is_what_the_machine_multiplies(
    preset: str, multiplies: bool, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smartsim.train.settings.multiplies_bf16", lambda: multiplies)
    settings = make_settings("smart", preset=preset)
    assert settings.to_dict()["precision"] == precision
    assert TrainSettings.from_dict(settings.to_dict()) == settings
    assert make_settings("smart", preset=preset, changes=["precision=fp32"]).precision == "fp32"


def test_settings_name_the_precision_that_was_chosen() -> None:
    row = make_settings("smart", preset="laptop").to_dict()
    with pytest.raises(ConfigurationError, match="precision is 'auto'; possible: bf16, fp32"):
        TrainSettings.from_dict({**row, "precision": "auto"})


@pytest.mark.parametrize(
    ("flags", "multiplies"),
    [
        ("fpu avx512f avx512_bf16 avx512_vnni", True),
        ("fpu amx_bf16 amx_tile", True),
        ("fpu avx2 avx512f avx512_bf16x", False),
    ],
)
def test_a_cpu_says_whether_it_multiplies_bf16(
    flags: str, multiplies: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    info = tmp_path / "cpuinfo"
    assert multiplies_bf16(info) is False  # no Linux
    info.write_text(f"processor\t: 0\nflags\t\t: {flags}\n")
    assert multiplies_bf16(info) is multiplies


@pytest.mark.parametrize("multiplies", [True, False])
def test_a_gpu_goes_before_the_cpu(
    multiplies: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_supported(including_emulation: bool) -> bool:
        return multiplies or including_emulation

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_supported)
    info = tmp_path / "cpuinfo"
    info.write_text("flags : " + ("" if multiplies else "avx512_bf16"))
    assert multiplies_bf16(info) is multiplies


def test_texts_become_values_of_the_settings_types() -> None:
    settings = make_settings(
        "smart",
        changes=["epochs=3", "epsilon=4/255", "overlap=0", "compile=true", "train_images=none"],
    )
    assert settings.epochs == 3
    assert settings.epsilon == 4 / 255
    assert settings.model.overlap == 0
    assert settings.compile is True
    assert settings.train_images is None


@pytest.mark.parametrize(
    ("method", "change", "says"),
    [
        ("smrt", "epochs=1", "unknown method 'smrt'; did you mean 'smart'"),
        ("smart", "epoch=1", "no setting 'epoch'; did you mean 'epochs'"),
        ("smart", "epochs", "'epochs' is no setting; write key=value"),
        ("smart", "epochs=many", "epochs is 'many'; it must be a number"),
        ("smart", "epochs=0", r"epochs is 0; it must be in \[1"),
        ("smart", "compile=maybe", "it must be true or false"),
        ("smart", "precision=fp16", "precision is 'fp16'; did you mean|possible: bf16, fp32"),
        ("smart", "epsilon=8", r"epsilon is 8; it must be in \[0, 1\]"),
        ("smart", "epsilon=nan", "epsilon is nan"),
        ("smart", "lam=0.5", "smart has no lam; it belongs to pgdat and sparse"),
        ("pgdat", "overlap=0.1", "PGD-AT has no overlap"),
        ("pgdat", "alpha=0", "pgdat has no alpha; it belongs to float and smart"),
        ("float", "method=oat", "no setting 'method'"),
        ("float", "sparse_density=0.1", "float has no sparse_density"),
    ],
)
def test_a_wrong_setting_gets_one_sentence(method: str, change: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        make_settings(method, changes=[change])


def test_an_unknown_preset_is_named() -> None:
    with pytest.raises(ConfigurationError, match="unknown preset 'labtop'; did you mean 'laptop'"):
        make_settings("smart", preset="labtop")


def test_settings_of_two_methods_do_not_mix() -> None:
    model = make_settings("float").model
    with pytest.raises(ConfigurationError, match="method 'smart' trains a smart network"):
        TrainSettings(method="smart", model=model)
