import dataclasses
import itertools
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from smartsim.errors import ConfigurationError, FileFormatError, SmartsimError, TrainingError
from smartsim.models import make_condition
from smartsim.train.data import Dataset
from smartsim.train.loop import step
from smartsim.train.loop import train as loop
from smartsim.train.loop.checkpoint import Place, load_checkpoint
from smartsim.train.loop.distributed import Processes
from smartsim.train.loop.folder import RunFolder
from smartsim.train.loop.restore import load_trained_model
from smartsim.train.loop.state import prepare_run
from smartsim.train.loop.step import take_step, validate
from smartsim.train.loop.train import train
from smartsim.train.methods.optimise import learning_rate, make_optimizer
from tests.unit.train.helpers import (
    assert_same_run,
    read_table,
    stop_after,
    tiny_data,
    tiny_model,
    tiny_run,
    tiny_settings,
)

METHODS = ["pgdat", "oat", "float", "smart", "sparse"]


@pytest.mark.parametrize(
    ("method", "changes"),
    [
        *((method, {}) for method in METHODS),
        ("smart", {"precision": "bf16"}),
        ("smart", {"redraw": "attack"}),
        ("float", {"redraw": "attack", "fold_attack": False}),
        ("sparse", {"precision": "bf16", "lam": 0.5}),
    ],
)
def test_a_run_that_is_stopped_and_resumed_equals_one_that_was_not(
    method: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    settings, data = tiny_settings(method, **changes), tiny_data()
    train(settings, data, tmp_path / "whole")
    # It is asked after each step, and once more before it stops: five answers of no, then yes.
    stopped = train(settings, data, tmp_path / "parts", stop=stop_after(5))
    assert not stopped.finished
    assert stopped.place.step == 6
    resumed = train(settings, data, tmp_path / "parts", resume=True)
    assert resumed.finished
    assert resumed.place.step == 8  # (96 - 24) // 18 = 4 batches, twice
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


def test_the_same_seed_gives_the_same_run_and_another_seed_another(tmp_path: Path) -> None:
    for name, seed in (("one", 3), ("two", 3), ("other", 4)):
        tiny_run(tmp_path / name, "smart", seed=seed, epochs=1)
    assert_same_run(tmp_path / "one", tmp_path / "two")
    assert read_table(tmp_path / "one" / "metrics.csv") != read_table(
        tmp_path / "other" / "metrics.csv"
    )


def test_dropout_is_part_of_the_seed(tmp_path: Path) -> None:
    changes = {"arch": "wrn16_8", "width": 0.03, "dropout": 0.3, "epochs": 1}
    before = torch.get_rng_state()
    for name in ("one", "two"):
        tiny_run(tmp_path / name, "pgdat", **changes)
    assert_same_run(tmp_path / "one", tmp_path / "two")
    assert torch.equal(torch.get_rng_state(), before)


def test_masks_do_not_change_and_pruned_weights_are_zero_on_each_path(tmp_path: Path) -> None:
    tiny_run(tmp_path / "run", "smart")
    model, settings = load_trained_model(tmp_path / "run", "last")
    fresh = dict(tiny_model("smart").named_buffers())
    masks = {name: b for name, b in model.named_buffers() if ".mask_" in name}
    assert len(masks) == 8  # two blocks of two 3x3 convolutions, two masks each
    for name, mask in masks.items():
        assert torch.equal(mask, fresh[name])
        layer: Any = model.get_submodule(name.rpartition(".")[0])
        for lam, path in ((0.0, layer.mask_clean), (1.0, layer.mask_adversarial)):
            effective = layer.effective_weight(make_condition(lam))
            assert not bool(effective[~path].any())
            assert bool(effective[path].all())
    assert settings.method == "smart"


def test_sparse_learning_keeps_its_density_and_zero_weights(tmp_path: Path) -> None:
    tiny_run(tmp_path / "run", "sparse", sparse_density=0.2)
    checkpoint = load_checkpoint(RunFolder(path=tmp_path / "run").last)
    ones = sum(int(mask.sum()) for mask in checkpoint.masks.values())
    # At the start each layer has round(0.2 n) ones; growing gives back all that was pruned.
    expected = sum(max(1, round(0.2 * mask.numel())) for mask in checkpoint.masks.values())
    assert ones == expected
    for name, mask in checkpoint.masks.items():
        assert not bool(checkpoint.model[name][~mask].any())


def test_alpha_learns_without_weight_decay() -> None:
    model = tiny_model("float")
    groups = make_optimizer(model, tiny_settings("float"), torch.device("cpu")).param_groups
    alphas = {id(p) for name, p in model.named_parameters() if name.endswith("alpha")}
    decay = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    assert len(decay) == len(list(model.parameters()))
    assert {decay[key] for key in alphas} == {0.0}
    assert {value for key, value in decay.items() if key not in alphas} == {5e-4}


def test_a_given_alpha_stays(tmp_path: Path) -> None:
    tiny_run(tmp_path / "run", "float", alpha=0.0, epochs=1)
    model, _ = load_trained_model(tmp_path / "run", "last")
    alphas = [p.item() for name, p in model.named_parameters() if name.endswith("alpha")]
    assert set(alphas) == {0.0}


def test_the_rate_falls_along_a_half_cosine_epoch_by_epoch() -> None:
    settings = tiny_settings("pgdat", epochs=4, learning_rate=0.1)
    # 0.1 (1 + cos(pi e / 4)) / 2
    expected = [0.1, 0.0853553391, 0.05, 0.0146446609]
    assert [learning_rate(settings, epoch) for epoch in range(4)] == pytest.approx(expected)


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_good_checkpoint(
    tmp_path: Path,
) -> None:
    settings = tiny_settings("pgdat", learning_rate=1e30, schedule="constant")
    with pytest.raises(TrainingError, match=r"at step \d+ \(epoch 0\); no checkpoint"):
        train(settings, tiny_data(), tmp_path / "wild")
    assert not RunFolder(path=tmp_path / "wild").last.exists()
    # The table says how the loss went, and ends with what was wrong.
    header, *rows = read_table(tmp_path / "wild" / "metrics.csv")
    losses = [float(row[header.index("loss")]) for row in rows]
    assert all(math.isfinite(loss) for loss in losses[:-1])
    assert not math.isfinite(losses[-1])
    # A run that goes wild later keeps the checkpoint from before.
    last = RunFolder(path=tmp_path / "late").last
    train(tiny_settings("pgdat"), tiny_data(), tmp_path / "late", stop=stop_after(1))
    kept = last.read_bytes()
    with pytest.raises(TrainingError, match=r"the last good checkpoint is .*last\.safetensors"):
        train(settings, tiny_data(), tmp_path / "late", resume=True)
    assert last.read_bytes() == kept


@pytest.mark.parametrize(("seconds", "looks"), [(0.01, [1, 8]), (3.0, [1, 2, 3, 4, 5, 6, 7, 8])])
def test_slow_steps_are_looked_at_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, looks: list[int]
) -> None:
    clock = itertools.count()
    monkeypatch.setattr("smartsim.train.loop.train.time.monotonic", lambda: seconds * next(clock))
    monkeypatch.setattr(loop, "FLUSH_EVERY", 100)
    seen: list[int] = []
    train(
        tiny_settings("pgdat", epochs=1, batch_size=9, validation_images=24),
        tiny_data(),
        tmp_path,
        progress=lambda state: seen.append(state.step),
    )
    assert seen == looks


def test_each_step_draws_noise_of_its_own(tmp_path: Path) -> None:
    settings = tiny_settings("float")
    run = prepare_run(settings, tiny_data(), RunFolder(path=tmp_path), "cpu", Processes())
    seeds = set()
    for number in range(3):
        run.place = Place(step=number)
        take_step(run, torch.arange(settings.batch_size))
        assert run.noise is not None
        seeds.add(run.noise.initial_seed())
    assert len(seeds) == 3


def test_validation_draws_noise_of_its_epoch_whatever_was_drawn_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A run that is resumed just before it has drawn nothing yet.
    run = prepare_run(
        tiny_settings("float"), tiny_data(), RunFolder(path=tmp_path), "cpu", Processes()
    )
    assert run.noise is not None
    first_draws = []

    def note(*given: Any, **named: Any) -> torch.Tensor:
        assert run.noise is not None
        first_draws.append(torch.randn((), generator=run.noise).item())
        return torch.ones(1, 24, dtype=torch.bool)

    monkeypatch.setattr(step, "measure_correct", note)
    for epoch, seed in ((1, 7), (1, 8), (2, 8)):
        run.place = Place(epoch=epoch)
        run.noise.manual_seed(seed)
        validate(run)
    clean, robust = first_draws[::2], first_draws[1::2]
    for draws in (clean, robust):
        assert draws[0] == draws[1] != draws[2]


def test_a_folder_with_a_run_is_not_overwritten(tmp_path: Path) -> None:
    tiny_run(tmp_path / "run", "pgdat", epochs=1)
    with pytest.raises(ConfigurationError, match="holds a run already; continue it with --resume"):
        tiny_run(tmp_path / "run", "pgdat", epochs=1)


def test_a_checkpoint_of_another_network_is_named(tmp_path: Path) -> None:
    tiny_run(tmp_path / "one", "pgdat", epochs=1)
    tiny_run(tmp_path / "two", "pgdat", epochs=1, width=0.5)
    (tmp_path / "one" / "last.safetensors").replace(tmp_path / "two" / "last.safetensors")
    with pytest.raises(FileFormatError, match=r"another network: for bn1\.bias it has shape"):
        load_trained_model(tmp_path / "two", "last")


def test_a_run_is_not_resumed_on_other_data(tmp_path: Path) -> None:
    settings = tiny_settings("pgdat")
    train(settings, tiny_data(), tmp_path, stop=stop_after(1))
    last = RunFolder(path=tmp_path).last
    kept = last.read_bytes()
    other = dataclasses.replace(tiny_data(), checksum="0" * 64)
    with pytest.raises(FileFormatError, match="was trained on synthetic with the checksum"):
        train(settings, other, tmp_path, resume=True)
    assert last.read_bytes() == kept


@pytest.mark.parametrize("content", [b"", b"\x00" * 100, b"truncated"])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, content: bytes) -> None:
    tiny_run(tmp_path / "run", "pgdat", epochs=1)
    path = RunFolder(path=tmp_path / "run").last
    path.write_bytes(content or path.read_bytes()[:1000])
    with pytest.raises(FileFormatError, match=r"last\.safetensors: is no readable checkpoint"):
        load_trained_model(tmp_path / "run", "last")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"classes": 10}, "synthetic has 4 classes, the network 10; write --set classes=4"),
        ({"in_channels": 1}, "synthetic has 3 channels, the network 1; write --set in_channels=3"),
        ({"batch_size": 80}, "72 training images are left of 96 and fill no batch of 80"),
    ],
)
def test_settings_that_do_not_fit_the_data_get_one_sentence(
    tmp_path: Path, changes: dict[str, int], says: str
) -> None:
    with pytest.raises(ConfigurationError, match=says):
        tiny_run(tmp_path / "run", "pgdat", **changes)


def test_bf16_and_the_layout_of_channels_change_rounding_only(tmp_path: Path) -> None:
    losses = {}
    variants: dict[str, dict[str, Any]] = {
        "plain": {"channels_last": False},
        "last": {"channels_last": True},
        "bf16": {"precision": "bf16"},
    }
    for name, changes in variants.items():
        tiny_run(tmp_path / name, "smart", epochs=1, width=0.5, **changes)  # 8 channels
        losses[name] = float(read_table(tmp_path / name / "metrics.csv")[1][3])
    assert losses["last"] == pytest.approx(losses["plain"], rel=1e-4)
    # bf16 has 8 bits of mantissa, and an attack amplifies: the first loss agrees to a few percent.
    assert losses["bf16"] == pytest.approx(losses["plain"], rel=0.05)


def test_training_learns_the_synthetic_classes(tmp_path: Path) -> None:
    tiny_run(tmp_path / "run", "smart", epochs=12, epsilon=0.01, width=0.5)
    first, *_, last = (float(row[3]) for row in read_table(tmp_path / "run" / "metrics.csv")[1:])
    assert last < 0.6 * first


def test_every_error_is_one_of_ours(tmp_path: Path) -> None:
    for error in (ConfigurationError, FileFormatError, TrainingError):
        assert issubclass(error, SmartsimError)
    with pytest.raises(FileFormatError, match="expected the folder of a training run"):
        load_trained_model(tmp_path)


def test_a_dataset_moves_to_a_device_whole() -> None:
    data: Dataset = tiny_data()
    moved = data.to(torch.device("cpu"))
    assert moved.checksum == data.checksum
    assert torch.equal(moved.test_images, data.test_images)


def test_channels_lie_last_only_where_torch_computes_safely(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stride-2 1x1 convolution of 4 channels corrupts the heap on AVX2; of 8 it does not."""
    layouts = {}
    for capability in ("AVX2", "AVX512"):
        monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda c=capability: c)
        for width in (0.25, 0.5):
            settings = tiny_settings("pgdat", width=width)
            folder = RunFolder(path=tmp_path / f"{capability}-{width}")
            run = prepare_run(settings, tiny_data(), folder, "cpu", Processes())
            layouts[capability, width] = run.layout
    assert layouts == {
        ("AVX2", 0.25): torch.contiguous_format,
        ("AVX2", 0.5): torch.channels_last,
        ("AVX512", 0.25): torch.channels_last,
        ("AVX512", 0.5): torch.channels_last,
    }
