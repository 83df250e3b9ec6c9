"""What a verb may be given: names that can be completed, files, lists. Rooms load when asked."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from smartsim.errors import suggest_name

__all__ = [
    "ACCELERATOR_NAME",
    "ARCHITECTURE_NAME",
    "CONVENTION_NAME",
    "FOLDER",
    "FORMATS",
    "FORMAT_NAME",
    "IN_FILE",
    "LAMS",
    "METHOD_NAMES",
    "MODEL_NAME",
    "TABLE_NAME",
    "FileKinds",
    "Name",
    "OutFile",
    "Several",
]


class Name(click.ParamType[str]):
    """A name that the shell completes, or the path of a file of one's own.

    Names are checked by the room that knows them, whose sentence says what is near.

    Args:
        name: What help calls it.
        list_names: The names that there are; called when the shell asks.
        joined_by: What separates several names in one value.
        takes_file: Whether a file will do in place of a name.
    """

    def __init__(
        self,
        name: str,
        list_names: Callable[[], Iterable[str]],
        *,
        joined_by: str = "",
        takes_file: bool = True,
    ) -> None:
        self.name = name
        self.list_names = list_names
        self.joined_by = joined_by
        self.takes_file = takes_file

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The names that begin as what was typed; files where none does."""
        del ctx, param
        done, last = "", incomplete
        if self.joined_by and self.joined_by in incomplete:
            head, _, last = incomplete.rpartition(self.joined_by)
            done = head + self.joined_by
        found = [CompletionItem(done + name) for name in self.list_names() if name.startswith(last)]
        if self.takes_file and not found:
            found.append(CompletionItem(incomplete, type="file"))
        return found


def _list_tables() -> Iterable[str]:
    from smartsim.cost import list_tables

    return list_tables()


def _list_accelerators() -> Iterable[str]:
    from smartsim.simulate import list_accelerators

    return list_accelerators()


def _list_conventions() -> Iterable[str]:
    from smartsim.counts.conventions import CONVENTIONS

    return CONVENTIONS


def _list_formats() -> Iterable[str]:
    return "int4 int8 int16 int32 fp8 fp16 bf16 fp32 fp64 shift4 shift8 shift8x2".split()


def _list_architectures() -> Iterable[str]:
    from smartsim.models.catalogue import ARCHITECTURES

    return ARCHITECTURES


def _list_models() -> Iterable[str]:
    from smartsim.models.catalogue import METHODS

    return [*METHODS, *(f"{method}:{arch}" for method in METHODS for arch in _list_architectures())]


def _list_methods() -> Iterable[str]:
    from smartsim.models.catalogue import METHODS

    return METHODS


TABLE_NAME = Name("name", _list_tables, joined_by="+")
ACCELERATOR_NAME = Name("name", _list_accelerators)
CONVENTION_NAME = Name("name", _list_conventions)
FORMAT_NAME = Name("format", _list_formats)
MODEL_NAME = Name("model", _list_models)
ARCHITECTURE_NAME = Name("name", _list_architectures, takes_file=False)


class Several(click.ParamType[tuple[Any, ...]]):
    """Values separated by commas, none of them twice.

    Args:
        name: What help calls them.
        of: What each of them is.
        wrong: What they must be, for the sentence where one is not.
        is_possible: Whether all of them are what they must be.
    """

    def __init__(
        self,
        name: str,
        of: click.ParamType[Any],
        *,
        wrong: str = "",
        is_possible: Callable[[tuple[Any, ...]], bool] = lambda _: True,
    ) -> None:
        self.name = name
        self.of = of
        self.wrong = wrong
        self.is_possible = is_possible

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Any, ...]:
        """The values of a text."""
        if isinstance(value, tuple):
            return value
        parts = [part.strip() for part in str(value).split(",") if part.strip()]
        sentence = f"{param.opts[0] if param else self.name} {value!r} {self.wrong}"
        try:
            found = tuple(dict.fromkeys(self.of.convert(part, param, ctx) for part in parts))
        except click.BadParameter as error:
            raise click.UsageError(sentence, ctx) if self.wrong else error from error
        if not self.is_possible(found):
            raise click.UsageError(sentence, ctx)
        return found

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Completions of the last of the values."""
        head, comma, last = incomplete.rpartition(",")
        return [
            CompletionItem(head + comma + str(item.value), type=item.type)
            for item in self.of.shell_complete(ctx, param, last)
        ]


FORMATS = Several("formats", FORMAT_NAME)
METHOD_NAMES = Several(
    "names",
    Name("name", _list_methods, takes_file=False),
    wrong="must be names of built-in methods, such as oat,smart; see `smartsim models`",
    is_possible=lambda names: bool(names) and set(names) <= set(_list_methods()),
)
LAMS = Several(
    "numbers",
    click.FLOAT,
    wrong="must be numbers in [0, 1], such as 0,1",
    is_possible=lambda lams: bool(lams) and all(0 <= lam <= 1 for lam in lams),
)


class _Kind(click.ParamType[str]):
    """One kind of file."""

    name = "kind"

    def __init__(self, possible: Sequence[str]) -> None:
        self.possible = tuple(possible)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        del param
        if value not in self.possible:
            raise click.UsageError(
                f"unknown format {value!r}{suggest_name(value, self.possible)}", ctx
            )
        return str(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        del ctx, param
        return [CompletionItem(kind) for kind in self.possible if kind.startswith(incomplete)]


class FileKinds(Several):
    """Kinds of files that a report writes, separated by commas.

    Args:
        possible: Those that it can write.
    """

    def __init__(self, possible: Sequence[str]) -> None:
        super().__init__("kinds", _Kind(possible))


class _AnyPath(click.Path):
    """A path that is checked by who opens it."""

    def __init__(self, name: str) -> None:
        super().__init__(path_type=Path)
        self.name = name


class OutFile(_AnyPath):
    """A file to write, of a kind that its ending says.

    Args:
        endings: Those that are possible, each with its dot; none is any.
    """

    def __init__(self, *endings: str) -> None:
        super().__init__("file")
        self.endings = endings

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path, if it can be written to."""
        del param
        path = Path(value)
        if self.endings and path.suffix.lower() not in self.endings and not path.is_dir():
            *others, last = self.endings
            possible = f"{', '.join(others)} or {last}" if others else last
            raise click.UsageError(f"{path}: a file written here ends in {possible}", ctx)
        return path


IN_FILE = _AnyPath("file")
FOLDER = _AnyPath("folder")
