"""Figures of measured accuracies, from result files, with a paper's own points beside them.

Figure 4 is the trade-off of clean and robust accuracy under PGD-7 over lam, Figure 5 under FGSM; a
third picture has the worst case over all attacks, and one more compares the variants in which a
method was trained. Figure 2 is the share of weights that sparse learning leaves in each layer.
"""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from smartsim.errors import ConfigurationError, FileFormatError
from smartsim.records.files import read_json, write_text_atomically
from smartsim.report.accuracy.results import (
    WORST,
    Measured,
    Point,
    collect_points,
    common_attacks,
    group_variants,
)
from smartsim.report.accuracy.tables import render_attacks, render_table1
from smartsim.report.published import PublishedTable, load_published
from smartsim.report.style.figures import TWO_COLUMNS, figure_style, looks_of, save_figure
from smartsim.report.style.labels import Label, place_labels, wrap_title

__all__ = [
    "draw_trade_off",
    "draw_utilities",
    "load_utilities",
    "write_figures",
]

_PICTURES = {"figure4": "pgd7", "figure5": "fgsm", "worst_case": WORST}
"""Name of a file -> the attack it shows, for the methods as they are."""
_NAMES = {"pgd7": "PGD-7", "fgsm": "FGSM", WORST: "the worst attack"}
_PAPER = "smart2023_table2"


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
            labels += [
                Label(text=f"{point.lam:g}", x=point.robust, y=point.clean, color=look.color)
                for point in own
            ]
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


def load_utilities(paths: Iterable[Path]) -> dict[str, dict[str, float]]:
    """Model -> layer -> share of nonzero weights, from results of sparse learning.

    Raises:
        FileFormatError: If a file is damaged.
    """
    found: dict[str, dict[str, float]] = {}
    for path in paths:
        data = read_json(path, "a result file of the evaluator")
        if "layers" not in data:
            continue
        try:
            found[str(data["method"])] = {
                str(row["name"]): int(row["nonzeros"]) / int(row["weights"])
                for row in data["layers"]
            }
        except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
            raise FileFormatError(f"{path}: a damaged result file: {error!r}") from error
    return found


def draw_utilities(utilities: Mapping[str, Mapping[str, float]], setting: str = "") -> Figure:
    """Figure 2: how much of each layer sparse learning uses, in the network's order."""
    with figure_style():
        figure = Figure(figsize=(TWO_COLUMNS, 3.3), layout="constrained")
        ax = figure.subplots()
        names = list(next(iter(utilities.values())))
        places = np.arange(len(names))
        width = 0.8 / len(utilities)
        common = _common_words(list(utilities))
        for number, (label, look) in enumerate(looks_of(utilities).items()):
            ax.bar(
                places + (number - (len(utilities) - 1) / 2) * width,
                [utilities[label].get(name, 0.0) for name in names],
                width=width,
                color=look.color,
                hatch=look.hatch,
                edgecolor="white",
                linewidth=0.3,
                label=label.removeprefix(common).strip() or label,
            )
        ax.set_xticks(places, names, rotation=40, ha="right", rotation_mode="anchor")
        ax.grid(visible=False, axis="x")
        ax.margins(x=0.01)
        ax.set_ylim(0, 1.02)
        ax.set_ylabel("nonzeros / weights")
        title = wrap_title(_find_sparsest(utilities), TWO_COLUMNS)
        figure.suptitle(title, x=0.01, ha="left")
        figure.supxlabel(setting, fontsize=7, color="0.25")
        ax.legend(title=common.strip() or None, loc="lower left", bbox_to_anchor=(1, 0.4))
    return figure


def _common_words(labels: Sequence[str]) -> str:
    """What all labels begin with, to the end of a word; "" where there is but one."""
    if len(labels) < 2:
        return ""
    first, last = min(labels), max(labels)
    length = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), 0)
    return first[: first.rfind(" ", 0, length) + 1]


def _find_sparsest(utilities: Mapping[str, Mapping[str, float]]) -> str:
    """Which layers sparse learning spares and spends most on, where it is sparsest."""
    label, layers = min(utilities.items(), key=lambda item: sum(item[1].values()))
    low, high = min(layers, key=lambda n: layers[n]), max(layers, key=lambda n: layers[n])
    return (
        f"{label[:1].upper()}{label[1:]} keeps {layers[high]:.0%} of {high}, "
        f"and {layers[low]:.0%} of {low}"
    ).replace("%", " %")


def write_figures(
    rows: Sequence[Measured],
    utilities: Mapping[str, Mapping[str, float]],
    folder: Path,
    formats: Sequence[str] = ("svg", "png"),
) -> list[Path]:
    """Write every figure that the results are enough for, and its numbers as CSV.

    Raises:
        ConfigurationError: If they are enough for none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    families = group_variants(row.method for row in rows if row.method not in utilities)
    plain = [row for row in rows if row.method in families]
    pictures = [(name, attack, plain) for name, attack in _PICTURES.items()]
    for label, variants in families.items():
        if len(variants) > 1:
            varied = [row for row in rows if row.method in variants]
            pictures.append((f"variants_{label.lower()}", WORST, varied))
    for name, attack, family in pictures:
        shown = common_attacks(family) if attack == WORST else family
        points = collect_points(shown, attack)
        if points:
            figure = draw_trade_off(
                points, attack, _settings_of(shown), _choose_paper(name, attack)
            )
            written += _save(figure, folder / name, formats)
            columns = tuple(Point.__dataclass_fields__)
            numbers = [[getattr(point, name) for name in columns] for point in points]
            written.append(_write_csv(columns, numbers, folder / f"{name}.csv"))
    attacked = collect_points(rows, WORST)
    texts = {"attacks.md": render_attacks(rows)} if attacked else {}
    if any(point.method.startswith("SMART") for point in attacked):
        texts["table1.md"] = render_table1(rows)
    for name, text in texts.items():
        write_text_atomically(folder / name, text)
        written.append(folder / name)
    if utilities:
        setting = _settings_of(row for row in rows if row.method in utilities)
        written += _save(draw_utilities(utilities, setting), folder / "figure2", formats)
        shares = [
            (method, layer, share)
            for method, layers in utilities.items()
            for layer, share in layers.items()
        ]
        written.append(_write_csv(("method", "layer", "utility"), shares, folder / "figure2.csv"))
    if not written:
        raise ConfigurationError(
            "these result files have no clean accuracy beside an attack's; evaluate with "
            "`smartsim evaluate RUN --attacks clean,fgsm,pgd7`"
        )
    return written


def _choose_paper(name: str, attack: str) -> PublishedTable | None:
    """The paper's numbers, for the picture of the methods under the paper's own attack."""
    paper = load_published(_PAPER)
    return paper if name in _PICTURES and attack == paper.comparison.attack else None


def _save(figure: Figure, stem: Path, formats: Sequence[str]) -> list[Path]:
    paths = [stem.with_suffix(f".{kind}") for kind in formats]
    for path in paths:
        save_figure(figure, path)
    return paths


def _settings_of(rows: Iterable[Measured]) -> str:
    return "; ".join(dict.fromkeys(row.setting for row in rows))


def _write_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]], path: Path) -> Path:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns, *rows])
    write_text_atomically(path, text.getvalue())
    return path
