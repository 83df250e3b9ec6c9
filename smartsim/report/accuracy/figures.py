"""All figures and tables that result files are enough for -> files in a folder.

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

from smartsim.errors import ConfigurationError
from smartsim.records.files import write_text_atomically
from smartsim.report.accuracy.results import (
    WORST,
    Measured,
    Point,
    collect_points,
    common_attacks,
    group_variants,
)
from smartsim.report.accuracy.tables import render_attacks, render_table1
from smartsim.report.accuracy.trade_off import draw_trade_off
from smartsim.report.accuracy.utility import draw_utilities
from smartsim.report.published import PublishedTable, load_published
from smartsim.report.style.figures import save_figure

__all__ = ["write_figures"]

_PICTURES = {"figure4": "pgd7", "figure5": "fgsm", "worst_case": WORST}
"""Name of a file -> the attack it shows, for the methods as they are."""
_PAPER = "smart2023_table2"


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
