"""Every renderer of text: at 80 columns no line runs over, at 200 nothing is shortened."""

import dataclasses
from collections.abc import Callable
from functools import cache, partial

import pytest

from smartsim.cost import estimate_energy, list_tables, load_table
from smartsim.counts import count_actions, get_convention
from smartsim.graph import Graph
from smartsim.report.accuracy.results import Measured
from smartsim.report.energy.columns import render_columns
from smartsim.report.energy.report import build_energy_report
from smartsim.report.energy.text import render_energy, render_table, render_table_list
from smartsim.report.methods import MethodTraces
from smartsim.report.published import load_published
from smartsim.report.simulate.switch import build_switch_report
from smartsim.report.simulate.switch_view import render_switch
from smartsim.report.simulate.text import render_accelerator, render_comparison, render_run
from smartsim.report.style.sections import render_sections
from smartsim.report.summary.listing import render_counts, render_graph
from smartsim.report.table2.build import build_table2
from smartsim.report.table2.energy_rows import add_energy_rows
from smartsim.report.table2.measured_rows import add_measured_rows
from smartsim.report.table2.render import render_terminal
from smartsim.simulate import list_accelerators, load_accelerator, simulate_network
from tests.unit.report.helpers import trace_small

LAYER = "encoder.stages.2.blocks.11.attention.projection.convolution_of_the_second_branch"
LABEL = "my_company.models.robust:build_a_conditional_network"
TABLE = load_table("horowitz2014_45nm+shiftaddnet2020_asic_45nm+han2015_45nm")


@cache
def graph() -> Graph:
    """SMART on ResNet-8, its second layer with a name of 80 letters."""
    whole = trace_small()[3].paths[1.0]
    named = [
        dataclasses.replace(op, module=LAYER) if op.module == "layer1.0.conv1" else op
        for op in whole.ops
    ]
    return dataclasses.replace(whole, ops=tuple(named))


def traces(*labels: str) -> list[MethodTraces]:
    first = trace_small()[0]
    return [*trace_small(), *(dataclasses.replace(first, label=label) for label in labels)]


def table2(*labels: str) -> str:
    paper = get_convention("paper")
    published = load_published("smart2023_table2")
    table = build_table2(traces(*labels), setting="resnet8", convention=paper, published=published)
    measured = Measured(
        method="SMART",
        lam=1.0,
        attack="clean",
        accuracy=71.9,
        images=1000,
        standard_error=1.4,
        setting="resnet10 of width 0.25, cifar10, 6 epochs",
    )
    table = add_measured_rows(table, [measured])
    return render_terminal(
        add_energy_rows(table, traces(*labels), TABLE, ["int8", "shift8"], convention=paper)
    )


def energy_sections() -> str:
    _, sections = build_energy_report(
        traces(LABEL), [TABLE], convention=get_convention("paper"), setting="resnet8"
    )
    return render_sections(sections, markdown=False)


def comparison() -> str:
    machine = load_accelerator("edge_npu")
    run = simulate_network(graph(), machine, table=TABLE)
    return render_comparison({LABEL: [run], "SMART": [run]})


def switches() -> str:
    machine = load_accelerator("edge_npu")
    return render_switch(build_switch_report(traces(LABEL), machine, TABLE))


def energies() -> str:
    counts = count_actions(graph(), "exact")
    formats = ("int8", "int4", "shift8", "fp16", "fp32", "int16", "int32")
    return render_columns([estimate_energy(counts, TABLE, name) for name in formats])


def energy() -> str:
    counts = count_actions(graph(), "exact")
    beside = estimate_energy(counts, TABLE, "int8")
    return render_energy(estimate_energy(counts, TABLE, "shift8"), beside=[beside])


def _table(name: str) -> str:
    return render_table(load_table(name))


def _accelerator(name: str) -> str:
    return render_accelerator(load_accelerator(name))


RENDERERS: dict[str, tuple[Callable[[], str], tuple[str, ...]]] = {
    "table2": (table2, ()),
    "table2 --add": (lambda: table2(LABEL), (LABEL,)),
    "table2 with three more": (lambda: table2(LABEL, "tiny", "another_of_mine"), (LABEL,)),
    "energy": (energy, (LAYER,)),
    "energy in seven formats": (energies, (LAYER,)),
    "energy-vs-bits": (energy_sections, (LABEL,)),
    "counts": (lambda: render_counts(count_actions(graph(), "exact")), (LAYER,)),
    "graph": (lambda: render_graph(graph()), (LAYER,)),
    "simulate": (
        lambda: render_run(simulate_network(graph(), load_accelerator("edge_npu"), table=TABLE)),
        (LAYER,),
    ),
    "simulate, compared": (comparison, (LABEL,)),
    "switch": (switches, (LABEL,)),
    "tables": (render_table_list, tuple(list_tables())),
    **{f"tables {n}": (partial(_table, n), ()) for n in list_tables()},
    **{f"accelerators {n}": (partial(_accelerator, n), ()) for n in list_accelerators()},
}


@pytest.mark.parametrize("name", RENDERERS)
def test_at_80_columns_no_line_runs_over(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    long = [line for line in RENDERERS[name][0]().splitlines() if len(line) > 80]
    assert not long


@pytest.mark.parametrize("name", RENDERERS)
def test_at_200_columns_nothing_is_shortened(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    render, names = RENDERERS[name]
    text = render()
    assert max(map(len, text.splitlines())) <= 200
    assert "..." not in text
    assert all(one in text for one in names)


def test_the_columns_that_the_terminal_has_no_room_for_stand_below(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = table2(LABEL, "tiny", "another_of_mine")
    assert text.count("lam = 1 (adversarial)") == 3  # two blocks, and another network's
    folded = "".join(text.split())
    assert "tiny" in folded
    rows = [line for line in text.splitlines() if line.startswith("  parameters, active")]
    assert len(rows) == 4  # two lam, two blocks
