"""Figures of measured accuracies, from result files: measured numbers, and nothing else.

Figure 4 is the trade-off of clean and robust accuracy under PGD-7 over lam, Figure 5 under FGSM; a
third picture has the worst case over all attacks, and one more compares the variants in which a
method was trained. Figure 2 is the share of weights that sparse learning leaves in each layer.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

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
from smartsim.report.style.figures import figure_style, looks_of, save_figure

__all__ = [
    "draw_trade_off",
    "draw_utilities",
    "load_utilities",
    "write_figures",
]

_PICTURES = {"figure4": "pgd7", "figure5": "fgsm", "worst_case": WORST}
"""Name of a file -> the attack it shows, for the methods as they are."""
_TITLES = {
    "pgd7": "PGD-7 (the paper's protocol)",
    "fgsm": "FGSM",
    WORST: "the worst attack of those that every point has",
}


def draw_trade_off(points: Sequence[Point], attack: str, setting: str) -> Figure:
    """CA against RA; a line through the lam of each model."""
    with figure_style():
        figure = Figure(figsize=(5.6, 4.4), layout="constrained")
        ax = figure.subplots()
        for method, look in looks_of(point.method for point in points).items():
            own = [point for point in points if point.method == method]
            ax.errorbar(
                [point.robust for point in own],
                [point.clean for point in own],
                xerr=[point.robust_error for point in own],
                color=look.color,
                marker=look.marker,
                linewidth=1.4,
                elinewidth=0.8,
                label=method,
            )
            for point in own:
                ax.annotate(
                    f"{point.lam:g}",
                    (point.robust, point.clean),
                    xytext=(4, 4),
                    textcoords="offset points",
                    fontsize=7,
                    color=look.color,
                )
        ax.set_xlabel(f"robust accuracy (%) under {_TITLES.get(attack, attack)}")
        ax.set_ylabel("clean accuracy (%)")
        ax.set_title(setting, fontsize=8, fontweight="normal")
        ax.legend(title="λ at each point")
    return figure


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
    """Figure 2: how much of each layer sparse learning uses."""
    with figure_style():
        figure = Figure(figsize=(7.2, 3.6), layout="constrained")
        ax = figure.subplots()
        names = list(next(iter(utilities.values())))
        for label, look in looks_of(utilities).items():
            layers = utilities[label]
            shares = [layers.get(name, 0.0) for name in names]
            ax.plot(shares, color=look.color, marker=look.marker, linewidth=1.2, label=label)
        ax.set_xticks(range(len(names)), names, rotation=90, fontsize=6)
        ax.set_ylim(0, 1.02)
        ax.set_ylabel("parameter utility (nonzeros / weights)")
        ax.set_title(setting, fontsize=8, fontweight="normal")
        figure.legend(*ax.get_legend_handles_labels(), loc="outside right center")
    return figure


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
            figure = draw_trade_off(points, attack, _settings_of(shown))
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
