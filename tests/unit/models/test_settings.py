"""Settings, their JSON, model names, and what happens to wrong ones."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartsim.errors import ConfigurationError
from smartsim.models import ARCHITECTURES, METHODS, ModelSettings, parse_model

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"method": "smrt"}, r"unknown method 'smrt'; did you mean 'smart'\?"),
    ({"method": "vgg"}, "unknown method 'vgg'; possible: float, oat, pgdat, smart"),
    ({"method": ["smart"]}, "unknown method"),
    ({"method": "smart", "arch": "resnet43"}, r"did you mean 'resnet34'\?"),
    ({"method": "smart", "arch": None}, "unknown architecture None"),
    ({"method": "smart", "clases": 10}, r"no setting 'clases'; did you mean 'classes'\?"),
    ({"arch": "resnet34"}, "a model needs a method"),
    ({"method": "smart", "classes": 0}, "classes is 0; it must be a whole number of at least 1"),
    ({"method": "smart", "classes": 2.5}, "classes is 2.5; it must be a whole number"),
    ({"method": "smart", "classes": True}, "classes is True; it must be a whole number"),
    ({"method": "smart", "in_channels": "3"}, "in_channels is '3'; it must be a whole number"),
    ({"method": "smart", "seed": -1}, "seed is -1; it must be a whole number of at least 0"),
    ({"method": "smart", "seed": 2**63}, "seed is 9223372036854775808; it must be"),
    ({"method": "smart", "width": 0}, "width is 0.0; it must be greater than 0"),
    ({"method": "smart", "width": math.nan}, "width is nan; it must be a number"),
    ({"method": "smart", "width": "wide"}, "width is 'wide'; it must be a number"),
    ({"method": "smart", "norm": "triple"}, "norm is 'triple'; possible: 'single', 'dual'"),
    ({"method": "pgdat", "norm": "dual"}, "PGD-AT ignores lam, so its norm can only be 'single'"),
    ({"method": "smart", "stages": "DDS"}, "stages is 'DDS'; resnet34 has 4 stages .*'DDSS'"),
    ({"method": "smart", "stages": "DDXS"}, "stages is 'DDXS'; resnet34 has 4 stages"),
    ({"method": "smart", "stages": ["D", "D", "S", "S"]}, "resnet34 has 4 stages"),
    ({"method": "smart", "arch": "wrn40_2", "stages": "DDSS"}, "wrn40_2 has 3 stages .*'DSS'"),
    ({"method": "float", "stages": "DDSS"}, "FLOAT has no stages; .* one of the methods smart"),
    ({"method": "oat", "noise": "fresh"}, "OAT has no noise; .* one of the methods float, smart"),
    ({"method": "smart", "film_dimension": 1}, "SMART has no film_dimension; .* methods oat"),
    ({"method": "smart", "noise": "frosen"}, "noise is 'frosen'; possible: 'fresh', 'frozen'"),
    ({"method": "smart", "density": 0.75, "overlap": 0.25}, "feasible: 0.5 to 0.75"),
    ({"method": "smart", "density": 1.5}, r"density is 1.5; it must be in \(0, 1\]"),
    ({"method": "oat", "film_dimension": 5}, r"film_dimension is 5; it must be 1 .* at least 6"),
    ({"method": "oat", "film_dimension": 0}, "film_dimension is 0; it must be a whole number"),
    ({"method": "oat", "dropout": 0.3}, "resnet34 has no dropout"),
    ({"method": "oat", "arch": "wrn40_2", "dropout": 1}, r"dropout is 1.0; it must be in \[0, 1\)"),
]


@pytest.mark.parametrize(("data", "sentence"), WRONG)
def test_a_wrong_setting_gets_one_sentence(data: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence) as caught:
        ModelSettings.from_dict(data)
    assert "\n" not in str(caught.value)


WRONG_NAMES = [
    ("", "unknown method ''"),
    ("smart:resnet43", r"unknown architecture 'resnet43'; did you mean 'resnet34'\?"),
    ("smart:resnet34:overlap", "'overlap' in model name .* is no setting; write key=value"),
    ("smart:resnet34:overlap=", "overlap is ''; it must be a number"),
    ("smart:resnet34:seed=1.5", "seed is '1.5'; it must be a number"),
    ("smart:resnet34:overlapp=0", r"no setting 'overlapp'; did you mean 'overlap'\?"),
    ("smart:resnet34:seed=1,seed=2", "says seed twice"),
    ("smart:resnet34:arch=resnet18", "says arch twice"),
    ("smart:resnet34:seed=1:seed=2", "is no model name; write method:arch:key=value"),
    ("smart:", "unknown architecture ''"),
    ("smart::", "'' in model name 'smart::' is no setting"),
]


@pytest.mark.parametrize(("name", "sentence"), WRONG_NAMES)
def test_a_wrong_name_gets_one_sentence(name: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        parse_model(name)


def test_settings_that_are_left_out_get_the_papers_values() -> None:
    smart = ModelSettings(method="smart")
    assert (smart.arch, smart.stages, smart.norm, smart.noise) == (
        "resnet34",
        "DDSS",
        "dual",
        "fresh",
    )
    assert (smart.density, smart.overlap, smart.film_dimension) == (0.5, 0.25, None)
    assert ModelSettings(method="smart", arch="wrn40_2").stages == "DSS"
    assert ModelSettings(method="oat").film_dimension == 1
    assert ModelSettings(method="pgdat").norm == "single"


def test_the_default_overlap_is_that_of_independent_masks() -> None:
    assert ModelSettings(method="smart", density=0.2).overlap == 0.2**2


def test_a_stage_pattern_may_be_written_in_small_letters() -> None:
    settings = ModelSettings(method="smart", stages="dsds")
    assert settings.stages == "DSDS"
    assert settings.sparse_stages == (False, True, False, True)


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("smart", "smart:resnet34"),
        ("smart:seed=3", "smart:resnet34:seed=3"),
        ("smart:resnet34:stages=ddss,overlap=0.25", "smart"),
        ("oat:wrn16_8:film_dimension=1,dropout=0", "oat:wrn16_8"),
    ],
)
def test_two_spellings_of_a_name_are_one_model(name: str, same: str) -> None:
    assert parse_model(name) == parse_model(same)


@st.composite
def any_settings(draw: st.DrawFn) -> ModelSettings:
    """Settings of every kind that can be."""
    method = draw(st.sampled_from(sorted(METHODS)))
    arch = draw(st.sampled_from(sorted(ARCHITECTURES)))
    data: dict[str, Any] = {
        "classes": draw(st.integers(1, 1000)),
        "in_channels": draw(st.integers(1, 4)),
        "width": draw(st.floats(0.01, 4)),
        "seed": draw(st.integers(0, 2**63 - 1)),
    }
    if ARCHITECTURES[arch].family == "wrn":
        data["dropout"] = draw(st.floats(0, 1, exclude_max=True))
    if METHODS[method].conditional:
        data["norm"] = draw(st.sampled_from([None, "single", "dual"]))
    if METHODS[method].film:
        data["film_dimension"] = draw(st.sampled_from([None, 1, 6, 128]))
    if METHODS[method].noisy:
        data["noise"] = draw(st.sampled_from([None, "fresh", "frozen"]))
    if METHODS[method].masked:
        count = len(ARCHITECTURES[arch].blocks)
        data["stages"] = draw(st.text("DS", min_size=count, max_size=count))
        density = draw(st.floats(0.01, 1))
        data["density"] = density
        data["overlap"] = draw(st.none() | st.floats(max(0.0, 2 * density - 1), density))
    return ModelSettings(method=method, arch=arch, **data)


@given(any_settings())
def test_settings_survive_json(settings: ModelSettings) -> None:
    assert ModelSettings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings


@given(any_settings())
def test_settings_survive_their_name(settings: ModelSettings) -> None:
    assert parse_model(settings.name) == settings


def test_the_name_says_only_what_differs_from_the_defaults() -> None:
    assert ModelSettings(method="smart").name == "smart:resnet34"
    assert ModelSettings(method="smart", density=0.2, seed=4).name == (
        "smart:resnet34:density=0.2,seed=4"
    )
