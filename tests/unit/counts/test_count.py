"""Counting a graph: rules that are missing, added, left out or wrong; parameters of paths."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from smartsim.counts import (
    RULES,
    Cost,
    Facts,
    count_actions,
    count_parameters,
    register_rule,
)
from smartsim.errors import ConfigurationError, MissingRuleError
from smartsim.graph import Graph
from smartsim.trace import trace_model
from tests.unit.trace.helpers import Calling, ones_and_zeros, trace_function


@pytest.fixture(scope="module", autouse=True)
def rotate_operator() -> Iterator[None]:
    """An operator of the user's own, which no rule of ours can know."""
    make_library: Any = torch.library.Library
    library = make_library("smartsim_tests", "FRAGMENT")
    library.define("rotate(Tensor x, float angle) -> Tensor")
    library.impl("rotate", lambda x, angle: x * angle, "CompositeExplicitAutograd")
    library.impl("rotate", lambda x, angle: torch.empty_like(x), "Meta")
    yield
    library._destroy()


@pytest.fixture
def rules() -> Iterator[None]:
    """The table of rules is put back after a test that adds to it."""
    before = dict(RULES)
    yield
    RULES.clear()
    RULES.update(before)


def trace_rotation() -> Graph:
    def forward(m: Any, x: Tensor) -> Any:
        return m.inner(x).relu()

    inner = Calling(lambda m, x: torch.ops.smartsim_tests.rotate(x, 0.5))
    return trace_function(forward, (2, 4), inner=inner)


def test_an_op_without_a_rule_is_an_error_that_says_all() -> None:
    with pytest.raises(MissingRuleError) as caught:
        count_actions(trace_rotation())
    sentence = str(caught.value)
    for part in (
        "smartsim_tests.rotate",
        "module 'inner' (Calling)",
        "shapes (2, 4)",
        'register_rule("smartsim_tests.rotate")',
        'ignore=["smartsim_tests.rotate"]',
    ):
        assert part in sentence
    assert isinstance(caught.value, LookupError)


def test_an_op_may_be_left_out_and_the_result_says_so() -> None:
    counts = count_actions(trace_rotation(), ignore=["smartsim_tests.rotate"])
    assert counts.ignored == ("smartsim_tests.rotate",)
    assert counts.group("action") == {("compare",): 8}
    assert count_actions(
        trace_rotation(), ignore=["smartsim_tests.rotate", "aten.exp"]
    ).ignored == ("smartsim_tests.rotate",)


def test_a_rule_of_the_users_own_is_used(rules: None) -> None:
    @register_rule("smartsim_tests.rotate")
    def _rotate(facts: Facts) -> Cost:
        assert facts.shapes.attributes["angle"] == 0.5
        assert facts.shapes.arguments["x"].shape == facts.shapes.data == (2, 4)
        return Cost(run={"mul": 2 * facts.sites}, prepared={"trig": 1})

    counts = count_actions(trace_rotation())
    assert counts.group("stage", "action") == {
        ("input", "mul"): 16,
        ("deploy", "trig"): 1,
        ("input", "compare"): 8,
    }


def test_a_second_rule_for_an_operator_is_refused_and_changes_nothing(rules: None) -> None:
    before = dict(RULES)
    with pytest.raises(ConfigurationError, match=r"aten\.mul already has a counting rule"):
        register_rule("smartsim_tests.rotate", "aten.mul")(lambda facts: Cost(run={}))
    assert before == RULES


def test_a_rule_that_fails_is_named_with_its_op(rules: None) -> None:
    @register_rule("smartsim_tests.rotate")
    def _fails(facts: Facts) -> Cost:
        return Cost(run={"mul": facts.shapes.attributes["degrees"]})

    with pytest.raises(ConfigurationError, match=r"rule of smartsim_tests\.rotate fails on op 0"):
        count_actions(trace_rotation())


def test_a_rule_that_counts_no_action_of_ours_is_refused(rules: None) -> None:
    @register_rule("smartsim_tests.rotate")
    def _flops(facts: Facts) -> Cost:
        return Cost(run={"macs": facts.sites})  # type: ignore[dict-item]

    with pytest.raises(
        ConfigurationError, match=r"counts 'macs', which is no action; did you mean"
    ):
        count_actions(trace_rotation())


def test_a_damaged_graph_is_one_sentence() -> None:
    graph = trace_model(nn.Conv2d(3, 4, 3), (1, 3, 5, 5))
    (op,) = graph.ops
    damaged = dataclasses.replace(op, attributes={**op.attributes, "stride": ("two",)})
    with pytest.raises(ConfigurationError, match=r"rule of aten\.convolution fails on op 0"):
        count_actions(dataclasses.replace(graph, ops=(damaged,)))


def test_counts_know_their_model_condition_and_convention() -> None:
    graph = trace_model(
        Calling(lambda m, x, lam: x * lam), (2, 4), condition={"lam": 0.5}, name="mine"
    )
    counts = count_actions(graph, "dense")
    assert (counts.model, counts.condition, counts.convention.name) == (
        "mine",
        {"lam": 0.5},
        "dense",
    )
    assert all(isinstance(item.number, int) for item in counts)


def test_empty_counts_do_not_appear() -> None:
    counts = count_actions(trace_model(nn.Flatten(), (2, 3, 4)))
    assert counts.items == ()
    assert counts.total() == 0


def trace_paths() -> list[Graph]:
    """Two paths under two masks, with a norm of its own for each and an amplitude for one."""

    def forward(m: Any, x: Tensor, lam: Tensor) -> Any:
        weight = m.w * (m.second if lam > 0 else m.first)
        norm = m.adversarial if lam > 0 else m.clean
        return norm(functional.linear(x, weight)) * (1 + lam * m.alpha if lam > 0 else 1)

    model = Calling(
        forward,
        w=nn.Parameter(torch.randn(4, 4)),
        alpha=nn.Parameter(torch.tensor(0.5)),
        first=ones_and_zeros(4, 4, seed=1),
        second=ones_and_zeros(4, 4, seed=2).bool(),
        clean=nn.BatchNorm1d(4),
        adversarial=nn.BatchNorm1d(4),
    )
    return [trace_model(model, (2, 4), condition={"lam": lam}) for lam in (0.0, 1.0)]


def test_a_device_stores_the_union_of_its_paths() -> None:
    clean, adversarial = trace_paths()
    first, second = (ones_and_zeros(4, 4, seed=seed) for seed in (1, 2))
    union = int(((first + second) > 0).sum())
    both = count_parameters([clean, adversarial], "exact")
    assert both.total == 16 + 1 + 8 + 8
    assert both.active == int(first.sum()) + 8
    assert both.stored == union + 1 + 8 + 8
    assert count_parameters([adversarial, clean], "exact").active == int(second.sum()) + 1 + 8
    assert count_parameters([clean, adversarial], "paper").stored == union + 16


def test_one_path_alone_stores_what_it_reads() -> None:
    for graph in trace_paths():
        counted = count_parameters([graph], "exact")
        assert counted.stored == counted.active


def test_the_order_of_the_paths_does_not_change_what_is_stored() -> None:
    clean, adversarial = trace_paths()
    assert (
        count_parameters([clean, adversarial], "exact").stored
        == count_parameters([adversarial, clean, clean], "exact").stored
    )
