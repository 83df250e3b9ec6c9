"""Figures that scalesim 3.0.0 printed, reproduced in its convention and explained in ours."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from smartsim.simulate.array.scalesim import compare_scalesim, predict_scalesim
from smartsim.simulate.array.systolic import DATAFLOWS, Dataflow, run_dense_array

Numbers = NDArray[np.int64]
Layers = tuple[Numbers, Numbers, Numbers, Numbers, Numbers]
DATA = Path(__file__).parent / "data" / "scalesim_resnet34.csv"


def column(dataflow: Dataflow, name: str) -> Numbers:
    with DATA.open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["dataflow"] == dataflow]
    return np.array([int(row[name]) for row in rows])


def layers(dataflow: Dataflow, where: Any = slice(None)) -> Layers:
    pixels, window, filters, side = (
        column(dataflow, name)[where] for name in ("M_px", "K_win", "N_filt", "array")
    )
    return pixels, window, filters, side, side


def test_the_file_holds_72_rows() -> None:
    assert [len(column(dataflow, "array")) for dataflow in DATAFLOWS] == [24, 24, 24]


@pytest.mark.parametrize("dataflow", DATAFLOWS)
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("cycles", "total_cycles"),
        ("input_reads", "sram_if_reads"),
        ("weight_reads", "sram_fil_reads"),
        ("output_writes", "sram_of_writes"),
    ],
)
def test_the_compatibility_convention_prints_what_scalesim_printed(
    dataflow: Dataflow, ours: str, theirs: str
) -> None:
    predicted = getattr(predict_scalesim(*layers(dataflow), dataflow), ours)
    assert predicted.tolist() == column(dataflow, theirs).tolist()


@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_three_named_terms_explain_every_cycle_of_difference(dataflow: Dataflow) -> None:
    ours = run_dense_array(*layers(dataflow), dataflow=dataflow).cycles
    difference = compare_scalesim(*layers(dataflow), dataflow)
    assert (ours - column(dataflow, "total_cycles")).tolist() == difference.total.tolist()


@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_where_every_fold_is_full_only_the_off_by_one_and_the_drain_are_left(
    dataflow: Dataflow,
) -> None:
    # s1b0c2's kind: 1024 x 576 x 64 fills both 16 x 16 and 32 x 32 arrays in every dataflow.
    pixels, window, filters, side, _ = layers(dataflow)
    full = (pixels == 1024) & (window == 576) & (filters == 64)
    assert full.sum() == 2
    difference = compare_scalesim(*layers(dataflow, full), dataflow)
    folds = {"os": 1024 * 64, "ws": 576 * 64, "is": 576 * 1024}[dataflow] // side[full] ** 2
    drain = folds * side[full] if dataflow == "os" else 0 * folds
    assert difference.total.tolist() == (1 + drain).tolist()


@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_reads_agree_in_both_conventions(dataflow: Dataflow) -> None:
    # The tool's faults are in cycles and in output words; its operand reads are right.
    activity = run_dense_array(*layers(dataflow), dataflow=dataflow)
    assert activity.input_reads.tolist() == column(dataflow, "sram_if_reads").tolist()
    assert activity.weight_reads.tolist() == column(dataflow, "sram_fil_reads").tolist()


@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_its_output_words_are_our_writes_of_sums_plus_its_fault(dataflow: Dataflow) -> None:
    pixels, window, filters, rows, cols = layers(dataflow)
    activity = run_dense_array(pixels, window, filters, rows, cols, dataflow=dataflow)
    ours = activity.accumulator_writes
    if dataflow == "os":  # one write an output, and its fault: rows + columns more a fold
        ours = activity.output_writes + activity.folds * (rows + cols)
    assert ours.tolist() == column(dataflow, "sram_of_writes").tolist()


def test_utilization_agrees_with_the_printed_percentage() -> None:
    # It divides the MACs by elements times the index that it prints, one cycle too few.
    pixels, window, filters, rows, cols = layers("ws")
    with DATA.open(newline="") as stream:
        printed = [
            float(row["overall_util_pct"])
            for row in csv.DictReader(stream)
            if row["dataflow"] == "ws"
        ]
    cycles = predict_scalesim(pixels, window, filters, rows, cols, "ws").cycles
    ours = 100 * pixels * window * filters / (rows * cols * cycles)
    np.testing.assert_allclose(ours, printed, rtol=1e-12)
