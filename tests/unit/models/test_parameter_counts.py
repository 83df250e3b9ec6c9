"""How many parameters the built models have, against published and derived numbers."""

import pytest

from smartsim.models import build_named_model

# Published or derived in closed form; built on the meta device, so nothing is computed here.
PARAMETERS = {
    # Plain networks: ResNet-18 and -34 as in every CIFAR repository, Wide ResNets as in OAT's code.
    "pgdat:resnet18": 11_173_962,
    "pgdat:resnet34": 21_282_122,
    "pgdat:wrn16_8": 10_961_370,
    "pgdat:wrn40_2": 2_243_546,
    # One classifier row and bias per class: 90 * (512 + 1) and 190 * (512 + 1) more.
    "pgdat:resnet34:classes=100": 21_328_292,
    "pgdat:resnet34:classes=200": 21_379_592,
    # The official OAT code prints 31.40 M; the MLPs add d * 2C + 2C + 2C * 2C + 2C each.
    "oat:resnet34:norm=single": 31_403_978,
    "oat:resnet34:norm=single,film_dimension=128": 33_338_442,
    # A second batch norm doubles 17,024 gains and offsets.
    "oat:resnet34": 31_403_978 + 17_024,
    "oat:resnet34:film_dimension=128": 33_355_466,
    "oat:wrn16_8:film_dimension=128": 16_228_922,
    "oat:wrn40_2:film_dimension=128": 3_886_394,
    # One alpha for each of 33 3x3 convolutions, 3 shortcuts and the classifier.
    "float:resnet34:norm=single": 21_282_122 + 37,
    "float:resnet34": 21_282_122 + 37 + 17_024,
    "smart:resnet34": 21_282_122 + 37 + 17_024,
    # Stem 432 + 32; stages of 3x3 convolutions, norms, shortcut and its norm: 4,608 + 64, then
    # 13,824 + 128 + 512 + 64, then 55,296 + 256 + 2,048 + 128; classifier 650.
    "pgdat:resnet8": 464 + 4_672 + 14_528 + 57_728 + 650,
}


@pytest.mark.parametrize(("name", "expected"), PARAMETERS.items())
def test_a_model_has_the_published_number_of_parameters(name: str, expected: int) -> None:
    model = build_named_model(name, device="meta")
    assert sum(parameter.numel() for parameter in model.parameters()) == expected


def test_smart_resnet34_masks_19759104_weights() -> None:
    # 3x3 convolutions of stages 3 and 4: 6,782,976 + 12,976,128.
    model = build_named_model("smart:resnet34", device="meta")
    masks = {name: b.numel() for name, b in model.named_buffers() if name.endswith("mask_clean")}
    assert sum(masks.values()) == 6_782_976 + 12_976_128
    assert all(name.startswith(("layer3.", "layer4.")) for name in masks)
    assert not any("shortcut" in name for name in masks)
