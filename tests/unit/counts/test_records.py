"""Counts: sums, groups, combinations, and their way to JSON and to a data frame."""

import copy
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from smartsim.counts import ACTIONS, Counts, count_actions, load_counts, save_counts
from smartsim.errors import ConfigurationError, FileFormatError
from smartsim.trace import trace_model


def count_pair() -> tuple[Counts, Counts]:
    """A small network, and the same with a wider second layer."""
    small = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    wide = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 5), nn.Sigmoid())
    first, second = (count_actions(trace_model(model, (2, 4))) for model in (small, wide))
    return first, second


def test_sums_add_up_however_they_are_grouped() -> None:
    counts, _ = count_pair()
    # 2 rows: 12 and 6 products, and a comparison for each of 3 outputs
    assert counts.macs == counts.total("mac") == 2 * (12 + 6)
    assert counts.adds == 0
    assert counts.total() == sum(item.number for item in counts) == 2 * (12 + 3 + 6)
    for keys in (("layer",), ("stage", "action"), ("layer", "op", "stage", "action")):
        assert sum(counts.group(*keys).values()) == counts.total()
    assert counts.group("layer", "action") == {
        ("0", "mac"): 24,
        ("1", "compare"): 6,
        ("2", "mac"): 12,
    }
    assert counts.layers == ("0", "1", "2")
    assert counts.total(layer="1") == 6
    assert counts.total(conditional=True) == 0


def test_grouping_by_no_field_is_an_error_that_lists_them() -> None:
    with pytest.raises(ConfigurationError, match=r"'layers'; possible: layer, op, stage"):
        count_pair()[0].group("layers")
    with pytest.raises(ConfigurationError):
        count_pair()[0].group("number")


def test_counts_add_and_subtract_layer_by_layer() -> None:
    small, wide = count_pair()
    both, difference = small + wide, wide - small
    assert both.total() == small.total() + wide.total()
    assert both.group("layer", "action")["2", "mac"] == 12 + 30
    assert difference.group("layer", "action") == {
        ("0", "mac"): 0,
        ("1", "compare"): 0,
        ("2", "mac"): 18,
        ("3", "exp"): 10,
        ("3", "add"): 10,
        ("3", "div"): 10,
    }
    assert (small - wide).total("mac") == -18
    assert (small + wide - wide).group("layer") == {**small.group("layer"), ("3",): 0}
    assert both.parameters is None


def test_counts_under_two_conventions_do_not_add() -> None:
    graph = trace_model(nn.Linear(4, 3), (2, 4))
    with pytest.raises(ConfigurationError, match="'exact' and 'dense' cannot be combined"):
        count_actions(graph, "exact") + count_actions(graph, "dense")


def test_a_data_frame_has_a_row_for_each_count() -> None:
    counts, _ = count_pair()
    frame = counts.to_dataframe()
    assert list(frame.columns) == ["layer", "op", "stage", "action", "conditional", "number"]
    assert frame["number"].sum() == counts.total()
    assert frame["number"].dtype == "int64"
    assert set(frame["action"]) <= set(ACTIONS)
    empty = count_actions(trace_model(nn.Flatten(), (2, 4)))
    assert list(empty.to_dataframe().columns) == list(frame.columns)


def test_counts_come_back_from_a_file(tmp_path: Path) -> None:
    for counts in count_pair():
        save_counts(counts, tmp_path / "counts.json")
        assert load_counts(tmp_path / "counts.json") == counts


def _set(data: Any, path: str, value: Any) -> None:
    *parents, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    for key in parents:
        data = data[key]
    data[last] = value


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("format", "smartsim-graph", "not smartsim counts"),
        ("version", 2, "not smartsim counts of version 1"),
        ("items.0.stage", "sometimes", "stage of items.0 cannot be 'sometimes'; it is none"),
        ("items.0.action", "flop", "action of items.0 cannot be 'flop'; it is none of"),
        ("items.0.number", "3", "cannot be '3'; it must be a number"),
        ("items.0.number", True, "cannot be True; it must be a number"),
        ("items.0.number", float("nan"), "is damaged JSON"),
        ("items.0.number", float("inf"), "is damaged JSON"),
        ("items.0.layer", None, "layer of items.0 cannot be None; it must be text"),
        ("items.0.conditional", "no", "cannot be 'no'; it must be true or false"),
        ("items.0", {"layer": "0"}, "damaged smartsim counts"),
        ("items.0", [], "damaged smartsim counts"),
        ("items", 3, "damaged smartsim counts"),
        ("convention", {"name": "x", "flops": True}, "unknown field 'flops' of convention"),
        ("convention", None, "damaged smartsim counts"),
        ("condition", {"lam": "high"}, "damaged smartsim counts"),
        (
            "parameters.active",
            "some",
            "active of parameters cannot be 'some'; it must be a whole number",
        ),
        ("parameters.stored", -1, "stored of parameters cannot be -1"),
        ("parameters", {"total": 3}, "damaged smartsim counts"),
        ("notes", None, "damaged smartsim counts"),
    ],
)
def test_damaged_counts_are_named(tmp_path: Path, path: str, value: Any, reason: str) -> None:
    file = tmp_path / "counts.json"
    data = copy.deepcopy(count_pair()[0].to_dict())
    _set(data, path, value)
    file.write_text(json.dumps(data))
    with pytest.raises(FileFormatError, match=reason) as caught:
        load_counts(file)
    assert str(caught.value).startswith(str(file))


@pytest.mark.parametrize("field", ["model", "items", "convention", "condition", "ignored"])
def test_a_missing_field_is_named(field: str) -> None:
    data = count_pair()[0].to_dict()
    del data[field]
    with pytest.raises(FileFormatError, match=f"no field '{field}'"):
        Counts.from_dict(data)


def test_counts_are_frozen() -> None:
    counts, _ = count_pair()
    with pytest.raises(dataclasses.FrozenInstanceError):
        counts.model = "other"  # type: ignore[misc]
