"""The simulator on the paper's networks: golden values of the counts come out of the machine."""

import csv
from functools import cache
from pathlib import Path

import pytest

from smartsim.cost import load_table
from smartsim.graph import Graph
from smartsim.models import build_named_model
from smartsim.report.methods import MethodTraces
from smartsim.report.simulate.costs import SwitchCost
from smartsim.report.simulate.switch import build_switch_report
from smartsim.simulate import load_accelerator, simulate_network
from smartsim.simulate.array.scalesim import compare_scalesim
from smartsim.trace import trace_model

SCALESIM = Path(__file__).parent / "data" / "scalesim_resnet34.csv"
DENSE_MACS = 1_159_402_496
SMART_MACS = 838_538_240


@cache
def trace(name: str, lam: float) -> Graph:
    model = build_named_model(name)
    return trace_model(model, (1, 3, 32, 32), condition={"lam": lam}, name=name)


@pytest.mark.parametrize("zeros", ["none", "gating", "skipping:4"])
def test_resnet34_executes_the_golden_numbers_of_products(zeros: str) -> None:
    accelerator = load_accelerator("edge_npu").with_zeros(zeros)
    dense = simulate_network(trace("pgdat:resnet34", 0.0), accelerator)
    assert dense.total("macs") == DENSE_MACS
    masked = simulate_network(trace("smart:resnet34", 0.0), accelerator)
    assert masked.total("macs") == (DENSE_MACS if zeros == "none" else SMART_MACS)
    assert masked.total("cycles") <= dense.total("cycles")


def test_noise_on_weights_is_drawn_and_added_once_a_weight_and_inference() -> None:
    accelerator = load_accelerator("edge_npu").with_zeros("gating")
    run = simulate_network(trace("float:resnet34", 1.0), accelerator)
    draws = run.total(lambda step: step.actions.get("noise", 0))
    assert draws == 21_265_088
    run = simulate_network(trace("smart:resnet34", 1.0), accelerator)
    draws = run.total(lambda step: step.actions.get("noise", 0))
    assert draws == 11_385_536


def test_a_network_takes_scalesims_cycles_and_the_explained_difference() -> None:
    # 16 x 16 weight-stationary, nothing to wait for but the array: the products of the traced
    # network are those of the file, and their cycles differ by the three named terms only.
    run = simulate_network(trace("pgdat:resnet34", 0.0), load_accelerator("edge_npu"))
    with SCALESIM.open(newline="") as stream:
        rows = [
            row
            for row in csv.DictReader(stream)
            if row["dataflow"] == "ws" and row["array"] == "16"
        ]
    printed = sum(int(row["count"]) * int(row["total_cycles"]) for row in rows)
    explained = 0
    for row in rows:
        shape = (int(row["M_px"]), int(row["K_win"]), int(row["N_filt"]))
        explained += int(row["count"]) * int(compare_scalesim(*shape, 16, 16, "ws").total)
    assert printed == 8_351_851
    assert run.total("array_cycles") == printed + explained


@cache
def switches() -> dict[tuple[str, float], SwitchCost]:
    """What the report prices, by method and new lam."""
    traces = []
    for label, name in (
        ("PGD-AT", "pgdat"),
        ("OAT", "oat"),
        ("FLOAT", "float"),
        ("SMART", "smart"),
    ):
        paths = {lam: trace(f"{name}:resnet34", lam) for lam in (0.0, 1.0)}
        noisy = name in ("float", "smart")
        frozen = trace(f"{name}:resnet34:noise=frozen", 1.0) if noisy else None
        traces.append(MethodTraces(label=label, paths=paths, frozen=frozen))
    table = load_table("horowitz2014_45nm+han2015_45nm")
    report = build_switch_report(traces, load_accelerator("edge_npu"), table)
    return {(cost.method, cost.end): cost for cost in report.costs}


# Of 21,282,122 parameters 21,265,088 are weights; 17,024 belong to batch norms and 10 are biases.
NORMS = 32 * 17_024


def test_pgdat_reloads_another_model() -> None:
    cost = switches()["PGD-AT", 1.0]
    assert (cost.weight_bits, cost.mask_bits) == (8 * 21_265_088, 0)
    assert cost.norm_bits == NORMS + 32 * 10
    assert cost.compute_cycles <= 4


def test_oat_reloads_batch_norms_and_runs_its_layers() -> None:
    cost = switches()["OAT", 1.0]
    assert (cost.weight_bits, cost.mask_bits, cost.norm_bits) == (0, 0, NORMS)
    assert cost.macs == 10_091_392


def test_float_reloads_batch_norms_and_amplitudes_and_computes_next_to_nothing() -> None:
    cost = switches()["FLOAT", 1.0]
    assert (cost.weight_bits, cost.mask_bits) == (0, 0)
    assert cost.norm_bits == NORMS + 32 * 37  # one amplitude a layer
    assert cost.energy_pj < switches()["OAT", 1.0].energy_pj / 100


def test_frozen_noise_is_added_to_every_weight_in_a_switch() -> None:
    cost = switches()["FLOAT, noise frozen", 1.0]
    assert cost.actions["add"] == 21_265_088
    assert cost.compute_bits >= 3 * 8 * 21_265_088  # weights and noise in, new weights out
    # The way back finds the noisy weights in place of its own and reloads all of these.
    assert switches()["FLOAT, noise frozen", 0.0].weight_bits == 8 * 21_265_088


def test_smart_reloads_the_quarter_of_its_masked_weights_that_only_one_path_has() -> None:
    # 19,759,104 masked positions; density 0.5 and overlap 0.25 leave 0.25 to either path alone.
    for lam in (0.0, 1.0):
        cost = switches()["SMART", lam]
        assert cost.weight_bits == 8 * 19_759_104 // 4
        assert cost.mask_bits == 19_759_104
