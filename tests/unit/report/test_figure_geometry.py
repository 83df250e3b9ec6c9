"""What a reader sees of the figures: nothing lies on anything, a method looks the same in all."""

import itertools
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

from smartsim.cost import load_table
from smartsim.counts import count_actions
from smartsim.report.accuracy.results import collect_points, load_measured
from smartsim.report.accuracy.trade_off import draw_trade_off
from smartsim.report.accuracy.utility import draw_utilities, load_utilities
from smartsim.report.energy.data import build_energy_vs_bits
from smartsim.report.energy.figure import draw_energy_vs_bits
from smartsim.report.energy.report import DEFAULT_TABLES
from smartsim.report.published import load_published
from smartsim.report.simulate.costs import SwitchReport
from smartsim.report.simulate.roofline import draw_roofline
from smartsim.report.simulate.switch import build_switch_report
from smartsim.report.simulate.switch_figure import draw_switch
from smartsim.report.style.figures import looks_of
from smartsim.report.style.labels import Label, place_labels
from smartsim.simulate import load_accelerator, simulate_network
from tests.unit.report.helpers import LABELS, trace_small

RESULTS = Path(__file__).resolve().parents[3] / "reports" / "results"
TABLE = "horowitz2014_45nm+shiftaddnet2020_asic_45nm+han2015_45nm"
FILES = [f"{name}.json" for name in ("pgdat-lam0", "pgdat-lam1", "oat", "float", "smart")]
VARIANTS = ["smart.json", "smart-overlap0.json", "smart-ssss.json"]


def trade_off(files: list[str], attack: str, *, paper: bool = False) -> Figure:
    rows = load_measured(RESULTS / name for name in files)
    published = load_published("smart2023_table2") if paper else None
    return draw_trade_off(collect_points(rows, attack), attack, "resnet10", published)


def energy_vs_bits() -> Figure:
    counts = {
        trace.label: {lam: count_actions(graph, "paper") for lam, graph in trace.paths.items()}
        for trace in trace_small()
    }
    return draw_energy_vs_bits(
        build_energy_vs_bits(counts, [load_table(name) for name in DEFAULT_TABLES])
    )


def roofline() -> Figure:
    machine = load_accelerator("edge_npu")
    return draw_roofline(
        [(t.label, simulate_network(t.paths[1.0], machine)) for t in trace_small()]
    )


@cache
def switches() -> SwitchReport:
    return build_switch_report(trace_small(), load_accelerator("edge_npu"), load_table(TABLE))


FIGURES: dict[str, Callable[[], Figure]] = {
    "figure4": lambda: trade_off(FILES, "pgd7", paper=True),
    "figure5": lambda: trade_off(FILES, "fgsm"),
    "worst_case": lambda: trade_off(FILES, "worst"),
    "variants": lambda: trade_off(VARIANTS, "worst"),
    "figure2": lambda: draw_utilities(
        load_utilities(RESULTS / f"sparse-{density}.json" for density in ("05", "10", "20"))
    ),
    "energy_vs_bits": energy_vs_bits,
    "roofline": roofline,
    "switch": lambda: draw_switch(switches()),
}
drawn = cache(lambda name: FIGURES[name]())


def texts_of(figure: Figure) -> list[Text]:
    """What is written; without ticks beyond the limits of their axis, which are not drawn."""
    beyond = {
        label
        for ax in figure.axes
        for place, axis in enumerate((ax.xaxis, ax.yaxis))
        for label in axis.get_ticklabels(which="both")
        if not _is_between(label.get_position()[place], axis.get_view_interval())
    }
    return [
        text
        for text in figure.findobj(Text)
        if text.get_visible() and text.get_text().strip() and text not in beyond
    ]


def _is_between(value: float, ends: tuple[float, float]) -> bool:
    low, high = sorted(ends)
    margin = 1e-9 * (high - low)
    return low - margin <= value <= high + margin


@pytest.mark.parametrize("name", FIGURES)
def test_no_text_lies_on_another_or_leaves_the_page(name: str) -> None:
    figure = drawn(name)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    renderer = canvas.get_renderer()  # type: ignore[no-untyped-call]
    width, height = canvas.get_width_height()
    shown = []
    for text in texts_of(figure):
        if text.get_rotation() % 90:
            continue  # the box of a slanted text is wider than the text
        box = Text.get_window_extent(text, renderer)  # of an annotation without its line
        assert box.x0 >= -1, text.get_text()
        assert box.y0 >= -1, text.get_text()
        assert box.x1 <= width + 1, text.get_text()
        assert box.y1 <= height + 1, text.get_text()
        shown.append((text.get_text(), box.padded(-0.5)))
    for (one, first), (other, second) in itertools.combinations(shown, 2):
        assert not first.overlaps(second), f"{one!r} lies on {other!r}"


@pytest.mark.parametrize("name", FIGURES)
def test_the_title_is_a_message_computed_from_the_data(name: str) -> None:
    figure = drawn(name)
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    title = figure.get_suptitle() or " ".join(titles)
    assert any(letter.isdigit() for letter in title), title
    assert " " in title


def marks_of(ax: Axes) -> dict[str, set[tuple[str, str]]]:
    """Method -> colours and markers of its points."""
    found: dict[str, set[tuple[str, str]]] = {}
    for line in ax.get_lines():
        method = str(line.get_label()).strip("_").split("/")[0]
        if method in LABELS and line.get_marker() not in ("None", "x"):
            look = (to_hex(line.get_markeredgecolor()), str(line.get_marker()))
            found.setdefault(method, set()).add(look)
    for container in ax.containers:
        method, line = str(container.get_label()), container[0]
        if method in LABELS and hasattr(line, "get_marker"):
            found.setdefault(method, set()).add((to_hex(line.get_color()), line.get_marker()))
    return found


def test_a_method_has_one_colour_and_marker_in_every_figure() -> None:
    looks = looks_of(LABELS)
    seen: dict[str, set[tuple[str, str]]] = {}
    for name in ("figure4", "figure5", "worst_case", "energy_vs_bits"):
        for ax in drawn(name).axes:
            for method, marks in marks_of(ax).items():
                seen.setdefault(method, set()).update(marks)
    assert seen == {method: {(look.color.lower(), look.marker)} for method, look in looks.items()}
    colors = {
        method: {color for color, _ in marks}
        for ax in drawn("roofline").axes
        for method, marks in marks_of(ax).items()
    }
    assert colors == {method: {look.color.lower()} for method, look in looks.items()}


@pytest.mark.parametrize("name", ["figure4", "figure5", "worst_case", "variants"])
def test_no_line_joins_points_between_which_nothing_was_measured(name: str) -> None:
    (ax,) = drawn(name).axes
    assert all(line.get_linestyle() == "None" for line in ax.get_lines())
    for container in ax.containers:
        assert len(container[2]) == 2, "error bars on both axes"


def test_the_papers_points_stand_hollow_in_the_figure_of_its_attack_alone() -> None:
    def hollow(name: str) -> set[tuple[float, float]]:
        (ax,) = drawn(name).axes
        return {
            (float(x), float(y))
            for line in ax.get_lines()
            if str(line.get_label()).startswith("_paper/")
            for x, y in np.asarray(line.get_xydata())
        }

    paper = load_published("smart2023_table2")
    assert hollow("figure4") == {
        (paper.find(metric="RA", lam=lam, method=m), paper.find(metric="CA", lam=lam, method=m))
        for lam in "01"
        for m in LABELS
    }
    assert hollow("figure5") == set()


def test_figure_2_has_a_bar_for_each_layer_in_the_networks_order() -> None:
    (ax,) = drawn("figure2").axes
    names = [label.get_text() for label in ax.get_xticklabels()]
    utilities = load_utilities([RESULTS / "sparse-05.json"])["sparse learning density 0.05"]
    assert names == list(utilities)
    heights = [bar.get_height() for bar in ax.containers[0]]
    assert heights == list(utilities.values())


def test_an_fpga_has_points_and_no_curve() -> None:
    ax = drawn("energy_vs_bits").axes[3]
    names = [str(line.get_label()) for line in ax.get_lines()]
    assert "_shiftaddnet2020_fpga_zc706/int/published" in names
    assert not any("fpga" in name and name.endswith(("solid", "dashed")) for name in names)


def test_the_switch_says_at_which_lam_its_inference_runs() -> None:
    texts = {text.get_text() for text in texts_of(drawn("switch"))}
    assert "one inference at λ = 1" in texts


def test_layers_are_named_in_the_roofline() -> None:
    for ax in drawn("roofline").axes:
        written = " ".join(text.get_text() for text in ax.texts)
        assert all(name in written for name in ("conv1", "layer1", "layer2", "layer3", "linear"))


def test_a_label_without_room_is_left_out_and_named() -> None:
    figure = Figure(figsize=(1, 1))
    ax = figure.subplots()
    ax.plot([0, 1], [0, 1])
    long = Label(text="a text that is wider than the whole figure", x=0.5, y=0.5)
    assert place_labels(ax, [long]) == [long.text]
    assert not ax.texts
