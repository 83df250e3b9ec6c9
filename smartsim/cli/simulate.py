"""The verbs `simulate` and `accelerators`. Heavy imports happen inside."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from smartsim.cli.door.answer import Output, Sheet, say, say_written, show_result, tell
from smartsim.cli.door.kinds import (
    ACCELERATOR_NAME,
    ARCHITECTURE_NAME,
    FORMATS,
    IN_FILE,
    LAMS,
    OutFile,
)
from smartsim.cli.door.verb import reads, verb
from smartsim.cli.machine import MachineChoice, hardware_options
from smartsim.cli.options import output_options
from smartsim.errors import ConfigurationError

if TYPE_CHECKING:
    from smartsim.graph import Graph
    from smartsim.simulate import Run

__all__ = ["accelerators", "simulate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulateOptions:
    """What `simulate` is asked."""

    graphs: tuple[Path, ...]
    machine: MachineChoice
    formats: tuple[str, ...]
    compare: bool
    arch: str
    lam: tuple[float, ...]
    roofline: Path | None
    csv: Path | None
    answer: Output


@verb(
    example=(
        "smartsim simulate smart.json --accelerator edge_npu --format int8,int4",
        "smartsim simulate --compare --roofline roofline.svg -o steps.csv",
    )
)
@click.argument("graphs", nargs=-1, type=IN_FILE, help="Files that `smartsim trace` wrote.")
@hardware_options
@click.option(
    "--format",
    "formats",
    type=FORMATS,
    default="int8",
    help="Number formats, such as int8,int4, or the files of plans.",
)
@click.option("--compare", is_flag=True, help="PGD-AT, OAT, FLOAT and SMART side by side.")
@click.option("--arch", type=ARCHITECTURE_NAME, default="resnet34", help="Backbone for --compare.")
@click.option("--lam", type=LAMS, default="0,1", help="Values of lam for --compare.")
@click.option(
    "--roofline", type=OutFile(".svg", ".png", ".pdf"), help="Draw each product below its roof."
)
@click.option("--csv", type=OutFile(".csv"), help="Write the steps beside --output.")
@output_options(".json", ".csv", ".md", ".html")
@reads(SimulateOptions)
def simulate(options: SimulateOptions) -> None:
    """Simulate GRAPHS on an accelerator: cycles, stalls, traffic, energy.

    One graph in one format: totals, energy by component, and a line a layer with what it waits
    for. Several, or --compare: one line each. A .json file holds one run, the others the steps.
    """
    from smartsim.report.simulate.text import render_comparison, render_csv, render_run
    from smartsim.simulate import save_run

    if not options.formats:
        raise click.UsageError("--format names no number format; write int8")
    runs = _simulate_all(options)
    every = [run for of_model in runs.values() for run in of_model]
    target = options.answer.output
    if len(every) > 1 and target is not None and target.suffix.lower() == ".json":
        raise ConfigurationError(
            f"{target}: a .json file holds one run; give one graph and one format, or a .csv file"
        )
    written = []
    if options.csv is not None:
        from smartsim.records.files import write_text_atomically

        write_text_atomically(options.csv, render_csv(every))
        written.append(options.csv)
    if options.roofline is not None:
        _draw_roofline(runs, options.roofline)
        written.append(options.roofline)
    show_result(
        options.answer,
        lambda: render_run(every[0]) if len(every) == 1 else render_comparison(runs),
        every[0].to_dict if len(every) == 1 else lambda: _gather(every),
        save=lambda path: save_run(every[0], path),
        sheet=lambda: _list_steps(every),
    )
    say_written(*written, err=options.answer.json is not None)


def _simulate_all(options: SimulateOptions) -> "dict[str, list[Run]]":
    """Runs by label: the given graphs, then the four methods if they are to be compared."""
    from smartsim.cost import load_plan
    from smartsim.simulate import simulate_network

    if not options.graphs and not options.compare:
        raise ConfigurationError(
            "nothing to simulate; give a file that `smartsim trace MODEL --output FILE` wrote, "
            "or --compare"
        )
    accelerator, table = options.machine.load_accelerator(), options.machine.load_table()
    plans = [load_plan(name) for name in options.formats]
    runs: dict[str, list[Run]] = {}
    for label, graphs in _collect_graphs(options).items():
        for plan in plans:
            name = label if len(plans) == 1 else f"{label}, {plan.name}"
            runs[name] = [
                simulate_network(
                    graph, accelerator, table=table, plan=plan, dram_level=options.machine.dram
                )
                for graph in graphs
            ]
            tell(f"simulated {name} on {accelerator.name}")
    return runs


def _collect_graphs(options: SimulateOptions) -> "dict[str, list[Graph]]":
    from smartsim.graph import load_graph

    given: dict[str, list[Graph]] = {}
    for path in options.graphs:
        graph = load_graph(path)
        given.setdefault(graph.model or path.stem, []).append(graph)
    if options.compare:
        from smartsim.cli.methods import MethodChoice, trace_methods

        for trace in trace_methods(MethodChoice(arch=options.arch, lam=options.lam)):
            given[trace.label] = list(trace.paths.values())
    return given


def _gather(runs: "list[Run]") -> Mapping[str, Any]:
    """Several runs as one JSON-ready object."""
    return {"format": "smartsim-runs", "version": 1, "runs": [run.to_dict() for run in runs]}


def _list_steps(runs: "list[Run]") -> Sheet:
    """A row a step, with its run's model and condition."""
    from smartsim.report.simulate.text import steps_frame

    frame = steps_frame(runs)
    cells = frame.astype(object).where(frame.notna(), None)
    return Sheet(head=list(frame.columns), rows=cells.to_numpy().tolist())


def _draw_roofline(runs: "dict[str, list[Run]]", path: Path) -> None:
    """The last run of each model."""
    from smartsim.report.simulate.roofline import draw_roofline
    from smartsim.report.style.figures import save_figure

    save_figure(draw_roofline([(label, of_model[-1]) for label, of_model in runs.items()]), path)


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceleratorsOptions:
    """What `accelerators` is asked."""

    name: str | None


@verb(example=("smartsim accelerators", "smartsim accelerators edge_npu"))
@click.argument("name", type=ACCELERATOR_NAME, required=False, help="Show this one alone.")
@reads(AcceleratorsOptions)
def accelerators(options: AcceleratorsOptions) -> None:
    """List the accelerators, or show the values of one with their sources."""
    from smartsim.report.simulate.text import render_accelerator, render_accelerator_list
    from smartsim.simulate import list_accelerators, load_accelerator

    if options.name is not None:
        say(render_accelerator(load_accelerator(options.name)).rstrip("\n"))
        return
    say(render_accelerator_list([load_accelerator(n) for n in list_accelerators()]).rstrip("\n"))
