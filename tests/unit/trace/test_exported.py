"""Programs that torch.export saved: the same counts, and never any code of the file's."""

import io
import json
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from smartsim.counts import count_actions, count_parameters
from smartsim.errors import FileFormatError, InvalidModelError
from smartsim.models import build_model
from smartsim.trace import load_model, takes_argument, trace_model
from smartsim.trace.sources.exported import ExportedModel
from tests.unit.trace.helpers import Calling


def export(model: nn.Module, args: tuple[Any, ...], path: Path, **settings: Any) -> Path:
    """Export in eval mode and save."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own deprecations
        program = torch.export.export(model.eval(), args, **settings)
        torch.export.save(program, path)
    return path


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small convolutional network in a file."""
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
    return export(model, (torch.randn(1, 3, 8, 8),), tmp_path_factory.mktemp("small") / "net.pt2")


def test_an_exported_network_counts_as_the_network(tmp_path: Path) -> None:
    model = build_model("smart", "resnet8").eval()
    at_one = Calling(lambda m, x: m.model(x, 1.0), model=model)
    path = export(at_one, (torch.randn(1, 3, 32, 32),), tmp_path / "smart.pt2")
    exported = trace_model(load_model(str(path)), (1, 3, 32, 32))
    eager = trace_model(at_one, (1, 3, 32, 32))
    keys = ("layer", "op", "stage", "action")
    found, expected = (count_actions(graph).group(*keys) for graph in (exported, eager))
    assert found == expected
    assert count_parameters([exported], "exact") == count_parameters([eager], "exact")
    assert {spec.name for spec in exported.parameters} >= {spec.name for spec in eager.parameters}


def test_a_program_with_a_dynamic_batch_is_traced_at_any(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 4))
    path = export(
        model,
        (torch.randn(4, 3, 2, 2),),
        tmp_path / "dynamic.pt2",
        dynamic_shapes=({0: torch.export.Dim("batch", min=2, max=64)},),
    )
    loaded = load_model(str(path))
    for batch in (2, 7):
        counts = count_actions(trace_model(loaded, (batch, 3, 2, 2)))
        assert counts.group("layer", "action") == {("1", "mac"): batch * 48}


def test_arguments_are_bound_by_place_or_name_as_exported(tmp_path: Path) -> None:
    def forward(m: Any, x: Tensor, lam: Tensor, *, extra: Any) -> Any:
        return torch.einsum("ij,kj->ik", x, m.w * lam) + extra["a"][0]

    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.randn(3, 4))

        def forward(self, x: Tensor, lam: Tensor, *, extra: dict[str, list[Tensor]]) -> Any:
            return forward(self, x, lam, extra=extra)

    extra = {"a": [torch.randn(3)]}
    args = (torch.randn(2, 4), torch.tensor(0.5))
    path = export(Named(), args, tmp_path / "named.pt2", kwargs={"extra": extra})
    model = load_model(str(path))
    assert isinstance(model, ExportedModel)
    assert model.argument_names == ("x", "lam", "extra")
    assert takes_argument(model, "lam")
    assert not takes_argument(model, "temperature")
    inputs = {"x": (2, 4), "extra": {"a": [torch.empty(3)]}}
    counts = count_actions(trace_model(model, inputs, condition={"lam": 1.0}))
    assert counts.group("stage", "action") == {
        ("switch", "mul"): 12,
        ("input", "mac"): 24,
        ("input", "add"): 6,
    }
    with pytest.raises(InvalidModelError, match="exported with the arguments x, lam, extra"):
        trace_model(model, inputs)


def rewrite(source: Path, target: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """The same archive with some parts changed; names are below the archive's own root."""
    with zipfile.ZipFile(source) as archive:
        root = archive.namelist()[0].partition("/")[0]
        parts = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    change(parts)
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in parts.items():
            archive.writestr(f"{root}/{name}", content)
    return target


class Payload:
    """What a pickle would run: it leaves a file that the test looks for."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def _pickle_inputs(parts: dict[str, bytes], trap: Path) -> None:
    stream = io.BytesIO()
    torch.save(((Payload(trap),), {}), stream)
    parts["data/sample_inputs/model.pt"] = stream.getvalue()


def _use_pickle(parts: dict[str, bytes], trap: Path) -> None:
    stream = io.BytesIO()
    torch.save(Payload(trap), stream)
    config = json.loads(parts["data/weights/model_weights_config.json"])
    first = next(iter(config["config"].values()))
    first["use_pickle"] = True
    parts[f"data/weights/{first['path_name']}"] = stream.getvalue()
    parts["data/weights/model_weights_config.json"] = json.dumps(config).encode()


def _edit(parts: dict[str, bytes], edit: Callable[[Any], None]) -> None:
    program = json.loads(parts["models/model.json"])
    edit(program)
    parts["models/model.json"] = json.dumps(program).encode()


def _guard(parts: dict[str, bytes], trap: Path) -> None:
    code = f"__import__('pathlib').Path({str(trap)!r}).touch() is None"
    _edit(parts, lambda program: program["guards_code"].append(code))


def _call_the_system(parts: dict[str, bytes], trap: Path) -> None:
    def edit(program: Any) -> None:
        node = program["graph_module"]["graph"]["nodes"][0]
        node["target"] = "torch.os.system"
        node["inputs"] = [{"name": "", "arg": {"as_string": f"touch {trap}"}, "kind": 1}]

    _edit(parts, edit)


def _call_any_function(parts: dict[str, bytes], trap: Path) -> None:
    def edit(program: Any) -> None:
        program["graph_module"]["graph"]["nodes"][0]["target"] = "_operator.methodcaller"

    _edit(parts, edit)


def _load_a_library(parts: dict[str, bytes], trap: Path) -> None:
    def edit(program: Any) -> None:
        node = program["graph_module"]["graph"]["nodes"][0]
        node["target"] = "torch.ops.load_library.__call__"

    _edit(parts, edit)


def _name_with_code(parts: dict[str, bytes], trap: Path) -> None:
    code = f"x=__import__('pathlib').Path({str(trap)!r}).touch()"
    text = parts["models/model.json"].decode()
    parts["models/model.json"] = text.replace('"input"', json.dumps(code)).encode()


def _expression_with_code(parts: dict[str, bytes], trap: Path) -> None:
    def edit(program: Any) -> None:
        node = program["graph_module"]["graph"]["nodes"][0]
        expression = f"__import__('pathlib').Path({str(trap)!r}).touch()"
        node["inputs"].append({"name": "", "arg": {"as_expr": {"expr_str": expression}}, "kind": 1})

    _edit(parts, edit)


def _container_with_code(parts: dict[str, bytes], trap: Path) -> None:
    text = parts["models/model.json"].decode()
    kind = "collections.defaultdict"
    parts["models/model.json"] = text.replace("builtins.tuple", kind).encode()


def _compiled(parts: dict[str, bytes], trap: Path) -> None:
    parts["data/aotinductor/model/model.so"] = b"\x7fELF"


def _custom_object(parts: dict[str, bytes], trap: Path) -> None:
    parts["data/constants/custom_obj_0"] = b"\x80\x04."


def _second_program(parts: dict[str, bytes], trap: Path) -> None:
    # its ending is not .json, but torch cuts five characters off, whatever they are
    parts["models/model_json"] = parts["models/model.json"]


@pytest.mark.parametrize(
    ("doctor", "reason"),
    [
        (_pickle_inputs, "holds pickled objects, which would execute code"),
        (_use_pickle, "holds pickled values, which would execute code"),
        (_call_the_system, r"holds the call 'torch\.os\.system'"),
        (_call_any_function, r"holds the call '_operator\.methodcaller'"),
        (_load_a_library, "which is no operator|is no program"),
        (_name_with_code, "holds the name .* cannot be read safely"),
        (_expression_with_code, "holds the expression .* cannot be read safely"),
        (_container_with_code, "holds the container 'collections.defaultdict'"),
        (_compiled, r"holds the part .*model\.so, which cannot be read safely"),
        (_custom_object, "holds the part .*custom_obj_0, which cannot be read safely"),
        (_second_program, "holds the part .*model_json, which cannot be read safely"),
    ],
)
def test_a_doctored_program_is_refused_and_runs_nothing(
    small: Path,
    tmp_path: Path,
    doctor: Callable[[dict[str, bytes], Path], None],
    reason: str,
) -> None:
    trap = tmp_path / "trap"
    path = rewrite(small, tmp_path / "doctored.pt2", lambda parts: doctor(parts, trap))
    with pytest.raises(FileFormatError, match=reason) as caught:
        trace_model(load_model(str(path)), (1, 3, 8, 8))
    assert not trap.exists()
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


EXPRESSIONS = [
    "9**9**9**9",
    "9 ** 99",
    "(((((9**3)**3)**3)**3)**3)",
    "Pow(Integer(9), Pow(Integer(9), Integer(99)))",
    "Pow(Integer(9), Integer(1000000))",
    "9" * 20,
    "1+" * 2_000 + "1",
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_a_size_that_would_be_computed_for_ever_is_refused(
    small: Path, tmp_path: Path, expression: str
) -> None:
    def edit(program: Any) -> None:
        node = program["graph_module"]["graph"]["nodes"][0]
        node["inputs"].append({"name": "", "arg": {"as_expr": {"expr_str": expression}}, "kind": 1})

    path = rewrite(small, tmp_path / "huge.pt2", lambda parts: _edit(parts, edit))
    with pytest.raises(FileFormatError, match=r"holds the expression .* cannot be read safely"):
        load_model(str(path))


def test_a_program_that_unpacks_to_far_more_is_refused(small: Path, tmp_path: Path) -> None:
    path = tmp_path / "zeros.pt2"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("program/data/weights/weight_9", bytes(40_000_000))
    with pytest.raises(FileFormatError, match=r"unpacks from \d+ bytes to \d+"):
        load_model(str(path))


def test_guards_are_dropped_and_never_compiled(small: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    path = rewrite(small, tmp_path / "guarded.pt2", lambda parts: _guard(parts, trap))
    assert count_actions(trace_model(load_model(str(path)), (1, 3, 8, 8))).macs > 0
    assert not trap.exists()


def test_an_archive_with_two_parts_of_one_name_is_refused(small: Path, tmp_path: Path) -> None:
    path = tmp_path / "twice.pt2"
    with (
        zipfile.ZipFile(small) as source,
        zipfile.ZipFile(path, "w") as target,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # zipfile warns of the second
        for name in [*source.namelist(), source.namelist()[0]]:
            target.writestr(name, source.read(name))
    with pytest.raises(FileFormatError, match="holds the part"):
        load_model(str(path))


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: b"not a zip",
        _cut,
        lambda content: content.replace(b"weight_0", b"weight_9"),
        lambda content: content.replace(b'"schema_version"', b'"schema_vorsion"'),
    ],
    ids=["empty", "text", "cut", "missing part", "missing field"],
)
def test_a_damaged_file_is_one_sentence(
    small: Path,
    tmp_path: Path,
    damage: Callable[[bytes], bytes],
    capfd: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "damaged.pt2"
    path.write_bytes(damage(small.read_bytes()))
    with pytest.raises(FileFormatError, match=r"damaged\.pt2: ") as caught:
        load_model(str(path))
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"none\.pt2: cannot be read \(No such file"):
        load_model(str(tmp_path / "none.pt2"))


def test_an_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt2"
    torch.save(nn.Linear(2, 2).state_dict(), path)
    with pytest.raises(FileFormatError, match=r"holds the part .*data\.pkl"):
        load_model(str(path))
