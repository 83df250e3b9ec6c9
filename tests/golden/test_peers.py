"""Convention `dense` equals torch's flop counter and fvcore on public architectures.

The architectures are built from their configurations, without weights and on the meta device, where
torch's counter sees attention as the products it is made of (fused on the CPU, it counts as zero).
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
import transformers
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from smartsim.counts import count_actions
from smartsim.models import build_named_model
from smartsim.trace import trace_model

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)  # it compiles a loss
    from fvcore.nn import FlopCountAnalysis

RESNET34_MACS = 1_159_402_496  # 32 x 32: 1,159,397,376 of convolutions, 5,120 of the linear layer
NOISY_WEIGHTS = 21_265_088  # one addition for each weight of a convolution or linear layer


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A class of the transformers package, what its configuration changes, and what it reads."""

    model: str
    reads: Literal["image", "tokens", "pair", "sound"]
    size: int
    settings: Mapping[str, Any] = field(default_factory=dict)

    def build(self) -> nn.Module:
        """The model, on torch's current default device."""
        kind = getattr(transformers, self.model)
        built: nn.Module = kind(kind.config_class(**self.settings)).eval()
        return built

    def inputs(self) -> dict[str, Tensor]:
        """Inputs without data."""
        with torch.device("meta"):
            tokens = torch.zeros(1, self.size, dtype=torch.long)
            answer = torch.zeros(1, 16, dtype=torch.long)
            match self.reads:
                case "image":
                    return {"pixel_values": torch.empty(1, 3, self.size, self.size)}
                case "tokens":
                    return {"input_ids": tokens}
                case "pair":
                    return {"input_ids": tokens, "decoder_input_ids": answer}
                case "sound":
                    sound = torch.empty(1, 80, self.size)
                    return {"input_features": sound, "decoder_input_ids": answer}


def image(model: str, **settings: Any) -> Case:
    return Case(model=model, reads="image", size=224, settings=settings)


def tokens(model: str, **settings: Any) -> Case:
    return Case(model=model, reads="tokens", size=64, settings=settings)


# Full size, but for the depth of models of billions of parameters: their layers are all alike.
CASES = (
    image("ResNetForImageClassification"),
    image("RegNetModel"),
    image("ConvNextForImageClassification"),
    image("MobileNetV1Model"),
    image("MobileNetV2ForImageClassification"),
    image("EfficientNetModel", image_size=224),
    image("BitModel"),
    image("PoolFormerModel"),
    image("ViTForImageClassification"),
    image("ViTModel", attn_implementation="eager"),
    image("DeiTModel"),
    image("SwinForImageClassification"),
    image("Swinv2Model"),
    image("SegformerForSemanticSegmentation"),
    image("LevitModel"),
    image("MobileViTModel"),
    tokens("BertForMaskedLM"),
    tokens("BertModel", attn_implementation="eager"),
    tokens("RobertaModel"),
    tokens("DistilBertModel"),
    tokens("GPT2LMHeadModel"),
    tokens("OPTForCausalLM"),
    tokens("GPTNeoXForCausalLM", num_hidden_layers=2),
    tokens("GPTJModel", n_layer=2),
    tokens("FalconForCausalLM", num_hidden_layers=2),
    tokens("LlamaForCausalLM", num_hidden_layers=2, num_key_value_heads=8),
    tokens("MistralForCausalLM", num_hidden_layers=2),
    tokens("Qwen2ForCausalLM", num_hidden_layers=2),
    tokens("Gemma2ForCausalLM", num_hidden_layers=2),
    Case(model="T5ForConditionalGeneration", reads="pair", size=64),
    Case(model="WhisperModel", reads="sound", size=3000),
)


def count_macs(model: nn.Module, inputs: Any, **condition: float) -> int | float:
    """MACs of all stages under convention `dense`: the other tools know no stages."""
    return count_actions(trace_model(model, inputs, condition=condition), "dense").total("mac")


def count_by_torch(model: nn.Module, *args: Any, **inputs: Any) -> int:
    """MACs by torch's counter, which counts two FLOPs for each."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(*args, **inputs)
    return int(counter.get_total_flops()) // 2


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.model)
def test_dense_macs_equal_torchs_flop_counter(case: Case) -> None:
    with torch.device("meta"):
        model = case.build()
    macs = count_by_torch(model, **case.inputs())
    assert macs > 0
    assert count_macs(model, case.inputs()) == macs


def peak_growth_bytes(work: Callable[[], object]) -> int:
    """By how much the process grows at most while `work` runs."""
    Path("/proc/self/clear_refs").write_text("5")  # Linux: the peak starts anew
    before = _read_status_bytes("VmRSS")
    work()
    return _read_status_bytes("VmHWM") - before


def _read_status_bytes(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(key)).split()[1])


def trace_seven_billion() -> tuple[Any, int]:
    """Our counts of Llama-2-7B on the meta device, and torch's MACs."""
    case = Case(model="LlamaForCausalLM", reads="tokens", size=128)  # Llama-2-7B is the default
    with torch.device("meta"):
        model = case.build()
    ours = count_actions(trace_model(model, case.inputs()), "dense")
    return ours, count_by_torch(model, **case.inputs())


def test_a_decoder_of_seven_billion_parameters_is_counted() -> None:
    ours, macs = trace_seven_billion()
    # 32000 * 4096 twice, 32 layers of 4 * 4096^2 + 3 * 4096 * 11008, 65 norms of 4096
    assert ours.parameters.total == 6_738_415_616
    # Each of 128 tokens meets every weight but the embedding's and the norms'; 32 layers have
    # scores and weighted values of 128^2 * 4096 each.
    weights = 6_738_415_616 - 32_000 * 4096 - 65 * 4096
    assert ours.total("mac") == 128 * weights + 2 * 32 * 128**2 * 4096
    assert ours.total("mac") == macs


@pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="peak memory is read from Linux's /proc"
)
def test_a_decoder_of_seven_billion_parameters_is_counted_without_its_memory() -> None:
    # What the reading misses, it would not miss here.
    assert peak_growth_bytes(lambda: torch.ones(1 << 27).sum()) > 2**28
    assert peak_growth_bytes(trace_seven_billion) < 1.5e9  # its weights in float32: 27e9


# Beside fvcore, on the CPU, where its tracer runs: small instances of the same code. EfficientNet
# is not among them, for fvcore counts nothing for a convolution that pads by a word, as "same".

TINY_CNNS = (
    image("ResNetForImageClassification", embedding_size=16, hidden_sizes=[16, 32], depths=[1, 2]),
    image("RegNetModel", embedding_size=16, hidden_sizes=[32, 64], depths=[1, 2], groups_width=16),
    image("ConvNextForImageClassification", hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 2, 1]),
    image("MobileNetV1Model", depth_multiplier=0.25),
    image("MobileNetV2ForImageClassification", depth_multiplier=0.25),
    image("BitModel", embedding_size=16, hidden_sizes=[32, 64], depths=[1, 2], num_groups=4),
    image("PoolFormerModel", hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1]),
)
SIDE = 48


class FirstOutput(nn.Module):
    """fvcore's tracer wants tensors, not the transformers package's dictionaries."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixel_values: Tensor) -> Any:
        return self.model(pixel_values, return_dict=False)[0]


def analyse_by_fvcore(model: nn.Module, inputs: tuple[Tensor, ...]) -> Any:
    analysis = FlopCountAnalysis(model, inputs)
    return (
        analysis.unsupported_ops_warnings(False)
        .uncalled_modules_warnings(False)
        .tracer_warnings("none")
    )


def count_by_fvcore(model: nn.Module, *inputs: Tensor) -> int:
    """The MACs among what fvcore counts: it adds 1 to 5 "flops" an element for normalisation."""
    counted = analyse_by_fvcore(model, inputs).by_operator()
    return sum(int(counted[name]) for name in ("conv", "linear", "addmm", "matmul", "bmm", "mm"))


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.parametrize("case", TINY_CNNS, ids=lambda case: case.model)
def test_dense_macs_equal_fvcores_on_convolutional_networks(case: Case) -> None:
    model = FirstOutput(case.build())
    macs = count_by_fvcore(model, torch.zeros(1, 3, SIDE, SIDE))
    assert macs > 0
    assert count_macs(model, (1, 3, SIDE, SIDE)) == macs
    assert count_by_torch(model, torch.zeros(1, 3, SIDE, SIDE)) == macs


# What the two see of a conditional model.


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.parametrize("method", ["float", "smart"])
def test_no_peer_sees_the_additions_of_weight_noise(method: str) -> None:
    model = build_named_model(f"{method}:resnet34").eval()
    image, lam = torch.zeros(1, 3, 32, 32), torch.tensor(1.0)
    analysis = analyse_by_fvcore(model, (image, lam))
    assert count_by_torch(model, image, lam) == RESNET34_MACS
    assert set(analysis.by_operator()) == {"conv", "linear", "batch_norm"}
    assert {"aten::randn_like", "aten::add", "aten::mul"} <= set(analysis.unsupported_ops())
    graph = trace_model(model, (1, 3, 32, 32), condition={"lam": 1.0})
    dense, exact = count_actions(graph, "dense"), count_actions(graph, "exact")
    assert dense.total("mac") == RESNET34_MACS
    assert dense.total("add", stages=("noise",)) == NOISY_WEIGHTS
    # SMART's masks leave half of the 19,759,104 weights of the last two stages' 3 x 3 layers.
    kept = NOISY_WEIGHTS - (19_759_104 // 2 if method == "smart" else 0)
    assert exact.total("add", stages=("noise",)) == kept
