"""The figure "energy against bit width": data -> matplotlib. Prices nothing."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from smartsim.report.energy.data import EnergyVsBits
from smartsim.report.energy.marks import (
    TABLE_LOOKS,
    draw_curve,
    draw_floats,
    dress_energies,
    dress_widths,
    make_legend,
    select_curve,
    write_label,
)
from smartsim.report.style.figures import Look, figure_style, looks_of

__all__ = ["draw_energy_vs_bits"]

_ARITHMETIC = {"int": "INT MACs", "shift": "shift-adds", "both": "both"}


def draw_energy_vs_bits(data: EnergyVsBits) -> Figure:
    """Four panels: energy at each lam, the conditional overhead, and the overhead by table.

    Args:
        data: What `build_energy_vs_bits` returned, with lam = 0 and lam = 1.
    """
    with figure_style():
        layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.08, hspace=0.04)
        figure = Figure(figsize=(10.2, 8.6), layout=layout)
        axes = figure.subplots(2, 2)
        looks = looks_of(data.methods)
        lams = sorted(data.frame["lam"].unique())
        main = data.frame[data.frame["table"] == data.tables[0].name]
        for ax, lam, letter in zip(axes[0], (lams[0], lams[-1]), "ab", strict=True):
            _draw_energy(ax, main[main["lam"] == lam], looks)
            ax.set_title(f"{letter}  Energy at λ = {lam:g}{_meaning(lam)}")
        _draw_overhead(axes[1, 0], main[main["lam"] == lams[-1]], looks)
        axes[1, 0].set_title(f"c  Conditional overhead at λ = {lams[-1]:g}")
        axes[1, 0].set_ylabel(f"overhead (% of {data.baseline} in the same format)")
        _draw_tables(axes[1, 1], data, lams[-1])
        for ax in axes.flat:
            dress_widths(ax)
        low = min(ax.get_ylim()[0] for ax in axes[0])
        for ax in axes[0]:
            ax.set_ylim(low, 1.6 * main["energy_uj"].max())
        figure.legend(
            handles=list(make_legend(looks)), loc="outside upper center", ncols=5, columnspacing=1.6
        )
        figure.supxlabel(_caption(data), fontsize=7.5, color="0.25", x=0.01, ha="left")
    return figure


def _meaning(lam: float) -> str:
    return {0.0: " (clean)", 1.0: " (adversarial)"}.get(lam, "")


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
    ax.text(0.98, 0.04, text, transform=ax.transAxes, ha="right", fontsize=8, color="0.25")


def _draw_overhead(ax: Axes, rows: pd.DataFrame, looks: Mapping[str, Look]) -> None:
    for method, look in looks.items():
        if not (rows.loc[rows["method"] == method, "conditional_uj"] > 0).any():
            continue
        for kind in ("int", "shift"):
            curve = select_curve(rows, method, kind)
            draw_curve(ax, curve, "overhead_percent", look, kind, method)
        draw_floats(ax, select_curve(rows, method, "fp"), "overhead_percent", look, method)
    ax.set_ylim(0, 1.05 * max(rows["overhead_percent"].max(), 0.01))
    _label_overheads(ax, rows)


def _label_overheads(ax: Axes, rows: pd.DataFrame) -> None:
    """Name each curve, or two at once that lie on each other; the lowest name stands below."""
    curves = rows[rows["arithmetic"].isin(["int", "shift"]) & (rows["overhead_percent"] > 0)]
    at = {"int": 4, "shift": 5}
    labels: list[tuple[str, int, float, bool]] = []
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
            first = kind.replace("both", "int")
            rising = values.get((first, at[first] + 1), 0.0) > 1.02 * value
            labels.append((f"{method}, {_ARITHMETIC[kind]}", at[first], value, rising))
    lowest = min((value for _, _, value, _ in labels), default=0.0)
    for text, bits, value, rising in labels:
        if rising:
            write_label(ax, text, bits, value, (9, -9), "left", color="0.2")
        elif value == lowest:
            write_label(ax, text, bits, value, (0, -14), "right", color="0.2")
        else:
            write_label(ax, text, bits, value, (4, 5), "left", color="0.2")


def _draw_tables(ax: Axes, data: EnergyVsBits, lam: float) -> None:
    """The overhead of the method with the most additions, from every table."""
    method = "FLOAT" if "FLOAT" in data.methods else data.methods[-1]
    looks = {t.name: look for t, look in zip(data.tables, TABLE_LOOKS, strict=False)}
    for name, look in looks.items():
        rows = data.frame[(data.frame["table"] == name) & (data.frame["lam"] == lam)]
        for kind in ("int", "shift"):
            draw_curve(ax, select_curve(rows, method, kind), "overhead_percent", look, kind, name)
    dress_energies(ax)
    ax.set_title(f"d  Panel c for {method}, from each table")
    ax.set_ylabel(f"overhead (% of {data.baseline} in the same format)")
    handles = [
        Line2D([], [], color=look.color, marker=look.marker, label=name.replace("+", "\n + "))
        for name, look in looks.items()
    ]
    ax.legend(handles=handles, loc="lower left", fontsize=8)
    _label_tables(ax, data.frame[(data.frame["lam"] == lam) & (data.frame["method"] == method)])


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
    fpga = any("FPGA" in one.technology for one in data.tables)
    missing = ", ".join(
        f"{number / 1e6:.1f}M {action} ({where})"
        for action, (number, where) in data.unpriced.items()
    )
    return "\n".join(
        (
            f"{data.setting}; convention {data.convention.name}; a MAC is a multiplication and an "
            f"accumulation {sums}; {switches}.",
            f"Panels a to c: {table.name} ({table.technology}). Arithmetic units alone: no memory, "
            "wires, control or leakage.",
            f"Without a price, so in no curve: {missing or 'nothing'}."
            + (
                " Laws between points describe silicon: read the FPGA at its points."
                if fpga
                else ""
            ),
        )
    )
