"""Number formats and precision plans: names, widths, patterns, and the errors of both."""

from pathlib import Path

import pytest

from smartsim.cost import load_plan, parse_format, uniform_plan
from smartsim.errors import ConfigurationError, FileFormatError

LAYERS = ["conv1", "layer1.0.conv1", "layer1.0.conv2", "layer4.0.conv1", "linear", ""]


@pytest.mark.parametrize(
    ("name", "kind", "bits", "terms", "weight_bits"),
    [
        ("int2", "int", 2, 1, 2),
        ("int8", "int", 8, 1, 8),
        ("int64", "int", 64, 1, 64),
        ("fp8", "fp", 8, 1, 8),
        ("bf16", "fp", 16, 1, 16),
        ("fp32", "fp", 32, 1, 32),
        # A term is a sign and one of b - 1 powers or zero: 1 + ceil(log2(b)) bits.
        ("shift2", "shift", 2, 1, 2),
        ("shift8", "shift", 8, 1, 4),
        ("shift9", "shift", 9, 1, 5),
        ("shift8x3", "shift", 8, 3, 12),
    ],
)
def test_a_name_says_kind_width_and_terms(
    name: str, kind: str, bits: int, terms: int, weight_bits: int
) -> None:
    found = parse_format(name)
    assert (found.kind, found.bits, found.terms) == (kind, bits, terms)
    assert found.weight_bits == weight_bits
    assert parse_format(str(found)) == found


def test_one_term_needs_no_suffix() -> None:
    assert parse_format("shift8x1") == parse_format("shift8")


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("int1", "has 1 bits; possible: 2 to 64"),
        ("shift65", "possible: 2 to 64"),
        ("shift4x5", "has 5 terms; 4 bits have at most 4"),
        ("int8x2", "unknown number format"),
        ("fp33", "unknown number format 'fp33'"),
        ("INT8", "unknown number format 'INT8'"),
        ("int08", "did you mean 'int8'"),
        ("", "unknown number format ''"),
        ("float32", "possible: bf16"),
        ("int-8", "did you mean 'int8'"),
    ],
)
def test_a_name_that_is_no_format_says_what_is(name: str, rule: str) -> None:
    with pytest.raises(ConfigurationError, match=rule):
        parse_format(name)


def test_a_toml_plan_gives_layers_their_formats_first_match_first(tmp_path: Path) -> None:
    path = tmp_path / "mixed.toml"
    path.write_text(
        'default = "int8"\n[layers]\n"conv1" = "fp16"\n"*.conv1" = "int4"\n"layer1.*" = "int6"\n'
    )
    formats = load_plan(path).resolve(LAYERS)
    assert {layer: formats[layer].name for layer in LAYERS} == {
        "conv1": "fp16",
        "layer1.0.conv1": "int4",
        "layer1.0.conv2": "int6",
        "layer4.0.conv1": "int4",
        "linear": "int8",
        "": "int8",
    }


def test_a_csv_plan_says_the_same_with_a_star_for_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "mixed.csv"
    path.write_bytes(b"\xef\xbb\xbfpattern,format\r\nconv1,fp16\r\n\r\n*,int8\r\n")
    formats = load_plan(path).resolve(LAYERS)
    assert formats["conv1"].name == "fp16"
    assert {formats[layer].name for layer in LAYERS[1:]} == {"int8"}


def test_a_format_by_name_is_a_plan_for_every_layer() -> None:
    assert load_plan("int4") == uniform_plan("int4")
    assert {f.name for f in uniform_plan("int4").resolve(LAYERS).values()} == {"int4"}


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ('[layers]\n"conv9" = "int8"\n"*" = "int8"', "'conv9' matches none of the 6 layers"),
        ('[layers]\n"*" = "int8"\n"conv1" = "int4"', "'conv1' decides no layer, because earlier"),
        ('[layers]\n"conv1" = "int8"', "no pattern matches layer 'layer1.0.conv1'"),
    ],
)
def test_a_plan_that_does_not_fit_the_layers_is_an_error(
    tmp_path: Path, text: str, rule: str
) -> None:
    path = tmp_path / "mixed.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=rule.replace("(", r"\(")):
        load_plan(path).resolve(LAYERS)


@pytest.mark.parametrize(
    ("name", "data", "rule"),
    [
        ("p.toml", b"layers = 3", "layers must be a table"),
        ("p.toml", b"default = 8", "default a format's name"),
        ("p.toml", b'defualt = "int8"', "unknown key 'defualt'"),
        ("p.toml", b'[layers]\n"a" = 8', "key 'a': 8 is not a format's name"),
        ("p.toml", b'[layers]\n"a" = "int"', "key 'a': unknown number format 'int'"),
        ("p.toml", b'default = "in8"', "key 'default': unknown number format"),
        ("p.toml", b"", "no pattern and no default"),
        ("p.toml", b"[layers", "damaged TOML"),
        ("p.csv", b"", "is empty; expected a precision plan"),
        ("p.csv", b"layer,format\na,int8", "line 1 must be pattern,format"),
        ("p.csv", b"pattern,format\na,int8,x", "line 2 has 3 cells"),
        ("p.csv", b"pattern,format\na,int99", "line 2: number format 'int99'"),
        ("p.csv", b"pattern,format\n", "no pattern and no default"),
        ("p.csv", b"\xff\xfe\x00", "is not UTF-8"),
    ],
)
def test_a_broken_plan_names_file_and_place(
    tmp_path: Path, name: str, data: bytes, rule: str
) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(FileFormatError) as caught:
        load_plan(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert rule in str(caught.value)


def test_a_plan_that_is_no_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="cannot be read"):
        load_plan(tmp_path / "none.toml")
    (tmp_path / "plan.yaml").write_text("a: int8")
    with pytest.raises(ConfigurationError, match=r"is a \.toml or \.csv file"):
        load_plan(tmp_path / "plan.yaml")
