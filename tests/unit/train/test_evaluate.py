import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from torch import Tensor

from smartsim.cli import cli
from smartsim.errors import ConfigurationError, FileFormatError
from smartsim.models import ConditionalModel, build_from_settings, make_condition
from smartsim.models.layers import NoisyWeight
from smartsim.report.accuracy.results import load_measured
from smartsim.train.attack.autoattack import run_autoattack
from smartsim.train.attack.measure import attack_in_batches, measure_correct
from smartsim.train.attack.pgd import Pgd
from smartsim.train.evaluate import attempt, result_file
from smartsim.train.evaluate.naming import name_model
from smartsim.train.evaluate.plans import ATTACKS, EvaluationSettings, parse_epsilon, parse_lams
from smartsim.train.evaluate.result_file import evaluate_run
from smartsim.train.evaluate.worst_case import Score, evaluate_lam
from smartsim.train.loop.checkpoint import load_checkpoint, save_checkpoint
from smartsim.train.loop.folder import RunFolder
from smartsim.train.loop.restore import load_trained_model
from smartsim.train.loop.train import train
from smartsim.train.settings import make_settings
from tests.unit.train.helpers import stop_after, tiny_data, tiny_run, tiny_settings


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("runs") / "float"
    tiny_run(folder, "float", epochs=6, epsilon=0.01, width=0.5)
    return folder


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> ConditionalModel:
    """A model of the same data from other weights."""
    folder: Path = tmp_path_factory.mktemp("runs") / "other"
    tiny_run(folder, "float", epochs=6, epsilon=0.01, width=0.5, seed=1)
    return load_trained_model(folder)[0]


@pytest.fixture
def short_autoattack(monkeypatch: pytest.MonkeyPatch) -> None:
    """AutoAttack as its versions are, but for 5 steps in place of 100, and 20 queries of 5,000."""
    package = pytest.importorskip("pyautoattack")
    choose = package.AutoAttack._set_version

    def shorten(self: Any, version: str) -> None:
        choose(self, version)
        self.apgd.n_iter = self.apgd_targeted.n_iter = self.fab.n_iter = 5
        self.square.n_queries = 20

    monkeypatch.setattr(package.AutoAttack, "_set_version", shorten)


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
    _with_strong_noise(model)
    # Without a radius no attack does anything: all that differs is the noise.
    everything = {"images": 40, "strong_images": 40, "epsilon": 0.0}
    clean = _evaluate(model, 1.0, _settings("clean", draws=200, **everything))["clean"]
    assert clean.spread > 3
    names = ("clean", "fgsm", "pgd7", "eot", "pgd50")
    scores = _evaluate(model, 1.0, _settings(*names, draws=4, **everything))
    worst = scores["pgd50"]
    # The mean over 4 draws is off by about spread / 2; the least of 5 such shares of each image
    # would be lower by about 20.
    assert abs(worst.accuracy - clean.accuracy) < 3 * clean.spread / 2
    # Before and after an attack are the same images under the same draws.
    assert worst.before == worst.accuracy
    assert scores["eot"].before == scores["eot"].accuracy


def test_gradients_are_averaged_only_where_there_is_noise(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _ = load_trained_model(run)
    draws = []

    def note(*given: Any, **named: Any) -> Tensor:
        draws.append(given[4].draws)
        return attack_in_batches(*given, **named)

    monkeypatch.setattr(attempt, "attack_in_batches", note)
    for lam in (0.0, 1.0):
        _evaluate(model, lam, _settings("eot"))
    assert draws == [1, 20]


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


def _with_strong_noise(model: ConditionalModel) -> ConditionalModel:
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("alpha"):
                parameter.fill_(1.5)  # so that draws of noise disagree
    return model


def test_a_single_draw_of_noise_is_the_seeds_too(run: Path) -> None:
    model = _with_strong_noise(load_trained_model(run)[0])
    names = ("clean", "pgd7", "eot", "pgd7-known", "pgd50-known")
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        scores = _evaluate(model, 1.0, _settings(*names, draws=1, epsilon=0.05))
        found.append([(score.accuracy, score.attacked, score.draws) for score in scores.values()])
    assert found[0] == found[1]
    # What stands before any attack of an attacker who knows the draw is not what stood of others.
    assert 0 < found[0][0][0] < 100


def test_each_layer_draws_from_its_own_source_again_also_after_an_error(run: Path) -> None:
    model, _ = load_trained_model(run)
    layers = [layer for layer in model.modules() if isinstance(layer, NoisyWeight)]
    model.draw_fresh_noise_from(torch.Generator().manual_seed(1))
    layers[1].noise_generator = torch.Generator().manual_seed(2)
    layers[2].noise_generator = None
    sources = [layer.noise_generator for layer in layers]
    states = [torch.get_rng_state(), *(s.get_state() for s in sources if s is not None)]

    def fail(score: Score) -> None:
        raise KeyError(score.attack)

    data, settings = tiny_data(), _settings("clean", "pgd7")
    evaluate_lam(model, data.test_images, data.test_labels, 1.0, settings)
    assert all(a.noise_generator is b for a, b in zip(layers, sources, strict=True))
    with pytest.raises(KeyError, match="clean"):
        evaluate_lam(model, data.test_images, data.test_labels, 1.0, settings, tell=fail)
    assert all(a.noise_generator is b for a, b in zip(layers, sources, strict=True))
    after = [torch.get_rng_state(), *(s.get_state() for s in sources if s is not None)]
    assert all(torch.equal(a, b) for a, b in zip(states, after, strict=True))


def test_images_made_on_another_model_never_do_more_than_those_made_on_the_model(
    run: Path, other: ConditionalModel
) -> None:
    model, _ = load_trained_model(run)
    for lam in (0.0, 1.0):
        white, black = (_left(model, maker, lam, lam, 0.1) for maker in (model, other))
        assert white < black < 100


def test_images_made_on_one_path_never_do_more_to_the_other_than_its_own(run: Path) -> None:
    model, _ = load_trained_model(run)
    # A radius that leaves a part of the images standing: about 60 % against 75 %.
    for lam in (0.0, 1.0):
        own, transferred = (_left(model, model, made, lam, 0.05) for made in (lam, 1 - lam))
        assert 0 < own < transferred < 100


def _left(
    model: ConditionalModel, maker: ConditionalModel, made: float, lam: float, epsilon: float
) -> float:
    """Accuracy at lam on images made against another model, or at another lam, in percent."""
    data = tiny_data()
    for seed, one in ((1, maker), (2, model)):
        one.draw_fresh_noise_from(torch.Generator().manual_seed(seed))
    attack = Pgd(epsilon=epsilon, steps=10, step_size=epsilon / 4, draws=4)
    start, labels = torch.Generator().manual_seed(0), data.test_labels
    found = attack_in_batches(
        maker, data.test_images, labels, make_condition(made), attack, start, batch_size=40
    )
    draws = 10
    correct = measure_correct(model, found, labels, make_condition(lam), batch_size=40, draws=draws)
    return 100 * float(correct.float().mean())


def test_a_known_draw_has_a_clean_accuracy_of_its_own(run: Path) -> None:
    model, _ = load_trained_model(run)
    scores = _evaluate(model, 1.0, _settings("clean", "clean-known", "pgd7-known", epsilon=0.0))
    assert scores["clean-known"].draws == 1
    # Without a radius, an attack on that draw leaves what it does without any.
    assert scores["clean-known"].accuracy == scores["pgd7-known"].accuracy


def test_autoattack_runs_on_the_survivors_and_leaves_the_model_alone(run: Path) -> None:
    pytest.importorskip("pyautoattack")
    model, _ = load_trained_model(run)
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    before = torch.get_rng_state()
    # Of a radius of 0.2 even PGD-7 leaves nothing.
    settings = _settings("clean", "autoattack", autoattack_images=2, epsilon=0.2)
    scores = _evaluate(model.train(), 0.0, settings)
    assert scores["autoattack"].images == 2
    assert scores["autoattack"].before == 100
    assert scores["autoattack"].accuracy == 0
    assert torch.equal(torch.get_rng_state(), before)
    assert all(module.training for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())


@pytest.mark.usefixtures("short_autoattack")
@pytest.mark.parametrize(("version", "lam"), [("standard", 0.0), ("rand", 1.0)])
def test_autoattack_stays_in_the_ball_and_in_the_box(run: Path, version: str, lam: float) -> None:
    model, _ = load_trained_model(run)
    data, condition, epsilon = tiny_data(), make_condition(lam), 0.2
    # A fifth of the pixels is 0 or 1, where the box cuts the ball.
    images = (1.8 * data.test_images[:6] / 255 - 0.4).clamp(0, 1)
    labels = data.test_labels[:6]
    found = run_autoattack(
        model,
        images,
        labels,
        condition,
        version=version,
        epsilon=epsilon,
        batch_size=4,
        seed=0,
    )
    assert found.shape == images.shape
    assert float((found - images).abs().mean()) > epsilon / 4
    assert float(found.min()) >= 0
    assert float(found.max()) <= 1
    # The border x + eps is rounded to float32, whose ulp below 2 is 2 ** -23.
    assert float((found.double() - images.double()).abs().max()) <= epsilon + 2**-23


@pytest.mark.usefixtures("short_autoattack")
def test_autoattack_for_random_models_fells_images_of_a_noisy_one(run: Path) -> None:
    model, _ = load_trained_model(run)
    settings = _settings("clean", "autoattack-rand", epsilon=0.1)
    score = _evaluate(model, 1.0, settings)["autoattack-rand"]
    assert (score.images, score.attacked, score.draws) == (4, 4, 3)
    assert score.before is not None
    assert score.accuracy < score.before


def test_autoattack_runs_once_where_a_model_draws_no_noise(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _ = load_trained_model(run)
    versions = []

    def record(model: ConditionalModel, images: Tensor, *rest: Any, **how: Any) -> Tensor:
        versions.append((how["version"], model.settings.noise))
        return images

    monkeypatch.setattr(attempt, "run_autoattack", record)
    both = _settings("clean", "autoattack", "autoattack-rand")
    scores = _evaluate(model, 0.0, both)
    assert versions == [("standard", "fresh")]
    first, second = scores["autoattack"], scores["autoattack-rand"]
    assert (first.attacked, second.attacked) == (4, 0)
    assert second.accuracy == second.before == first.accuracy == 100
    assert "none attacked" in ATTACKS["autoattack-rand"].description
    versions.clear()
    assert _evaluate(model, 0.0, _settings("autoattack-rand"))["autoattack-rand"].attacked == 4
    assert versions == [("standard", "fresh")]
    versions.clear()
    for draws in (3, 1):
        _evaluate(model, 1.0, replace(both, draws=draws))
    assert versions == 2 * [("standard", "frozen"), ("rand", "fresh")]


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


def test_a_result_file_whose_attacks_were_told_in_fewer_words_is_added_to(
    run: Path, tmp_path: Path
) -> None:
    path, settings = tmp_path / "results.json", _settings("clean", "pgd7")
    evaluate_run(run, settings, lams=(0.0,), dataset=tiny_data(), output=path)
    stored = json.loads(path.read_text())
    whole = dict(stored["protocol"]["attacks"])
    stored["protocol"]["attacks"]["pgd7"] = whole["pgd7"][:20]
    path.write_text(json.dumps(stored))
    evaluate_run(run, settings, lams=(1.0,), dataset=tiny_data(), output=path)
    now = json.loads(path.read_text())
    assert now["protocol"]["attacks"] == whole
    assert [row["lam"] for row in now["results"]] == [0.0, 0.0, 1.0, 1.0]
    stored["protocol"]["attacks"]["pgd7"] = "8 official steps"
    path.write_text(json.dumps(stored))
    with pytest.raises(FileFormatError, match="was made with another protocol"):
        evaluate_run(run, settings, lams=(1.0,), dataset=tiny_data(), output=path)


def test_the_folder_of_a_result_file_is_made(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "new" / "newer" / "results.json"
    evaluate_run(run, _settings("clean"), lams=(0.0,), dataset=tiny_data(), output=path)
    names = sorted(found.name for found in path.parent.iterdir())
    assert names == [".results.json.lock", "results.json"]


# The second name is short enough for a file, but not for the temporary one beside it: a write that
# fails also for a user whom no mode of a folder stops.
@pytest.mark.parametrize("name", ["file/results.json", f"{'long' * 62}.json"])
def test_a_result_file_that_cannot_be_written_is_refused_before_any_attack(
    name: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    seen: list[Score] = []
    with pytest.raises(ConfigurationError, match=r"cannot be written .*; choose another file"):
        evaluate_run(
            run,
            _settings("clean"),
            lams=(0.0,),
            dataset=tiny_data(),
            output=tmp_path / name,
            tell=seen.append,
        )
    assert not seen
    monkeypatch.setattr(result_file, "load_dataset", lambda name: tiny_data())
    small = ["--images", "10", "--attacks", "clean", "--lam", "0", "--device", "cpu"]
    result = CliRunner().invoke(cli, ["evaluate", str(run), *small, "-o", str(tmp_path / name)])
    assert result.exit_code == 2
    assert len(result.output.strip().splitlines()) == 1
    assert "cannot be written" in result.output
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


def test_other_data_than_the_runs_are_refused_and_old_folders_do_not_say_which(
    run: Path, tmp_path: Path
) -> None:
    copy, settings = tmp_path / "copy", _settings("clean")
    shutil.copytree(run, copy)
    facts = json.loads((copy / "run.json").read_text())
    changed = replace(tiny_data(), checksum="0" * 64)
    with pytest.raises(FileFormatError, match=f"trained on data of SHA-256 .* has {'0' * 64}"):
        evaluate_run(copy, settings, lams=(0.0,), dataset=changed)
    assert not (copy / "accuracies.json").exists()
    del facts["data"]
    (copy / "run.json").write_text(json.dumps(facts))
    assert evaluate_run(copy, settings, lams=(0.0,), dataset=changed).exists()


def test_weights_that_have_just_grown_count_although_they_are_zero(tmp_path: Path) -> None:
    folder = RunFolder(path=tmp_path / "sparse")
    tiny_run(folder.path, "sparse", epochs=1, lam=0.0)
    checkpoint = load_checkpoint(folder.best)
    name = "layer3.0.conv1.weight"
    weight, mask = checkpoint.model[name].clone(), checkpoint.masks[name]
    weight.view(-1)[mask.flatten().nonzero()[:7]] = 0.0  # as a regrowth leaves them
    save_checkpoint(folder.best, replace(checkpoint, model={**checkpoint.model, name: weight}))
    path = evaluate_run(folder.path, _settings("clean"), lams=(0.0,), dataset=tiny_data())
    layers = {row["name"]: row for row in json.loads(path.read_text())["layers"]}
    assert {f"{layer}.weight" for layer in layers} == checkpoint.masks.keys()
    for layer, row in layers.items():
        mask = checkpoint.masks[f"{layer}.weight"]
        assert (row["weights"], row["nonzeros"]) == (mask.numel(), int(mask.sum()))
    assert int(weight.count_nonzero()) == layers[name.removesuffix(".weight")]["nonzeros"] - 7


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


def test_a_result_of_a_stopped_run_says_how_far_it_had_come(tmp_path: Path) -> None:
    settings = tiny_settings("pgdat", epochs=4, validation_images=24, validate_every=9)
    folder = tmp_path / "run"
    train(settings, tiny_data(), folder, stop=stop_after(5))  # 6 of 4 x 4 steps
    with pytest.raises(ConfigurationError, match="newest one is --checkpoint last"):
        evaluate_run(folder, EvaluationSettings(images=8), dataset=tiny_data())
    path = evaluate_run(
        folder,
        EvaluationSettings(images=8, attacks=("clean",)),
        which="last",
        dataset=tiny_data(),
    )
    data = json.loads(path.read_text())
    assert data["progress"] == {
        "steps_done": 6,
        "steps_planned": 16,
        "epochs_done": 1.5,
        "epochs_planned": 4,
        "finished": False,
    }
    assert data["setting"].endswith("1.5 of 4 epochs")
    train(settings, tiny_data(), folder, resume=True)
    with pytest.raises(FileFormatError, match="was made with another progress"):
        evaluate_run(
            folder,
            EvaluationSettings(images=8, attacks=("clean",)),
            which="last",
            dataset=tiny_data(),
        )
    whole = evaluate_run(
        folder,
        EvaluationSettings(images=8, attacks=("clean",)),
        dataset=tiny_data(),
        output=tmp_path / "whole.json",
    )
    data = json.loads(whole.read_text())
    assert data["progress"]["finished"] is True
    assert data["setting"].endswith(", 4 epochs")
