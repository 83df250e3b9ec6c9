"""The architectures and the methods that can be built, as plain records."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["ARCHITECTURES", "METHODS", "Architecture", "Method"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """A backbone: residual stages of two-convolution blocks, each stage after the first halving.

    Attributes:
        name: As model names spell it.
        family: "resnet" (convolution, batch norm, relu) or "wrn" (pre-activation).
        stem: Channels of the first convolution.
        channels: Channels of each stage.
        blocks: Residual blocks of each stage.
        description: One sentence for a reader.
    """

    name: str
    family: Literal["resnet", "wrn"]
    stem: int
    channels: tuple[int, ...]
    blocks: tuple[int, ...]
    description: str

    @property
    def default_stages(self) -> str:
        """The stage pattern of SMART unless told otherwise: the last two stages are sparse."""
        return "D" * (len(self.blocks) - 2) + "SS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """How a backbone is conditioned on lam: which layers it is given.

    Attributes:
        name: As model names spell it.
        title: As tables print it.
        description: One sentence for a reader.
        norm: Its batch norms unless told otherwise; "dual" has one for lam = 0, one for lam > 0.
        film: Whether FiLM layers follow the batch norms (OAT).
        noisy: Whether weights get scaled Gaussian noise at lam > 0 (FLOAT).
        masked: Whether weights of sparse stages get a mask for each path (SMART).
    """

    name: str
    title: str
    description: str
    norm: Literal["single", "dual"] = "dual"
    film: bool = False
    noisy: bool = False
    masked: bool = False

    @property
    def conditional(self) -> bool:
        """Whether its output depends on lam at all."""
        return self.film or self.noisy or self.masked


def _named(*records: Any) -> Mapping[str, Any]:
    return {record.name: record for record in records}


ARCHITECTURES: Mapping[str, Architecture] = _named(
    Architecture(
        name="resnet8",
        family="resnet",
        stem=16,
        channels=(16, 32, 64),
        blocks=(1, 1, 1),
        description="smallest CIFAR ResNet, trains on a laptop",
    ),
    Architecture(
        name="resnet20",
        family="resnet",
        stem=16,
        channels=(16, 32, 64),
        blocks=(3, 3, 3),
        description="small CIFAR ResNet, with 1x1 convolutions as shortcuts",
    ),
    Architecture(
        name="resnet10",
        family="resnet",
        stem=64,
        channels=(64, 128, 256, 512),
        blocks=(1, 1, 1, 1),
        description="smallest CIFAR ResNet of four stages, with a 3x3 stem",
    ),
    Architecture(
        name="resnet18",
        family="resnet",
        stem=64,
        channels=(64, 128, 256, 512),
        blocks=(2, 2, 2, 2),
        description="CIFAR ResNet-18, with a 3x3 stem",
    ),
    Architecture(
        name="resnet34",
        family="resnet",
        stem=64,
        channels=(64, 128, 256, 512),
        blocks=(3, 4, 6, 3),
        description="CIFAR ResNet-34, with a 3x3 stem: the SMART paper's Table 2",
    ),
    Architecture(
        name="wrn16_8",
        family="wrn",
        stem=16,
        channels=(128, 256, 512),
        blocks=(2, 2, 2),
        description="Wide ResNet of depth 16 and width 8: OAT's network for SVHN",
    ),
    Architecture(
        name="wrn40_2",
        family="wrn",
        stem=16,
        channels=(32, 64, 128),
        blocks=(6, 6, 6),
        description="Wide ResNet of depth 40 and width 2: OAT's and SMART's network for STL-10",
    ),
)

METHODS: Mapping[str, Method] = _named(
    Method(
        name="pgdat",
        title="PGD-AT",
        description="plain network, adversarially trained for one lam, which it then ignores",
        norm="single",
    ),
    Method(
        name="oat",
        title="OAT",
        description="FiLM layers after the batch norms turn lam into a gain and an offset",
        film=True,
    ),
    Method(
        name="float",
        title="FLOAT",
        description="Gaussian noise on every weight, in proportion to lam",
        noisy=True,
    ),
    Method(
        name="smart",
        title="SMART",
        description="FLOAT with two frozen masks, one a path, in the sparse stages",
        noisy=True,
        masked=True,
    ),
)
