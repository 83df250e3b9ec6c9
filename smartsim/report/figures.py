"""The paper's figures and Table 1 from our own result files: measured numbers, and nothing else.

Figure 4 is the trade-off of clean and robust accuracy under PGD-7 over lam, Figure 5 under FGSM; a
third picture has the worst case over all attacks. Figure 2 is the share of weights that sparse
learning leaves in each layer.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from smartsim.errors import ConfigurationError, FileFormatError
from smartsim.files import read_json, write_bytes_atomically, write_text_atomically
from smartsim.report.energy_marks import LOOKS, STYLE
from smartsim.report.measured import Measured
from smartsim.report.published import load_published

__all__ = [
    "Point",
    "collect_points",
    "draw_trade_off",
    "draw_utilities",
    "load_utilities",
    "render_table1",
    "write_figures",
]

WORST = "worst"
_TITLES = {"pgd7": "PGD-7 (the paper's protocol)", "fgsm": "FGSM", WORST: "the worst attack"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One model at one lam.

    Attributes:
        method: Label of the model.
        lam: The condition.
        clean: CA in percent.
        robust: RA in percent.
        robust_error: Its standard error, in percent.
        attack: What the RA was measured with.
        images: On how many images.
    """

    method: str
    lam: float
    clean: float
    robust: float
    robust_error: float
    attack: str
    images: int


def collect_points(rows: Iterable[Measured], attack: str) -> tuple[Point, ...]:
    """Clean accuracy beside robust accuracy, for each model and lam that has both.

    Args:
        rows: Of result files.
        attack: Name of one, or "worst" for the lowest accuracy that any attack left.
    """
    groups: dict[tuple[str, float], list[Measured]] = {}
    for row in rows:
        groups.setdefault((row.method, row.lam), []).append(row)
    points = []
    for (method, lam), group in groups.items():
        clean = [row for row in group if row.attack == "clean"]
        attacked = [row for row in group if row.attack != "clean" and attack in (WORST, row.attack)]
        if clean and attacked:
            least = min(attacked, key=lambda row: row.accuracy)
            points.append(
                Point(
                    method=method,
                    lam=lam,
                    clean=clean[0].accuracy,
                    robust=least.accuracy,
                    robust_error=least.standard_error,
                    attack=least.attack,
                    images=least.images,
                )
            )
    return tuple(sorted(points, key=lambda point: (point.method, point.lam)))


def draw_trade_off(points: Sequence[Point], attack: str, setting: str) -> Figure:
    """CA against RA; a line through the lam of each model."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.6, 4.4), layout="constrained")
        ax = figure.subplots()
        methods = list(dict.fromkeys(point.method for point in points))
        for number, method in enumerate(methods):
            look = LOOKS[number % len(LOOKS)]
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


def draw_utilities(utilities: Mapping[str, Mapping[str, float]]) -> Figure:
    """Figure 2: how much of each layer sparse learning uses."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 3.6), layout="constrained")
        ax = figure.subplots()
        names = list(next(iter(utilities.values())))
        for number, (label, layers) in enumerate(utilities.items()):
            look = LOOKS[number % len(LOOKS)]
            shares = [layers.get(name, 0.0) for name in names]
            ax.plot(shares, color=look.color, marker=look.marker, linewidth=1.2, label=label)
        ax.set_xticks(range(len(names)), names, rotation=90, fontsize=6)
        ax.set_ylim(0, 1.02)
        ax.set_ylabel("parameter utility (nonzeros / weights)")
        ax.legend()
    return figure


def render_table1(points: Sequence[Point]) -> str:
    """Table 1 as Markdown: SMART's stage patterns and overlaps, published and measured apart."""
    lines = [
        "| SMART | kind | CA, lam=0 | RA, lam=0 | CA, lam=1 | RA, lam=1 | RA measured with |",
        "|---|---|---|---|---|---|---|",
    ]
    paper = load_published("smart2023_table1")
    for row in dict.fromkeys((row["stages"], row["overlap"]) for row in paper.rows):
        cells = {
            (cell["lam"], cell["metric"]): cell["value"]
            for cell in paper.rows
            if (cell["stages"], cell["overlap"]) == row
        }
        numbers = [cells[lam, metric] for lam in "01" for metric in ("CA", "RA")]
        lines.append(f"| [{row[0]}] overlap {row[1]} | published | {' | '.join(numbers)} | PGD-7 |")
    for method in dict.fromkeys(p.method for p in points if p.method.startswith("SMART")):
        own = {point.lam: point for point in points if point.method == method}
        if {0.0, 1.0} <= own.keys():
            ends = (own[0.0], own[1.0])
            numbers = [
                text
                for point in ends
                for text in (
                    f"{point.clean:.2f}",
                    f"{point.robust:.2f} ± {point.robust_error:.2f}",
                )
            ]
            how = ", ".join(dict.fromkeys(f"{p.attack} (n={p.images})" for p in ends))
            lines.append(f"| {method} | measured | {' | '.join(numbers)} | {how} |")
    return "\n".join(lines) + "\n"


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
    setting = "; ".join(dict.fromkeys(row.setting for row in rows))
    written = []
    for name, attack in (("figure4", "pgd7"), ("figure5", "fgsm"), ("worst_case", WORST)):
        points = collect_points(rows, attack)
        if points:
            figure = draw_trade_off(points, attack, setting)
            written += _save(figure, folder / name, formats)
            written.append(_write_csv(points, folder / f"{name}.csv"))
    worst = collect_points(rows, WORST)
    if any(point.method.startswith("SMART") for point in worst):
        path = folder / "table1.md"
        write_text_atomically(path, render_table1(worst))
        written.append(path)
    if utilities:
        written += _save(draw_utilities(utilities), folder / "figure2", formats)
    if not written:
        raise ConfigurationError(
            "these result files have no clean accuracy beside an attack's; evaluate with "
            "`smartsim evaluate RUN --attacks clean,fgsm,pgd7`"
        )
    return written


def _save(figure: Figure, stem: Path, formats: Sequence[str]) -> list[Path]:
    paths = []
    for kind in formats:
        stream = io.BytesIO()
        metadata: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(
            kind, {}
        )
        with mpl.rc_context(STYLE):
            figure.savefig(stream, format=kind, metadata=metadata)
        path = stem.with_suffix(f".{kind}")
        write_bytes_atomically(path, stream.getvalue())
        paths.append(path)
    return paths


def _write_csv(points: Sequence[Point], path: Path) -> Path:
    names = list(Point.__dataclass_fields__)
    text = io.StringIO()
    rows = [[getattr(point, name) for name in names] for point in points]
    csv.writer(text, lineterminator="\n").writerows([names, *rows])
    write_text_atomically(path, text.getvalue())
    return path
