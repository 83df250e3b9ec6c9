import json
from pathlib import Path
from typing import Any

import pytest
import torch

from smartsim.errors import ConfigurationError, FileFormatError
from smartsim.models import ConditionalModel, build_from_settings
from smartsim.report.measured import load_measured
from smartsim.train.evaluate import ATTACKS, EvaluationSettings, Score, evaluate_lam
from smartsim.train.evaluate_run import evaluate_run, name_model, parse_epsilon, parse_lams
from smartsim.train.run import load_trained_model
from smartsim.train.settings import make_settings
from tests.unit.train.helpers import tiny_data, tiny_run, tiny_settings


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("runs") / "float"
    tiny_run(folder, "float", epochs=6, epsilon=0.01, width=0.5)
    return folder


def _settings(*attacks: str, **changes: Any) -> EvaluationSettings:
    small = {"images": 30, "strong_images": 12, "autoattack_images": 4, "draws": 3}
    return EvaluationSettings(attacks=attacks, **{**small, "epsilon": 0.02, **changes})


def _evaluate(
    model: ConditionalModel, lam: float, settings: EvaluationSettings
) -> dict[str, Score]:
    data = tiny_data()
    scores = evaluate_lam(model, data.test_images, data.test_labels, lam, settings)
    return {score.attack: score for score in scores}


def test_clean_accuracy_is_the_share_of_images_classified_correctly(run: Path) -> None:
    model, _ = load_trained_model(run)
    data = tiny_data()
    score = _evaluate(model, 0.0, _settings("clean"))["clean"]
    with torch.no_grad():
        logits = model(data.test_images[:30] / 255, 0.0)
    correct = int((logits.argmax(1) == data.test_labels[:30]).sum())
    assert score.accuracy == pytest.approx(100 * correct / 30)
    # sqrt(p (1 - p) / n), in percent
    share = correct / 30
    assert score.standard_error == pytest.approx(100 * (share * (1 - share) / 30) ** 0.5)


def test_without_a_radius_every_attack_leaves_the_clean_accuracy(run: Path) -> None:
    model, _ = load_trained_model(run)
    scores = _evaluate(
        model, 0.0, _settings("clean", "fgsm", "pgd7", "pgd50", epsilon=0.0, strong_images=30)
    )
    assert len({score.accuracy for score in scores.values()}) == 1


def test_a_huge_radius_leaves_almost_nothing(run: Path) -> None:
    model, _ = load_trained_model(run)
    for lam in (0.0, 1.0):
        scores = _evaluate(model, lam, _settings("clean", "pgd7", "pgd50", epsilon=1.0))
        assert scores["clean"].accuracy > 60
        assert scores["pgd50"].accuracy < 10


def test_the_worst_case_falls_from_attack_to_attack_and_only_survivors_are_attacked(
    run: Path,
) -> None:
    model, _ = load_trained_model(run)
    scores = _evaluate(
        model,
        0.0,
        _settings("clean", "fgsm", "pgd7", "eot", "pgd50", strong_images=30, epsilon=0.1),
    )
    # Cheap attacks stand alone, on all images; the strong ones are the worst case so far.
    assert [score.scope for score in scores.values()] == ["alone"] * 3 + ["worst so far"] * 2
    assert scores["eot"].accuracy <= min(s.accuracy for s in list(scores.values())[:3])
    assert scores["pgd50"].accuracy <= scores["eot"].accuracy
    assert scores["pgd7"].attacked == 30
    assert scores["pgd50"].attacked <= scores["eot"].attacked <= 30
    # A strong attack says what stood before it, of the same images.
    assert scores["pgd7"].before is None
    assert scores["pgd50"].before == scores["eot"].accuracy
    assert scores["eot"].accuracy < min(s.accuracy for s in list(scores.values())[:3])


def test_the_worst_of_several_attacks_is_not_the_luckiest_of_their_draws(run: Path) -> None:
    model, _ = load_trained_model(run)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("alpha"):
                parameter.fill_(1.5)  # so that draws of noise disagree
    # Without a radius no attack does anything: all that differs is the noise.
    everything = {"images": 40, "strong_images": 40, "epsilon": 0.0}
    clean = _evaluate(model, 1.0, _settings("clean", draws=200, **everything))["clean"]
    assert clean.spread > 3
    names = ("clean", "fgsm", "pgd7", "eot", "pgd50")
    worst = _evaluate(model, 1.0, _settings(*names, draws=4, **everything))["pgd50"]
    # The mean over 4 draws is off by about spread / 2; the least of 5 such shares of each image
    # would be lower by about 20.
    assert abs(worst.accuracy - clean.accuracy) < 3 * clean.spread / 2


def test_an_image_stands_with_the_share_of_draws_that_classify_it_correctly(run: Path) -> None:
    model, _ = load_trained_model(run)
    score = _evaluate(model, 1.0, _settings("clean", draws=5))["clean"]
    assert score.draws == 5
    # A mean over 30 images and 5 draws.
    assert score.accuracy * 150 / 100 == pytest.approx(round(score.accuracy * 150 / 100))
    assert _evaluate(model, 0.0, _settings("clean", draws=5))["clean"].draws == 1


def test_exactly_the_images_that_stand_are_attacked_next(run: Path) -> None:
    model, _ = load_trained_model(run)
    settings = _settings("clean", "eot", "pgd50", strong_images=30, epsilon=0.15)
    clean, eot, pgd50 = _evaluate(model, 0.0, settings).values()
    # At lam = 0 nothing is random: accuracies are counts of images.
    assert eot.attacked == round(clean.accuracy * 30 / 100)
    assert pgd50.attacked == round(eot.accuracy * 30 / 100) < eot.attacked


def test_known_noise_is_one_draw_and_another_adversary_than_live_noise(run: Path) -> None:
    model, _ = load_trained_model(run)
    wide = {"draws": 2, "epsilon": 0.2, "strong_images": 30}
    with_known = _evaluate(model, 1.0, _settings("clean", "pgd50-known", "eot", **wide))
    without = _evaluate(model, 1.0, _settings("clean", "eot", **wide))
    assert with_known["pgd50-known"].draws == 1
    assert with_known["pgd50-known"].accuracy < with_known["clean"].accuracy
    # What a known draw has felled still stands for the adversary who does not know it.
    assert with_known["eot"].attacked == without["eot"].attacked
    assert with_known["eot"].accuracy == without["eot"].accuracy
    assert model.settings.noise == "fresh"


def test_autoattack_runs_on_the_survivors_and_leaves_the_model_alone(run: Path) -> None:
    pytest.importorskip("pyautoattack")
    model, _ = load_trained_model(run)
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    before = torch.get_rng_state()
    settings = _settings("clean", "autoattack", autoattack_images=2, epsilon=0.3)
    scores = _evaluate(model.train(), 0.0, settings)
    assert scores["autoattack"].images == 2
    assert scores["autoattack"].accuracy <= 100
    assert torch.equal(torch.get_rng_state(), before)
    assert all(module.training for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())


def test_a_result_file_is_what_the_report_reads(run: Path, tmp_path: Path) -> None:
    settings = _settings("clean", "pgd7")
    path = evaluate_run(
        run, settings, lams=(0.0, 1.0), dataset=tiny_data(), output=tmp_path / "results.json"
    )
    rows = load_measured([path])
    assert [(row.method, row.lam, row.attack, row.images) for row in rows] == [
        ("FLOAT", 0.0, "clean", 30),
        ("FLOAT", 0.0, "pgd7", 30),
        ("FLOAT", 1.0, "clean", 30),
        ("FLOAT", 1.0, "pgd7", 30),
    ]
    assert rows[0].setting == "resnet8 of width 0.5, synthetic, 6 epochs"


def test_an_evaluation_that_was_broken_off_goes_on_with_the_next_lam(
    run: Path, tmp_path: Path
) -> None:
    settings, path = _settings("clean", "pgd7"), tmp_path / "results.json"
    evaluate_run(run, settings, lams=(0.0,), dataset=tiny_data(), output=path)
    seen: list[Score] = []
    evaluate_run(run, settings, lams=(0.0, 1.0), dataset=tiny_data(), output=path, tell=seen.append)
    assert {score.lam for score in seen} == {1.0}
    whole = tmp_path / "whole.json"
    evaluate_run(run, settings, lams=(0.0, 1.0), dataset=tiny_data(), output=whole)

    def rows(file: Path) -> list[dict[str, Any]]:
        results: list[dict[str, Any]] = json.loads(file.read_text())["results"]
        return [{k: v for k, v in row.items() if k != "seconds"} for row in results]

    assert rows(path) == rows(whole)


def test_a_result_file_of_other_settings_is_not_added_to(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    evaluate_run(run, _settings("clean"), lams=(0.0,), dataset=tiny_data(), output=path)
    with pytest.raises(FileFormatError, match="was made with another protocol"):
        evaluate_run(run, _settings("pgd7"), lams=(1.0,), dataset=tiny_data(), output=path)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"attacks": ("autoatack",)}, "unknown attack 'autoatack'; did you mean 'autoattack'"),
        ({"attacks": ()}, "no attacks are named"),
        ({"images": 0}, "images is 0"),
        ({"epsilon": 8.0}, "epsilon is 8"),
    ],
)
def test_a_wrong_evaluation_gets_one_sentence(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        EvaluationSettings(**changes)


def test_more_images_than_there_are_get_one_sentence(run: Path) -> None:
    model, _ = load_trained_model(run)
    with pytest.raises(ConfigurationError, match="images is 100; the data set has 40"):
        _evaluate(model, 0.0, _settings("clean", images=100))


def test_names_say_what_is_not_the_papers() -> None:
    def name(method: str, **changes: Any) -> str:
        return name_model(make_settings(method, changes=changes))

    assert name("smart") == "SMART"
    assert name("smart", stages="SSSS", overlap=0.0) == "SMART [SSSS] overlap 0"
    assert name("float", norm="single") == "FLOAT single batch norm"
    assert name("float", alpha=0.0) == "FLOAT alpha 0"
    assert name("sparse", sparse_density=0.05) == "sparse learning density 0.05"


def test_numbers_on_the_command_line_are_read_or_refused() -> None:
    assert parse_lams("0,0.2,1") == (0, 0.2, 1)
    assert parse_epsilon("8/255") == 8 / 255
    for text in ("", "2", "a", "0,nan"):
        with pytest.raises(ConfigurationError, match="must be numbers in"):
            parse_lams(text)
    for text in ("8/0", "x"):
        with pytest.raises(ConfigurationError, match="must be a number"):
            parse_epsilon(text)


def test_every_attack_says_what_it_is() -> None:
    for name, plan in ATTACKS.items():
        assert plan.name == name
        assert plan.description
        assert plan.pgd is None or not plan.autoattack


def test_a_model_is_the_one_its_settings_build() -> None:
    settings = tiny_settings("oat")
    model = build_from_settings(settings.model)
    assert model.settings == settings.model
