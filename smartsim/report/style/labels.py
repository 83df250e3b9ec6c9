"""Labels beside points of a figure, placed so that none lies on another, a marker or a line."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox

__all__ = ["Label", "place_labels", "wrap_title"]

_ANGLES = (30, 150, -30, -150, 60, 120, -60, -120, 0, 180, 90, -90, *range(15, 360, 30))
_DISTANCES = (5, 8, 11, 14, 18, 22, 26, 31, 36, 42, 48, 55, 62, 72, 84, 98, 115)
_LEADER_FROM = 12.0
_MARGIN = 1.0
_LEADER = {"arrowstyle": "-", "linewidth": 0.4, "color": "0.5", "shrinkA": 0, "shrinkB": 2}
_LETTERS_AN_INCH = 12.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A text beside a point of the data.

    Attributes:
        text: What is written.
        x: Of the point.
        y: Of the point.
        color: Of the text.
        also: Further points that the text is about: it stands beside that which has room.
    """

    text: str
    x: float
    y: float
    color: str = "0.15"
    also: tuple[tuple[float, float], ...] = ()


def wrap_title(text: str, width: float) -> str:
    """A title in as many lines as fit above something that is `width` inches wide."""
    letters = max(12, int(width * _LETTERS_AN_INCH))
    lines = [""]
    for word in text.replace(" %", "\u00a0%").split(" "):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > letters:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip(" ")
    return "\n".join(lines).replace("\u00a0", " ")


def place_labels(ax: Axes, labels: Sequence[Label], *, size: float = 6.5) -> list[str]:
    """Write labels beside their points, with a thin line where one has to stand away.

    To be called last, when all else is drawn: the layout of the figure is computed, and its limits
    stay.

    Args:
        ax: Where to.
        labels: In order of importance.
        size: Of the letters, in points.

    Returns:
        Texts for which there was no room.
    """
    figure = cast(Figure, ax.get_figure(root=True))
    canvas = FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    renderer = canvas.get_renderer()  # type: ignore[no-untyped-call]
    scale = figure.dpi / 72
    lines, marks, texts = list(_lines(ax)), list(_marks(ax, scale)), list(_texts(ax, renderer))
    limits = ax.get_window_extent(renderer)
    left_out = []
    for label in labels:
        points = [(label.x, label.y), *label.also]
        anchors = ax.transData.transform(points)
        probe = ax.text(0, 0, label.text, fontsize=size)
        extent = probe.get_window_extent(renderer)
        probe.remove()
        size_px = (extent.width, extent.height)
        taken = [*lines, *marks, *texts]
        others = [mark for mark in marks if not any(mark.contains(*at) for at in anchors)]
        # a line to the text crosses no other mark, or no other text, or what it has to
        tries = (
            _find_place(anchors, size_px, scale, limits, taken, crossed)
            for crossed in ([*texts, *others], texts, ())
        )
        found = next((place for place in tries if place is not None), None)
        if found is None:
            left_out.append(label.text)
            continue
        place, box = found
        texts.append(box)
        leader = _leader(anchors[place], box, scale)
        lines += _along(leader) if leader is not None else ()
        ax.annotate(
            label.text,
            points[place],
            xytext=(box.min - anchors[place]) / scale,
            textcoords="offset points",
            fontsize=size,
            color=label.color,
            ha="left",
            va="bottom",
            arrowprops=None if leader is None else dict(_LEADER),
            annotation_clip=False,
        ).set_in_layout(False)
    return left_out


def _leader(at: Any, box: Bbox, scale: float) -> Any:
    """The two ends of a line to a text that stands away from its point, or None."""
    end = (min(max(at[0], box.x0), box.x1), min(max(at[1], box.y0), box.y1))
    if math.hypot(end[0] - at[0], end[1] - at[1]) < _LEADER_FROM * scale:
        return None
    return np.array([at, end])


def _find_place(
    anchors: Any,
    size: tuple[float, float],
    scale: float,
    limits: Bbox,
    taken: Sequence[Bbox],
    crossed: Sequence[Bbox],
) -> tuple[int, Bbox] | None:
    """The point that a text stands beside, and its box.

    It lies on nothing that is taken, and a line to it crosses nothing of `crossed`.
    """
    width, height = size
    for distance, (place, at), angle in product(_DISTANCES, enumerate(anchors), _ANGLES):
        dx = math.cos(math.radians(angle)) * distance * scale
        dy = math.sin(math.radians(angle)) * distance * scale
        x = dx if dx > 1 else dx - width if dx < -1 else -width / 2
        y = dy if dy > 1 else dy - height if dy < -1 else -height / 2
        box = Bbox.from_bounds(at[0] + x, at[1] + y, width, height)
        if not _holds(limits, box) or not _is_apart(box, taken):
            continue
        leader = _leader(at, box, scale)
        if leader is None or all(_is_apart(step, crossed) for step in _along(leader)):
            return place, box
    return None


def _holds(limits: Bbox, box: Bbox) -> bool:
    return bool(
        limits.x0 <= box.x0 and box.x1 <= limits.x1 and limits.y0 <= box.y0 and box.y1 <= limits.y1
    )


def _is_apart(box: Bbox, others: Sequence[Bbox]) -> bool:
    boxes = np.array([other.extents for other in others]).reshape(-1, 4)
    apart = (
        (boxes[:, 0] >= box.x1 + _MARGIN)
        | (boxes[:, 2] <= box.x0 - _MARGIN)
        | (boxes[:, 1] >= box.y1 + _MARGIN)
        | (boxes[:, 3] <= box.y0 - _MARGIN)
    )
    return bool(apart.all())


def _marks(ax: Axes, scale: float) -> Iterator[Bbox]:
    """Boxes of markers."""
    for line in ax.lines:
        if line.get_marker() not in ("None", "", None):
            half = scale * line.get_markersize() / 2
            for x, y in _points(line):
                yield Bbox.from_extents(x - half, y - half, x + half, y + half)


def _points(line: Line2D) -> Any:
    return line.get_transform().transform(np.asarray(line.get_xydata(), dtype=float))


def _lines(ax: Axes) -> Iterator[Bbox]:
    """Boxes along curves and error bars."""
    for line in ax.lines:
        if line.get_linestyle() != "None":
            yield from _along(_points(line))
    for collection in ax.collections:
        if isinstance(collection, LineCollection):
            for segment in collection.get_segments():
                yield from _along(ax.transData.transform(np.asarray(segment)))


def _along(points: Any) -> Iterator[Bbox]:
    """Small boxes along a line, three pixels from each other."""
    for start, end in pairwise(points):
        if not np.isfinite([start, end]).all():
            continue
        steps = max(2, int(math.hypot(*(end - start)) / 3))
        for x, y in np.linspace(start, end, steps):
            yield Bbox.from_extents(x - 1, y - 1, x + 1, y + 1)


def _texts(ax: Axes, renderer: Any) -> Iterator[Bbox]:
    yield from (text.get_window_extent(renderer) for text in ax.texts if text.get_text())
    legend = ax.get_legend()
    if legend is not None:
        yield legend.get_window_extent(renderer)
