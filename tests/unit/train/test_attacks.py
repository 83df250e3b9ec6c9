from contextlib import nullcontext

import pytest
import torch
from torch import Tensor

from smartsim.errors import ConfigurationError
from smartsim.models import make_condition
from smartsim.train.attack.measure import attack_in_batches
from smartsim.train.attack.pgd import (
    Pgd,
    _start,
    attack_images,
    fgsm,
    official_step_size,
    undisturbed,
)
from tests.unit.train.helpers import tiny_data, tiny_model


def test_official_steps_add_up_to_a_quarter_more_than_the_radius() -> None:
    # 8/255: min(10/255, 12/255) / 7 = 1.4286/255, the official number.
    assert 255 * official_step_size(8 / 255, 7) == pytest.approx(10 / 7)
    # 32/255: min(40/255, 36/255): the second bound holds from 16/255 on.
    assert 255 * official_step_size(32 / 255, 4) == pytest.approx(36 / 4)


def test_fgsm_moves_every_pixel_by_the_radius_along_the_sign_of_the_gradient() -> None:
    slope = torch.tensor([[2.0, -1.0], [3.0, -0.5]]).reshape(1, 1, 2, 2)

    def predict(x: Tensor) -> Tensor:
        # The loss of class 0 rises with the logit of class 1, whose gradient is `slope`.
        return torch.stack([torch.zeros(len(x)), (x * slope).sum((1, 2, 3))], dim=1)

    image = torch.full((1, 1, 2, 2), 0.5)
    found = attack_images(predict, image, torch.tensor([0]), fgsm(0.25))
    assert found.tolist() == [[[[0.75, 0.25], [0.75, 0.25]]]]


def test_a_restart_that_fools_the_model_is_kept_over_one_that_does_not() -> None:
    # One pixel, one step of nothing: the attack is its random start, and the class is wrong
    # above 0.55. Of 20 starts in [0.4, 0.6], 5 in expectation are above; one start is not enough.
    def predict(x: Tensor) -> Tensor:
        return torch.stack([torch.zeros(len(x)), x.flatten() - 0.55], dim=1)

    image, label = torch.full((64, 1, 1, 1), 0.5), torch.zeros(64, dtype=torch.long)

    def fooled(restarts: int) -> int:
        attack = Pgd(epsilon=0.1, steps=1, step_size=0.0, restarts=restarts)
        found = attack_images(predict, image, label, attack, torch.Generator().manual_seed(0))
        return int((predict(found).argmax(1) != label).sum())

    assert 5 < fooled(1) < 30  # a quarter of 64 in expectation
    assert fooled(20) > 60  # 64 * (1 - 0.75 ** 20) = 63.8 in expectation


def test_gradients_of_several_draws_are_averaged() -> None:
    # The loss of class 0 has the slope s * sigmoid(s x) by x: at 0.5, -0.547 for s = -3 and 0.281
    # for s = 0.5. The mean is negative, although the second draw alone is positive.
    slopes = iter([-3.0, 0.5])

    def predict(x: Tensor) -> Tensor:
        return torch.stack([torch.zeros(1), next(slopes) * x.flatten()], dim=1)

    attack = Pgd(epsilon=0.1, steps=1, step_size=0.1, random_start=False, draws=2)
    found = attack_images(predict, torch.full((1, 1, 1, 1), 0.5), torch.tensor([0]), attack)
    assert found.item() == pytest.approx(0.4)


@pytest.mark.parametrize("folded", [False, True])
@pytest.mark.parametrize("fails", [False, True])
def test_an_attack_leaves_modes_gradients_and_buffers_alone_also_after_an_error(
    folded: bool, fails: bool
) -> None:
    model = tiny_model("smart").train()
    model.get_submodule("layer1.0.bn1").eval()  # one module in another mode than the rest
    modes = [module.training for module in model.modules()]
    parameters = list(model.parameters())
    for parameter in parameters[::2]:  # what a training has gathered so far
        parameter.grad = torch.ones_like(parameter)
    gradients = [parameter.grad for parameter in parameters]
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    # The third image has no class of the model's: the second batch, or the second step, fails.
    images, labels = tiny_data().test_images[:4].double() / 255, tiny_data().test_labels[:4]
    victims, condition, attack = images.clone(), make_condition(1.0), Pgd(steps=2)
    if fails:
        labels[2] = 9
    passes = []

    def predict(x: Tensor) -> Tensor:
        passes.append(len(x))
        logits: Tensor = model(x, condition)
        if fails and len(passes) == 2:
            raise IndexError("Target 9 is out of bounds")
        return logits

    with pytest.raises(IndexError, match="Target 9") if fails else nullcontext():
        if folded:
            start = torch.Generator().manual_seed(0)
            attack_in_batches(model, victims, labels, condition, attack, start, batch_size=2)
        else:
            with undisturbed(model):
                attack_images(predict, victims, labels.clamp(max=3), attack)
    assert [module.training for module in model.modules()] == modes
    assert all(one.grad is was for one, was in zip(parameters, gradients, strict=True))
    assert all(bool((was == 1).all()) for was in gradients if was is not None)
    assert model.state_dict().keys() == state.keys()
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    assert torch.equal(victims, images)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"epsilon": 8}, r"epsilon is 8; it is a share of a pixel's range, in \[0, 1\]"),
        ({"epsilon": float("nan")}, "epsilon is nan"),
        ({"steps": 0}, "steps is 0"),
        ({"restarts": 0}, "restarts is 0"),
        ({"step_size": -1.0}, "step_size is -1"),
    ],
)
def test_an_impossible_attack_gets_one_sentence(wrong: dict[str, float], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        Pgd(**wrong)  # type: ignore[arg-type]


def test_a_random_start_lies_anywhere_in_the_ball_and_nowhere_else() -> None:
    images = torch.full((4, 3, 8, 8), 0.5)
    attack = Pgd(epsilon=0.1, steps=1, step_size=0.01)
    moved = (_start(images, attack, torch.Generator().manual_seed(0), None) - images) / 0.1
    assert moved.abs().max() <= 1 + 1e-6
    assert moved.min() < -0.98
    assert moved.max() > 0.98
    assert moved.mean().abs() < 0.1  # 768 uniform draws: a standard deviation of 0.02
