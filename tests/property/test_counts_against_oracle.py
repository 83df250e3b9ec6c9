"""Every action of every layer and stage that is counted is one that scalars execute, and no other.

The oracle shares no rule with the trace or with the counts. A failing example is printed with a
table of the numbers that differ.
"""

from hypothesis import given, settings

from smartsim.testing import assert_counts_agree
from smartsim.testing.strategies import NetworkCase, networks


@settings(max_examples=150)
@given(networks())
def test_counts_of_drawn_networks_are_what_scalars_execute(case: NetworkCase) -> None:
    assert_counts_agree(case.model, *case.inputs, condition=case.condition)


@settings(max_examples=20)
@given(networks(max_layers=8, max_products=6000))
def test_counts_of_longer_networks_are_what_scalars_execute(case: NetworkCase) -> None:
    assert_counts_agree(case.model, *case.inputs, condition=case.condition)
