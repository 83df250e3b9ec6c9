"""The two families of backbones, each written once for all methods.

A backbone knows its shape and which layer goes where. What the layers do with lam, it does not
know: it takes them from a `LayerKit` and hands every one of them the condition. So a layer has the
same name under every method, such as "layer3.0.conv1".
"""

import torch
from torch import Tensor, nn

from smartsim.models.condition import Condition
from smartsim.models.export import export_path
from smartsim.models.kit import LayerKit, make_kit
from smartsim.models.model import ConditionalModel
from smartsim.models.settings import ModelSettings

__all__ = ["Backbone", "ResNet", "WideResNet"]


class BasicBlock(nn.Module):
    """Two 3x3 convolutions, each with a norm after it, beside a shortcut.

    Source: He et al., CVPR 2016, Figure 5 left; a 1x1 convolution and norm as shortcut where the
    shape changes.
    """

    def __init__(
        self, kit: LayerKit, inputs: int, outputs: int, *, stride: int, sparse: bool, dropout: float
    ) -> None:
        super().__init__()
        del dropout
        conv = kit.sparse_conv if sparse else kit.conv
        self.conv1 = conv(inputs, outputs, stride=stride)
        self.bn1 = kit.norm(outputs)
        self.conv2 = conv(outputs, outputs)
        self.bn2 = kit.norm(outputs)
        self.shortcut: _Shortcut | None = None
        if stride != 1 or inputs != outputs:
            self.shortcut = _Shortcut(kit, inputs, outputs, stride=stride)

    def forward(self, x: Tensor, condition: Condition) -> Tensor:
        """Map (n, inputs, h, w) to (n, outputs, h / stride, w / stride)."""
        out = nn.functional.relu(self.bn1(self.conv1(x, condition), condition))
        out = self.bn2(self.conv2(out, condition), condition)
        kept = x if self.shortcut is None else self.shortcut(x, condition)
        return nn.functional.relu(out + kept)


class _Shortcut(nn.Module):
    """A 1x1 convolution and its norm, to which no method adds anything."""

    def __init__(self, kit: LayerKit, inputs: int, outputs: int, *, stride: int) -> None:
        super().__init__()
        self.conv = kit.conv(inputs, outputs, kernel=1, stride=stride)
        self.bn = kit.bare_norm(outputs)

    def forward(self, x: Tensor, condition: Condition) -> Tensor:
        normalised: Tensor = self.bn(self.conv(x, condition), condition)
        return normalised


class PreActivationBlock(nn.Module):
    """Two 3x3 convolutions, each with a norm before it, beside a shortcut.

    Source: Zagoruyko and Komodakis, BMVC 2016, Figure 1; where the shape changes, a bare 1x1
    convolution of the activated input is the shortcut.
    """

    def __init__(
        self, kit: LayerKit, inputs: int, outputs: int, *, stride: int, sparse: bool, dropout: float
    ) -> None:
        super().__init__()
        conv = kit.sparse_conv if sparse else kit.conv
        self.dropout = dropout
        self.bn1 = kit.norm(inputs)
        self.conv1 = conv(inputs, outputs, stride=stride)
        self.bn2 = kit.norm(outputs)
        self.conv2 = conv(outputs, outputs)
        self.shortcut: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            self.shortcut = kit.conv(inputs, outputs, kernel=1, stride=stride)

    def forward(self, x: Tensor, condition: Condition) -> Tensor:
        """Map (n, inputs, h, w) to (n, outputs, h / stride, w / stride)."""
        active = nn.functional.relu(self.bn1(x, condition))
        out = self.conv1(active, condition)
        out = nn.functional.relu(self.bn2(out, condition))
        if self.dropout and self.training:
            out = nn.functional.dropout(out, self.dropout)
        out = self.conv2(out, condition)
        kept = x if self.shortcut is None else self.shortcut(active, condition)
        total: Tensor = kept + out
        return total


class Backbone(ConditionalModel):
    """What both families share: a stem, stages "layer1", "layer2" ..., a mean pool, a classifier.

    Args:
        settings: Which architecture, how wide, how many classes, which stages are sparse.
        kit: The method's layers.
    """

    block: type[BasicBlock] | type[PreActivationBlock]

    def __init__(self, settings: ModelSettings, kit: LayerKit) -> None:
        super().__init__(settings)
        architecture = settings.architecture
        inputs = _scale(architecture.stem, settings.width)
        self.conv1 = kit.conv(settings.in_channels, inputs)
        self.add_stem_norm(kit, inputs)
        self.stage_names: list[str] = []
        for number, blocks in enumerate(architecture.blocks):
            outputs = _scale(architecture.channels[number], settings.width)
            stage = nn.ModuleList()
            for place in range(blocks):
                halves = place == 0 and number > 0
                stage.append(
                    self.block(
                        kit,
                        inputs,
                        outputs,
                        stride=2 if halves else 1,
                        sparse=settings.sparse_stages[number],
                        dropout=settings.dropout,
                    )
                )
                inputs = outputs
            self.stage_names.append(f"layer{number + 1}")
            self.add_module(self.stage_names[-1], stage)
        self.add_last_norm(kit, inputs)
        self.linear = kit.linear(inputs, settings.classes)

    def add_stem_norm(self, kit: LayerKit, channels: int) -> None:
        """Register what follows the first convolution."""

    def add_last_norm(self, kit: LayerKit, channels: int) -> None:
        """Register what follows the last stage."""

    def make_empty(self, settings: ModelSettings) -> ConditionalModel:
        """A network of the same family on the meta device, with shapes and no values."""
        with torch.device("meta"):
            return type(self)(settings, make_kit(settings))

    def export_path(
        self, lam: float, *, generator: torch.Generator | None = None
    ) -> ConditionalModel:
        """The plain network that this model is at one lam, for deployment; see `export_path`."""
        return export_path(self, lam, generator=generator)

    def run_stages(self, x: Tensor, condition: Condition) -> Tensor:
        """All residual blocks, in order."""
        for name in self.stage_names:
            for block in getattr(self, name):
                x = block(x, condition)
        return x

    def classify(self, x: Tensor, condition: Condition) -> Tensor:
        """Mean over the image, then the linear layer: (n, c, h, w) to (n, classes)."""
        logits: Tensor = self.linear(x.mean(dim=(2, 3)), condition)
        return logits


class ResNet(Backbone):
    """The CIFAR ResNet: 3x3 stem, no max pool."""

    block = BasicBlock

    def add_stem_norm(self, kit: LayerKit, channels: int) -> None:
        """Register the norm after the first convolution."""
        self.bn1 = kit.norm(channels)

    def run_path(self, x: Tensor, condition: Condition) -> Tensor:
        """Images (n, in_channels, h, w) to logits (n, classes)."""
        out = nn.functional.relu(self.bn1(self.conv1(x, condition), condition))
        return self.classify(self.run_stages(out, condition), condition)


class WideResNet(Backbone):
    """The Wide ResNet, pre-activation; the last norm gets no FiLM, as in OAT's official code."""

    block = PreActivationBlock

    def add_last_norm(self, kit: LayerKit, channels: int) -> None:
        """Register the norm after the last stage."""
        self.bn1 = kit.bare_norm(channels)

    def run_path(self, x: Tensor, condition: Condition) -> Tensor:
        """Images (n, in_channels, h, w) to logits (n, classes)."""
        out = self.run_stages(self.conv1(x, condition), condition)
        out = nn.functional.relu(self.bn1(out, condition))
        return self.classify(out, condition)


def _scale(channels: int, width: float) -> int:
    return max(1, round(channels * width))
