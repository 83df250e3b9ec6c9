import contextlib
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from smartsim.models import Condition, ConditionalModel, make_condition
from smartsim.train.attack import folded as folded_room
from smartsim.train.attack.folded import fold_model
from tests.unit.train.helpers import tiny_data, tiny_model

MODELS: list[tuple[str, dict[str, Any]]] = [
    ("pgdat", {}),
    ("oat", {"film_dimension": 8}),
    ("float", {}),
    ("smart", {}),
    ("float", {"norm": "single", "noise": "frozen"}),
    ("pgdat", {"arch": "wrn16_8", "width": 0.03}),
    ("oat", {"arch": "wrn16_8", "width": 0.03}),
    ("smart", {"arch": "wrn16_8", "width": 0.03}),
]


def _trained_a_little(method: str, changes: dict[str, Any]) -> tuple[ConditionalModel, Tensor]:
    """A model whose norms differ from their first values, in eval mode, and images."""
    model = tiny_model(method, **changes)
    images = tiny_data().train_images[:6].double() / 255
    generator = torch.Generator().manual_seed(0)
    for name, parameter in model.named_parameters():
        if ".bn" in name or name.startswith("bn"):
            parameter.data.add_(torch.randn(parameter.shape, generator=generator), alpha=0.2)
    for lam in (0.0, 1.0):
        model(images, lam)
    return model.eval(), images


def _seeded(model: ConditionalModel) -> None:
    model.draw_fresh_noise_from(torch.Generator().manual_seed(5))


@pytest.mark.parametrize(("method", "changes"), MODELS)
@pytest.mark.parametrize("lam", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("redraw", [True, False])
def test_a_folded_model_computes_what_the_model_does(
    method: str, changes: dict[str, Any], lam: float, redraw: bool
) -> None:
    model, images = _trained_a_little(method, changes)
    condition = make_condition(lam)
    _seeded(model)
    expected = [model(images, condition) for _ in range(2)]
    _seeded(model)
    folded = fold_model(model, condition, dtype=torch.float64, redraw=redraw)
    found = [folded(images) for _ in range(2)]
    torch.testing.assert_close(found[0], expected[0], rtol=1e-10, atol=1e-10)
    # The second call draws anew, in the model's order of layers, or keeps the first draw.
    again = expected[1] if redraw else expected[0]
    torch.testing.assert_close(found[1], again, rtol=1e-10, atol=1e-10)


def test_each_image_keeps_its_own_lam() -> None:
    model, images = _trained_a_little("oat", {"film_dimension": 8})
    lams = torch.tensor([0.1, 0.4, 1.0, 0.2, 0.3, 1.0])
    condition = Condition(lam=lams, path="adversarial")
    folded = fold_model(model, condition, dtype=torch.float64, redraw=True)
    torch.testing.assert_close(folded(images), model(images, lams), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("method", "changes"), MODELS)
def test_its_gradient_by_the_images_is_the_models(method: str, changes: dict[str, Any]) -> None:
    model, images = _trained_a_little(method, changes)
    condition = make_condition(1.0)
    gradients = []
    for predict in (
        lambda x: model(x, condition),
        fold_model(model, condition, dtype=torch.float64, redraw=True),
    ):
        _seeded(model)
        point = images.clone().requires_grad_()
        gradients.append(torch.autograd.grad(predict(point).square().sum(), point)[0])
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-9, atol=1e-9)
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("method", ["pgdat", "oat", "smart"])
def test_a_model_on_another_device_is_folded_in_the_layout_of_its_images(
    method: str, layout: torch.memory_format, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It knows no meta device.
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: contextlib.nullcontext())
    model = tiny_model(method).to("meta").to(memory_format=layout)  # type: ignore[call-overload]
    images = torch.empty(4, 3, 32, 32, device="meta").contiguous(memory_format=layout)
    seen: list[Tensor] = []
    monkeypatch.setattr(folded_room, "conv2d", _noting(seen))
    folded = fold_model(model.eval(), make_condition(0.0), dtype=torch.bfloat16, redraw=True)
    assert folded(images).shape[0] == 4
    # A convolution on this device forgets the layout, so that only the first one sees it.
    assert seen[0].is_contiguous(memory_format=layout)


def _noting(seen: list[Tensor]) -> Callable[..., Tensor]:
    def conv2d(x: Tensor, weight: Tensor, *rest: Any) -> Tensor:
        seen.append(weight)
        return torch.nn.functional.conv2d(x, weight, *rest)

    return conv2d
