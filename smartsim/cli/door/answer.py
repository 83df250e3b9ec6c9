"""How every verb answers: a table, or JSON where it is asked for, and files by their ending."""

import csv
import html
import io
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import click

__all__ = [
    "JsonLayout",
    "Output",
    "Sheet",
    "choose_loudness",
    "collect_facts",
    "is_quiet",
    "print_answer",
    "say",
    "say_written",
    "show_result",
    "tell",
    "warn",
]

_QUIET, _VERBOSE = "smartsim.quiet", "smartsim.verbose"
JsonLayout = Literal["indented", "compact"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Where an answer goes, as `output_options` reads it.

    Attributes:
        output: File to write besides.
        json: How to lay out the JSON that stands in place of the table; None is the table.
    """

    output: Path | None = None
    json: JsonLayout | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A table as rows, for files that other software reads.

    Attributes:
        head: Names of the columns.
        rows: Cells; None is an empty one.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[object]]

    def to_csv(self) -> str:
        """Comma-separated values, a header first."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.head)
        writer.writerows(self._cells())
        return text.getvalue()

    def to_markdown(self) -> str:
        """A Markdown table."""
        lines = [self.head, ["---"] * len(self.head), *self._cells()]
        return "".join(f"| {' | '.join(map(_escape, line))} |\n" for line in lines)

    def to_html(self) -> str:
        """A page with one table."""
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self.head)
        body = "".join(
            f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>\n"
            for row in self._cells()
        )
        return (
            f'<!DOCTYPE html>\n<meta charset="utf-8">\n<table>\n<tr>{head}</tr>\n{body}</table>\n'
        )

    def _cells(self) -> Iterable[list[str]]:
        return [["" if cell is None else str(cell) for cell in row] for row in self.rows]


def _escape(cell: str) -> str:
    return cell.replace("|", "\\|").replace("\n", " ")


_SHEETS: Mapping[str, Callable[[Sheet], str]] = {
    ".csv": Sheet.to_csv,
    ".md": Sheet.to_markdown,
    ".html": Sheet.to_html,
}


def show_result(
    output: Output,
    text: Callable[[], str],
    data: Callable[[], Mapping[str, Any]],
    *,
    save: Callable[[Path], None] | None = None,
    sheet: Callable[[], Sheet] | None = None,
) -> None:
    """Answer: the file that is asked for, then JSON if it is asked for, else the table.

    Args:
        output: What is asked for.
        text: Makes the table for a person.
        data: Makes the record as JSON-ready values.
        save: Writes the record to a `.json` file, where not plainly as `data`.
        sheet: Makes the rows of a `.csv`, `.md` or `.html` file.
    """
    if output.output is not None:
        _write(output.output, data, save, sheet)
    print_answer(output.json, text, data)
    if output.output is not None:
        say_written(output.output, err=output.json is not None)


def print_answer(
    layout: JsonLayout | None, text: Callable[[], str], data: Callable[[], Mapping[str, Any]]
) -> None:
    """Print JSON if it is asked for, else the table; under -q only what is asked for."""
    if layout is not None:
        click.echo(json.dumps(data(), indent=None if layout == "compact" else 2))
    elif not is_quiet():
        click.echo(text(), nl=False)


def _write(
    path: Path,
    data: Callable[[], Mapping[str, Any]],
    save: Callable[[Path], None] | None,
    sheet: Callable[[], Sheet] | None,
) -> None:
    from smartsim.records.files import write_json_atomically, write_text_atomically

    ending = path.suffix.lower()
    if ending in _SHEETS and sheet is not None:
        write_text_atomically(path, _SHEETS[ending](sheet()))
    elif save is not None:
        save(path)
    else:
        write_json_atomically(path, data())


def say(text: str, *, err: bool = False) -> None:
    """A line of the answer, unless -q was given."""
    if not is_quiet():
        click.echo(text, err=err)


def say_written(*paths: Path, err: bool = False) -> None:
    """Name the files that were written."""
    for path in paths:
        say(f"written: {path}", err=err)


def tell(text: str) -> None:
    """A line on stderr, if -v was given."""
    if _read(_VERBOSE):
        click.echo(text, err=True)


def warn(text: str) -> None:
    """A line on stderr about what will change."""
    click.echo(f"smartsim: {text}", err=True)


def collect_facts() -> Mapping[str, str]:
    """The command as it was given, with what `collect_provenance` adds."""
    from smartsim.report.style.provenance import collect_provenance

    return collect_provenance(["smartsim", *sys.argv[1:]])


def choose_loudness(ctx: click.Context, *, quiet: bool = False, verbose: bool = False) -> None:
    """Note for the rest of this command that -q or -v was given."""
    ctx.meta[_QUIET] = quiet or ctx.meta.get(_QUIET, False)
    ctx.meta[_VERBOSE] = verbose or ctx.meta.get(_VERBOSE, False)


def is_quiet() -> bool:
    """Whether -q was given."""
    return _read(_QUIET)


def _read(key: str) -> bool:
    ctx = click.get_current_context(silent=True)
    return ctx is not None and bool(ctx.meta.get(key, False))
