"""Labels beside points of a figure, placed so that none lies on another, a marker or a line."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
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
    """A text beside a point of the data."""

    text: str
    x: float
    y: float
    color: str = "0.15"


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
    marks, texts = list(_marks(ax, scale)), list(_texts(ax, renderer))
    limits = ax.get_window_extent(renderer)
    left_out = []
    for label in labels:
        at = ax.transData.transform((label.x, label.y))
        probe = ax.text(0, 0, label.text, fontsize=size)
        extent = probe.get_window_extent(renderer)
        probe.remove()
        size_px = (extent.width, extent.height)
        found = _find_place(at, size_px, scale, limits, marks, texts)
        if found is None:
            left_out.append(label.text)
            continue
        offset, box = found
        texts.append(box)
        leader = _leader(at, box, scale)
        marks += _along(leader) if leader is not None else ()
        ax.annotate(
            label.text,
            (label.x, label.y),
            xytext=offset,
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
    at: Any,
    size: tuple[float, float],
    scale: float,
    limits: Bbox,
    marks: Sequence[Bbox],
    texts: Sequence[Bbox],
) -> tuple[tuple[float, float], Bbox] | None:
    """Where the text's lower left corner goes, in points from the data point, and its box."""
    width, height = size
    for distance in _DISTANCES:
        for angle in _ANGLES:
            dx = math.cos(math.radians(angle)) * distance * scale
            dy = math.sin(math.radians(angle)) * distance * scale
            x = dx if dx > 1 else dx - width if dx < -1 else -width / 2
            y = dy if dy > 1 else dy - height if dy < -1 else -height / 2
            box = Bbox.from_bounds(at[0] + x, at[1] + y, width, height)
            if not _holds(limits, box) or not _is_apart(box, [*marks, *texts]):
                continue
            leader = _leader(at, box, scale)
            if leader is None or all(_is_apart(step, texts) for step in _along(leader)):
                return (x / scale, y / scale), box
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
    """Boxes of markers and lines."""
    for line in ax.lines:
        points = line.get_transform().transform(np.asarray(line.get_xydata(), dtype=float))
        if line.get_marker() not in ("None", "", None):
            half = scale * line.get_markersize() / 2
            yield from (
                Bbox.from_extents(x - half, y - half, x + half, y + half) for x, y in points
            )
        if line.get_linestyle() != "None":
            yield from _along(points)
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
