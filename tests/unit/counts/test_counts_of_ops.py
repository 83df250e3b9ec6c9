"""What single operators of public models cost, held against loops that do the same."""

from collections.abc import Mapping
from typing import Any

import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from smartsim.counts import count_actions
from smartsim.graph import Graph
from smartsim.trace import trace_model
from tests.unit.trace.helpers import trace_function


def actions(graph: Graph, op: str) -> Mapping[str, float]:
    """What one kind of op costs in all."""
    found = count_actions(graph, "exact").group("op", "action")
    return {action: int(n) for (name, action), n in found.items() if name == op}


# Fourier transforms


def butterflies(length: int) -> int:
    """Of the radix-2 algorithm: two halves, and one butterfly for each pair of their results."""
    return 0 if length == 1 else 2 * butterflies(length // 2) + length // 2


@given(st.lists(st.integers(0, 4), min_size=1, max_size=3), st.booleans(), st.integers(1, 3))
def test_a_transform_is_the_butterflies_of_its_lines(
    levels: list[int], real: bool, batch: int
) -> None:
    sizes = [2**level for level in levels]
    dims = tuple(range(1, 1 + len(sizes)))

    def forward(_: Any, x: Tensor) -> Any:
        return torch.fft.rfftn(x, dim=dims) if real else torch.fft.fftn(x + 0j, dim=dims)

    found = actions(trace_function(forward, (batch, *sizes)), f"aten._fft_{'r' if real else 'c'}2c")
    halves, shape = 0, list(sizes)
    if real:  # the last dimension first: half of a complex transform, and half of its results
        halves += batch * torch.Size(sizes[:-1]).numel() * butterflies(sizes[-1])
        shape[-1] = sizes[-1] // 2 + 1
    for size in sizes[:-1] if real else sizes:
        lines = batch * torch.Size(shape).numel() // size
        halves += 2 * lines * butterflies(size)
    # a butterfly is one complex product and two complex additions
    expected = {"mul": 2 * halves, "add": 3 * halves}
    assert found == {action: number for action, number in expected.items() if number}


@pytest.mark.parametrize(("length", "levels"), [(1, 0), (3, 2), (5, 3), (12, 4), (17, 5)])
def test_lengths_that_are_no_power_of_two_round_the_logarithm_up(length: int, levels: int) -> None:
    graph = trace_function(lambda _, x: torch.fft.ifft(x + 0j), (2, length))
    scaled = 2 * 2 * length  # by 1 / n, both parts
    assert actions(graph, "aten._fft_c2c") == {
        "mul": 2 * 2 * length * levels + scaled,
        **({"add": 3 * 2 * length * levels} if levels else {}),
    }


def test_a_real_transform_and_its_inverse_cost_the_same_but_for_scaling() -> None:
    graph = trace_function(lambda _, x: torch.fft.irfft2(torch.fft.rfft2(x)), (2, 8, 8))
    there, back = (actions(graph, f"aten._fft_{kind}") for kind in ("r2c", "c2r"))
    assert back == {"mul": there["mul"] + 2 * 8 * 8, "add": there["add"]}


# Samples of a grid


@pytest.mark.parametrize(
    ("mode", "each", "place"),
    [
        # 4 products and 3 additions an element; a place has 2 coordinates to scale, shift and
        # round, distances to both sides of each, and 4 weights
        ("bilinear", {"mul": 4, "add": 3}, {"mul": 2 + 4, "add": 4 + 4}),
        ("nearest", {}, {"mul": 2, "add": 4}),
        # 8 polynomials of 3 products and additions, and 16 weights
        ("bicubic", {"mul": 16, "add": 15}, {"mul": 2 + 24 + 16, "add": 4 + 24}),
    ],
)
def test_samples_of_an_image_are_weighted_at_places_that_all_channels_share(
    mode: str, each: dict[str, int], place: dict[str, int]
) -> None:
    graph = trace_function(
        lambda _, x, grid: functional.grid_sample(x, grid, mode=mode, align_corners=False),
        [(2, 3, 8, 8), (2, 4, 5, 2)],
    )
    places = 2 * 4 * 5
    assert actions(graph, "aten.grid_sampler_2d") == {
        action: places * (place[action] + 3 * each.get(action, 0)) for action in place
    }


def test_samples_of_a_volume_have_eight_neighbours() -> None:
    graph = trace_function(
        lambda _, x, grid: functional.grid_sample(x, grid, align_corners=False),
        [(1, 3, 4, 4, 4), (1, 2, 2, 2, 3)],
    )
    # 4 products of the first two coordinates' weights, 8 with the third's
    assert actions(graph, "aten.grid_sampler_3d") == {
        "mul": 8 * (3 + 12 + 3 * 8),
        "add": 8 * (6 + 6 + 3 * 7),
    }


def test_an_affine_grid_is_a_product_with_every_place() -> None:
    graph = trace_function(
        lambda _, theta: functional.affine_grid(theta, [2, 1, 4, 5], align_corners=False), (2, 2, 3)
    )
    assert count_actions(graph).macs == 2 * 4 * 5 * 2 * 3


# Bags of rows


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_bag_merges_its_rows(mode: str, weighted: bool) -> None:
    if weighted and mode != "sum":
        return
    rows, bags, width = torch.tensor([3, 1, 4, 1, 5, 2]), [0, 2, 3], 4
    given_weights = {"per_sample_weights": torch.ones(6)} if weighted else {}
    bag = nn.EmbeddingBag(7, width, mode=mode)
    inputs = {"input": rows, "offsets": torch.tensor(bags), **given_weights}
    found = actions(trace_model(bag, inputs), "aten._embedding_bag")
    merged = sum(width * (end - start - 1) for start, end in zip(bags, [2, 3, 6], strict=True))
    expected = {
        "sum": {"add": merged, **({"mul": 6 * width} if weighted else {})},
        "mean": {"add": merged, "div": 3, "mul": 3 * width},
        "max": {"compare": merged},
    }
    assert found == expected[mode]


# Experts


@pytest.mark.parametrize("name", ["MixtralModel", "Qwen2MoeModel", "Qwen3MoeModel"])
@pytest.mark.parametrize(("device", "dtype"), [("cpu", torch.float32), ("meta", torch.bfloat16)])
def test_experts_in_groups_cost_what_their_tokens_cost(
    name: str, device: str, dtype: torch.dtype
) -> None:
    kind = getattr(transformers, name)
    config = kind.config_class(
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=48,
        moe_intermediate_size=24,
        num_experts_per_tok=2,
        vocab_size=64,
    )
    with torch.device(device):
        model = kind(config).to(dtype).eval()
    tokens = torch.arange(3, 15).reshape(1, 12)
    graph = trace_model(model, {"input_ids": tokens, "use_cache": False})
    width = 48 if name == "MixtralModel" else 24
    # each of 12 tokens goes through 2 experts: gate, up and down
    assert actions(graph, "aten._grouped_mm") == {"mac": 12 * 2 * 3 * 32 * width}


@pytest.mark.parametrize(
    ("first", "second", "macs", "shape"),
    [
        ((6, 8), (3, 8, 16), 6 * 8 * 16, (6, 16)),
        ((3, 6, 8), (8, 16), 6 * 8 * 16, (6, 16)),
        ((3, 6, 8), (3, 8, 16), 3 * 6 * 8 * 16, (3, 6, 16)),
        ((6, 8), (8, 16), 6 * 8 * 16, (3, 6, 16)),
    ],
)
def test_groups_of_rows_columns_and_terms_are_multiplied_once(
    first: tuple[int, ...], second: tuple[int, ...], macs: int, shape: tuple[int, ...]
) -> None:
    ends = None if len(first) == len(second) == 3 else torch.tensor([2, 4, 6], dtype=torch.int32)
    graph = trace_function(lambda _, x, y: torch._grouped_mm(x, y, offs=ends), [first, second])
    assert count_actions(graph).macs == macs
    assert graph.tensors[graph.outputs[0]].shape == shape


# Quantised layers


@pytest.mark.filterwarnings("ignore")
def test_a_dynamically_quantised_layer_rounds_its_data_and_multiplies() -> None:
    float_model = nn.Sequential(nn.Linear(8, 4), nn.ReLU())
    quantise: Any = torch.ao.quantization.quantize_dynamic
    quantised = quantise(float_model, {nn.Linear}, dtype=torch.qint8)
    graph = trace_model(quantised, (2, 8))
    assert actions(graph, "quantized.linear_dynamic") == {
        "mac": 2 * 8 * 4,
        "compare": 2 * (2 * 8 - 1),  # the smallest and the largest
        "mul": 2 * 8 + 2 * 4,  # by both scales
        "add": 2 * 2 * 8 + 2 * 4,  # to a zero point, rounded; the bias
    }
    (note,) = graph.notes
    assert note.startswith(
        "the weights of quantized.linear_dynamic are packed (first in module '0')"
    )


# Packed sequences


class Packed(nn.Module):
    """A recurrent layer on sequences of several lengths."""

    def __init__(self, layer: nn.RNNBase, *, is_sorted: bool) -> None:
        super().__init__()
        self.first, self.layer, self.is_sorted = nn.Linear(4, 4, bias=False), layer, is_sorted

    def forward(self, x: Tensor, lengths: Any) -> tuple[Tensor, Tensor]:
        packed = pack_padded_sequence(
            self.first(x), lengths, batch_first=True, enforce_sorted=self.is_sorted
        )
        padded, sizes = pad_packed_sequence(self.layer(packed)[0], batch_first=True)
        return padded, sizes


@pytest.mark.parametrize(
    ("kind", "gates"), [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)], ids=["lstm", "gru", "rnn"]
)
@pytest.mark.parametrize("lengths", [[6, 4, 1], [2, 6, 3]])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_packed_sequence_costs_its_lengths(
    kind: Any, gates: int, lengths: list[int], bidirectional: bool
) -> None:
    layer = kind(4, 5, batch_first=True, bias=False, bidirectional=bidirectional)
    model = Packed(layer, is_sorted=lengths[0] == 6)
    graph = trace_model(model, (3, 6, 4), known_inputs={"lengths": torch.tensor(lengths)})
    assert graph.tensors[graph.outputs[0]].shape == (3, 6, 5 * (1 + bidirectional))
    steps, each = sum(lengths), (1 + bidirectional) * gates * 5
    assert _macs(graph, "dense", "layer") == each * steps * (4 + 5)
    assert _macs(graph, "exact", "layer") <= each * (steps * 4 + (steps - 3) * 5)  # from zeros
    assert _macs(graph, "exact", "first") == steps * 4 * 4  # padding is not needed


def _macs(graph: Graph, convention: str, layer: str) -> float:
    counts = count_actions(graph, convention)
    return sum(c.number for c in counts if c.layer == layer and c.action == "mac")


def test_lengths_are_read_from_a_list_too() -> None:
    layer = nn.GRU(4, 5, batch_first=True)
    model: Any = Packed(layer, is_sorted=True)
    forward = model.forward
    model.forward = lambda x: forward(x, [6, 4, 1])
    graph = trace_model(model, (3, 6, 4))
    values = model(torch.randn(3, 6, 4))
    assert [graph.tensors[place].shape for place in graph.outputs] == [v.shape for v in values]
