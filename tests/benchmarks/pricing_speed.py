"""How fast counts become energies: `python tests/benchmarks/pricing_speed.py`, one core.

Prints (layer, format, table) prices a second of one call that prices every layer of eight models in
65 formats from all tables with arithmetic, the time of the same through one estimate at a time, and
the time from counts to the finished figure. Goals: a million prices a second; two seconds.
"""

import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from smartsim.cost import estimate_energy, list_tables, load_table, parse_format, price_counts
from smartsim.counts import Counts, count_actions
from smartsim.models import build_named_model
from smartsim.report.energy.data import build_energy_vs_bits
from smartsim.report.energy.report import DEFAULT_TABLES, write_energy_report
from smartsim.trace import trace_model
from tests.benchmarks.timing import best_seconds

LABELS = {"PGD-AT": "pgdat", "OAT": "oat", "FLOAT": "float", "SMART": "smart"}
WIDTHS = range(2, 33)
REPEATS = 7


def count_methods() -> dict[str, dict[float, Counts]]:
    """ResNet-34 by the four methods at lam = 0 and 1."""
    found: dict[str, dict[float, Counts]] = {}
    for label, method in LABELS.items():
        model = build_named_model(f"{method}:resnet34").eval()
        for lam in (0.0, 1.0):
            graph = trace_model(model, (1, 3, 32, 32), condition={"lam": lam})
            found.setdefault(label, {})[lam] = count_actions(graph, "paper")
    return found


def main() -> None:
    start = time.perf_counter()
    methods = count_methods()
    print(f"tracing and counting 8 paths: {time.perf_counter() - start:.2f} s (not timed below)")
    flat = {f"{m}@{lam:g}": c for m, by_lam in methods.items() for lam, c in by_lam.items()}
    tables = [t for t in map(load_table, list_tables()) if t.points("add", "int")]
    formats = [parse_format(f"{kind}{b}") for kind in ("int", "shift") for b in WIDTHS]
    formats += [parse_format(name) for name in ("fp16", "bf16", "fp32")]

    grid = price_counts(flat, tables, formats)
    layers = sum(len(c.layers) for c in flat.values())
    prices = layers * len(formats) * len(tables)
    seconds = best_seconds(lambda: price_counts(flat, tables, formats), REPEATS)
    print(
        f"one call: {layers} layers of {len(grid.models)} models x {len(formats)} formats x "
        f"{len(tables)} tables = {prices:,} prices in {1e3 * seconds:.1f} ms: "
        f"{prices / seconds / 1e6:.1f} million a second (goal 1)"
    )

    one = flat["OAT@1"]
    slow = best_seconds(lambda: estimate_energy(one, tables[0], "int32"), REPEATS)
    print(
        f"one estimate of {len(one.layers)} layers, every item a record: {1e3 * slow:.2f} ms, "
        f"{len(one.layers) / slow / 1e6:.3f} million prices a second"
    )

    shown = [load_table(name) for name in DEFAULT_TABLES]
    with tempfile.TemporaryDirectory() as folder:

        def draw() -> None:
            data = build_energy_vs_bits(methods, shown, setting="ResNet-34")
            write_energy_report(data, (), Path(folder), ("svg", "csv"))

        print(f"counts to figure (SVG) and its CSV: {best_seconds(draw, REPEATS):.2f} s (goal 2)")


if __name__ == "__main__":
    main()
