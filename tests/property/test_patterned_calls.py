"""Every op on operands with patterns of zeros, whose result is needed in part, against scalars.

What a rule answers where nothing is known, networks meet all the time. Here each rule function is
asked about a partial pattern, and the run says which were not.
"""

from collections.abc import Callable
from dataclasses import replace
from fnmatch import fnmatch
from typing import Any

import pytest
from hypothesis import given, settings

from smartsim.testing import assert_counts_agree
from smartsim.testing.networks.patterned import CALLS, draw_call
from smartsim.testing.strategies import NetworkCase, patterned_calls
from smartsim.trace import trace_model
from smartsim.trace.analyse import propagate
from smartsim.trace.record.geometry import Bits
from smartsim.trace.record.tape import Node
from smartsim.trace.semantics.cuts import CUT
from smartsim.trace.semantics.rule import OPAQUE, Rule, dense, nothing_known, read_all
from smartsim.trace.semantics.table import RULES, rule_of

SEEDS = 6
"""Draws of each call, which ask every rule; a hundred times as many found nothing more."""

UNASKED = {
    "_scaled_dot_product_* _safe_softmax": "the executor takes attention apart",
    "_pack_padded_sequence": "its lengths say what it moves",
    "relu6 selu deg2rad prelu nan_to_num square add_scalar take_along_dim log_sigmoid_forward "
    "native_dropout": "torch makes other ops of these before a trace",
    "alias_copy lift_fresh_copy _unsafe_view view_copy _reshape_copy": "of exported programs alone",
    "empty* new_* scalar_tensor ones zeros zero rand randn": "read nothing that has a pattern",
}


ELSEWHERE = {
    ("live", "attention._fused_live"),  # tests/unit/trace/test_attention.py
    ("zeros", "attention.<lambda>"),
    ("zeros", "layout._zeros_reshape"),  # tests/unit/trace/test_exported.py
    ("reads", "layout._read_reshape"),
    ("zeros", "creation._zeros_fill"),  # these read nothing that has a pattern
    ("zeros", "creation._zeros_made"),
}


def _is_partial(bits: Bits | None) -> bool:
    return bits is not None and bool(bits.any()) and not bool(bits.all())


def _place_of(function: Any) -> str:
    return f"{function.__module__.rpartition('.')[2]}.{function.__qualname__}"


class Asked:
    """Which functions were asked about a pattern, and of which ops."""

    def __init__(self) -> None:
        self.functions: set[tuple[str, str]] = set()
        self.ops: set[str] = set()

    def watch(self, rule_of: Callable[[Node], Rule]) -> Callable[[Node], Rule]:
        """The same rules, which say when they are asked."""

        def watched(node: Node) -> Rule:
            rule = rule_of(node)
            return rule if rule is OPAQUE else self._watch(rule)

        return watched

    def _watch(self, rule: Rule) -> Rule:
        def zeros(node: Node) -> Bits | None:
            self._note(node, "zeros", rule.zeros, None)
            return rule.zeros(node)

        def reads(node: Node, out: Bits | None) -> Any:
            self._note(node, "reads", rule.reads, out)
            return rule.reads(node, out)

        def live(node: Node, out: Bits | None) -> Any:
            self._note(node, "live", rule.live, out)
            return rule.live(node, out)

        return replace(rule, zeros=zeros, reads=reads, live=live)

    def _note(self, node: Node, kind: str, function: Any, out: Bits | None) -> None:
        if _is_partial(out) or any(_is_partial(operand.bits) for operand in node.inputs):
            self.functions.add((kind, _place_of(function)))
            self.ops.add(node.name)


@pytest.mark.parametrize("name", CALLS)
def test_counts_of_a_call_are_what_scalars_execute(name: str) -> None:
    for call in CALLS[name]:
        for seed in range(SEEDS):
            model, inputs = draw_call(call, seed)
            try:
                assert_counts_agree(model, *inputs)
            except AssertionError as error:
                raise AssertionError(f"seed {seed}: {model}\n{error}") from error


def test_every_rule_is_asked_about_a_pattern(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked()
    monkeypatch.setattr(propagate, "rule_of", asked.watch(rule_of))
    for calls in CALLS.values():
        for call in calls:
            for seed in range(SEEDS):
                model, inputs = draw_call(call, seed)
                trace_model(model, inputs)
    rules = [*RULES.values(), CUT]
    functions = {
        (kind, _place_of(getattr(rule, kind)))
        for rule in rules
        for kind in ("zeros", "reads", "live")
        if getattr(rule, kind) not in (dense, read_all, nothing_known)
    }
    excused = [f"aten.{pattern}" for patterns in UNASKED for pattern in patterns.split()]
    ops = {name for name in RULES if not any(fnmatch(name, pattern) for pattern in excused)}
    assert functions <= asked.functions | ELSEWHERE, functions - asked.functions
    assert ops <= asked.ops, f"never met with a partial pattern: {sorted(ops - asked.ops)}"


@settings(max_examples=60)
@given(patterned_calls())
def test_drawn_calls_agree_too(case: NetworkCase) -> None:
    assert_counts_agree(case.model, *case.inputs, condition=case.condition)
