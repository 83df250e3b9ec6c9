"""Accelerators: the shipped files, and every way in which a file can be wrong."""

from pathlib import Path

import pytest

from smartsim.cost import cost_models_folder, parse_format
from smartsim.errors import ConfigurationError, FileFormatError
from smartsim.simulate import ZeroPolicy, list_accelerators, load_accelerator, parse_zero_policy
from tests.unit.simulate.graphs import machine

GOOD = (cost_models_folder() / "accelerators" / "edge_npu.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", list_accelerators())
def test_every_shipped_value_says_where_it_comes_from(name: str) -> None:
    accelerator = load_accelerator(name)
    assert len(accelerator.citations) >= 20
    known = {source.key for source in accelerator.sources}
    for citation in accelerator.citations:
        if citation.source == "assumed":
            assert citation.note, citation.key
        else:
            assert citation.source in known
            assert citation.locator
    assert accelerator.limits


def test_the_shipped_machines_are_of_every_kind() -> None:
    machines = [load_accelerator(name) for name in list_accelerators()]
    assert {"eyeriss_like", "tpu_v1_like", "edge_npu", "shift_add_npu"} <= {
        machine.name for machine in machines
    }
    assert {machine.zeros.kind for machine in machines} == {"none", "gating", "skipping", "n:m"}


def test_an_accelerator_is_found_without_its_like() -> None:
    assert load_accelerator("eyeriss") == load_accelerator("eyeriss_like")


def test_a_file_of_ones_own_is_a_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD.replace('name = "edge_npu"', 'name = "mine"'), encoding="utf-8")
    assert load_accelerator(path).name == "mine"


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("rows = { value = 16,", "rows = { value = 0,", "array.rows.value: is 0"),
        ("lanes = { value = 16,", "lanes = { value = -1,", "vector.lanes.value: is -1"),
        (
            "bandwidth_bits_per_cycle = { value = 128.0,",
            "bandwidth_bits_per_cycle = { value = -128.0,",
            "dram.bandwidth_bits_per_cycle.value: is -128.0",
        ),
        (
            "bandwidth_bits_per_cycle = { value = 128.0,",
            "bandwidth_bits_per_cycle = { value = nan,",
            "dram.bandwidth_bits_per_cycle.value: is nan",
        ),
        (
            "rows = { value = 16, source =",
            "rows = { value = 16, origin =",
            "array.rows: has no source",
        ),
        ("rows = { value = 16, source =", "rows = 16 # {", "array.rows: has no source"),
        ("[dram]", "[dram]\ncolour = 1", "dram.colour: unknown key"),
        ("[dram]", "[drum]", "dram: is missing"),
        ('{ value = "ws"', '{ value = "rs"', "array.dataflow.value: is 'rs'"),
        ('{ value = ["mac"]', '{ value = ["mul"]', "array.elements.value.0: is 'mul'"),
        ('{ value = "none"', '{ value = "3:2"', "zeros '3:2' is no policy"),
        ('source = "assumed", note =', 'source = "guessed", note =', "'guessed' is unknown"),
        (
            'source = "assumed", note = "off-chip memory"',
            'source = "assumed"',
            "dram.level: is assumed without a note",
        ),
        (
            'source = "gemmini_code", locator = "src/main/scala/gemmini/Configs.scala, leanConfig, '
            'commit 0064b94" }\ncols',
            'source = "gemmini_code" }\ncols',
            "array.rows: has no locator",
        ),
        ("exp = {", "expp = {", "vector.cycles.expp: unknown action"),
        (
            "capacity_bits = { value = 524_288,",
            "capacity_bits = { value = 2000,",
            "buffers.weight has 1000 usable bits, less than one tile of 256 words (2048 bits)",
        ),
        ('["mac"]', '["add"]', "a contraction needs mac or shift_add"),
        ("[array]", "[array", "is damaged TOML"),
    ],
)
def test_a_bad_file_gets_one_sentence_with_file_and_key(
    tmp_path: Path, old: str, new: str, sentence: str
) -> None:
    assert old in GOOD
    path = tmp_path / "bad.toml"
    path.write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(FileFormatError) as error:
        load_accelerator(path)
    assert sentence in str(error.value)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_binary_and_missing_files_get_one_sentence(tmp_path: Path) -> None:
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FileFormatError, match="is not UTF-8 text"):
        load_accelerator(binary)
    with pytest.raises(FileFormatError, match="cannot be read"):
        load_accelerator(tmp_path / "missing.toml")


def test_an_unknown_name_says_what_is_near() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'edge_npu'"):
        load_accelerator("edge_npv")


@pytest.mark.parametrize("text", ["skip", "skipping:3", "skipping:128", "4:2", "0:4", "gating:2"])
def test_a_policy_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is no policy"):
        parse_zero_policy(text)


def test_input_stationary_skipping_needs_whole_windows_of_sums() -> None:
    with pytest.raises(ConfigurationError, match="a multiple of the window 8"):
        machine(dataflow="is", accumulator_words=12, zeros=parse_zero_policy("skipping:8"))


def test_elements_only_compute_in_formats_that_they_can() -> None:
    with pytest.raises(ConfigurationError, match="needs shift_add; give a format such as int8"):
        machine().check_format(parse_format("shift8"))
    with pytest.raises(ConfigurationError, match="needs mac; give a shift format"):
        machine(elements=("shift_add",)).check_format(parse_format("int8"))


def test_another_treatment_of_zeros_shows_in_the_name() -> None:
    assert machine().with_zeros("2:4").name == "by hand (2:4)"
    assert machine().with_zeros(ZeroPolicy()).name == "by hand"
