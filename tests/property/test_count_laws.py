"""Laws of counts, over drawn networks: conditional, noisy, masked, branched, in place."""

import copy
import json
from collections.abc import Iterator

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from smartsim.counts import CONVENTIONS, Convention, Counts, count_actions, count_parameters
from smartsim.graph import Graph, Stage
from smartsim.testing import oracle_convention
from smartsim.testing.networks.layers import Contraction, Masked
from smartsim.testing.strategies import NetworkCase, networks
from smartsim.trace import trace_model

AFTER_DEPLOYMENT: tuple[Stage, ...] = ("switch", "noise", "input")
KEYS = ("layer", "op", "stage", "action")

conventions = st.sampled_from([*CONVENTIONS.values(), oracle_convention(skip_zeros=True)])


def trace_case(case: NetworkCase) -> Graph:
    return trace_model(case.model, case.inputs, condition=case.condition)


def assert_nowhere_more(fewer: Counts, more: Counts, *keys: str) -> None:
    """No group of `fewer` exceeds the same group of `more`."""
    limits = more.group(*keys)
    for place, number in fewer.group(*keys).items():
        assert number <= limits.get(place, 0), place


def list_masks(model: nn.Module) -> Iterator[tuple[Tensor, bool]]:
    """The masks of weights and of activations, and whether zeros are kept in place of ones."""
    for module in model.modules():
        if isinstance(module, Contraction | Masked) and module.mask is not None:
            yield module.mask, isinstance(module, Masked) and module.kind == "complement"


def is_structure(mask: Tensor) -> bool:
    """Whether a tensor is seen as a mask: a boolean, or one that holds both zeros and ones."""
    return mask.dtype == torch.bool or len(set(mask.flatten().tolist())) == 2


@given(networks(), st.integers(0, 2**32))
@settings(max_examples=30)
def test_counts_never_rise_when_masks_keep_less(case: NetworkCase, seed: int) -> None:
    before = [count_actions(trace_case(case), oracle_convention(skip_zeros=True))]
    sparser = copy.deepcopy(case.model)
    generator = torch.Generator().manual_seed(seed)
    changed = False
    for mask, is_complement in list_masks(sparser):
        drawn = torch.rand(mask.shape, generator=generator) < 0.5
        kept = ((mask != 0) | drawn if is_complement else (mask != 0) & drawn).to(mask.dtype)
        if is_structure(mask) and is_structure(kept):
            mask.copy_(kept)
            changed = True
    graph = trace_model(sparser, case.inputs, condition=case.condition)
    after = count_actions(graph, oracle_convention(skip_zeros=True))
    assert_nowhere_more(after, before[0], *KEYS)
    assert changed or after == before[0]
    active = [count_parameters([g], "exact").active for g in (graph, trace_case(case))]
    assert active[0] <= active[1]


@given(networks(), conventions)
@settings(max_examples=25)
def test_counts_add_up_over_layers_stages_and_actions(
    case: NetworkCase, convention: Convention
) -> None:
    counts = count_actions(trace_case(case), convention)
    assert counts.total() == sum(counts.total(layer=layer) for layer in counts.layers)
    for keys in (("stage",), ("action",), ("op", "conditional"), KEYS):
        assert sum(counts.group(*keys).values()) == counts.total()
    assert all(type(item.number) is int and item.number > 0 for item in counts)


@given(networks())
@settings(max_examples=25)
def test_a_chain_counts_densely_as_its_layers_one_by_one(case: NetworkCase) -> None:
    dense = oracle_convention(skip_zeros=False, count_padding=True)
    whole = count_actions(trace_case(case), dense)
    (data,) = case.inputs
    lam = torch.tensor(case.condition["lam"])
    parts: dict[tuple[str, str], int | float] = {}
    for layer in case.model.layers:  # type: ignore[union-attr]
        counts = count_actions(trace_model(layer, data, condition=case.condition), dense)
        for (stage, action), number in counts.group("stage", "action").items():
            parts[stage, action] = parts.get((stage, action), 0) + number
        with torch.no_grad():
            data = copy.deepcopy(layer)(data, lam)
    found = whole.group("stage", "action")
    # at stage input; what a layer alone reads may come from data that the chain made of lam alone
    for action in {action for _, action in (*found, *parts)}:
        assert found.get(("input", action), 0) == parts.get(("input", action), 0)


@given(networks(), st.integers(2, 4), conventions)
@settings(max_examples=25)
def test_counts_scale_with_the_batch_at_stage_input_alone(
    case: NetworkCase, times: int, convention: Convention
) -> None:
    once = count_actions(trace_case(case), convention)
    larger = [torch.cat([data] * times) for data in case.inputs]
    graph = trace_model(case.model, larger, condition=case.condition)
    more = count_actions(graph, convention).group(*KEYS)
    expected = {
        place: number * (times if place[2] == "input" else 1)
        for place, number in once.group(*KEYS).items()
    }
    assert more == expected


@st.composite
def plain_networks(draw: st.DrawFn) -> nn.Sequential:
    """Networks that know nothing of any condition."""
    channels, layers = 3, []
    for _ in range(draw(st.integers(1, 5))):
        width = draw(st.integers(1, 4))
        conv = nn.Conv2d(channels, width, draw(st.sampled_from([1, 3])), padding=1)
        layers += [
            draw(
                st.sampled_from(
                    [
                        conv,
                        nn.Sequential(conv, nn.BatchNorm2d(width)),
                        nn.Sequential(conv, nn.SiLU()),
                    ]
                )
            ),
            draw(st.sampled_from([nn.ReLU(), nn.MaxPool2d(2, 1), nn.Dropout(), nn.GELU()])),
        ]
        channels = width
    return nn.Sequential(*layers, nn.Flatten(), nn.LazyLinear(2))


@given(plain_networks(), conventions)
@settings(max_examples=20)
def test_a_model_that_adds_nothing_conditional_has_nothing_at_switch_or_noise(
    model: nn.Sequential, convention: Convention
) -> None:
    model.eval()(torch.zeros(1, 3, 8, 8))
    counts = count_actions(trace_model(model, (2, 3, 8, 8)), convention)
    assert counts.total(stages=("switch", "noise")) == 0
    assert counts.total(conditional=True) == 0
    assert counts.total(stages=("input",)) > 0


def fold(convention: Convention, folds: bool) -> Convention:
    return Convention.from_dict(
        {**convention.to_dict(), "fold_batch_norm": folds, "noise_on_every_parameter": False}
    )


@given(networks(), conventions)
@settings(max_examples=30)
def test_folding_never_adds_work_after_deployment(
    case: NetworkCase, convention: Convention
) -> None:
    graph = trace_case(case)
    folded = count_actions(graph, fold(convention, True))
    unfolded = count_actions(graph, fold(convention, False))
    for stage in AFTER_DEPLOYMENT:
        for action in {item.action for item in folded}:
            after = [c.total(action, stages=(stage,)) for c in (folded, unfolded)]
            assert after[0] <= after[1], (stage, action)


@given(networks())
@settings(max_examples=25)
def test_skipping_zeros_and_padding_never_adds_work(case: NetworkCase) -> None:
    graph = trace_case(case)
    dense = count_actions(graph, oracle_convention(skip_zeros=False, count_padding=True))
    for skip_zeros, count_padding in ((True, True), (True, False), (False, False)):
        choice = oracle_convention(skip_zeros=skip_zeros, count_padding=count_padding)
        assert_nowhere_more(count_actions(graph, choice), dense, *KEYS)


@given(networks(), conventions)
@settings(max_examples=25)
def test_graphs_and_counts_come_back_from_json(case: NetworkCase, convention: Convention) -> None:
    graph = trace_case(case)
    again = Graph.from_dict(json.loads(json.dumps(graph.to_dict(), allow_nan=False)))
    assert again == graph
    counts = count_actions(graph, convention)
    assert count_actions(again, convention) == counts
    assert Counts.from_dict(json.loads(json.dumps(counts.to_dict(), allow_nan=False))) == counts


@given(networks())
@settings(max_examples=20)
def test_tracing_a_drawn_network_twice_gives_one_graph_and_changes_nothing(
    case: NetworkCase,
) -> None:
    before = copy.deepcopy(case.model.state_dict())
    assert trace_case(case) == trace_case(case)
    for name, tensor in case.model.state_dict().items():
        assert torch.equal(tensor, before[name])
