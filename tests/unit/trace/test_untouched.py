"""The trace observes and never touches: not the model, not torch, also when the forward raises."""

import copy
from collections import OrderedDict, defaultdict, deque
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules import module as module_hooks
from torch.utils._python_dispatch import _get_current_dispatch_mode

from smartsim.counts import count_actions
from smartsim.errors import InvalidModelError
from smartsim.models import build_model
from smartsim.trace import measure_density, trace_model
from tests.unit.trace.helpers import Calling, trace_function

Snapshot = dict[str, Any]


def describe(model: nn.Module) -> Snapshot:
    """All that a user could see of a model."""
    return {
        "state": copy.deepcopy(model.state_dict()),
        "modes": {name: module.training for name, module in model.named_modules()},
        "attributes": {name: dict(vars(module)) for name, module in model.named_modules()},
        "hooks": {
            name: [dict(v) for k, v in vars(module).items() if k.endswith("_hooks")]
            for name, module in model.named_modules()
        },
        "grads": {name: (p.requires_grad, p.grad) for name, p in model.named_parameters()},
        "memory": {name: tensor.data_ptr() for name, tensor in model.state_dict().items()},
        "global hooks": _count_global_hooks(),
        "random": torch.get_rng_state().tolist(),
    }


def _count_global_hooks() -> dict[str, int]:
    registries = vars(module_hooks).items()
    return {k: len(v) for k, v in registries if k.startswith("_global_") and isinstance(v, dict)}


def assert_same(before: Snapshot, after: Snapshot) -> None:
    """Compare snapshots; attributes by identity."""
    assert list(before["state"]) == list(after["state"])
    for name, tensor in before["state"].items():
        assert torch.equal(tensor, after["state"][name]), name
    for name, attributes in before["attributes"].items():
        assert attributes.keys() == after["attributes"][name].keys()
        for key, value in attributes.items():
            assert value is after["attributes"][name][key], f"{name}.{key}"
    for key in ("modes", "hooks", "grads", "memory", "global hooks", "random"):
        assert before[key] == after[key], key


class Untidy(nn.Module):
    """A forward that changes all that it can reach, and then may raise."""

    def __init__(self, *, raises: bool) -> None:
        super().__init__()
        self.raises = raises
        self.norm = nn.BatchNorm1d(4)
        self.linear = nn.Linear(4, 4)
        self.cache: Tensor | None = None
        self.calls: list[int] = []
        self.nested = {"deep": [{"deeper": [1]}]}
        self.ordered = OrderedDict(a=1)
        self.default: defaultdict[str, int] = defaultdict(int)
        self.queue = deque([1, 2], maxlen=3)
        self.names = {"a"}
        self.record = SimpleNamespace(calls=0, items=[1])
        self.register_buffer("count", torch.zeros(()))
        self.count: Tensor
        self.shadow = torch.randn(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        self.calls.append(1)
        self.nested["deep"][0]["deeper"].append(2)
        self.ordered["b"] = 2
        self.default["new"] += 1
        self.queue.append(3)
        self.names.add("b")
        self.record.calls += 1
        self.record.items.clear()
        self.cache = x
        self.fresh_attribute = x
        self.register_buffer("fresh_buffer", torch.ones(3))
        self.added = nn.Linear(2, 2)
        self.count.add_(1)
        self.linear.weight.mul_(2)
        self.linear.weight.requires_grad_(False)
        self.linear.weight.data = self.shadow
        self.norm.running_mean = torch.ones(4)
        self.linear.register_forward_hook(lambda *_: None)
        torch.manual_seed(7)
        self.train()
        x = self.linear(self.norm(x + torch.rand(4)))
        if self.raises:
            raise RuntimeError("tired")
        return x


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("raises", [True, False])
def test_a_model_is_left_as_it_was_whatever_its_forward_does(training: bool, raises: bool) -> None:
    model = Untidy(raises=raises).train(training)
    model.linear.eval()  # a mode of its own
    before = describe(model)
    if raises:
        with pytest.raises(InvalidModelError, match="tired"):
            trace_model(model, (2, 4))
    else:
        trace_model(model, (2, 4))
    assert_same(before, describe(model))
    assert (model.calls, model.cache, model.names) == ([], None, {"a"})
    assert model.nested == {"deep": [{"deeper": [1]}]}
    assert (dict(model.ordered), dict(model.default)) == ({"a": 1}, {})
    assert (list(model.queue), model.queue.maxlen) == ([1, 2], 3)
    assert vars(model.record) == {"calls": 0, "items": [1]}


@pytest.mark.parametrize("method", ["pgdat", "oat", "float", "smart"])
@pytest.mark.parametrize("training", [True, False])
def test_a_built_in_model_is_left_as_it_was(method: str, training: bool) -> None:
    model = build_model(method, "resnet8").train(training)
    before = describe(model)
    trace_model(model, (1, 3, 32, 32), condition={"lam": 1.0})
    assert_same(before, describe(model))


def test_a_model_runs_after_a_trace_as_it_did_before() -> None:
    model = Untidy(raises=False).eval()
    model.forward = lambda x: model.linear(model.norm(x))  # type: ignore[method-assign]
    x = torch.randn(2, 4)
    expected = model(x)
    trace_model(model, (2, 4))
    assert torch.equal(model(x), expected)


def test_given_generators_are_not_drawn_from() -> None:
    generator = torch.Generator().manual_seed(3)
    before = generator.get_state()
    trace_function(lambda _, x: x + torch.randn(4, generator=generator))
    assert torch.equal(generator.get_state(), before)


def test_no_dispatch_mode_is_left_after_an_error() -> None:
    for forward in (lambda _, x: x @ x, lambda _, x: x if x.sum() > 0 else -x):
        with pytest.raises((InvalidModelError, RuntimeError)):
            trace_function(forward)
        assert _get_current_dispatch_mode() is None
        assert torch.is_grad_enabled()
        assert torch.is_autocast_cache_enabled()


def test_an_autocast_region_around_a_trace_keeps_no_weights_without_data() -> None:
    model, x = nn.Linear(4, 4), torch.randn(2, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        expected = model(x)
        graph = trace_model(model, (2, 4))
        assert torch.equal(model(x), expected)
    assert [(spec.name, spec.active) for spec in graph.parameters] == [("weight", 16), ("bias", 4)]


def test_tracing_works_under_inference_mode_and_a_default_device() -> None:
    def forward(module: Any, x: Tensor, lam: Tensor) -> Tensor:
        return module.linear(x) * lam if lam > 0 else x

    linear = nn.Linear(4, 4)
    usual = trace_function(forward, linear=linear, condition={"lam": 1.0})
    with torch.inference_mode():
        assert trace_function(forward, linear=linear, condition={"lam": 1.0}) == usual
    with torch.device("meta"):
        assert trace_function(forward, linear=linear, condition={"lam": 1.0}) == usual


def test_a_model_on_the_meta_device_gives_the_counts_of_one_with_data() -> None:
    # not of SMART, whose masks have no values there
    for method in ("pgdat", "oat", "float"):
        counts = []
        for device in ("cpu", "meta"):
            model = build_model(method, "resnet8", device=device)
            graph = trace_model(model, (1, 3, 32, 32), condition={"lam": 1.0})
            counts.append(count_actions(graph))
            assert {parameter.device.type for parameter in model.parameters()} == {device}
        assert counts[0] == counts[1]


def test_tracing_twice_gives_equal_graphs() -> None:
    model = build_model("smart", "resnet8")
    first, second = (trace_model(model, (1, 3, 32, 32), condition={"lam": 1.0}) for _ in range(2))
    assert first == second


def test_a_graph_keeps_its_patterns_when_the_model_draws_its_masks_anew() -> None:
    model = build_model("smart", "resnet8")
    graph = trace_model(model, (1, 3, 32, 32), condition={"lam": 1.0})
    patterns = [pattern.bits.copy() for pattern in graph.patterns]
    for buffer in model.buffers():
        if buffer.dtype == torch.bool:
            buffer.logical_not_()
    assert [p.bits.tolist() for p in graph.patterns] == [bits.tolist() for bits in patterns]


def test_what_the_user_gives_is_not_changed() -> None:
    x = torch.randn(2, 4)
    scales = {"scale": torch.ones(4)}
    inputs, condition, zeros = [x, scales], {"lam": 0.5}, ["w"]
    before = x.clone()
    model = Calling(
        lambda self, x, d, lam: (x.add_(1) + d.pop("scale")) * self.w * lam,
        w=nn.Parameter(torch.ones(4)),
    )
    trace_model(model, inputs, condition=condition, declared_zeros=zeros)
    assert torch.equal(x, before)
    assert list(scales) == ["scale"]
    assert (condition, zeros) == ({"lam": 0.5}, ["w"])


def test_scripted_modules_are_traced_in_eval_mode_and_put_back() -> None:
    with pytest.warns((DeprecationWarning, FutureWarning), match="torch.jit"):
        model = torch.jit.script(nn.Sequential(nn.Linear(4, 4), nn.Dropout()))
    graph = trace_model(model, (2, 4))
    assert [op.name for op in graph.ops] == ["aten.addmm"]
    assert all(module.training for module in model.modules())


def test_measuring_densities_leaves_the_values_of_a_model_as_they_were() -> None:
    def forward(module: Any, x: Tensor) -> Tensor:
        module.seen.add_(1)
        module.w[0].mul_(2)
        module.history.append(x)
        return nn.functional.linear(x.relu(), module.w)

    model = Calling(forward, w=nn.Parameter(torch.ones(3, 4)), seen=torch.zeros(()), history=[])
    graph, data = trace_model(model, (2, 4)), torch.randn(2, 4)
    before = describe(model)
    measure_density(model, [data, data], graph)
    assert_same(before, describe(model))
    assert [tensor._version for tensor in model.state_dict().values()] == [0, 0]
    assert model.history == []
