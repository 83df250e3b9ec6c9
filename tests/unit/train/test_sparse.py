import math
from pathlib import Path

import pytest
import torch

from smartsim.train.loop import train as loop
from smartsim.train.loop.checkpoint import load_checkpoint
from smartsim.train.loop.folder import RunFolder
from smartsim.train.methods.sparse import FIRST_RATE, LAST_RATE, SparseLearner, share_growth
from tests.unit.train.helpers import tiny_model, tiny_run


def _learner(density: float = 0.3) -> tuple[SparseLearner, torch.optim.SGD]:
    model = tiny_model("pgdat").float()
    learner = SparseLearner(model, density, seed=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator)
    optimizer.step()
    learner.apply()
    return learner, optimizer


def test_each_layer_starts_at_the_density_and_is_zero_elsewhere() -> None:
    learner, _ = _learner(0.3)
    for name, mask in learner.masks.items():
        assert int(mask.sum()) == max(1, round(0.3 * mask.numel()))
        assert not bool(learner.weights[name][~mask].any())


@pytest.mark.parametrize("progress", [0.0, 0.5, 1.0])
def test_as_many_weights_grow_as_were_pruned(progress: float) -> None:
    learner, optimizer = _learner()
    before = sum(int(mask.sum()) for mask in learner.masks.values())
    learner.regrow(optimizer, progress=progress)
    assert sum(int(mask.sum()) for mask in learner.masks.values()) == before


def test_the_smallest_weights_go_and_new_ones_come_at_zero_where_momentum_is_largest() -> None:
    learner, optimizer = _learner()
    name = "layer3.0.conv1.weight"
    old, weight = learner.masks[name].clone(), learner.weights[name].detach().clone()
    momentum = optimizer.state[learner.weights[name]]["momentum_buffer"].abs()
    learner.regrow(optimizer, progress=0.0)
    new = learner.masks[name]
    pruned = math.ceil(FIRST_RATE * int(old.sum()))
    # Slow twin: sort what was alive by size; the first half may come back only by momentum.
    sizes = weight[old].abs().sort().values
    kept = old & (weight.abs() > sizes[pruned - 1])
    assert bool(new[kept].all())
    grown = new & ~kept
    assert float(momentum[grown].min()) >= float(momentum[~new].max())
    assert not bool(learner.weights[name][grown].any())


def test_the_prune_rate_falls_from_a_half_to_almost_nothing() -> None:
    assert (FIRST_RATE, LAST_RATE) == (0.5, 0.005)
    learner, optimizer = _learner()
    old = {name: mask.clone() for name, mask in learner.masks.items()}
    learner.regrow(optimizer, progress=1.0)
    changed = sum(int((old[name] & ~mask).sum()) for name, mask in learner.masks.items())
    # ceil(0.005 * alive) of each layer at most: some pruned weights grow again at once.
    assert changed <= sum(math.ceil(0.005 * int(mask.sum())) for mask in old.values())


def test_growth_is_shared_by_score_within_each_layers_room() -> None:
    assert share_growth([1.0, 1.0, 2.0], [1000, 1000, 1000], 400) == [100, 100, 200]
    assert sum(share_growth([5.0, 1.0, 1.0], [10, 500, 500], 300)) == 300
    assert share_growth([5.0, 1.0], [10, 10], 300) == [9, 9]  # no room for more
    assert share_growth([0.0, 0.0], [100, 100], 10) == [5, 5]


def test_utilities_are_the_share_of_weights_that_are_left() -> None:
    learner, optimizer = _learner(0.3)
    learner.regrow(optimizer, progress=0.0)
    for name, utility in learner.utilities().items():
        weight = learner.weights[f"{name}.weight"]
        assert utility == pytest.approx(int(learner.masks[f"{name}.weight"].sum()) / weight.numel())


def test_the_best_checkpoint_has_the_weights_that_were_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([60.0, 50.0])
    monkeypatch.setattr(loop, "validate", lambda run: (next(scores), 0.0))
    tiny_run(tmp_path, "sparse", epochs=2, sparse_density=0.3)
    checkpoint = load_checkpoint(RunFolder(path=tmp_path).best)
    assert checkpoint.place.epoch == 1
    for name, mask in checkpoint.masks.items():
        # Before anything regrows, there are as many weights as places for them.
        assert int(checkpoint.model[name].count_nonzero()) == int(mask.sum()), name
