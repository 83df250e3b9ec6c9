"""Runs and machines -> text for a terminal, and data frames."""

from collections.abc import Mapping, Sequence

import pandas as pd

from smartsim.report.style.numbers import format_count, format_energy
from smartsim.report.style.text import grid, wrap, wrap_all
from smartsim.simulate.machine.accelerators import Accelerator
from smartsim.simulate.network.runs import INFERENCE, Run, StepRun

__all__ = [
    "render_accelerator",
    "render_accelerator_list",
    "render_comparison",
    "render_csv",
    "render_run",
    "run_frame",
    "steps_frame",
]

_SMALL = 1e-3
"""Share of all cycles below which a step of the vector unit gets no line of its own."""
_ALL = ("switch", *INFERENCE)
_NUMBERS = (
    *("products", "macs", "cycles", "stall_cycles"),
    *("array_cycles", "vector_cycles", "onchip_cycles", "dram_cycles"),
    *("input_reads", "weight_reads", "outputs"),
    *("input_fetch_bits", "weight_fetch_bits", "dram_write_bits"),
)
_PARTS = {
    "array": "products in the array",
    "vector": "vector unit",
    "registers": "latches in the array",
    "input_buffer": "input buffer",
    "weight_buffer": "weight buffer",
    "output_buffer": "output buffer",
    "accumulators": "accumulators",
    "dram": "DRAM",
}


def run_frame(run: Run) -> pd.DataFrame:
    """One row a step: what it took, and its energy by component."""
    rows = []
    for step in run.steps:
        row: dict[str, object] = {
            "index": step.index,
            "layer": step.layer,
            "ops": " ".join(step.ops),
            "stage": step.stage,
            "format": step.format,
            "shapes": " ".join("x".join(map(str, shape)) for shape in step.shapes),
            "schedule": " ".join(step.schedule),
            "bound": step.bound,
        }
        row |= {name: getattr(step, name) for name in _NUMBERS}
        row |= {f"{name}_pj": step.energy_pj.get(name) for name in _PARTS}
        rows.append(row)
    return pd.DataFrame(rows)


def steps_frame(runs: Sequence[Run]) -> pd.DataFrame:
    """The steps of several runs, each with its model and condition."""
    frames = [
        run_frame(run).assign(
            model=run.model,
            condition=", ".join(f"{name}={value:g}" for name, value in run.condition.items()),
        )
        for run in runs
    ]
    return pd.concat(frames)


def render_csv(runs: Sequence[Run]) -> str:
    """The steps of several runs as CSV, each with its model and condition."""
    return str(steps_frame(runs).to_csv(index=False, lineterminator="\n"))


def render_run(run: Run) -> str:
    """What a machine makes of a model: totals, by component, and by layer."""
    parts = [_heading(run), _totals(run), _components(run), _layers(run), _remarks(run)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _heading(run: Run) -> str:
    settings = ", ".join(f"{name} = {value:g}" for name, value in run.condition.items())
    lines = [
        f"{run.model}{f' at {settings}' if settings else ''}, {run.plan}, on {run.accelerator}",
        f"{run.processing_elements:,} elements, {run.dataflow}, zeros: {run.zeros}, "
        f"{run.clock_hz / 1e6:g} MHz, DRAM {run.dram_bandwidth_bits_per_cycle:g} bits a cycle",
    ]
    if run.table:
        lines.append(f"energies from {run.table}; without leakage, clock tree and control")
    return wrap_all(lines)


def _totals(run: Run) -> str:
    rows = []
    for label, stages in (("an inference", INFERENCE), ("a lam switch", ("switch",))):
        cycles = run.total("cycles", stages)
        energy = run.total("total_energy_pj", stages)
        rows.append(
            [
                label,
                format_count(run.total("macs", stages)),
                format_count(cycles),
                f"{1e3 * cycles / run.clock_hz:.3g}",
                format_count(run.total("stall_cycles", stages)),
                f"{100 * run.utilization:.1f}" if label == "an inference" else "",
                format_count(run.total("dram_bits", stages) / 8),
                format_energy(energy, run.unit) if run.table else "-",
            ]
        )
    head = ["paid", "MACs", "cycles", "ms", "stalls", "use %", "DRAM bytes", "energy"]
    return grid(rows, head)


def _components(run: Run) -> str:
    energies = run.energy_by_component()
    whole = sum(energies.values())
    rows = [
        [_PARTS[name], format_energy(energy, run.unit), f"{100 * energy / whole:.1f}"]
        for name, energy in energies.items()
    ]
    return grid(rows, ["energy of an inference", "", "%"]) if rows else ""


def _layers(run: Run) -> str:
    steps = [step for step in run.steps if step.stage in _ALL and step.cycles > 0]
    least = _SMALL * run.total("cycles", _ALL)
    shown = [step for step in steps if step.shapes or step.cycles >= least]
    small = sum(step.cycles for step in steps) - sum(step.cycles for step in shown)
    head = ["layer", "m x k x n", "cycles", "use %", "bound", "DRAM B", "energy"]
    table = grid([_layer(run, step) for step in shown], head)
    if len(shown) == len(steps):
        return table
    return f"{table}\nand {len(steps) - len(shown)} small steps of {small:,} cycles together"


def _layer(run: Run, step: StepRun) -> list[str]:
    shape = ""
    if step.shapes:
        m, k, n, repeats = step.shapes[0]
        shape = f"{m}x{k}x{n}" + (f" x{repeats}" if repeats > 1 else "")
    busy = step.macs * run.cycles_per_product[step.format]
    use = 100 * busy / (step.cycles * run.processing_elements)
    name = step.layer or step.ops[0].removeprefix("aten.")
    return [
        name if step.shapes else f"{name} ({step.stage})",
        shape,
        f"{step.cycles:,}",
        f"{use:.1f}" if step.shapes else "",
        step.bound,
        format_count(step.dram_bits / 8),
        format_energy(step.total_energy_pj, run.unit) if run.table else "-",
    ]


def _remarks(run: Run) -> str:
    lines = [
        f"without a price, so in no energy: {entry.number:,} {entry.what} ({entry.component})"
        for entry in run.unpriced
    ]
    lines += [f"note: {note}" for note in run.notes]
    return wrap_all(lines, "  ")


def render_comparison(runs: Mapping[str, Sequence[Run]]) -> str:
    """Runs of several models side by side, each against the first of its row's condition."""
    rows = []
    first: dict[str, Run] = {}
    for label, of_model in runs.items():
        for run in of_model:
            settings = ", ".join(f"{name} = {value:g}" for name, value in run.condition.items())
            base = first.setdefault(settings, run)
            energy = run.total("total_energy_pj")
            cycles, reference = run.total("cycles"), base.total("cycles")
            against = base.total("total_energy_pj")
            rows.append(
                [
                    label,
                    settings,
                    format_count(cycles),
                    f"{cycles / reference:.2f}" if reference else "",
                    f"{100 * run.utilization:.1f}",
                    format_count(run.total("dram_bits") / 8),
                    format_energy(energy, run.unit) if run.table else "-",
                    f"{energy / against:.2f}" if against else "",
                    format_count(run.total("cycles", ("switch",))),
                ]
            )
    one = next(iter(first.values()))
    plans = ", ".join(dict.fromkeys(run.plan for of_model in runs.values() for run in of_model))
    facts = [
        f"{one.accelerator}: {one.processing_elements:,} elements, {one.dataflow}, zeros: "
        f"{one.zeros}, {plans}" + (f", energies from {one.table}" if one.table else "")
    ]
    head = ["model", "at", "cycles", "x", "use %", "DRAM B", "energy", "x", "switch"]
    missing = {
        f"{entry.what} ({entry.component})": None
        for of_model in runs.values()
        for run in of_model
        for entry in run.unpriced
    }
    remarks = [f"without a price, so in no energy: {', '.join(missing)}"] if missing else []
    lines = [line for text in facts for line in wrap(text)]
    notes = [line for text in remarks for line in wrap(text, "  ")]
    return "\n".join([*lines, "", grid(rows, head), *([""] if notes else []), *notes]) + "\n"


def render_accelerator_list(accelerators: Sequence[Accelerator]) -> str:
    """Machines, one below the other."""
    rows = [[each.name, each.description] for each in accelerators]
    table = grid(rows, ["accelerator", "description"], "ll", shortened=(), wrapped=(1,))
    hint = wrap_all(["smartsim accelerators NAME shows each value with its source"], "  ")
    return f"{table}\n\n{hint}\n"


def render_accelerator(accelerator: Accelerator) -> str:
    """A machine with the source of each value."""
    rows = [
        [
            citation.key,
            citation.value,
            citation.source + (f", {citation.locator}" if citation.locator else ""),
            "" if citation.source == "assumed" else citation.status,
        ]
        for citation in accelerator.citations
    ]
    table = grid(rows, ["value of", "value", "source", "status"], "llll", wrapped=(2,))
    lines = [f"{accelerator.name}: {accelerator.description}", *accelerator.limits.split("\n\n")]
    notes = [f"{c.key}: {c.note}" for c in accelerator.citations if c.note]
    sources = [f"{source.key}: {source.citation}" for source in accelerator.sources]
    parts = [
        wrap_all(lines),
        table,
        wrap_all(notes, "  "),
        wrap_all(sources, "  "),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"
