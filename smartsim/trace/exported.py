"""Programs that `torch.export` saved: read without executing what the file brings along."""

import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from smartsim.errors import FileFormatError
from smartsim.trace.modules import running_modules

__all__ = ["load_exported"]

_SIZE_WORDS = re.compile(r"[su]\d+|Max|Min|Mod|FloorDiv|CeilDiv|CeilToInt|TruncToInt|ToFloat")
_UNSAFE_FILES = re.compile(r"(custom_obj|opaque|script_obj)", re.IGNORECASE)


class _ExportedModel(torch.nn.Module):
    """An exported program that runs op by op, under the module names that it was exported with."""

    def __init__(self, program: torch.fx.GraphModule) -> None:
        super().__init__()
        self.program = program

    def named_parameters(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, Any]]:
        return self.program.named_parameters(*args, **kwargs)

    def named_buffers(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, Any]]:
        return self.program.named_buffers(*args, **kwargs)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        flat = torch.fx._pytree.tree_flatten_spec((list(args), kwargs), self.program._in_spec)
        result = _NamedInterpreter(self.program).run(*flat, enable_io_processing=False)
        shape: Any = self.program._out_spec
        return torch.utils._pytree.tree_unflatten(list(result), shape)


class _NamedInterpreter(torch.fx.Interpreter):
    """Tells the trace which module of the exported model each op belongs to."""

    def run_node(self, n: torch.fx.Node) -> Any:
        if n.op == "call_module" and str(n.target) == "_guards_fn":
            return None  # its checks of the input repeat what the ops check
        stack = n.meta.get("nn_module_stack") or {}
        name, kind = next(reversed(list(stack.values())), ("", ""))
        kind = kind if isinstance(kind, str) else kind.__name__
        with running_modules().named(name, kind.rpartition(".")[2]):
            return super().run_node(n)


def load_exported(path: Path) -> torch.nn.Module:
    """Load a program that `torch.export.save` wrote.

    Raises:
        FileFormatError: If it is none, is damaged, or holds pickled objects or expressions, which
            would execute code while being read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _refuse_code(path, archive)
        program = torch.export.load(path)
        return _ExportedModel(program.module())
    except OSError as error:
        raise FileFormatError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (zipfile.BadZipFile, RuntimeError, ValueError, KeyError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise FileFormatError(
            f"{path}: is no program that torch.export.save wrote ({reason})"
        ) from error


def _refuse_code(path: Path, archive: zipfile.ZipFile) -> None:
    """Only plain tensors and operators may be in the archive."""
    for name in archive.namelist():
        if _UNSAFE_FILES.search(Path(name).name):
            raise FileFormatError(f"{path}: holds the object {name}, which cannot be read safely")
        if name.endswith(".json"):
            _refuse_values(path, name, json.loads(archive.read(name)))


def _refuse_values(path: Path, name: str, value: Any) -> None:
    if isinstance(value, list):
        for item in value:
            _refuse_values(path, name, item)
    elif isinstance(value, dict):
        if value.get("use_pickle"):
            raise FileFormatError(
                f"{path}: {name} holds pickled values, which would execute code; "
                "export the model with plain tensors only"
            )
        expression = value.get("expr_str")
        if isinstance(expression, str):
            words = re.findall(r"[^\W\d]\w*", expression)
            if '"' in expression or "'" in expression or not all(map(_SIZE_WORDS.fullmatch, words)):
                raise FileFormatError(f"{path}: {name} holds the expression {expression[:80]!r}")
        for item in value.values():
            _refuse_values(path, name, item)
