"""How every verb is called: `@verb`, `@verbs`, and one typed record of the options.

A verb shows its defaults, says what may be repeated, ends its help with an example, and
understands `-q` and `-v`. Spellings of the version before still work, with a line of warning.
"""

import dataclasses
import functools
import re
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

import click

from smartsim.cli.door.answer import choose_loudness
from smartsim.cli.door.spellings import read_spellings
from smartsim.errors import MissingRuleError, SmartsimError

__all__ = ["DoorGroup", "Verb", "VerbGroup", "reads", "verb", "verbs"]

Record = TypeVar("Record")
_HELP = {"help_option_names": ["-h", "--help"], "show_default": True}


class Verb(click.Command):
    """One verb, with its example and its old spellings.

    Args:
        example: Command lines that work, shown at the end of the help.
        renamed: Old spelling of an option -> the new one.
    """

    def __init__(
        self,
        *args: Any,
        example: str | Sequence[str] = (),
        renamed: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs["context_settings"] = {**_HELP, **(kwargs.get("context_settings") or {})}
        super().__init__(*args, **kwargs)
        self.examples = (example,) if isinstance(example, str) else tuple(example)
        self.renamed = dict(renamed or {})
        self.params += _loudness_options()
        for option in self.params:
            if isinstance(option, click.Option) and option.multiple:
                option.help = _say_repeated(option.help or "")

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the words behind the verb."""
        return super().parse_args(ctx, read_spellings(args, self.list_options(), self.renamed))

    def list_options(self) -> frozenset[str]:
        """The spellings of all options of this version."""
        return frozenset(name for param in self.params for name in param.opts)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the example."""
        with formatter.section("Example"):
            for line in self.examples:
                for part in _break(line, formatter.width - 2 * formatter.current_indent):
                    formatter.write(f"{'':{formatter.current_indent}}{part}\n")


class VerbGroup(click.Group):
    """Verbs below one word, such as `report table2`."""

    command_class = Verb

    def __init__(self, *args: Any, example: str | Sequence[str] = (), **kwargs: Any) -> None:
        kwargs["context_settings"] = {**_HELP, **(kwargs.get("context_settings") or {})}
        super().__init__(*args, **kwargs)
        self.examples = (example,) if isinstance(example, str) else tuple(example)

    format_epilog = Verb.format_epilog


class DoorGroup(VerbGroup):
    """All verbs: each ends with one sentence and exit code 2 on bad input, 130 on Ctrl-C."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run as a program does."""
        try:
            return super().main(*args, **kwargs)
        except KeyboardInterrupt:  # before a verb had begun
            _fail("interrupted", code=130)

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Read the command line."""
        try:
            return super().make_context(*args, **kwargs)
        except click.UsageError as error:
            _fail_usage(error)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb."""
        try:
            return super().invoke(ctx)
        except MissingRuleError as error:
            _fail(_spell_ignore(error))
        except SmartsimError as error:
            _fail(str(error))
        except click.UsageError as error:
            _fail_usage(error)
        except KeyboardInterrupt:
            _fail("interrupted; a file that was being written is as it was before", code=130)
        except MemoryError:
            _fail("there is not enough memory for this; give a smaller input")
        except BrokenPipeError:  # whoever read our output has seen enough
            raise
        except OSError as error:
            _fail(f"{error.filename or 'file'}: {error.strerror or error}")


def _spell_ignore(error: MissingRuleError) -> str:
    """The sentence with the option in place of the Python argument."""
    operator = getattr(error, "operator", "") or "NAME"
    sentence = str(error)
    for python in (f'ignore=["{operator}"]', f"ignore=['{operator}']", "ignore=[...]", "ignore="):
        sentence = sentence.replace(python, f"--ignore {operator}")
    return sentence


def _fail_usage(error: click.UsageError) -> NoReturn:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        raise error
    help_of = error.ctx.command_path if error.ctx else "smartsim"
    _fail(f"{error.format_message().rstrip('.')}; see {help_of} --help")


_LONG_WORD = re.compile(r"\S{1000,}")


def _cut_word(found: re.Match[str]) -> str:
    """Of a value that a file or the shell has brought along, the beginning."""
    return f"{found[0][:77]}..."


def _fail(sentence: str, code: int = 2) -> NoReturn:
    click.echo(f"smartsim: {_LONG_WORD.sub(_cut_word, sentence)}", err=True)
    raise SystemExit(code)


def verb(
    name: str | None = None,
    *,
    example: str | Sequence[str],
    renamed: Mapping[str, str] | None = None,
    group: click.Group | None = None,
) -> Callable[[Callable[..., None]], Verb]:
    """Make a verb of a function.

    Args:
        name: What it is called; None is the function's name.
        example: Command lines that work, for its help.
        renamed: Old spelling of an option -> the new one.
        group: The word that it stands below; None is none.
    """

    def make(function: Callable[..., None]) -> Verb:
        made = click.command(name, cls=Verb, example=example, renamed=renamed)(function)
        if group is not None:
            group.add_command(made)
        return made

    return make


def verbs(*, example: str | Sequence[str]) -> Callable[[Callable[..., None]], VerbGroup]:
    """Make a word for several verbs of a function."""
    return click.group(cls=VerbGroup, example=example)


def reads(record: type[Record]) -> Callable[[Callable[[Record], None]], Callable[..., None]]:
    """Give the verb one record of its options in place of keyword arguments.

    A field that is itself a dataclass is read from the options that its own fields name. The
    decorator stands last, directly above the function.
    """

    def decorate(function: Callable[[Record], None]) -> Callable[..., None]:
        @functools.wraps(function)
        def call(**options: object) -> None:
            made = _make(record, options)
            if options:
                raise TypeError(f"{record.__name__} has no field for {', '.join(options)}")
            function(made)

        return call

    return decorate


def _make(record: type[Record], options: dict[str, object]) -> Record:
    """A record from the options; what it takes is taken out of them."""
    kinds = typing.get_type_hints(record)
    values = {}
    for field in dataclasses.fields(record):  # type: ignore[arg-type]
        kind = kinds[field.name]
        is_record = isinstance(kind, type) and dataclasses.is_dataclass(kind)
        if is_record:
            values[field.name] = _make(kind, options)
        elif field.name in options:
            values[field.name] = options.pop(field.name)
    return record(**values)


def _loudness_options() -> list[click.Parameter]:
    def set_quiet(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        del param
        choose_loudness(ctx, quiet=value)

    def set_verbose(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        del param
        choose_loudness(ctx, verbose=value)

    return [
        click.Option(
            ["-q", "--quiet"],
            is_flag=True,
            expose_value=False,
            callback=set_quiet,
            help="Print errors only.",
        ),
        click.Option(
            ["-v", "--verbose"],
            is_flag=True,
            expose_value=False,
            callback=set_verbose,
            help="Say more, on stderr.",
        ),
    ]


def _break(line: str, width: int) -> list[str]:
    """A command line on as many lines as a shell reads as one, broken before an option."""
    parts = [""]
    for piece in re.split(r"(?= -)", line):
        if parts[-1] and len(parts[-1] + piece) > width:
            parts[-1] += " \\"
            parts.append("  " + piece.lstrip())
        else:
            parts[-1] += piece
    return parts


def _say_repeated(text: str) -> str:
    if "may be repeated" in text:
        return text
    return f"{text.rstrip('.')}; may be repeated." if text else "May be repeated."
