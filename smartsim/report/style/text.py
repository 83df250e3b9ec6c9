"""Text for a terminal: the width there is, paragraphs, shortened names, tables that fit.

All that smartsim prints is laid out here: at the width of the terminal no line runs over, and where
there is room nothing is shortened.
"""

import re
import shutil
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

from tabulate import tabulate

__all__ = ["fold", "grid", "markdown_grid", "shorten", "terminal_width", "wrap", "wrap_all"]

_GAP, _PADDING = 2, 2
_LEAST_WRAPPED, _LEAST_SHORTENED = 14, 10


def terminal_width() -> int:
    """Columns of the terminal: what COLUMNS says, what the terminal says, or 80 in a pipe."""
    return max(40, shutil.get_terminal_size((80, 24)).columns)


def wrap(text: str, indent: str = "", *, width: int | None = None) -> list[str]:
    """A paragraph as lines, those after the first indented."""
    return textwrap.wrap(
        text,
        terminal_width() if width is None else width,
        subsequent_indent=indent,
        break_on_hyphens=False,
    )


def wrap_all(texts: Iterable[str], indent: str = "") -> str:
    """Paragraphs below each other, without a line between them."""
    return "\n".join(line for text in texts for line in wrap(text, indent))


def shorten(name: str, width: int) -> str:
    """The end of a long name, which tells more than its beginning.

    >>> shorten("encoder.layer.11.attention.output.dense", 20)
    '...tion.output.dense'
    """
    return name if len(name) <= width else "..." + name[3 - width :]


def fold(name: str, width: int) -> list[str]:
    """A name as lines of at most `width`, broken behind what separates its parts where it can be.

    >>> fold("mypackage.mymodule:build", 12)
    ['mypackage.', 'mymodule:', 'build']
    """
    lines = [""]
    for part in _parts(name):
        if len((lines[-1] + part).rstrip()) > width and lines[-1]:
            lines.append("")
        lines[-1] += part
    cut = [line[at : at + width] for line in lines for at in range(0, len(line.rstrip()), width)]
    return [line.rstrip() for line in cut] or [""]


def _parts(name: str) -> list[str]:
    """What a name may be broken into, each part with what separates it from the next."""
    return re.findall(r"[^ .:_/,+-]*[ .:_/,+-]+|[^ .:_/,+-]+", name)


def grid(
    rows: Sequence[Sequence[object]],
    head: Sequence[str],
    align: str = "",
    *,
    width: int | None = None,
    shortened: Sequence[int] = (0,),
    wrapped: Sequence[int] = (),
) -> str:
    """A table as text that is at most `width` columns wide.

    Where it would be wider, in this order: headings go on in further lines, cells of the columns
    `wrapped` do, cells of the columns `shortened` lose their beginning, and at last the columns go
    on in another table below, beside the first column again.

    Args:
        rows: Cells; what they print as is shown.
        head: Headings.
        align: A letter a column, "l" or "r"; the first left and the others right if it is empty.
        width: Columns that there are; those of the terminal if it is None.
        shortened: Columns with names.
        wrapped: Columns with sentences.
    """
    sides = align or "l" + "r" * (len(head) - 1)
    cells = [[str(cell) for cell in row] for row in rows]
    space = terminal_width() if width is None else width
    widths = _fit(cells, head, space, shortened, wrapped)
    body = [
        [_cell(text, widths[p], p in shortened, p in wrapped) for p, text in enumerate(row)]
        for row in cells
    ]
    titles = [fold(text, max(size, 1)) for text, size in zip(head, widths, strict=True)]
    rule = [["-" * size] for size in widths]
    return "\n\n".join(
        "\n".join(
            line
            for row in (titles, rule, *body)
            for line in _lines([(row[p], widths[p], sides[p]) for p in block])
        )
        for block in _blocks(widths, space)
    )


def _lines(cells: Sequence[tuple[Sequence[str], int, str]]) -> Iterator[str]:
    """The lines of a row whose cells may have several, beginning at the top."""
    for texts in zip_longest(*(lines for lines, _, _ in cells), fillvalue=""):
        parts = [
            text.rjust(size) if side == "r" else text.ljust(size)
            for text, (_, size, side) in zip(texts, cells, strict=True)
        ]
        yield (" " * _GAP).join(parts).rstrip()


def markdown_grid(rows: Sequence[Sequence[object]], head: Sequence[str], align: str = "") -> str:
    """The same table as Markdown."""
    sides = align or "l" + "r" * (len(head) - 1)
    return tabulate(
        rows,
        headers=head,
        colalign=[{"l": "left", "r": "right"}[side] for side in sides] if rows else None,
        disable_numparse=True,
        tablefmt="github",
    )


def _cell(text: str, width: int, is_name: bool, is_sentence: bool) -> list[str]:
    if is_sentence and len(text) > width:
        words = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
        return [line for part in words for line in fold(part, width)]
    return [shorten(text, width) if is_name else text]


def _fit(
    cells: Sequence[Sequence[str]],
    head: Sequence[str],
    space: int,
    shortened: Sequence[int],
    wrapped: Sequence[int],
) -> list[int]:
    """The width of each column, narrowed until they fit or nothing can be narrowed further."""
    body = [max((len(row[p]) for row in cells), default=0) for p in range(len(head))]
    widths = [max(body[place], len(text) + _PADDING) for place, text in enumerate(head)]
    words = [max((len(part.rstrip()) for part in _parts(text)), default=0) for text in head]
    # what a column may be narrowed to, in the order in which columns give way
    folded = [min(widths[p], max(body[p], words[p])) for p in range(len(head))]
    steps = [
        (range(len(head)), [max(body[p], len(text)) for p, text in enumerate(head)]),
        (range(len(head)), folded),
        (wrapped, [min(size, max(_LEAST_WRAPPED, words[p])) for p, size in enumerate(folded)]),
        (shortened, [min(size, max(_LEAST_SHORTENED, words[p])) for p, size in enumerate(folded)]),
    ]
    for places, least in steps:
        while sum(widths) + _GAP * (len(widths) - 1) > space:
            wide = [place for place in places if widths[place] > least[place]]
            if not wide:
                break
            widths[max(wide, key=lambda place: widths[place])] -= 1
    return widths


def _blocks(widths: Sequence[int], space: int) -> list[list[int]]:
    """Columns that stand beside each other, the first one again in each block."""
    blocks = [[0]]
    for place in range(1, len(widths)):
        taken = sum(widths[p] + _GAP for p in blocks[-1])
        if taken + widths[place] > space and len(blocks[-1]) > 1:
            blocks.append([0])
        blocks[-1].append(place)
    return blocks
