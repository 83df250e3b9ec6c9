"""The slow twins of a sweep: areas built element by element, fronts by comparing every pair."""

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

Point = tuple[int, float, float, int]
"""Width, both axes, size."""


def area_at(points: Mapping[int, int], bits: int, power: int) -> Fraction:
    """Area of a unit of `bits` from areas of known widths, as a line over bits ** power."""
    if bits in points:
        return Fraction(points[bits])
    below = [known for known in points if known < bits]
    above = [known for known in points if known > bits]
    if not below:
        return points[min(above)] * Fraction(bits**power, min(above) ** power)
    if not above:
        return points[max(below)] * Fraction(bits**power, max(below) ** power)
    low, high = max(below), min(above)
    share = Fraction(bits**power - low**power, high**power - low**power)
    return points[low] + share * (points[high] - points[low])


def build_array(
    rows: int, cols: int, bits: int, multipliers: Mapping[int, int], adders: Mapping[int, int]
) -> Fraction:
    """Multipliers as wide as the operands and adders of at least 32 bits, laid side by side."""
    area = Fraction(0)
    for _row in range(rows):
        for _col in range(cols):
            area += area_at(multipliers, bits, 2)
            area += area_at(adders, max(bits, 32), 1)
    return area


def buffer_area(sizes: Mapping[int, int], capacity: int) -> Fraction:
    """Area of one memory, a line over its capacity."""
    return area_at(sizes, capacity, 1)


def unbeaten(points: Sequence[Point]) -> set[Point]:
    """Points that no other of their width beats, or equals and is smaller."""
    kept = set()
    for point in points:
        beaten = False
        for other in points:
            if other[0] != point[0]:
                continue
            no_worse = other[1] <= point[1] and other[2] <= point[2]
            better = other[1] < point[1] or other[2] < point[2]
            if no_worse and (better or other[3] < point[3]):
                beaten = True
        if not beaten:
            kept.add(point)
    return kept


def below_chord(first: Sequence[float], second: Sequence[float]) -> list[float]:
    """Of each point of a front, its distance to the chord's nearest point, above the chord < 0."""
    xs = [math.log10(value) for value in first]
    ys = [math.log10(value) for value in second]
    width, height = xs[-1] - xs[0] or 1.0, ys[0] - ys[-1] or 1.0
    distances = []
    for x, y in zip(xs, ys, strict=True):
        u, v = (x - xs[0]) / width, (y - ys[-1]) / height  # the ends lie at (0, 1) and (1, 0)
        along = (u * 1 + (v - 1) * -1) / 2  # the foot of the perpendicular, from the first end
        foot = (along, 1 - along)
        side = 1 if u + v < 1 else -1
        distances.append(side * math.dist((u, v), foot))
    return distances


def thin_out(
    points: Sequence[tuple[int, float, float, int]], per_decade: int
) -> set[tuple[int, float, float, int]]:
    """Of points (width, first, second, use), the best used in each cell; of equals, the least."""
    found: dict[tuple[int, int], tuple[int, float, float, int]] = {}
    for width, first, second, use in points:
        column = math.floor(math.log10(first) * per_decade)
        row = math.floor(math.log10(second) * per_decade)
        known = found.get((column, row))
        if known is None or (-use, first, second, width) < (-known[3], *known[1:3], known[0]):
            found[column, row] = (width, first, second, use)
    return set(found.values())
