"""How fast the simulator is: `python -m tests.benchmarks.simulate_speed`.

Prints the time of the 72-row SCALE-Sim set beside that tool's, the (step, design) evaluations a
second of a sweep on one core and on all, with cycles, traffic, energy and utilization of each, what
a sweep of many points holds in memory, and the time of single networks. Goals: ten milliseconds; a
million evaluations a second; memory that does not grow with the sweep.
"""

import csv
import os
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from smartsim.cost import load_table
from smartsim.graph import Graph
from smartsim.models import build_named_model
from smartsim.simulate import load_accelerator, simulate_network
from smartsim.simulate.array.scalesim import predict_scalesim
from smartsim.simulate.array.systolic import DATAFLOWS, run_dense_array
from smartsim.simulate.explore.designs import Designs, price_designs
from smartsim.simulate.explore.evaluate import evaluate_designs
from smartsim.simulate.explore.grids import Grid
from smartsim.simulate.explore.plans import plan_sweep
from smartsim.simulate.explore.sweeps import run_sweep
from smartsim.simulate.explore.tabulate import tabulate_network
from smartsim.trace import trace_model
from tests.benchmarks.timing import best_seconds

ROWS = Path(__file__).parents[1] / "golden" / "data" / "scalesim_resnet34.csv"
SCALESIM_SECONDS_A_ROW = (1.0, 7.0)  # as measured when the file was made
TABLE = "horowitz2014_45nm+shiftaddnet2020_asic_45nm+han2015_45nm"
REPEATS = 5
POINTS = 20_000


def time_scalesim() -> None:
    with ROWS.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    names = ("M_px", "K_win", "N_filt", "array")
    layers = {
        dataflow: tuple(
            np.array([int(row[name]) for row in rows if row["dataflow"] == dataflow])
            for name in names
        )
        for dataflow in DATAFLOWS
    }

    def run() -> None:
        for dataflow, (pixels, window, filters, side) in layers.items():
            predict_scalesim(pixels, window, filters, side, side, dataflow)
            run_dense_array(pixels, window, filters, side, side, dataflow=dataflow)

    seconds = best_seconds(run, REPEATS)
    slow, slower = (len(rows) * each / seconds for each in SCALESIM_SECONDS_A_ROW)
    print(f"SCALE-Sim set: {len(rows)} rows in {1e3 * seconds:.2f} ms, in both conventions")
    print(f"  scalesim needs 1-7 s a row: {slow:,.0f} to {slower:,.0f} times as long")


def time_evaluations(graph: Graph) -> None:
    base, table = load_accelerator("edge_npu"), load_table(TABLE)
    network = tabulate_network(graph, base)
    prices = price_designs(network, base, table)
    rng = np.random.default_rng(0)
    for dataflow in DATAFLOWS:
        designs = Designs(
            dataflow=dataflow,
            rows=rng.integers(8, 129, POINTS),
            cols=rng.integers(8, 129, POINTS),
            buffer_bits=8192 * 2 ** rng.integers(5, 12, POINTS),
            bits=rng.integers(2, 17, POINTS),
        )
        seconds = best_seconds(partial(evaluate_designs, network, designs, base, prices), REPEATS)
        rate = POINTS * network.rows / seconds
        print(f"one core, {dataflow}: {rate / 1e6:.2f} M (step, design) evaluations a second")


def time_sweep(graph: Graph, workers: int) -> None:
    base, table = load_accelerator("edge_npu"), load_table(TABLE)
    network = tabulate_network(graph, base)
    for side in (range(8, 129, 6), range(8, 129, 2)):
        grid = Grid(
            dataflows=DATAFLOWS,
            rows=tuple(side),
            cols=tuple(side),
            buffer_bits=tuple(8192 * 2**n for n in range(5, 12)),
            bits=tuple(range(2, 17)),
        )
        sweep = plan_sweep(network, base, grid, table=table)
        start = time.perf_counter()
        with ProcessPoolExecutor(workers) as executor, tempfile.TemporaryDirectory() as folder:
            result = run_sweep(sweep, folder=folder, executor=executor)
        seconds = time.perf_counter() - start
        rate = len(grid) * network.rows / seconds
        memory = sum(
            resource.getrusage(who).ru_maxrss
            for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        )
        print(
            f"{workers} processes: {result.points:,} designs of {network.rows} kinds of steps "
            f"({network.steps} steps) in {seconds:.2f} s, {rate / 1e6:.2f} M evaluations a second, "
            f"{memory // 1024} MiB at most (this process and the largest worker)"
        )


def time_networks(graphs: dict[str, Graph]) -> None:
    table = load_table(TABLE)
    for name, graph in graphs.items():
        for accelerator in ("edge_npu", "edge_npu_skipping"):
            machine = load_accelerator(accelerator)
            seconds = best_seconds(partial(simulate_network, graph, machine, table=table), REPEATS)
            print(f"{name} on {accelerator}: {1e3 * seconds:.1f} ms")


def main() -> None:
    graphs = {
        name: trace_model(build_named_model(name), (1, 3, 32, 32), condition={"lam": 1.0})
        for name in ("pgdat:resnet34", "smart:resnet34")
    }
    time_scalesim()
    time_evaluations(graphs["pgdat:resnet34"])
    time_sweep(graphs["pgdat:resnet34"], os.cpu_count() or 1)
    time_networks(graphs)


if __name__ == "__main__":
    main()
