"""The figure "energy against bit width": data -> matplotlib. Prices nothing."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from smartsim.cost import Table
from smartsim.report.energy.data import EnergyVsBits
from smartsim.report.energy.marks import (
    TABLE_LOOKS,
    draw_curve,
    draw_floats,
    draw_points,
    dress_energies,
    dress_widths,
    make_legend,
    select_curve,
    write_label,
)
from smartsim.report.style.figures import TWO_COLUMNS, Look, figure_style, looks_of
from smartsim.report.style.labels import Label, place_labels, wrap_title

__all__ = ["draw_energy_vs_bits"]

_ARITHMETIC = {"int": "INT MACs", "shift": "shift-adds", "both": "both"}


def draw_energy_vs_bits(data: EnergyVsBits) -> Figure:
    """Four panels: energy at each lam, the conditional overhead, and the overhead by table.

    Args:
        data: What `build_energy_vs_bits` returned, with lam = 0 and lam = 1.
    """
    with figure_style():
        layout = ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.05, hspace=0.03)
        figure = Figure(figsize=(TWO_COLUMNS, 7.2), layout=layout)
        axes = figure.subplots(2, 2)
        looks = looks_of(data.methods)
        lams = sorted(data.frame["lam"].unique())
        main = data.frame[data.frame["table"] == data.tables[0].name]
        for ax, lam, letter in zip(axes[0], (lams[0], lams[-1]), "ab", strict=True):
            _draw_energy(ax, main[main["lam"] == lam], looks)
            _set_title(ax, letter, _find_saving(main[main["lam"] == lam], data, lam))
        _draw_overhead(axes[1, 0], main[main["lam"] == lams[-1]], looks)
        _set_title(axes[1, 0], "c", _find_overhead(main[main["lam"] == lams[-1]], lams[-1]))
        axes[1, 0].set_ylabel(f"overhead (% of {data.baseline} in the same format)")
        _draw_tables(axes[1, 1], data, lams[-1])
        for ax in axes.flat:
            dress_widths(ax)
        low = min(ax.get_ylim()[0] for ax in axes[0])
        for ax in axes[0]:
            ax.set_ylim(low, 1.6 * main["energy_uj"].max())
        figure.legend(
            handles=list(make_legend(looks)), loc="outside upper center", ncols=5, columnspacing=1.0
        )
        figure.supxlabel(_caption(data), fontsize=6.5, color="0.25", x=0.01, ha="left")
        place_labels(axes[1, 0], _label_overheads(axes[1, 0], main[main["lam"] == lams[-1]]))
    return figure


def _set_title(ax: Axes, letter: str, message: str) -> None:
    ax.set_title(f"{letter}  {wrap_title(message, TWO_COLUMNS / 2 - 0.8)}")


def _find_saving(rows: pd.DataFrame, data: EnergyVsBits, lam: float) -> str:
    """The method that takes least energy, and how much less than the baseline, over all formats."""
    table = rows.pivot_table(index="format", columns="method", values="energy_uj")
    ratios = table.div(table[data.baseline], axis="index").drop(columns=data.baseline)
    if ratios.empty or data.baseline not in table:
        return f"Energy at λ = {lam:g}"
    least = str(ratios.mean().idxmin())
    saved = (100 * (1 - ratios[least])).to_numpy()
    low, high = f"{saved.min():.0f}", f"{saved.max():.0f}"
    if saved.max() < 0.5:
        return f"At λ = {lam:g} no method takes less than {data.baseline}"
    span = low if low == high else f"{low} to {high}"
    return f"At λ = {lam:g}, {least} takes {span} % less than {data.baseline}"


def _find_overhead(rows: pd.DataFrame, lam: float) -> str:
    """The largest overhead of all, and where it is."""
    if rows["overhead_percent"].max() <= 0:
        return f"No conditional overhead at λ = {lam:g}"
    most = rows.sort_values("overhead_percent", kind="stable").iloc[-1]
    return (
        f"Overhead at λ = {lam:g}: at most {most['overhead_percent']:.1f} %, "
        f"in {most['method']}'s {most['format']}"
    )


def _find_spread(data: EnergyVsBits, method: str, lam: float) -> str:
    """How far the tables are apart at one width, for integers."""
    frame = data.frame
    at = (frame["method"] == method) & (frame["lam"] == lam) & (frame["format"] == "int8")
    shares = frame.loc[at, "overhead_percent"]
    shares = shares[shares > 0]
    if shares.empty:
        return f"Panel c for {method}, from each table"
    span = f"{shares.min():.2f} to {shares.max():.2f} %"
    return f"{method}'s int8 overhead is {span}, by the table"


def _draw_energy(ax: Axes, rows: pd.DataFrame, looks: Mapping[str, Look]) -> None:
    for method, look in looks.items():
        for kind in ("int", "shift"):
            draw_curve(ax, select_curve(rows, method, kind), "energy_uj", look, kind, method)
        draw_floats(ax, select_curve(rows, method, "fp"), "energy_uj", look, method)
    dress_energies(ax)
    ax.set_ylabel("energy of an inference (µJ)")
    _label_arithmetic(ax, rows, next(iter(looks)))
    _note_coincidence(ax, rows, tuple(looks))


def _label_arithmetic(ax: Axes, rows: pd.DataFrame, method: str) -> None:
    """Say at the lines which arithmetic they are."""
    for value in _values(rows, method, "int", 5):
        write_label(ax, "INT MACs", 5, value, (-8, 12), "right", weight="bold")
    for value in _values(rows, method, "shift", 12):
        write_label(ax, "shift-adds", 12, value, (4, -17), "left", weight="bold")
    floats = select_curve(rows, method, "fp")
    for width in floats["bits"].unique():
        group = floats[floats["bits"] == width]
        text = ", ".join(group["format"])
        write_label(ax, text, width, group["energy_uj"].max(), (-8, 3), "right")


def _values(rows: pd.DataFrame, method: str, kind: str, bits: int) -> list[float]:
    """The energy at one width, if it is there."""
    curve = select_curve(rows, method, kind)
    return [float(value) for value in curve.loc[curve["bits"] == bits, "energy_uj"]]


def _note_coincidence(ax: Axes, rows: pd.DataFrame, methods: tuple[str, ...]) -> None:
    """Say which methods lie so close together that their lines cover each other."""
    spans = rows.pivot_table(index="format", columns="method", values="energy_uj")
    ratios = spans.div(spans[methods[0]], axis="index")
    close = [method for method in methods if (ratios[method] - 1).abs().max() < 0.05]
    if len(close) < 2:
        return
    gap = 100 * (ratios[close].max(axis=1) / ratios[close].min(axis=1) - 1).max()
    names = f"{', '.join(close[:-1])} and {close[-1]}"
    text = f"{names} differ by less than {max(gap, 0.1) + 0.05:.1f} %"
    ax.text(0.98, 0.04, text, transform=ax.transAxes, ha="right", fontsize=7, color="0.25")


def _draw_overhead(ax: Axes, rows: pd.DataFrame, looks: Mapping[str, Look]) -> None:
    for method, look in looks.items():
        if not (rows.loc[rows["method"] == method, "conditional_uj"] > 0).any():
            continue
        for kind in ("int", "shift"):
            curve = select_curve(rows, method, kind)
            draw_curve(ax, curve, "overhead_percent", look, kind, method)
        draw_floats(ax, select_curve(rows, method, "fp"), "overhead_percent", look, method)
    ax.set_ylim(0, 1.05 * max(rows["overhead_percent"].max(), 0.01))


def _label_overheads(ax: Axes, rows: pd.DataFrame) -> list[Label]:
    """Names of the curves, or of two at once that lie on each other."""
    curves = rows[rows["arithmetic"].isin(["int", "shift"]) & (rows["overhead_percent"] > 0)]
    at = {"int": 4, "shift": 5}
    labels: list[tuple[str, int, float]] = []
    for method, group in curves.groupby("method", sort=False):
        values = {
            (kind, bits): value
            for kind, bits, value in zip(
                group["arithmetic"], group["bits"], group["overhead_percent"], strict=True
            )
        }
        found = {kind: values[kind, at[kind]] for kind in at if (kind, at[kind]) in values}
        if len(found) == 2 and abs(found["int"] - found["shift"]) < 0.02 * ax.get_ylim()[1]:
            found = {"both": found["int"]}
        for kind, value in found.items():
            place = at[kind.replace("both", "int")]
            labels.append((f"{method}, {_ARITHMETIC[kind]}", place, value))
    return [Label(text=text, x=bits, y=value, color="0.2") for text, bits, value in labels]


def _draw_tables(ax: Axes, data: EnergyVsBits, lam: float) -> None:
    """The overhead of the method with the most additions, from every table."""
    method = "FLOAT" if "FLOAT" in data.methods else data.methods[-1]
    looks = {t.name: look for t, look in zip(data.tables, TABLE_LOOKS, strict=False)}
    for table, (name, look) in zip(data.tables, looks.items(), strict=False):
        rows = data.frame[(data.frame["table"] == name) & (data.frame["lam"] == lam)]
        for kind in ("int", "shift"):
            curve = select_curve(rows, method, kind)
            if _is_fpga(table):
                draw_points(ax, curve, "overhead_percent", look, kind, name)
            else:
                draw_curve(ax, curve, "overhead_percent", look, kind, name)
    dress_energies(ax)
    _set_title(ax, "d", _find_spread(data, method, lam))
    ax.set_ylabel(f"overhead (% of {data.baseline} in the same format)")
    handles = [
        Line2D([], [], color=look.color, marker=look.marker, label=name.replace("+", "\n + "))
        for name, look in looks.items()
    ]
    ax.legend(handles=handles, loc="lower left", fontsize=6.5)
    _label_tables(ax, data.frame[(data.frame["lam"] == lam) & (data.frame["method"] == method)])


def _is_fpga(table: Table) -> bool:
    """Laws between published points describe silicon: an FPGA has but its points."""
    return "FPGA" in table.technology


def _label_tables(ax: Axes, rows: pd.DataFrame) -> None:
    for kind, text, bits in (("int", "INT MACs", 12), ("shift", "shift-adds", 14)):
        near = rows[(rows["arithmetic"] == kind) & (rows["bits"] == bits)]
        value = near["overhead_percent"].max()
        if value > 0:
            write_label(ax, text, bits, value, (6, 8), "left", weight="bold")


def _caption(data: EnergyVsBits) -> str:
    """What the numbers contain, and what not."""
    table, accumulator = data.tables[0], data.convention.accumulator
    sums = "as wide as its operands" if accumulator == "paper" else "32 bits wide for integers"
    switches = (
        "each inference pays a whole lam switch"
        if data.inferences_per_switch == 1
        else f"a lam switch is spread over {data.inferences_per_switch:g} inferences"
    )
    fpga = any(_is_fpga(one) for one in data.tables)
    missing = ", ".join(
        f"{number / 1e6:.1f}M {action} ({where})"
        for action, (number, where) in data.unpriced.items()
    )
    return "\n".join(
        (
            f"{data.setting}; convention {data.convention.name}; {switches}.",
            f"A MAC is a multiplication and an accumulation {sums}.",
            f"Panels a to c: {table.name} ({table.technology}). Arithmetic units alone: no memory, "
            "wires, control or leakage.",
            f"Without a price, so in no curve: {missing or 'nothing'}."
            + (" Laws between points describe silicon: the FPGA has points alone." if fpga else ""),
        )
    )
