"""What a user calls a model on the command line, and what becomes of it."""

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from smartsim.errors import ConfigurationError
from smartsim.models import ConditionalModel
from smartsim.trace import load_model, parse_condition, parse_input, parse_shape, takes_argument
from tests.unit.trace.helpers import Calling


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_module(folder: Path, name: str, text: str) -> None:
    (folder / f"{name}.py").write_text("import torch\nfrom torch import nn\n" + text)


def test_built_ins_are_found_by_method_and_settings() -> None:
    model = load_model("smart:resnet8:classes=3,overlap=0")
    assert isinstance(model, ConditionalModel)
    assert (model.settings.classes, model.settings.overlap) == (3, 0.0)


def test_functions_classes_and_modules_of_the_working_folder_are_found(folder: Path) -> None:
    write_module(
        folder,
        "sources_a",
        "def build():\n    from sources_b import Net\n    return Net()\nready = nn.ReLU()\n",
    )
    write_module(
        folder,
        "sources_b",
        "class Net(nn.Linear):\n    def __init__(self):\n        super().__init__(4, 3)\n",
    )
    (folder / "sources_pkg").mkdir()
    write_module(folder / "sources_pkg", "inner", "class Net(nn.Sigmoid):\n    pass\n")
    before = list(sys.path)
    assert type(load_model("sources_a:build")).__name__ == "Net"
    assert type(load_model("sources_b:Net")).__name__ == "Net"
    assert isinstance(load_model("sources_a:ready"), nn.ReLU)
    assert isinstance(load_model("sources_pkg.inner:Net"), nn.Sigmoid)
    assert sys.path == before


def test_installed_modules_are_found_by_their_top_level_name() -> None:
    assert isinstance(load_model("torch.nn:Identity"), nn.Identity)
    with pytest.raises(ConfigurationError, match=r"module 'torch' has no 'Idntity'"):
        load_model("torch:Idntity")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("smrt:resnet8", r"unknown method 'smrt'; did you mean 'smart'\?"),
        ("resnet34", "unknown method 'resnet34'; possible: float, oat, pgdat, smart"),
        ("smart:resnet43", r"unknown architecture 'resnet43'; did you mean 'resnet34'\?"),
        ("smart:resnet8:classes=many", "classes is 'many'; it must be a number"),
        ("smart:resnet8:density=0.5,overlap=0.9", "overlap"),
        ("", "unknown method ''"),
        (":build", "unknown method ''"),
        ("no.such.module:build", "module 'no.such.module' does not import from .*ModuleNotFound"),
        ("torch.nn", "'torch.nn' names no model; write package.module:callable"),
        ("torch.nn:", "names no model"),
        ("./net.py:build", "names a file; name its module"),
        (".net:build", "names no model"),
        ("torch.nn:Linear", r"torch.nn:Linear\(\) raised TypeError: .* without arguments"),
        ("torch.nn:functional", "is a module, which cannot be called"),
        ("torch.nn.functional:relu_", "raised TypeError"),
        ("builtins:dict", r"returned a dict; it must return a torch\.nn\.Module"),
        ("builtins:__debug__", "is a bool, which cannot be called"),
        ("torch.nn:Linaer", r"module 'torch.nn' has no 'Linaer'; did you mean 'Linear'\?$"),
        ("torch.nn:Relu", r"module 'torch.nn' has no 'Relu'$"),
    ],
)
def test_a_name_that_leads_nowhere_says_why(folder: Path, name: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence) as caught:
        load_model(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import nowhere_at_all", "ModuleNotFoundError"),
        ("def build(:", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError"),
        ("undefined", "NameError"),
        ("raise SystemExit(3)", "SystemExit"),
        ("open('/no/such/file')", "FileNotFoundError"),
    ],
)
def test_a_module_that_does_not_import_says_why(folder: Path, text: str, reason: str) -> None:
    name = f"broken_{reason.lower()}"
    write_module(folder, name, text)
    with pytest.raises(ConfigurationError, match=f"'{name}' does not import from .*: {reason}"):
        load_model(f"{name}:build")


@pytest.mark.parametrize(
    ("text", "shape"),
    [("1,3,32,32", (1, 3, 32, 32)), (" 1 , 2", (1, 2)), ("1x3x8x8", (1, 3, 8, 8)), ("7", (7,))],
)
def test_shapes_are_whole_numbers(text: str, shape: tuple[int, ...]) -> None:
    assert parse_shape(text) == shape


@pytest.mark.parametrize("text", ["", "1,,2", "1,0", "1,-3", "a", "1.5,2", "1,²", "1;2", "(1,2)"])
def test_anything_else_is_no_shape(text: str) -> None:
    with pytest.raises(ConfigurationError, match="must be whole numbers of 1 or more, such as"):
        parse_shape(text)


def test_an_input_may_name_its_type() -> None:
    tokens = parse_input("2,16:int64")
    assert isinstance(tokens, torch.Tensor)
    assert (tuple(tokens.shape), tokens.dtype, tokens.is_meta) == ((2, 16), torch.int64, True)
    assert parse_input("2,16") == (2, 16)


@pytest.mark.parametrize("text", ["2,16:", "2,16:int65", "2,16:nn", "2,16:tensor"])
def test_an_unknown_type_is_named(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is no element type of torch"):
        parse_input(text)


def test_conditions_are_names_and_numbers() -> None:
    assert parse_condition(("lam=0.5", " depth = 2e0 ")) == {"lam": 0.5, "depth": 2.0}
    assert parse_condition(()) == {}


@pytest.mark.parametrize("text", ["lam", "lam=", "lam=high", "=1", "a b=1", "1=1", "lam=1=2"])
def test_anything_else_is_no_condition(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"must be NAME=NUMBER, such as lam=1\.0"):
        parse_condition((text,))


def test_a_condition_that_is_given_twice_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="lam is given twice"):
        parse_condition(("lam=0", "lam=1"))


def test_it_is_known_which_models_take_lam() -> None:
    assert takes_argument(load_model("smart:resnet8"), "lam")
    assert takes_argument(Calling(lambda m, x: x), "lam")  # takes anything
    assert not takes_argument(nn.Sequential(), "lam")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("foo.py:build", "name its module, from the folder that it lies in: foo:build"),
        ("models/foo.py", "lies in: models.foo:build"),
        ("foo.onnx", "is an ONNX file; convert it to a torch module"),
        ("weights.pth", "holds weights and no program"),
        ("model.safetensors", "holds weights and no program"),
    ],
)
def test_a_file_that_is_no_model_says_what_to_do_instead(name: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence) as caught:
        load_model(name)
    assert "\n" not in str(caught.value)
