"""Whose work a hook does."""

from typing import Any

import pytest
from torch import nn

from smartsim.errors import InvalidModelError
from smartsim.trace import trace_model


def test_what_a_hook_does_is_work_of_the_module_that_it_is_on() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.ReLU())
    model[0].register_forward_hook(lambda _module, _inputs, output: output * 2)
    model[0].register_forward_pre_hook(lambda _module, inputs: (inputs[0] * 3,))
    model.register_forward_hook(lambda _module, _inputs, output: output.exp())

    def hooks() -> Any:
        kinds = ("_forward_hooks", "_forward_hooks_always_called", "_forward_pre_hooks")
        return [dict(getattr(m, kind)) for m in model.modules() for kind in kinds]

    before = hooks()
    graph = trace_model(model, (1, 3, 2, 2))
    assert [(op.name.removeprefix("aten."), op.module) for op in graph.ops] == [
        ("mul", "0"),
        ("convolution", "0"),
        ("mul", "0"),
        ("relu", "1"),
        ("exp", ""),
    ]
    assert hooks() == before


def test_a_hook_that_raises_is_named_and_leaves_no_hook() -> None:
    model = nn.Sequential(nn.ReLU())

    def refuse(*_: object) -> None:
        raise ValueError("no")

    model[0].register_forward_hook(refuse)
    with pytest.raises(InvalidModelError, match="ValueError in module '0': no"):
        trace_model(model, (1, 3))
    assert len(model[0]._forward_hooks) == 1
    assert not model[0]._forward_hooks_always_called
