"""Graphs and counts as tables for a terminal."""

import re

import torch
from torch import nn

from smartsim.counts import count_actions
from smartsim.report.summary.listing import render_counts, render_graph
from smartsim.trace import trace_model
from tests.unit.report.helpers import trace_small
from tests.unit.trace.helpers import Calling, trace_function

SMART = trace_small()[3].paths[1.0]


def read_rows(text: str) -> list[list[str]]:
    """Cells of every line between the two rules or after them that has seven of them."""
    rows = [re.split(r"  +", line) for line in text.splitlines()]
    return [row for row in rows if len(row) == 7 and not set(row[0]) <= {"-"}]


def test_columns_of_counts_add_up_to_their_totals() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10))
    graph = trace_model(model, (2, 3, 8, 8))
    text = render_counts(count_actions(graph))
    assert read_rows(text) == [
        ["layer", "stage", "MACs", "ADDs", "muls", "compares", "other"],
        ["0", "input", "7,776", "-", "-", "-", "-"],
        ["1", "input", "-", "-", "-", "288", "-"],
        ["3", "input", "2,880", "-", "-", "-", "-"],
        ["total", "input", "10,656", "-", "-", "288", "-"],
    ]


def test_stages_come_in_their_order_and_deployment_only_when_asked_for() -> None:
    counts = count_actions(SMART)
    usual, everything = render_counts(counts), render_counts(counts, everything=True)
    totals = [row[1] for row in read_rows(everything) if row[0] == "total"]
    assert totals == ["deploy", "switch", "noise", "input"]
    assert "deploy" not in usual
    stages = [row[1] for row in read_rows(everything) if row[0] == "conv1"]
    assert stages == ["deploy", "switch", "noise", "input"]


def test_tables_are_80_columns_wide() -> None:
    for text in (
        render_graph(SMART),
        render_counts(count_actions(SMART)),
        render_counts(count_actions(SMART), everything=True),
    ):
        assert max(map(len, text.splitlines())) <= 80


def test_large_numbers_are_shortened() -> None:
    with torch.device("meta"):
        model = nn.Linear(20_000, 30_000, bias=False)
    text = render_counts(count_actions(trace_model(model, (1000, 20_000))))
    assert read_rows(text)[-1][2] == "600.00G"
    assert "(model)" in text


def test_what_was_left_out_and_noted_stands_below() -> None:
    graph = trace_function(lambda _, x, lam: (x * float(lam)).exp(), condition={"lam": 0.5})
    text = render_counts(count_actions(graph, ignore=["aten.exp"]))
    assert "left out: aten.exp" in text
    assert "note: the condition is read as a Python number" in text
    assert text.startswith("Calling at lam = 0.5\nconvention exact\n")
    assert "note: the condition" in render_graph(graph)


def test_a_graph_shows_what_is_left_of_each_op() -> None:
    mask = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    model = Calling(
        lambda m, x: torch.nn.functional.linear(x, (m.w + m.w.exp()) * m.mask).relu()[:1],
        w=nn.Parameter(torch.ones(2, 2)),
        mask=mask,
    )
    lines = render_graph(trace_model(model, (3, 2))).splitlines()
    left = {line.split()[1]: line.split()[4:] for line in lines[3:-1]}
    assert left == {
        "exp": ["part"],
        "add": ["part"],
        "mul": ["75.0%"],
        "mm": ["75.0%"],
        "relu": ["part"],
    }
    assert lines[-1] == "5 ops"


def test_an_empty_network_has_an_empty_table() -> None:
    graph = trace_model(nn.Flatten(), (2, 3, 4))
    assert "0 ops" in render_graph(graph)
    assert "parameters: 0 active of 0" in render_counts(count_actions(graph))
