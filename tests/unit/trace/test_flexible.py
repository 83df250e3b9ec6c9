"""Torch's flexible attention: counted by the blocks that its mask leaves."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention import flex_attention as flexible
from torch.nn.attention.flex_attention import AuxRequest, create_block_mask, flex_attention

from smartsim.counts import count_actions
from smartsim.errors import DataDependentControlFlowError, InvalidModelError
from smartsim.graph import Graph
from smartsim.trace import trace_model
from tests.unit.trace.helpers import Calling, trace_function

BATCH, HEADS, QUERIES, KEYS, WIDTH = 2, 4, 96, 80, 8
INPUTS = [(BATCH, HEADS, n, WIDTH) for n in (QUERIES, KEYS, KEYS)]
SIZE = 32

pytestmark = pytest.mark.filterwarnings("ignore")  # torch's own, of what it deprecates


def make_mask(keep: Callable[..., Any], *, heads: int | None = None, device: Any = "cpu") -> Any:
    return create_block_mask(keep, None, heads, QUERIES, KEYS, device=device, BLOCK_SIZE=SIZE)


def loop_pairs(keep: Callable[..., Any], heads: range = range(HEADS)) -> int:
    """Scores of every block of which any element is kept, one by one."""
    pairs = 0
    for head in heads:
        for down in range(0, QUERIES, SIZE):
            for across in range(0, KEYS, SIZE):
                block = [
                    (i, j)
                    for i in range(down, min(down + SIZE, QUERIES))
                    for j in range(across, min(across + SIZE, KEYS))
                ]
                if any(keep(0, head, i, j) for i, j in block):
                    pairs += len(block)
    return pairs * BATCH


def attend(**keywords: Any) -> Graph:
    return trace_function(lambda _, q, k, v: flex_attention(q, k, v, **keywords), INPUTS)


MASKS: dict[str, Callable[..., Any]] = {
    "causal": lambda b, h, i, j: i >= j,
    "window": lambda b, h, i, j: (i - j < 20) & (j - i < 20),
    "first keys": lambda b, h, i, j: j < 10,
    "late queries": lambda b, h, i, j: i >= 40,
}


@pytest.mark.parametrize("name", MASKS)
def test_the_blocks_that_a_mask_leaves_are_counted_whole(name: str) -> None:
    keep = MASKS[name]
    graph = attend(block_mask=make_mask(keep))
    pairs = loop_pairs(keep)
    assert count_actions(graph).macs == pairs * 2 * WIDTH
    assert graph.tensors[graph.outputs[0]].shape == INPUTS[0]
    rows = BATCH * HEADS * sum(any(keep(0, 0, i, j) for j in range(KEYS)) for i in range(QUERIES))
    rows += 8 * BATCH * HEADS if name == "late queries" else 0  # of a block that begins at 32
    found = count_actions(graph).group("op", "action")
    assert found["smartsim.block_attention", "compare"] == pairs - rows
    assert found["smartsim.block_attention", "exp"] == pairs


def test_a_mask_of_each_head_is_counted_by_head() -> None:
    def keep(b: Any, h: Any, i: Any, j: Any) -> Any:
        return j <= i * (h + 1) // 4

    graph = attend(block_mask=make_mask(keep, heads=HEADS))
    assert count_actions(graph).macs == loop_pairs(keep) * 2 * WIDTH


def test_without_a_mask_it_costs_what_attention_costs() -> None:
    fused = trace_function(
        lambda _, q, k, v: nn.functional.scaled_dot_product_attention(q, k, v), INPUTS
    )
    assert count_actions(attend()).macs == count_actions(fused, "dense").macs


def test_a_function_of_the_scores_costs_what_it_does_to_each() -> None:
    def forward(m: Any, q: Tensor, k: Tensor, v: Tensor) -> Any:
        bend = lambda s, b, h, i, j: s + m.slope[h] * (j - i)  # noqa: E731
        return flex_attention(q, k, v, score_mod=bend, block_mask=m.mask)

    mask = make_mask(MASKS["causal"])
    graph = trace_function(forward, INPUTS, slope=nn.Parameter(torch.ones(HEADS)), mask=mask)
    pairs = loop_pairs(MASKS["causal"])
    found = count_actions(graph, "dense").group("op", "action")
    assert found["aten.add", "add"] == found["aten.mul", "mul"] == pairs


def test_masks_of_the_forward_and_compiled_attention_are_followed() -> None:
    compiled = torch.compile(flex_attention, backend="eager")

    def forward(_: Any, q: Tensor, k: Tensor, v: Tensor) -> Any:
        return compiled(q, k, v, block_mask=make_mask(MASKS["causal"], device=q.device))

    macs = loop_pairs(MASKS["causal"]) * 2 * WIDTH
    assert count_actions(trace_function(forward, INPUTS)).macs == macs


def test_a_mask_that_data_makes_must_be_declared_known() -> None:
    def forward(q: Tensor, k: Tensor, v: Tensor, ids: Tensor) -> Any:
        return flex_attention(
            q, k, v, block_mask=make_mask(lambda b, h, i, j: ids[i] == ids[j], device=q.device)
        )

    model: Any = Calling(forward)
    model.forward = forward
    ids = torch.arange(QUERIES) // 48
    with pytest.raises(DataDependentControlFlowError, match="known_inputs"):
        trace_model(model, [*INPUTS, ids])
    graph = trace_model(model, [*INPUTS, ids], known_inputs=["ids"])
    assert count_actions(graph).macs == loop_pairs(lambda b, h, i, j: ids[i] == ids[j]) * 2 * WIDTH


def test_groups_of_queries_share_keys_and_sums_are_logarithms() -> None:
    few = [INPUTS[0], *((BATCH, 2, KEYS, WIDTH) for _ in "kv")]
    request = AuxRequest(lse=True, max_scores=True)
    graph = trace_function(
        lambda _, q, k, v: flex_attention(q, k, v, enable_gqa=True, return_aux=request), few
    )
    assert [graph.tensors[place].shape for place in graph.outputs] == [
        INPUTS[0],
        INPUTS[0][:-1],
        INPUTS[0][:-1],
    ]
    found = count_actions(graph).group("op", "action")
    assert found["smartsim.block_logsumexp", "log"] == BATCH * HEADS * QUERIES
    assert count_actions(graph).macs == BATCH * HEADS * QUERIES * KEYS * 2 * WIDTH


def test_an_exported_program_counts_the_same() -> None:
    mask = make_mask(MASKS["causal"])
    model = Calling(lambda m, q, k, v: flex_attention(q, k, v, block_mask=m.mask), mask=mask)
    exported = torch.export.export(model, tuple(torch.randn(shape) for shape in INPUTS))
    macs = loop_pairs(MASKS["causal"]) * 2 * WIDTH
    assert count_actions(trace_model(exported.module(), INPUTS)).macs == macs


def test_a_trace_in_a_trace_counts_its_own_attention_alone() -> None:
    graphs: list[Graph] = []

    def forward(_: Any, q: Tensor, k: Tensor, v: Tensor) -> Any:
        graphs.append(attend())
        return flex_attention(q, k, v)

    outer = trace_function(forward, INPUTS)
    assert [op.name for op in outer.ops] == [op.name for op in graphs[0].ops]
    assert count_actions(outer).macs == count_actions(attend()).macs


def test_torchs_function_is_as_it_was_afterwards() -> None:
    before = dict(vars(flexible)), flex_attention.__code__, flex_attention.__defaults__

    def raising(_: Any, q: Tensor, k: Tensor, v: Tensor) -> Any:
        flex_attention(q, k, v)
        raise RuntimeError("tired")

    with pytest.raises(InvalidModelError, match="tired"):
        trace_function(raising, INPUTS)
    attend()
    assert (dict(vars(flexible)), flex_attention.__code__, flex_attention.__defaults__) == before
    q, k, v = (torch.randn(1, 1, n, WIDTH) for n in (16, 16, 16))
    expected = nn.functional.scaled_dot_product_attention(q, k, v)
    assert torch.allclose(flex_attention(q, k, v), expected, atol=1e-5)
