"""Figures 4 and 5: clean against robust accuracy at each lam that was measured, in one picture."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from smartsim.report.accuracy.results import WORST, Point
from smartsim.report.published import PublishedTable
from smartsim.report.style.figures import TWO_COLUMNS, figure_style, looks_of
from smartsim.report.style.labels import Label, place_labels, wrap_title

__all__ = ["draw_trade_off"]

_NAMES = {"pgd7": "PGD-7", "fgsm": "FGSM", WORST: "the worst attack"}


def draw_trade_off(
    points: Sequence[Point], attack: str, setting: str, paper: PublishedTable | None = None
) -> Figure:
    """CA against RA at each lam that was measured; no line joins what was not.

    Args:
        points: Of the models, each with its errors.
        attack: What the RA are under.
        setting: Network, data, epochs.
        paper: Published CA and RA under the same attack, drawn as hollow marks.
    """
    with figure_style():
        figure = Figure(figsize=(TWO_COLUMNS, 4.3), layout="constrained")
        ax = figure.subplots()
        labels = []
        for method, look in looks_of(point.method for point in points).items():
            own = [point for point in points if point.method == method]
            ax.errorbar(
                [point.robust for point in own],
                [point.clean for point in own],
                xerr=[point.robust_error for point in own],
                yerr=[point.clean_error for point in own],
                color=look.color,
                marker=look.marker,
                linestyle="none",
                elinewidth=0.8,
                label=method,
            )
            labels += _name_lams(own, look.color)
        labels += [] if paper is None else _draw_paper(ax, paper, {p.method for p in points})
        ax.set_xlabel(f"robust accuracy (%) under {_NAMES.get(attack, attack)}")
        ax.set_ylabel("clean accuracy (%)")
        ax.margins(0.06)
        figure.suptitle(wrap_title(_find_message(points, attack), TWO_COLUMNS), x=0.01, ha="left")
        figure.supxlabel(_caption(setting, attack, paper), fontsize=7, color="0.25")
        handles = sorted(ax.get_legend_handles_labels()[0], key=lambda h: isinstance(h, Line2D))
        figure.legend(handles=handles, loc="outside right center", title="λ at each point")
        place_labels(ax, labels)
    return figure


def _name_lams(points: Sequence[Point], color: str) -> list[Label]:
    """What to write beside the points of a method: one text where several lam coincide."""
    groups: dict[tuple[float, float], list[str]] = {}
    for point in points:
        groups.setdefault((point.robust, point.clean), []).append(f"{point.lam:g}")
    return [Label(text=", ".join(lams), x=x, y=y, color=color) for (x, y), lams in groups.items()]


def _draw_paper(ax: Axes, paper: PublishedTable, methods: set[str]) -> list[Label]:
    """The paper's accuracies of these methods, hollow; returns what to write beside them."""
    labels = []
    for method, look in looks_of(sorted(methods)).items():
        for lam in dict.fromkeys(row["lam"] for row in paper.rows):
            clean, robust = (paper.find(metric=m, lam=lam, method=method) for m in ("CA", "RA"))
            if clean is None or robust is None:
                continue
            ax.plot(
                robust,
                clean,
                linestyle="none",
                marker=look.marker,
                markerfacecolor="white",
                markeredgecolor=look.color,
                label=f"_paper/{method}",
            )
            labels.append(Label(text=f"{float(lam):g}", x=robust, y=clean, color=look.color))
    if labels:
        hollow: dict[str, Any] = {
            "linestyle": "none",
            "markerfacecolor": "white",
            "markeredgecolor": "0.35",
        }
        ax.plot([], [], marker="o", color="0.35", label="hollow: the paper's", **hollow)
    return labels


def _find_message(points: Sequence[Point], attack: str) -> str:
    """Who keeps most at its largest lam, and who is not to be told from it."""
    last = [max(group, key=lambda point: point.lam) for group in _by_method(points)]
    best = max(last, key=lambda point: point.robust)
    equal = [p for p in last if best.robust - p.robust <= 2 * _error_between(best, p)]
    others = sorted((p for p in last if p not in equal), key=lambda point: -point.robust)
    where = f"λ = {best.lam:g}" if len({p.lam for p in last}) == 1 else "its largest λ"
    under = f"Under {_NAMES.get(attack, attack)} at {where}"
    if len(equal) == 1:
        text = f"{under}, {best.method} keeps most images ({best.robust:.1f} %)"
    else:
        names = _enumerate([point.method for point in equal])
        text = f"{under}, {names} keep equally many images within two standard errors"
    if not others:
        return text
    gaps = [f"{best.robust - point.robust:.1f}" for point in others]
    span = gaps[0] if len(set(gaps)) == 1 else f"{gaps[0]} to {gaps[-1]}"
    return f"{text}; {span} points fewer for {_enumerate([p.method for p in others])}"


def _by_method(points: Sequence[Point]) -> list[list[Point]]:
    methods = dict.fromkeys(point.method for point in points)
    return [[point for point in points if point.method == method] for method in methods]


def _error_between(one: Point, other: Point) -> float:
    return math.hypot(one.robust_error, other.robust_error)


def _enumerate(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _caption(setting: str, attack: str, paper: PublishedTable | None) -> str:
    lines = [f"{setting}; bars are one standard error over images, on both axes"]
    if attack == WORST:
        lines.append("the worst of those attacks that every point has")
    if paper is not None:
        network = paper.comparison.setting.get("arch", "its own network")
        lines.append(f"hollow: {paper.citation}, on {network}")
    return "\n".join(lines)
