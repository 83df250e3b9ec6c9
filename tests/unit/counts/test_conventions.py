"""Conventions: what ships, what a user may write, and what each choice changes."""

import dataclasses
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from smartsim.counts import CONVENTIONS, Convention, count_actions, get_convention
from smartsim.errors import ConfigurationError
from smartsim.graph import Graph
from smartsim.trace import trace_model
from tests.unit.trace.helpers import Calling, ones_and_zeros


def trace_noisy(*, lam: float = 1.0) -> Graph:
    """A masked, noisy convolution with padding, then a batch norm and FiLM."""

    def forward(m: Any, x: torch.Tensor, lam: torch.Tensor) -> Any:
        noise = m.alpha * lam * torch.randn_like(m.weight)
        y = functional.conv2d(x, (m.weight + noise) * m.mask, padding=1)
        return m.norm(y) * (lam * m.gain) + m.offset * lam

    model = Calling(
        forward,
        weight=nn.Parameter(torch.randn(3, 2, 3, 3)),
        mask=ones_and_zeros(3, 2, 3, 3),
        alpha=nn.Parameter(torch.tensor(0.25)),
        gain=nn.Parameter(torch.randn(3, 1, 1)),
        offset=nn.Parameter(torch.randn(3, 1, 1)),
        norm=nn.BatchNorm2d(3),
    )
    return trace_model(model, (1, 2, 4, 4), condition={"lam": lam})


ONES = int(ones_and_zeros(3, 2, 3, 3).sum())


def change(**choices: Any) -> Convention:
    return dataclasses.replace(CONVENTIONS["exact"], name="changed", **choices)


def test_three_conventions_ship_and_print_what_they_are() -> None:
    assert list(CONVENTIONS) == ["paper", "dense", "exact"]
    assert all(convention.description for convention in CONVENTIONS.values())
    assert get_convention("paper") is CONVENTIONS["paper"]


def test_an_unknown_convention_suggests_a_near_one() -> None:
    with pytest.raises(ConfigurationError, match=r"'exat'; did you mean 'exact'\?"):
        get_convention("exat")
    with pytest.raises(ConfigurationError, match="possible: dense, exact, paper"):
        get_convention("fvcore")


def test_conventions_come_back_from_plain_values() -> None:
    for convention in CONVENTIONS.values():
        assert Convention.from_dict(convention.to_dict()) == convention
    mine = Convention.from_dict({"name": "mine", "count_padding": True})
    assert (mine.count_padding, mine.skip_zeros) == (True, True)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"name": "mine", "count_paddings": True}, r"no 'count_paddings'; did you mean"),
        ({"name": "mine", "colour": 1}, "no 'colour'; possible: accumulator"),
        ({"name": "mine", "count_padding": 1}, "count_padding is 1; it must be a bool"),
        ({"name": "mine", "skip_zeros": "yes"}, "skip_zeros is 'yes'; it must be a bool"),
        ({"name": 3}, "name is 3; it must be a str"),
        ({}, "needs a name"),
        ({"name": "mine", "accumulator": "wide"}, "accumulator is 'wide'; possible"),
    ],
)
def test_a_wrong_choice_is_named(data: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        Convention.from_dict(data)


def test_padding_counts_where_the_convention_says_so() -> None:
    graph = trace_model(nn.Conv2d(2, 3, 3, padding=1, bias=False), (1, 2, 4, 4))
    # 4 x 4 outputs times 9 taps, of which (3 * 4 - 2)^2 = 100 of 144 pairs lie inside
    assert count_actions(graph, change(count_padding=True)).macs == 144 * 6
    assert count_actions(graph, "exact").macs == 100 * 6


def test_zeros_are_skipped_where_the_convention_says_so() -> None:
    graph = trace_noisy()
    assert count_actions(graph, change(count_padding=True)).macs == 16 * ONES
    assert count_actions(graph, "dense").macs == 16 * 54


def test_scaling_noise_counts_unless_it_is_stored_scaled() -> None:
    graph = trace_noisy()
    assert count_actions(graph).total("mul", stages=("noise",)) == ONES
    stored = count_actions(graph, change(count_noise_scaling=False))
    assert stored.total("mul", stages=("noise",)) == 0
    assert stored.total("noise") == ONES


def test_every_active_parameter_gets_an_addition_where_the_paper_counts_so() -> None:
    graph = trace_noisy()
    counts = count_actions(graph, change(noise_on_every_parameter=True))
    assert counts.parameters is not None
    # active: the nonzero weights, alpha, gains and offsets of the norm and of FiLM
    assert counts.parameters.active == ONES + 1 + 4 * 3
    assert counts.total("add", stages=("noise",)) == counts.parameters.active
    assert "(parameters that get no noise)" in counts.layers


def test_noise_that_is_added_more_often_than_there_are_parameters_is_left_as_it_is() -> None:
    def forward(m: Any, x: torch.Tensor) -> Any:
        noisy = m.weight + torch.randn_like(m.weight) + torch.randn_like(m.weight)
        return functional.linear(x, noisy)

    model = Calling(forward, weight=nn.Parameter(torch.randn(3, 4)))
    counts = count_actions(trace_model(model, (1, 4)), change(noise_on_every_parameter=True))
    assert counts.total("add", stages=("noise",)) == 24
    assert all(item.number > 0 for item in counts)


def test_without_noise_no_parameter_gets_an_addition() -> None:
    counts = count_actions(trace_noisy(lam=0.0), change(noise_on_every_parameter=True))
    assert counts.total(stages=("noise",)) == 0


def test_scalar_parameters_count_where_the_convention_says_so() -> None:
    graph = trace_noisy()
    with_scalars = count_actions(graph).parameters
    without = count_actions(graph, change(count_scalar_parameters=False)).parameters
    assert with_scalars is not None
    assert without is not None
    assert with_scalars.total - without.total == 1


def test_film_is_one_mac_an_element_where_multiply_and_add_are_fused() -> None:
    graph = trace_noisy()
    fused = count_actions(graph, change(fuse_multiply_add=True))
    assert fused.total("mac", stages=("input",), conditional=True) == 48
    plain = count_actions(graph)
    assert plain.total("mul", stages=("input",)) == plain.total("add", stages=("input",)) == 48


def test_measured_densities_are_asked_for_where_activation_zeros_are_skipped() -> None:
    with pytest.raises(ConfigurationError, match="holds no measured densities"):
        count_actions(trace_noisy(), change(skip_activation_zeros=True))


def test_a_measured_density_makes_expected_counts() -> None:
    graph = trace_model(nn.Linear(4, 3), (2, 4))
    op = dataclasses.replace(graph.ops[0], input_density=0.25)
    measured = dataclasses.replace(graph, ops=(op,))
    skipped = count_actions(measured, change(skip_activation_zeros=True))
    assert skipped.macs == 0.25 * 24
    assert isinstance(skipped.macs, float)
    assert count_actions(measured).macs == 24
