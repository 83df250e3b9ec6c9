"""Inputs whose values the caller knows: followed by control flow, masks at their own stage."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from click.testing import CliRunner
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from smartsim.cli import cli
from smartsim.counts import count_actions
from smartsim.errors import ConfigurationError, DataDependentControlFlowError
from smartsim.trace import collect_weights, parse_known, trace_model
from tests.unit.trace.helpers import Calling, op_stages

MASK = torch.tensor([[1, 1, 1, 0], [1, 0, 0, 0]])


def test_control_flow_on_known_inputs_is_followed_and_stays_at_stage_input() -> None:
    def forward(_: Any, ids: Tensor, x: Tensor) -> Tensor:
        padded = (ids == 0).any()
        assert int(ids.max()) == 7
        return x.exp() if padded else x

    model: Any = Calling(forward)
    model.forward = lambda ids, x: forward(model, ids, x)
    ids = torch.tensor([[0, 7]])
    with pytest.raises(DataDependentControlFlowError, match="known_inputs declares"):
        trace_model(model, [ids, (1, 2)])
    graph = trace_model(model, [ids, (1, 2)], known_inputs=["ids"])
    assert set(op_stages(graph)) >= {("eq", "input"), ("any", "input"), ("exp", "input")}
    assert [graph.tensors[place].stage for place in graph.inputs] == ["input", "input"]
    assert graph.notes == (
        "the values of ids are declared known: these are the numbers of inputs with just these "
        "values",
    )
    assert "exp" not in dict(
        op_stages(trace_model(model, [ids + 7 - ids, (1, 2)], known_inputs=["ids"]))
    )


class Masked(nn.Module):
    """Attention with a mask that is a factor, and a layer on what is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 5, bias=False)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = x * mask[..., None]
        weights = (x @ x.transpose(1, 2)).softmax(-1) * mask[:, None, :]
        result: Tensor = self.linear(weights @ x)
        return result


def test_a_padded_key_is_no_work() -> None:
    graph = trace_model(Masked(), {"x": (2, 4, 3)}, known_inputs={"mask": MASK.float()})
    counts = count_actions(graph, "exact")
    macs = {c.op: c.number for c in counts if c.action == "mac" and c.stage == "input"}
    kept = int(MASK.sum())
    pairs = sum(int(n) ** 2 for n in MASK.sum(-1))
    # every row of weights is divided, so that all rows are needed, of kept columns
    assert macs["aten.bmm"] == 3 * (pairs + 4 * kept)
    assert macs["aten.mm"] == 2 * 4 * 3 * 5
    assert count_actions(graph, "dense").macs == 2 * (2 * 4 * 4 * 3 + 4 * 3 * 5)


def test_a_draw_from_known_inputs_is_unknown() -> None:
    model: Any = Calling(lambda _, p: p if torch.bernoulli(p).sum() > 0 else -p)
    with pytest.raises(DataDependentControlFlowError, match="depends on the input data"):
        trace_model(model, {"p": torch.ones(3)}, known_inputs={})
    model.forward = lambda p: p if torch.bernoulli(p).sum() > 0 else -p
    with pytest.raises(DataDependentControlFlowError, match="depends on the input data"):
        trace_model(model, {"p": torch.ones(3)}, known_inputs=["p"])


def test_weights_are_collected_on_the_path_that_known_inputs_take() -> None:
    def forward(module: Any, x: Tensor, mask: Tensor) -> Any:
        return module.inner(x if mask.any() else x.exp())

    model: Any = Calling(forward, inner=nn.Linear(3, 2))
    model.forward = lambda x, mask: forward(model, x, mask)
    weights = collect_weights(model, (1, 3), known_inputs={"mask": torch.ones(1)})
    assert list(weights) == ["inner"]


def test_what_the_user_gives_is_neither_written_to_nor_kept() -> None:
    mask = torch.ones(2, 3)
    model = Calling(lambda _, x, **given: x * given["mask"].mul_(0).add_(2))
    graph = trace_model(model, (2, 3), known_inputs={"mask": mask})
    assert mask.tolist() == [[1.0] * 3] * 2
    assert mask._version == 0
    assert [op.stage for op in graph.ops] == ["input"] * 3


@pytest.mark.parametrize(
    ("known", "sentence"),
    [
        (["y"], "names 'y', which is no input; possible: self, x"),
        (["x"], "names 'x', which is given without values"),
        ({"mask": torch.ones(2, device="meta")}, "names 'mask', which is given without values"),
        ({"mask": 3}, "names 'mask', which is given without values"),
    ],
)
def test_what_cannot_be_known_is_an_error_in_one_sentence(known: Any, sentence: str) -> None:
    model: Any = nn.Module()
    model.forward = lambda self, x, **_: self + x
    with pytest.raises(ConfigurationError, match=sentence):
        trace_model(model, [(1, 2), (1, 2)], known_inputs=known)


def test_an_input_is_given_once() -> None:
    model = Calling(lambda _, x, **given: x)
    inputs, one = {"x": torch.ones(2)}, torch.ones(2)
    with pytest.raises(ConfigurationError, match="x is given both as an input and as a known"):
        trace_model(model, inputs, known_inputs={"x": one})
    with pytest.raises(ConfigurationError, match="lam is given both as an input and as a cond"):
        trace_model(model, inputs, known_inputs={"lam": one}, condition={"lam": 1.0})


SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "vocab_size": 72,
}
TOKENS = torch.arange(3, 15).reshape(1, 12)
PADDED = torch.ones_like(TOKENS)
PADDED[:, 9:] = 0


@pytest.mark.parametrize(
    ("name", "settings", "inputs"),
    [
        ("BertModel", {"attn_implementation": "eager"}, {"attention_mask": PADDED}),
        ("LongformerModel", {"attention_window": 4, "max_position_embeddings": 32}, {}),
        (
            "BigBirdModel",
            {"block_size": 4, "num_random_blocks": 1, "max_position_embeddings": 64},
            {},
        ),
    ],
)
def test_models_that_look_for_padding_are_traced(
    name: str, settings: dict[str, Any], inputs: dict[str, Tensor]
) -> None:
    kind = getattr(transformers, name)
    model = kind(kind.config_class(**SMALL, **settings)).eval()
    ids = torch.arange(3, 63).reshape(1, 60) if name == "BigBirdModel" else TOKENS
    given = {"input_ids": ids, **inputs}
    with pytest.raises(DataDependentControlFlowError):
        trace_model(model, given)
    graph = trace_model(model, given, known_inputs=list(given))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(**given)
    assert 2 * count_actions(graph, "dense").total("mac") == counter.get_total_flops()


# The command line


def test_known_values_are_read_from_text_and_from_files(tmp_path: Path) -> None:
    path = tmp_path / "mask.json"
    path.write_text("[[1, 0], [1, 1]]")
    known = parse_known(("a=[1.5, 2]", f"b=@{path}", "c=true"))
    assert [known[name].tolist() for name in "abc"] == [[1.5, 2.0], [[1, 0], [1, 1]], True]
    assert [known[name].dtype for name in "abc"] == [torch.float32, torch.int64, torch.bool]


@pytest.mark.parametrize(
    "text", ["mask", "=1", "m=", "m=[1,[2]]", "m=x", 'm="x"', "m=null", "m=1e", "m=" + "[" * 5000]
)
def test_values_that_are_none_are_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(ConfigurationError, match="must be NAME=VALUES") as caught:
        parse_known((text,))
    assert len(str(caught.value)) < 300


def test_the_command_line_declares_inputs_known(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "padded.py").write_text(
        "import torch\n"
        "class Model(torch.nn.Module):\n"
        "    def forward(self, x, mask):\n"
        "        return x * mask if mask.any() else x\n"
    )
    monkeypatch.chdir(tmp_path)
    command = ["trace", "padded:Model", "--input", "1,3", "--known", "mask=[[1,1,0]]", "--json"]
    result = CliRunner().invoke(cli, command, prog_name="smartsim")
    assert result.exit_code == 0, result.output
    assert '"aten.mul"' in result.output
    failed = CliRunner().invoke(cli, [*command[:-2], "mask=[[1,1"], prog_name="smartsim")
    assert failed.exit_code == 2
