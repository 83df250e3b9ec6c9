"""How every figure looks: one style, one look for each method, sizes, and the writing of files.

Colours are Okabe and Ito's, told apart by all common kinds of colour vision; markers differ too, so
that a print in grey can be read. A method looks the same in every figure. All lines of methods are
solid: a dash says that a value was extrapolated, or that it is a paper's and not ours.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from smartsim.errors import ConfigurationError
from smartsim.records.files import write_bytes_atomically

__all__ = [
    "FIGURE_FORMATS",
    "ONE_COLUMN",
    "TWO_COLUMNS",
    "Look",
    "figure_makers",
    "figure_style",
    "looks_of",
    "render_figure",
    "save_figure",
]

FIGURE_FORMATS = ("svg", "png", "pdf")
ONE_COLUMN, TWO_COLUMNS = 3.5, 7.2
"""Widths of a figure in inches, for a page of two columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a method is drawn.

    Attributes:
        color: Of its lines, markers and bars.
        marker: Of its points.
        width: Of its lines. Those that coincide lie on each other from wide to narrow, so that
            every one is seen.
        dash: Of its lines.
        hatch: Of its bars.
    """

    color: str
    marker: str
    width: float = 1.6
    dash: str = "-"
    hatch: str = ""


_METHODS = {
    "PGD-AT": Look(color="#000000", marker="o", width=5.0),
    "OAT": Look(color="#E69F00", marker="s", width=3.2, hatch="///"),
    "FLOAT": Look(color="#0072B2", marker="^", width=1.3, hatch="..."),
    "SMART": Look(color="#D55E00", marker="D", width=2.0, hatch="xxx"),
}
_OTHERS = (
    Look(color="#009E73", marker="v", hatch="\\\\\\"),
    Look(color="#CC79A7", marker="P", hatch="|||"),
    Look(color="#56B4E9", marker="X", hatch="---"),
    Look(color="0.45", marker="p", hatch="ooo"),
)
_VARIANT_MARKERS = ("v", "P", "X", "*", "h", "8")


def looks_of(labels: Iterable[str]) -> dict[str, Look]:
    """The look of each label: of the method of that name, or of one that the figures know not.

    A variant, whose label goes on where its method's ends, has its method's colour and a marker
    of its own. The methods come in their order, what is unknown behind them.

    >>> looks_of(["SMART", "SMART overlap 0", "mine"])["SMART overlap 0"].color
    '#D55E00'
    """
    found: dict[str, Look] = {}
    others, variants = 0, 0
    for label in sorted(dict.fromkeys(labels), key=_place):
        base = _base(label)
        if label in _METHODS:
            found[label] = _METHODS[label]
        elif base:
            marker = _VARIANT_MARKERS[variants % len(_VARIANT_MARKERS)]
            found[label] = Look(color=_METHODS[base].color, marker=marker, width=1.4)
            variants += 1
        else:
            found[label] = _OTHERS[others % len(_OTHERS)]
            others += 1
    return found


def _base(label: str) -> str:
    """The method that a label is a variant of; "" if it is of none."""
    return next((name for name in _METHODS if label.startswith((f"{name} ", f"{name},"))), "")


def _place(label: str) -> int:
    names = list(_METHODS)
    known = label if label in _METHODS else _base(label)
    return names.index(known) if known else len(names)


@contextmanager
def figure_style() -> Iterator[None]:
    """Draw in the style of all figures; to be opened around the drawing and the writing of one.

    A user's own settings of matplotlib are left alone, and make no difference.
    """
    with (
        as_file(files("smartsim.report.style") / "smartsim.mplstyle") as path,
        mpl.rc_context(fname=path),
    ):
        yield


def render_figure(figure: Figure, kind: str) -> bytes:
    """The bytes of a figure's file, the same for the same figure.

    Args:
        figure: What is drawn.
        kind: "svg", "png" or "pdf".
    """
    dates: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    stream = BytesIO()
    with figure_style():  # fonts and identifiers are chosen when a file is written
        figure.savefig(stream, format=kind, metadata=dates.get(kind, {}))
    return stream.getvalue()


def figure_makers(draw: Callable[[], Figure]) -> dict[str, Callable[[], bytes]]:
    """What makes a figure's file, by format; the figure is drawn once, and only when asked for."""
    once = cache(draw)

    def maker(kind: str) -> Callable[[], bytes]:
        return lambda: render_figure(once(), kind)

    return {kind: maker(kind) for kind in FIGURE_FORMATS}


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as SVG, PNG or PDF by the path's ending, whole or not at all.

    Raises:
        ConfigurationError: If the ending is none of these.
    """
    kind = path.suffix.lower().removeprefix(".")
    if kind not in FIGURE_FORMATS:
        raise ConfigurationError(
            f"{path}: a figure is written as .{', .'.join(FIGURE_FORMATS)}, not {path.suffix!r}"
        )
    write_bytes_atomically(path, render_figure(figure, kind))
