"""Measured accuracies as tables: SMART's variants beside the paper's Table 1, and every attack."""

from collections.abc import Sequence

from smartsim.report.accuracy.results import WORST, Measured, Point, collect_points
from smartsim.report.published import load_published

__all__ = ["render_attacks", "render_table1"]


def render_attacks(rows: Sequence[Measured]) -> str:
    """What each attack left of each model at each lam, as Markdown, in percent."""
    attacks = list(dict.fromkeys(row.attack for row in rows))
    lines = [
        "Accuracy in percent ± its standard error over the choice of images. Behind an arrow is "
        "the worst case so far, on fewer images; before it, the worst case of the attacks before "
        "on the same images.",
        "",
        f"| model | λ | {' | '.join(attacks)} |",
        f"|---|---|{'---|' * len(attacks)}",
    ]
    groups: dict[tuple[str, float], dict[str, Measured]] = {}
    for row in rows:
        groups.setdefault((row.method, row.lam), {})[row.attack] = row
    for (method, lam), found in groups.items():
        cells = [_describe(found[attack]) if attack in found else "" for attack in attacks]
        lines.append(f"| {method} | {lam:g} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _describe(row: Measured) -> str:
    number = f"{row.accuracy:.1f} ± {row.standard_error:.1f}"
    return number if row.before is None else f"{row.before:.1f} → {number}"


def render_table1(rows: Sequence[Measured]) -> str:
    """Table 1 as Markdown: SMART's stage patterns and overlaps, published and measured apart.

    Measured RA are there twice, by the paper's attack and by the worst.
    """
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
    for method in dict.fromkeys(row.method for row in rows if row.method.startswith("SMART")):
        own = [row for row in rows if row.method == method]
        for attack in ("pgd7", WORST):
            points = {point.lam: point for point in collect_points(own, attack)}
            if {0.0, 1.0} <= points.keys():
                lines.append(f"| {method} | measured | {_at_the_ends(points[0.0], points[1.0])} |")
    return "\n".join(lines) + "\n"


def _at_the_ends(*points: Point) -> str:
    numbers = [
        f"{point.clean:.2f} | {point.robust:.2f} ± {point.robust_error:.2f}" for point in points
    ]
    how = dict.fromkeys(f"{point.attack} (n={point.images})" for point in points)
    return " | ".join([*numbers, ", ".join(how)])
