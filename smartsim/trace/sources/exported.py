"""Programs that `torch.export` saved: read without executing what the file brings along.

torch's own reader unpickles, evaluates expressions and compiles names that it finds in the file.
So the archive is read here first; only parts that are plain data are handed on, in a new archive,
and what comes out may call operators only.
"""

import io
import json
import logging
import pickle
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch._export.verifier

from smartsim.errors import USER_CODE_ERRORS, FileFormatError, SmartsimError
from smartsim.trace.record.modules import running_modules

__all__ = ["ExportedModel", "load_exported"]

_PARTS = re.compile(
    r"models/model\.json|data/(weights/weight_\d+|weights/model_weights_config\.json"
    r"|constants/tensor_\d+|constants/model_constants_config\.json|sample_inputs/model\.pt)"
    r"|archive_format|archive_version|byteorder|\.data/(version|serialization_id)"
)
_NAME = re.compile(r"[\w.+-]*")
_SYMBOL = re.compile(r"Symbol\('\w+'(, \w+=(True|False))*\)")
_GROWS = re.compile(r"\*\*\s*(?![23]\b)|\d{20}|Pow\((?![^()]*,\s*(?:Integer\()?-?[123]\b)")
"""What would be computed for ever: other powers than squares, cubes and inverses of plain sizes;
a number of more digits than a size has."""

_LONGEST_SIZE = 2_000
_MOST_POWERS = 4
_MOST_TIMES = 20
_FREE_BYTES = 1 << 24
"""A program may unpack to so many times its size, and so many bytes."""

_SIZE_WORDS = frozenset(
    """
    Add Mul Pow Integer Rational Max Min Mod PythonMod FloorDiv CleanDiv CeilDiv CeilToInt
    FloorToInt TruncToInt RoundToInt IntTrueDiv FloatTrueDiv ModularIndexing Where ToFloat Identity
    Equality Unequality StrictLessThan LessThan StrictGreaterThan GreaterThan And Or Not true false
    oo int_oo
    """.split()
)
_TARGET = re.compile(
    r"torch\.ops\.\w+\.\w+(\.\w+)?|torch\.sym_\w+|math\.\w+|_operator\.(getitem|and_|or_|not_"
    r"|add|sub|mul|floordiv|truediv|mod|pow|neg|eq|ne|lt|le|gt|ge)"
)
_CONTAINERS = frozenset((None, "builtins.tuple", "builtins.list", "builtins.dict"))


_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    pickle.UnpicklingError,
    torch._export.verifier.SpecViolationError,
)
"""What reading a damaged archive raises beside the errors of any code."""


class ExportedModel(torch.nn.Module):
    """An exported program that runs op by op, under the module names that it was exported with."""

    def __init__(self, program: torch.fx.GraphModule) -> None:
        super().__init__()
        self.program = program

    def named_parameters(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, Any]]:
        """Under the names of the model that was exported."""
        return self.program.named_parameters(*args, **kwargs)

    def named_buffers(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, Any]]:
        """Under the names of the model that was exported."""
        return self.program.named_buffers(*args, **kwargs)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the program op by op."""
        given = self._bind(list(args), kwargs)
        flat = torch.fx._pytree.tree_flatten_spec(given, self.program._in_spec)
        result = _NamedInterpreter(self.program).run(*flat, enable_io_processing=False)
        shape: Any = self.program._out_spec
        return torch.utils._pytree.tree_unflatten(list(result), shape)

    @property
    def argument_names(self) -> tuple[str, ...]:
        """What it was exported with, in order."""
        spec: Any = self.program._in_spec
        codegen: Any = self.program.graph._codegen
        names = tuple(codegen.pytree_info.orig_args)
        return names[len(names) - sum(part.num_children for part in spec.children()) :]

    def _bind(self, args: list[Any], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """The arguments by position and by name as the program was exported with them."""
        spec: Any = self.program._in_spec
        positional, named = spec.children()
        names = self.argument_names
        for name in names[len(args) : positional.num_children]:
            if name in kwargs:
                args.append(kwargs.pop(name))
        if len(args) != positional.num_children or set(kwargs) != set(named.context):
            raise TypeError(f"it was exported with the arguments {', '.join(names)}")
        return args, {name: kwargs[name] for name in named.context}


class _NamedInterpreter(torch.fx.Interpreter):
    """Tells the trace which module of the exported model each op belongs to."""

    def run_node(self, n: torch.fx.Node) -> Any:
        stack = n.meta.get("nn_module_stack") or {}
        name, kind = next(reversed(list(stack.values())), ("", ""))
        kind = kind if isinstance(kind, str) else kind.__name__
        with running_modules().named(name, kind.rpartition(".")[2]):
            return super().run_node(n)


def load_exported(path: Path) -> torch.nn.Module:
    """Load a program that `torch.export.save` wrote.

    Raises:
        FileFormatError: If it is none, is damaged, or holds anything but tensors, sizes and calls
            of operators.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            plain = _copy_plain_parts(archive)
        with _quiet_reader():
            program = torch.export.load(plain).module(check_guards=False)
        _check_calls(program)
        return ExportedModel(program)
    except FileFormatError as error:
        raise FileFormatError(f"{path}: {error}") from error
    except SmartsimError:
        raise
    except OSError as error:
        raise FileFormatError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (*_DAMAGE, *USER_CODE_ERRORS) as error:
        reason = " ".join(str(error).split())[:200]
        raise FileFormatError(
            f"{path}: is no program that torch.export.save of torch "
            f"{torch.__version__.partition('+')[0]} wrote ({reason or type(error).__name__})"
        ) from error


@contextmanager
def _quiet_reader() -> Iterator[None]:
    """Without torch's log of what it raises anyway."""
    logger = logging.getLogger("torch.export")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _copy_plain_parts(archive: zipfile.ZipFile) -> io.BytesIO:
    """A new archive of the parts that are plain data, each of them looked through."""
    copy = io.BytesIO()
    names = archive.namelist()
    unpacked = sum(info.file_size for info in archive.infolist())
    stored = sum(info.compress_size for info in archive.infolist())
    if unpacked > _MOST_TIMES * stored + _FREE_BYTES:
        raise FileFormatError(
            f"unpacks from {stored} bytes to {unpacked}; torch.export.save does not compress"
        )
    with zipfile.ZipFile(copy, "w", zipfile.ZIP_STORED) as plain:
        for name in names:
            part = name.partition("/")[2]
            if not _PARTS.fullmatch(part) or names.count(name) > 1:
                raise FileFormatError(
                    f"holds the part {name}, which cannot be read safely; save the program again "
                    "with torch.export.save, with plain tensors only"
                )
            content = archive.read(name)
            if part.endswith(".json"):
                content = json.dumps(_look_through(json.loads(content), part)).encode()
            elif part.endswith(".pt"):
                _check_pickle(content, part)
            plain.writestr(f"model/{part}", content)
    copy.seek(0)
    return copy


def _check_pickle(content: bytes, part: str) -> None:
    """Sample inputs may be tensors and containers; torch would load anything else as well."""
    try:
        torch.load(io.BytesIO(content), weights_only=True)
    except (*_DAMAGE, *USER_CODE_ERRORS) as error:
        raise FileFormatError(f"{part} holds pickled objects, which would execute code") from error


def _look_through(value: Any, part: str, key: str = "") -> Any:
    """The same JSON value without what torch would compile, if all of it is plain."""
    if isinstance(value, list):
        return [_look_through(item, part, key) for item in value]
    if isinstance(value, dict):
        if value.get("use_pickle"):
            raise FileFormatError(f"{part} holds pickled values, which would execute code")
        for name in value:
            _require(_NAME.fullmatch(name), part, "name", name)
        if "inputs" in value and "target" in value:
            _require(_TARGET.fullmatch(str(value["target"])), part, "call", str(value["target"]))
        return {
            name: [] if name == "guards_code" else _look_through(item, part, name)
            for name, item in value.items()
            if key != "metadata" or name == "nn_module_stack"
        }
    if isinstance(value, str):
        _check_text(value, part, key)
    return value


def _check_text(text: str, part: str, key: str) -> None:
    match key:
        case "as_string" | "nn_module_stack":
            return  # data, that nobody compiles
        case "in_spec" | "out_spec":
            _check_spec(json.loads(text) if text else None, part)
        case "expr_str":
            bare = _SYMBOL.sub("0", text)
            words = set(re.findall(r"[^\W\d]\w*", bare))
            is_size = words <= _SIZE_WORDS and not set("\"'[]{}.=\n") & set(bare)
            is_small = len(text) <= _LONGEST_SIZE and bare.count("**") <= _MOST_POWERS
            is_small &= not _GROWS.search(bare)
            _require(is_size and is_small, part, "expression", text)
        case _:
            _require(_NAME.fullmatch(text), part, "name", text)


def _check_spec(spec: Any, part: str) -> None:
    """The structure of inputs and outputs: tuples, lists and dicts with plain names."""
    if isinstance(spec, list):
        for item in spec:
            _check_spec(item, part)
    elif isinstance(spec, dict):
        kind = spec.get("type")
        _require(kind in _CONTAINERS, part, "container", str(kind))
        context = spec.get("context")
        names = json.loads(context) if isinstance(context, str) else None
        for name in names if isinstance(names, list) else ():
            _require(isinstance(name, str) and _NAME.fullmatch(name), part, "name", str(name))
        _check_spec(spec.get("children_spec"), part)


def _require(is_plain: object, part: str, what: str, text: str) -> None:
    if not is_plain:
        raise FileFormatError(f"{part} holds the {what} {text[:80]!r}, which cannot be read safely")


def _check_calls(program: torch.nn.Module) -> None:
    """Only operators, and arithmetic on sizes, may be called."""
    operators = (torch._ops.OpOverload, torch._ops.HigherOrderOperator)
    for module in program.modules():
        for node in module.graph.nodes if isinstance(module, torch.fx.GraphModule) else ():
            is_size = getattr(node.target, "__module__", "") in ("_operator", "math") or (
                getattr(node.target, "__name__", "").startswith("sym_")
            )
            is_call = node.op in ("call_function", "call_module", "call_method")
            if is_call and not (isinstance(node.target, operators) or is_size):
                raise FileFormatError(f"calls {node.target}, which is no operator")
