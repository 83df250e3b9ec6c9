"""Rows by layer -> a figure of bars: what each layer has of MACs, parameters, energy and cycles."""

import textwrap
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from smartsim.errors import ConfigurationError

__all__ = ["draw_bars"]

_MOST = 60
_LETTERS_PER_INCH = 11
_LEAST = 2e-3
"""Share of the longest bar below which nothing is seen."""


def draw_bars(
    labels: Sequence[str], series: Mapping[str, Sequence[float]], *, title: str
) -> Figure:
    """Horizontal bars by layer, one panel for each quantity that is anywhere above 0.

    Args:
        labels: Names of the layers, in order of execution.
        series: Heading of a panel -> its numbers.
        title: What the figure says.

    Raises:
        ConfigurationError: If every number is 0.
    """
    shown = {name: list(values) for name, values in series.items() if any(values)}
    if not shown:
        raise ConfigurationError("there is nothing to draw: no layer has a number above 0")
    names = [label or "(model)" for label in labels]
    keep = [
        place
        for place in range(len(names))
        if any(abs(of[place]) > _LEAST * max(map(abs, of)) for of in shown.values())
    ]
    if len(keep) > _MOST:  # more lines than a page has: the largest by the first quantity
        first = next(iter(shown.values()))
        keep = sorted(sorted(keep, key=lambda place: -first[place])[:_MOST])
        title = f"{title} (the {_MOST} largest layers)"
    figure = Figure(figsize=(2.6 + 2.2 * len(shown), 1.2 + 0.2 * len(keep)), layout="constrained")
    axes = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    for axis, (heading, values) in zip(axes, shown.items(), strict=True):
        axis.barh(range(len(keep)), [values[place] for place in keep], color="#0072B2")
        axis.set_title(heading, fontsize=9)
        axis.set_yticks(range(len(keep)), [names[place] for place in keep], fontsize=7)
        axis.tick_params(axis="x", labelsize=7)
        axis.margins(y=0.5 / len(keep))
        axis.xaxis.set_major_locator(_few_ticks())
        axis.xaxis.set_major_formatter(_engineering())
        axis.grid(axis="x", alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].invert_yaxis()
    letters = int(figure.get_figwidth() * _LETTERS_PER_INCH)
    figure.suptitle(textwrap.fill(title, letters, break_long_words=False), fontsize=10)
    return figure


def _few_ticks() -> object:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(4)


def _engineering() -> object:
    """Thousands and more by a prefix; below one, the number itself and not 800m."""
    from matplotlib.ticker import EngFormatter, FuncFormatter

    prefixed = EngFormatter(sep="")
    return FuncFormatter(lambda x, _: prefixed(x) if abs(x) >= 1 else f"{x:g}")
