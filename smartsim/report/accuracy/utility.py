"""Figure 2: the share of weights that sparse learning leaves in each layer."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from smartsim.records.accuracies import read_result_file
from smartsim.report.style.figures import TWO_COLUMNS, figure_style, looks_of
from smartsim.report.style.labels import wrap_title

__all__ = ["draw_utilities", "load_utilities"]


def load_utilities(paths: Iterable[Path]) -> dict[str, dict[str, float]]:
    """Model -> layer -> share of nonzero weights, from results of sparse learning.

    Raises:
        FileFormatError: If a file is damaged.
    """
    files = [read_result_file(path)[0] for path in paths]
    return {
        file.method: {row.name: row.nonzeros / row.weights for row in file.layers}
        for file in files
        if file.layers
    }


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
