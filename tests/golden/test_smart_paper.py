"""The golden values of the SMART paper, from traced models.

Each expected number carries its derivation; none is a snapshot of our own output. CIFAR ResNet-34:
3x3 stem of 64, blocks [3, 4, 6, 3] at 64/128/256/512 channels, 1x1 shortcuts, one linear layer.
"""

from functools import cache

import pytest
import torch

from smartsim.counts import Counts, count_actions, count_parameters, get_convention
from smartsim.graph import Graph
from smartsim.models import build_named_model
from smartsim.report.methods import MethodTraces
from smartsim.report.published import load_published
from smartsim.report.table2.build import build_table2
from smartsim.report.table2.render import render_terminal
from smartsim.report.table2.table import Table2
from smartsim.trace import trace_model

PARAMETERS = 21_282_122
NORMS_AND_BIASES = 17_024 + 10  # gains and offsets of all batch norms, and the classifier's biases
WEIGHTS = PARAMETERS - NORMS_AND_BIASES  # 21,265,088
MASKED = 6_782_976 + 12_976_128  # 3x3 weights of stages 3 and 4: 19,759,104
MACS = 1_159_397_376 + 5_120  # convolutions, and 512 * 10 of the classifier: 1,159,402,496

FLOAT, SMART = "float:resnet34:norm=single", "smart:resnet34:norm=single"
OAT, OAT_128 = "oat:resnet34:norm=single", "oat:resnet34:norm=single,film_dimension=128"


@cache
def trace_at(name: str, lam: float) -> Graph:
    """One path of a built-in; the session traces each once, weights and masks drawn from seed 0."""
    torch.set_num_threads(1)
    return trace_model(_build(name), (1, 3, 32, 32), condition={"lam": lam}, name=name)


@cache
def _build(name: str) -> torch.nn.Module:
    return build_named_model(name)


def count(name: str, lam: float, convention: str = "paper") -> Counts:
    return count_actions(trace_at(name, lam), convention)


def layer_weights(graph: Graph) -> int:
    """Elements of the weights of convolutions and of the classifier."""
    return sum(spec.elements for spec in graph.parameters if len(spec.shape) in (2, 4))


def test_resnet34_has_the_papers_parameters_and_weights() -> None:
    graph = trace_at("pgdat:resnet34", 1.0)
    counted = count_parameters([graph], "paper")
    assert counted.total == counted.active == counted.stored == PARAMETERS
    assert layer_weights(graph) == WEIGHTS == 21_265_088


def test_smart_masks_the_3x3_weights_of_stages_3_and_4() -> None:
    masks = [spec for spec in trace_at(SMART, 0.0).parameters if spec.name.endswith("mask_clean")]
    assert sum(spec.elements for spec in masks) == MASKED == 19_759_104
    assert {spec.shape[2:] for spec in masks} == {(3, 3)}


@pytest.mark.parametrize("lam", [0.0, 1.0])
def test_one_path_of_smart_reads_half_of_its_masked_weights(lam: float) -> None:
    # N - 19,759,104 / 2: the paper's 11.4 M
    counted = count_parameters([trace_at(SMART, lam)], "paper")
    assert counted.active == PARAMETERS - MASKED // 2 == 11_402_570
    assert counted.active / PARAMETERS == pytest.approx(0.5358, abs=5e-5)


def test_smart_stores_the_union_of_its_two_masks() -> None:
    # density 0.5 each and overlap 0.25: a quarter of the positions is one in neither mask
    paths = [trace_at(SMART, lam) for lam in (0.0, 1.0)]
    counted = count_parameters(paths, "paper")
    assert counted.stored == PARAMETERS - MASKED // 4 == 16_342_346
    assert counted.stored / PARAMETERS == pytest.approx(0.768, abs=5e-4)


def test_two_sets_of_batch_norms_add_their_gains_and_offsets_to_the_store() -> None:
    paths = [trace_at("smart:resnet34", lam) for lam in (0.0, 1.0)]
    counted = count_parameters(paths, "paper")
    assert counted.stored == 16_342_346 + 17_024
    assert counted.active == 11_402_570  # a path reads one set


def test_disjoint_masks_save_no_storage() -> None:
    # overlap 0 at density 0.5: the union is everything
    name = "smart:resnet34:norm=single,overlap=0"
    counted = count_parameters([trace_at(name, lam) for lam in (0.0, 1.0)], "paper")
    assert counted.stored == PARAMETERS
    assert counted.active == 11_402_570


def test_smart_adds_noise_to_its_nonzero_weights_alone() -> None:
    # one addition for each nonzero weight: 11,402,570 less batch norms and biases
    counts = count(SMART, 1.0, "exact")
    assert counts.total("add", stages=("noise",)) == WEIGHTS - MASKED // 2 == 11_385_536
    assert counts.total("noise") == 11_385_536


def test_float_adds_noise_to_every_weight() -> None:
    counts = count(FLOAT, 1.0, "exact")
    assert counts.total("add", stages=("noise",)) == WEIGHTS == 21_265_088
    assert counts.total("noise") == WEIGHTS


def test_the_paper_convention_counts_one_addition_for_every_active_parameter() -> None:
    # as Table 2 does: 21.28M for FLOAT and 11.4M for SMART
    assert count(FLOAT, 1.0).total("add", stages=("noise",)) == PARAMETERS
    assert count(SMART, 1.0).total("add", stages=("noise",)) == 11_402_570


@pytest.mark.parametrize("name", [FLOAT, SMART])
def test_the_clean_path_has_neither_noise_nor_overhead(name: str) -> None:
    counts = count(name, 0.0)
    assert counts.total(stages=("switch", "noise")) == 0
    assert counts.total(conditional=True) == 0


@pytest.mark.parametrize("name", ["pgdat:resnet34", FLOAT])
def test_resnet34_executes_the_papers_macs(name: str) -> None:
    assert count(name, 1.0).macs == MACS == 1_159_402_496
    assert count(name, 1.0, "dense").macs == MACS


def test_without_padding_resnet34_executes_fewer_macs() -> None:
    # Products with padding at 32, 16, 8 and 4 pixels; 3x3 taps meet (3n - 2)^2 of 9n^2 pairs at
    # stride 1 and (3n - 1)^2 at stride 2 (n outputs); 1x1 convolutions and linear lose none.
    def stage(n: int, inputs: int, outputs: int, blocks: int) -> int:
        same = (3 * n - 2) ** 2 * outputs * outputs
        if inputs == outputs:
            return 2 * blocks * same
        down = (3 * n - 1) ** 2 * inputs * outputs
        shortcut = n * n * inputs * outputs
        return down + shortcut + (2 * blocks - 1) * same

    stem = (3 * 32 - 2) ** 2 * 3 * 64
    stages = [(32, 64, 64, 3), (16, 64, 128, 4), (8, 128, 256, 6), (4, 256, 512, 3)]
    expected = stem + sum(stage(*one) for one in stages) + 5_120
    assert expected == 999_102_208
    assert count("pgdat:resnet34", 0.0, "exact").macs == expected


@pytest.mark.parametrize("lam", [0.0, 1.0])
def test_smart_executes_half_the_macs_of_its_masked_layers(lam: float) -> None:
    # Half of the weights of a masked layer times its output positions, exactly, as each mask has
    # exact density; padding counted. Stage 3 has 8 x 8 outputs, stage 4 has 4 x 4.
    saved = (6_782_976 * 64 + 12_976_128 * 16) // 2
    assert MACS - saved == 838_538_240
    assert count(SMART, lam).macs == 838_538_240
    assert count(SMART, lam, "dense").macs == MACS


@pytest.mark.parametrize(
    ("name", "parameters", "mlp_macs"),
    # An MLP of each batch norm with C channels outside the shortcuts: d * 2C + 2C * 2C products
    # and 2C + 2C biases; 33 of them: 7 of 64, 8 of 128, 12 of 256 and 6 of 512 channels.
    [(OAT, 31_403_978, 10_091_392), (OAT_128, 33_338_442, 12_025_856)],
)
def test_oat_has_the_official_codes_mlps(name: str, parameters: int, mlp_macs: int) -> None:
    d = 1 if name == OAT else 128
    widths = [64] * 7 + [128] * 8 + [256] * 12 + [512] * 6
    assert mlp_macs == sum(d * 2 * c + 4 * c * c for c in widths)
    assert parameters == PARAMETERS + mlp_macs + sum(4 * c for c in widths)
    counts = count(name, 1.0)
    assert counts.parameters is not None
    assert counts.parameters.active == counts.parameters.stored == parameters
    assert counts.total("mac", stages=("switch",)) == mlp_macs


@pytest.mark.parametrize("name", [OAT, OAT_128])
def test_oat_scales_and_shifts_each_normalised_activation_once_an_inference(name: str) -> None:
    # C * h * w of the same 33 norms: the stem and 6 at 32 x 32, and so on
    expected = 7 * 64 * 1024 + 8 * 128 * 256 + 12 * 256 * 64 + 6 * 512 * 16
    assert expected == 966_656
    counts = count(name, 1.0)
    assert counts.total("mac", stages=("input",), conditional=True) == expected
    assert counts.macs == MACS + expected + counts.total("mac", stages=("switch",))


@pytest.mark.parametrize(
    ("name", "shape", "parameters", "million_macs"),
    [
        ("pgdat:resnet18", (1, 3, 32, 32), 11_173_962, 555.4),
        ("pgdat:resnet34", (1, 3, 32, 32), 21_282_122, 1159.4),
        ("pgdat:wrn16_8", (1, 3, 32, 32), 10_961_370, 1548.1),
        ("pgdat:wrn40_2", (1, 3, 96, 96), 2_243_546, 2948.4),
    ],
)
def test_the_other_backbones_have_their_published_parameters_and_macs(
    name: str, shape: tuple[int, ...], parameters: int, million_macs: float
) -> None:
    # published as millions with one digit; traced without memory
    counts = count_actions(trace_model(build_named_model(name, device="meta"), shape), "paper")
    assert counts.parameters is not None
    assert counts.parameters.total == parameters
    assert round(counts.macs / 1e6, 1) == million_macs


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("oat:resnet34:film_dimension=128", 33_355_466),
        ("oat:wrn16_8:film_dimension=128", 16_228_922),
        ("oat:wrn40_2:film_dimension=128", 3_886_394),
    ],
)
def test_dual_oat_has_its_published_parameters(name: str, parameters: int) -> None:
    size = 96 if "wrn40" in name else 32
    graph = trace_model(build_named_model(name), (1, 3, size, size), condition={"lam": 0.2})
    assert count_parameters([graph], "paper").total == parameters


@cache
def paper_table() -> Table2:
    """Table 2 of models as `smartsim report table2` builds them."""
    lams = (0.0, 1.0)
    names = {"PGD-AT": "pgdat", "OAT": "oat", "FLOAT": "float", "SMART": "smart"}
    traces = [
        MethodTraces(label=label, paths={lam: trace_at(f"{name}:resnet34", lam) for lam in lams})
        for label, name in names.items()
    ]
    published = load_published("smart2023_table2")
    paper = get_convention("paper")
    return build_table2(traces, setting="resnet34", convention=paper, published=published)


@pytest.mark.parametrize("lam", [0.0, 1.0])
def test_table2_prints_the_papers_normalised_parameters(lam: float) -> None:
    ours = paper_table().find("normalised active parameters", lam).values
    printed = paper_table().find("normalised active parameters", lam, "published").values
    assert {label: round(float(value or 0), 2) for label, value in ours.items()} == {
        "PGD-AT": 1,
        "OAT": 1.48,  # the paper cuts 1.4756 to 1.47
        "FLOAT": 1,
        "SMART": 0.54,
    }
    assert printed == {"PGD-AT": 1, "OAT": 1.47, "FLOAT": 1, "SMART": 0.54}


def test_table2_prints_the_papers_add_overheads() -> None:
    ours = paper_table().find("ADD overhead", 1.0).values
    assert {label: f"{float(value or 0) / 1e6:.2f}" for label, value in ours.items()} == {
        "PGD-AT": "0.00",
        "OAT": "0.00",
        "FLOAT": "21.28",
        "SMART": "11.40",
    }
    assert set(paper_table().find("ADD overhead", 0.0).values.values()) == {0}


def test_table2_prints_no_mac_overhead_but_for_oat() -> None:
    for lam in (0.0, 1.0):
        for row in paper_table().rows:
            if (row.metric, row.lam, row.kind) == ("MAC overhead", lam, "derived"):
                assert {row.values[label] for label in ("PGD-AT", "FLOAT", "SMART")} == {0}
    total = [r for r in paper_table().rows if r.metric == "MAC overhead" and r.paid == "both"]
    # the official layers give 11.06M: 10,091,392 in the MLPs and 966,656 in the affine maps
    assert [row.values["OAT"] for row in total] == [10_091_392 + 966_656] * 2


def test_table2_shows_the_papers_ratio_of_oat_to_smart() -> None:
    # 1.47 / 0.54 = 2.72 as the abstract has it; unrounded 31,403,978 / 11,402,570 = 2.754
    metric = "OAT's active parameters over SMART's"
    assert paper_table().find(metric, None, "published").values == {"SMART": 2.72}
    ours = paper_table().find(metric, None).values["SMART"]
    assert ours == 31_403_978 / 11_402_570


def test_the_rendered_table_shows_the_papers_numbers_beside_ours() -> None:
    text = render_terminal(paper_table())
    for number in ("0.54", "1.476", "1.47", "21.28M", "11.40M", "11.4M", "2.72", "15M", "11.06M"):
        assert number in text.replace("\n", " ").split() or f" {number}" in text
    assert max(map(len, text.splitlines())) <= 80


def _facts() -> dict[str, float]:
    """The numbers in the paper's notes that are of other models than the table's, traced."""
    wide = count(OAT_128, 1.0)
    switch = wide.total("mac", stages=("switch",))
    inference = wide.total("mac", stages=("input",), conditional=True)
    mlps = count(OAT, 1.0).total("mac", stages=("switch",))
    union = count_parameters([trace_at(SMART, lam) for lam in (0.0, 1.0)], "paper").stored
    two_norms = count_parameters([trace_at("smart:resnet34", lam) for lam in (0.0, 1.0)], "paper")
    assert wide.parameters is not None
    return {
        "oat_normalised_d128": round(wide.parameters.active / PARAMETERS, 4),
        "oat_macs_d128": switch + inference,
        "oat_macs_d128_affine_thrice": switch + 3 * inference,
        "oat_macs_mlps_half_again": mlps + mlps // 2,
        "smart_union_density": 1 - (PARAMETERS - union) / MASKED,
        "smart_union_stored": union,
        "second_norms": two_norms.stored - union,
    }


def test_every_number_typed_beside_the_papers_table_is_computed_here() -> None:
    typed = load_published("smart2023_table2").comparison.facts
    assert dict(typed) == _facts()


def test_the_notes_of_the_paper_print_the_numbers_that_we_count() -> None:
    notes = paper_table().notes
    assert notes["oat-parameters"].startswith("31,403,978 / 21,282,122 = 1.476 with FiLM")
    assert "11.06M: 10.09M in FiLM's MLPs, paid once a switch, and 0.97M in" in notes["oat-macs"]
    assert "prints 19.26 for the same model" in notes["smart-ra"]
    assert "density 0.75, so the device stores 16.34M" in notes["stored"]
