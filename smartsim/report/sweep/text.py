"""A sweep -> text for a terminal, and data frames."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from smartsim.report.style.numbers import format_bytes, format_count, format_energy
from smartsim.report.style.text import grid, wrap_all
from smartsim.report.sweep.words import (
    MEASURES,
    describe_design,
    find_area,
    format_area,
    format_size,
    name_array,
)
from smartsim.simulate.explore.fronts import Front
from smartsim.simulate.explore.sweeps import SweepResult

__all__ = ["front_frame", "render_sweep"]

Design = Mapping[str, Any]
_MOST_ROWS = 12
"""Designs of one width's fronts, or widths, that are shown."""
_MOST_SENTENCES = 3


def front_frame(front: Front) -> pd.DataFrame:
    """The designs of a front, one a row."""
    return pd.DataFrame(list(front.points), columns=list(front.columns))


def render_sweep(result: SweepResult) -> str:
    """What a sweep found: how much it covered, which design it recommends, and the fronts' best."""
    parts = [wrap_all(_coverage(result), "  "), wrap_all(_recommendation(result), "  ")]
    if result.front.points:
        parts.append(_designs(result))
    return "\n\n".join(part for part in parts if part) + "\n"


def _coverage(result: SweepResult) -> Iterator[str]:
    condition = f" at {result.condition}" if result.condition else ""
    number_format = f", int{result.widths[0]}" if len(result.widths) == 1 else ""
    yield f"{result.model}{condition} on designs like {result.base}{number_format}"
    first, second = (MEASURES[name].name for name in result.axes)
    limits = [f"{result.most_elements:,} PEs"] if result.most_elements is not None else []
    if result.most_area_um2 is not None:
        limits.append(format_area(result.most_area_um2))
    within = f"{result.within:,} within {' and '.join(limits)}, " if limits else ""
    apart = ", one front a width" if len(result.widths) > 1 else ""
    yield (
        f"{result.points:,} designs, {within}{result.feasible:,} with buffers that hold a tile; "
        f"{len(result.front):,} on the Pareto front of {first} and {second}{apart}"
    )
    if result.table:
        yield f"energies from {result.table}; without leakage, clock tree and control"
    if result.unpriced:
        yield f"without a price, so in no energy: {', '.join(result.unpriced)}"
    if result.area_scope:
        yield f"area of the {result.area_scope}"
        shown = list(result.element_areas.items())[:_MOST_SENTENCES]
        more = len(result.element_areas) - len(shown)
        yield from (f"an {name} element: {parts}" for name, parts in shown)
        if more:
            yield f"and {more} more width{'s' if more > 1 else ''} by the same laws"


def _recommendation(result: SweepResult) -> Iterator[str]:
    if not result.feasible:
        yield "no design is recommended: none holds a tile in its buffers within the limits"
        return
    share = f"{100 * result.least_utilization:g} %"
    if not result.used:
        yield (
            f"no design is recommended: none uses {share} of its elements' cycles, the best "
            f"{100 * result.best_utilization:.3g} %; sweep smaller arrays, or lower the least "
            "utilization"
        )
        return
    knees = _knees(result)
    several = len(result.widths) > 1
    for bits, knee in list(knees.items())[: _MOST_SENTENCES if several else 1]:
        yield f"knee{f' of int{bits}' if several else ''}: {describe_design(result, knee)}"
    without = [str(bits) for bits in result.widths if bits not in knees]
    if without:
        yield f"no design of {', '.join(without)} bits uses {share} of its elements' cycles"
    among = f"of the designs that use at least {share} of their elements' cycles, "
    yield (
        f"(knee: {among if result.least_utilization else ''}the point of the front farthest below "
        "the line between its ends, both axes logarithmic)"
    )


def _knees(result: SweepResult) -> dict[int, Design]:
    """By width, the design that is recommended."""
    front = result.used_front
    return {bits: _design(front, place) for bits, place in front.knees.items()}


def _design(front: Front, place: int) -> Design:
    return dict(zip(front.columns, front.points[place], strict=True))


def _designs(result: SweepResult) -> str:
    """The best designs of each width; of a single width, the fronts themselves."""
    widths = result.widths[:_MOST_ROWS]
    rows = [row for bits in widths for row in _of_width(result, bits)]
    head = [name for name in rows[0] if name not in _left_out(result)]
    cells = list(dict.fromkeys(tuple(row[name] for name in head) for row in rows))
    text = grid(cells, head, shortened=(), wrapped=(head.index("best"),))
    if len(widths) < len(result.widths):
        return f"the first {len(widths)} of {len(result.widths)} widths\n\n{text}"
    return text


def _left_out(result: SweepResult) -> tuple[str, ...]:
    """Columns that a line of 80 has no room for, or that would say the same in each row."""
    if len(result.widths) == 1:
        return ("bits",)
    return ("DRAM",) if result.table and "dram_bits" not in result.axes else ()


def _of_width(result: SweepResult, bits: int) -> Iterator[dict[str, str]]:
    """Lines of one width: each design once, by its first axis, with what it is best in."""
    roles: dict[tuple[Any, ...], list[str]] = {}
    names = [MEASURES[column].name.split()[-1] for column in result.axes]
    for front in (result.front, result.used_front):
        some = [point for point in front.points if point[front.columns.index("bits")] == bits]
        for place, point in enumerate(some):
            found = roles.setdefault(point, [])
            if front is result.front and place == 0:
                found.append(names[0])
            if front is result.front and place == len(some) - 1:
                found.append(names[1])
    knee = result.used_front.knees.get(bits)
    if knee is not None:
        roles[result.used_front.points[knee]].append("knee")
    order = sorted(roles, key=lambda p: p[result.front.columns.index(result.axes[0])])
    if len(result.widths) > 1:
        kept = [point for point in order if roles[point]]
    else:
        kept = _thin(order, [bool(roles[point]) for point in order])
    for point in kept:
        design = dict(zip(result.front.columns, point, strict=True))
        yield _row(design, ", ".join(roles[point]))


def _thin(points: Sequence[tuple[Any, ...]], needed: Sequence[bool]) -> list[tuple[Any, ...]]:
    """A dozen of the points, spread evenly, with those that are needed."""
    spread = np.linspace(0, len(points) - 1, min(_MOST_ROWS, len(points))).astype(int)
    return [p for i, p in enumerate(points) if needed[i] or i in set(spread.tolist())]


def _row(design: Design, role: str) -> dict[str, str]:
    row = {
        "bits": str(design["bits"]),
        "best": role,
        "array": name_array(design),
        "buffers": format_size(design["buffer_bits"]),
    }
    row |= {MEASURES[name].name: format_area(design[name]) for name in find_area(design)}
    row |= {
        "cycles": format_count(design["cycles"]),
        "use %": f"{100 * design['utilization']:.1f}",
        "DRAM": format_bytes(design["dram_bits"] / 8),
    }
    if "energy_pj" in design:
        row["energy"] = format_energy(design["energy_pj"])
    return row
