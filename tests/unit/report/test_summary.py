"""The front door: one call from a model to a table whose rows add up."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import smartsim
from smartsim.errors import ConfigurationError, FileFormatError
from smartsim.report.summary.compare import Comparison, compare
from smartsim.report.summary.layers import LayerRow, fold_layers, sum_layers
from smartsim.report.summary.limits import parse_limit
from smartsim.report.summary.text import render_comparison, render_summary, tree_rows

SHAPE = (1, 3, 32, 32)


class Shared(nn.Module):
    """A module that is called twice, ops outside of modules, and a parameter of the model's own."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Linear(8, 8), nn.ReLU())
        self.scale = nn.Parameter(torch.ones(8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.block(self.block(x)) * self.scale + x
        return out


def make_bert() -> Any:
    from transformers import BertConfig, BertModel

    config = BertConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
    )
    return BertModel(config)


def summaries() -> list[Any]:
    made = [
        smartsim.summary(
            f"{method}:resnet8", SHAPE, condition={"lam": 1.0}, format="int8", verbose=False
        )
        for method in ("pgdat", "oat", "float", "smart")
    ]
    made.append(smartsim.summary(Shared(), (2, 8), verbose=False))
    ids = torch.zeros(1, 7, dtype=torch.int64)
    made.append(smartsim.summary(make_bert(), {"input_ids": ids}, verbose=False))
    return made


SUMMARIES = summaries()
SMART = SUMMARIES[3]


@pytest.mark.parametrize("made", SUMMARIES, ids=lambda s: s.graph.model)
@pytest.mark.parametrize("depth", [None, 0, 1, 2])
def test_rows_add_up_to_the_counts_at_any_depth(made: Any, depth: int | None) -> None:
    rows = dataclasses.replace(made, depth=depth).rows
    after = ("noise", "input")
    assert sum(row.macs for row in rows) == made.counts.total("mac", stages=after)
    assert sum(row.adds for row in rows) == made.counts.total("add", stages=after)
    assert sum(row.macs + row.adds + row.others for row in rows) == made.counts.total(stages=after)
    assert sum(row.switch for row in rows) == made.counts.total(stages=("switch",))
    assert sum(row.parameters for row in rows) == made.counts.parameters.total
    assert sum(row.active for row in rows) == made.counts.parameters.active
    if made.priced is not None:
        energies = sum(row.energy_pj or 0.0 for row in rows)
        assert energies == pytest.approx(made.priced.per_inference_pj)
    if depth is not None:
        assert max(row.depth for row in rows) <= depth


@pytest.mark.parametrize("made", SUMMARIES, ids=lambda s: s.graph.model)
def test_the_tree_shows_every_row_once(made: Any) -> None:
    shown = [row for _, row in tree_rows(made) if row is not None]
    assert sorted(row.name for row in shown) == sorted(row.name for row in made.rows)


def test_a_parameter_is_the_module_s_that_holds_it_and_a_shared_module_has_one_row() -> None:
    rows = {row.name: row for row in SUMMARIES[4].layers}
    assert rows[""].parameters == 8
    assert rows["block.0"].parameters == 72
    assert rows["block.0"].macs == 2 * 2 * 64
    assert rows["block.0"].output == (2, 8)
    assert (rows[""].adds, rows[""].kind) == (16, "Shared")


@pytest.mark.parametrize(("columns", "is_whole"), [(80, False), (200, True)])
@pytest.mark.parametrize("made", SUMMARIES, ids=lambda s: s.graph.model)
def test_text_fits_the_terminal(
    monkeypatch: pytest.MonkeyPatch, made: Any, columns: int, is_whole: bool
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    whole = dataclasses.replace(
        made, priced=made.energy("int8"), simulated=made.run("edge_npu"), sort="macs", top=20
    )
    for shown in (made, whole):
        text = render_summary(shown)
        assert max(map(len, text.splitlines())) <= columns
        if is_whole:
            assert "..." not in text
            assert "no room" not in text


def test_sorted_and_cut_rows_keep_the_total() -> None:
    cut = dataclasses.replace(SMART, sort="macs", top=3)
    assert [row.name for row in cut.rows][-1].endswith("more)")
    macs = [row.macs for row in cut.rows[:3]]
    assert macs == sorted((row.macs for row in SMART.layers), reverse=True)[:3]
    assert sum_layers(cut.rows).macs == SMART.total.macs


@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from("abc"), max_size=4).map(".".join), st.integers(0, 10**12)
        ),
        max_size=12,
        unique_by=lambda pair: pair[0],
    ),
    st.integers(0, 4),
)
def test_folding_keeps_sums_and_depth(pairs: list[tuple[str, int]], depth: int) -> None:
    rows = [LayerRow(name=name, macs=macs) for name, macs in pairs]
    folded = fold_layers(rows, depth)
    assert sum(row.macs for row in folded) == sum(macs for _, macs in pairs)
    assert all(row.depth <= depth for row in folded)
    assert sum(row.modules for row in folded) == len(rows)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"depth": -1}, "depth is -1"),
        ({"top": 0}, "top is 0"),
        ({"sort": "mac"}, "cannot sort by 'mac'; did you mean 'macs'"),
        ({"sort": "energy"}, "without a format"),
        ({"sort": "cycles"}, "without an accelerator"),
        ({"format": "int99"}, "int99"),
        ({"convention": "exat"}, "did you mean 'exact'"),
        ({"accelerator": "edge"}, "unknown accelerator 'edge'"),
    ],
)
def test_bad_arguments_get_one_sentence(arguments: Any, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        smartsim.summary(nn.Linear(2, 2), (1, 2), verbose=False, **arguments)


def test_a_summary_needs_a_shape_and_a_graph_needs_none() -> None:
    with pytest.raises(ConfigurationError, match="shape of the input is missing"):
        smartsim.summary("pgdat:resnet8")
    again = smartsim.summary(SMART.graph, verbose=False)
    assert again.counts == SMART.counts
    with pytest.raises(ConfigurationError, match="a graph has its inputs"):
        smartsim.summary(SMART.graph, SHAPE)


def test_a_summary_prints_unless_told_not_to(capsys: pytest.CaptureFixture[str]) -> None:
    made = smartsim.summary(nn.Linear(4, 2), (1, 4))
    assert capsys.readouterr().out == render_summary(made) == str(made)
    smartsim.summary(nn.Linear(4, 2), (1, 4), verbose=False)
    assert capsys.readouterr().out == ""


def records() -> list[Any]:
    from smartsim.cost import load_plan
    from smartsim.simulate import Grid

    return [
        SMART,
        SMART.graph,
        SMART.counts,
        SMART.priced,
        SMART.run("edge_npu", table="horowitz2014_45nm+han2015_45nm"),
        compare(SMART.counts, SUMMARIES[0].counts),
        smartsim.load_table("horowitz2014_45nm"),
        smartsim.load_accelerator("edge_npu"),
        smartsim.sweep_designs(SMART.graph, grid=Grid(rows=(8,), cols=(8, 16))),
        load_plan("int8"),
        smartsim.get_convention("exact"),
    ]


@pytest.mark.parametrize("record", records(), ids=lambda record: type(record).__name__)
def test_every_record_comes_back_from_json_and_has_a_short_name(record: Any) -> None:
    assert type(record).from_json(record.to_json()) == record
    assert type(record).from_json(record.to_json(indent=2)) == record
    assert len(repr(record)) < 200
    assert "\n" not in repr(record)
    assert len(record.to_dataframe()) > 0
    html = record._repr_html_()
    assert html.count("<table") == html.count("</table>") == 1
    with pytest.raises(FileFormatError, match="is damaged JSON"):
        type(record).from_json("{")


@pytest.mark.parametrize("record", records()[:6], ids=lambda record: type(record).__name__)
def test_records_with_layers_can_be_drawn(record: Any) -> None:
    figure = record.plot()
    assert figure.axes
    assert all(axis.patches for axis in figure.axes)


def test_a_table_has_no_layers_to_draw() -> None:
    with pytest.raises(ConfigurationError, match="no figure is known for a Table"):
        smartsim.load_table("horowitz2014_45nm").plot()


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: smartsim.count_actions(nn.Linear(2, 2)), "graph must be a Graph, not a Linear"),  # type: ignore[arg-type]
        (lambda: smartsim.estimate_energy(SMART.graph, "horowitz2014_45nm"), "must be a Counts"),
        (lambda: smartsim.estimate_energy(SMART.counts, 3), "table must be a Table, not an int"),  # type: ignore[arg-type]
        (lambda: smartsim.estimate_energy(SMART.counts, "horowitz2014_45nm", 8), "must be a Prec"),  # type: ignore[arg-type]
        (lambda: smartsim.simulate_network(SMART.counts, "edge_npu"), "must be a Graph"),
        (lambda: smartsim.simulate_network(SMART.graph, 3), "must be a Accelerator"),  # type: ignore[arg-type]
        (lambda: smartsim.count_actions(SMART.graph, 3), "convention must be a Convention"),  # type: ignore[arg-type]
        (lambda: compare(SMART, SMART), "a Summary cannot be compared"),
        (lambda: compare(SMART.graph, SMART.counts), "a Graph and a Counts cannot be compared"),
    ],
)
def test_an_argument_of_another_kind_is_named(call: Callable[[], Any], sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        call()


def test_names_and_records_are_taken_alike() -> None:
    table, plan = smartsim.load_table("horowitz2014_45nm"), smartsim.load_plan("int8")
    assert smartsim.estimate_energy(SMART.counts, "horowitz2014_45nm", "int8") == (
        smartsim.estimate_energy(SMART.counts, table, plan)
    )
    accelerator = smartsim.load_accelerator("edge_npu")
    assert smartsim.simulate_network(SMART.graph, "edge_npu") == (
        smartsim.simulate_network(SMART.graph, accelerator)
    )
    convention = smartsim.get_convention("dense")
    assert smartsim.count_actions(SMART.graph, "dense") == (
        smartsim.count_actions(SMART.graph, convention)
    )


@pytest.mark.parametrize("place", [1, 2, 3, 4])
def test_a_record_compared_with_itself_does_not_differ(place: int) -> None:
    record = records()[place]
    same = compare(record, record)
    assert same.changed == ()
    assert all(row.first == row.second for row in same.totals)
    assert "0 numbers differ" in render_comparison(same)


def test_a_comparison_turns_round() -> None:
    one, two = SMART.counts, SUMMARIES[2].counts
    there, back = compare(one, two), compare(two, one)
    assert {(r.layer, r.metric): (r.first, r.second) for r in there.rows} == {
        (r.layer, r.metric): (r.second, r.first) for r in back.rows
    }
    for row in there.totals:
        assert (row.second, row.first) == (
            back.total(row.metric).first,
            back.total(row.metric).second,
        )
    assert there.total("macs").first == one.total("mac", stages=("noise", "input"))
    assert there.total("active").second == two.parameters.active
    assert there.total("switch").first == one.total(stages=("switch",))


def test_different_conventions_and_tables_do_not_compare() -> None:
    dense = smartsim.count_actions(SMART.graph, "dense")
    with pytest.raises(ConfigurationError, match="convention 'exact' and the other 'dense'"):
        compare(SMART.counts, dense)
    other = smartsim.estimate_energy(SMART.counts, "jouppi2021_7nm")
    with pytest.raises(ConfigurationError, match="one has table"):
        compare(SMART.priced, other)


@pytest.mark.parametrize(
    ("text", "change", "holds"),
    [
        ("macs > +2%", 1.021, True),
        ("macs > +2%", 1.02, False),
        ("macs > +2%", 0.5, False),
        ("macs < -5%", 0.94, True),
        ("macs < -5%", 0.95, False),
        ("macs > +100", 1.2, True),
        ("macs > +100", 1.1, False),
        ("macs > 1e3", 1.001, True),
        ("macs > 1000", 1.0, False),
        ("macs<1000", 0.9, True),
    ],
)
def test_limits_hold_as_they_say(text: str, change: float, holds: bool) -> None:
    first = 1000
    made = Comparison.from_dict(
        {
            "format": "smartsim-comparison",
            "version": 1,
            "kind": "counts",
            "names": ["a", "b"],
            "metrics": ["macs"],
            "rows": [],
            "totals": [
                {"layer": "", "metric": "macs", "first": first, "second": round(first * change)}
            ],
        }
    )
    assert parse_limit(text).holds(made) is holds


@pytest.mark.parametrize(
    "text", ["", "macs", "macs > x", "macs > 2%", "> 3", "macs >> 3", "macs = 1"]
)
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is no limit; write for instance"):
        parse_limit(text)


def test_a_limit_on_an_unknown_metric_names_those_that_there_are() -> None:
    made = compare(SMART.counts, SMART.counts)
    with pytest.raises(ConfigurationError, match="did you mean 'macs'"):
        parse_limit("mac > +2%").holds(made)
