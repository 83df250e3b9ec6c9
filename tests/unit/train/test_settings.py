import json

import pytest

from smartsim.errors import ConfigurationError
from smartsim.train.settings import PRESETS, TRAIN_METHODS, TrainSettings, make_settings


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
