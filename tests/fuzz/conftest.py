"""Small valid files of every kind, made once."""

import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import smartsim
from smartsim.models import build_model

ROOT = Path(__file__).resolve().parents[2]


class Small(nn.Module):
    """Convolution, norm, pool, mask, noise, attention: an op of most kinds."""

    mask: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1, stride=2)
        self.norm = nn.BatchNorm2d(4)
        self.register_buffer("mask", torch.arange(4 * 4).reshape(4, 4) % 3 == 0)
        self.proj = nn.Linear(4, 4)

    def forward(self, x: Tensor, lam: Tensor) -> Tensor:
        y = nn.functional.max_pool2d(self.norm(self.conv(x)).relu(), 2)
        tokens = y.flatten(2).transpose(1, 2)
        weight = (self.proj.weight + lam * torch.randn_like(self.proj.weight)) * self.mask
        tokens = nn.functional.linear(tokens, weight, self.proj.bias)
        mixed = nn.functional.scaled_dot_product_attention(tokens, tokens, tokens)
        pooled: Tensor = mixed.mean(1)
        return pooled


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of valid files."""
    folder = tmp_path_factory.mktemp("valid")
    graph = smartsim.trace_model(Small(), (1, 3, 8, 8), condition={"lam": 0.5}, name="small")
    smartsim.save_graph(graph, folder / "graph.json")
    counts = smartsim.count_actions(graph)
    smartsim.save_counts(counts, folder / "counts.json")
    table = "horowitz2014_45nm+han2015_45nm"
    smartsim.save_energy(smartsim.estimate_energy(counts, table), folder / "energy.json")
    smartsim.save_run(
        smartsim.simulate_network(graph, "edge_npu", table=table), folder / "run.json"
    )
    s = smartsim.summary(Small(), (1, 3, 8, 8), condition={"lam": 0.5}, verbose=False)
    smartsim.save_summary(s, folder / "summary.json")
    shutil.copy(ROOT / "cost_models" / "accelerators" / "edge_npu.toml", folder / "machine.toml")
    (folder / "convention.toml").write_text(
        'name = "mine"\ndescription = "mine"\ncount_padding = true\nskip_zeros = false\n'
        "fold_batch_norm = true\n"
    )
    (folder / "plan.toml").write_text('default = "int8"\n\n[layers]\n"conv*" = "int4"\n')
    (folder / "plan.csv").write_text("pattern,format\nconv*,int4\n*,int6\n")
    shutil.copy(ROOT / "cost_models" / "horowitz2014_45nm.csv", folder / "horowitz2014_45nm.csv")
    shutil.copy(ROOT / "cost_models" / "sources.toml", folder / "sources.toml")
    shutil.copy(ROOT / "reports" / "results" / "smart.json", folder / "results.json")
    shutil.copy(ROOT / "reports" / "results" / "sparse-10.json", folder / "sparse.json")
    shutil.copytree(ROOT / "reports" / "published", folder / "published")
    program = torch.export.export(nn.Conv2d(1, 2, 1), (torch.zeros(1, 1, 2, 2),))
    torch.export.save(program, folder / "model.pt2")
    return folder


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of two steps."""
    from smartsim.train.loop.train import train
    from tests.unit.train.helpers import stop_after, tiny_data, tiny_settings

    folder = tmp_path_factory.mktemp("runs") / "run"
    train(tiny_settings("smart"), tiny_data(), folder, stop=stop_after(2))
    assert build_model("smart", "resnet8") is not None
    return folder
