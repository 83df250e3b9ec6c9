"""GRAPH, COUNTS, ENERGY, RUN -> ROWS: what each module does itself, so that rows add up.

A module's row holds its own ops alone; what its children do stands in theirs. Sums over a subtree
are made where a table is folded at some depth.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from smartsim.cost import Energy
from smartsim.counts import Counts
from smartsim.graph import Graph
from smartsim.simulate import Run

__all__ = ["LayerRow", "collect_layers", "fold_layers", "sum_layers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerRow:
    """What one module does, or one subtree of modules.

    Attributes:
        name: Qualified module name; "" for the model itself.
        kind: Class of the module; "" where no op says it.
        output: Shape of what its last op wrote; None where it has none.
        parameters: Elements of its parameters.
        active: Those that this path reads after deployment, without known zeros.
        macs: MACs of one inference.
        adds: Additions of one inference apart from those within MACs; fresh noise is among them.
        others: All other actions of one inference.
        switch: All actions of one switch of the condition.
        energy_pj: Energy of one inference with its share of a switch; None unpriced.
        cycles: Cycles of one inference; None not simulated.
        modules: How many modules the row stands for.
    """

    name: str
    kind: str = ""
    output: tuple[int, ...] | None = None
    parameters: int = 0
    active: int = 0
    macs: int | float = 0
    adds: int | float = 0
    others: int | float = 0
    switch: int | float = 0
    energy_pj: float | None = None
    cycles: int | None = None
    modules: int = 1

    @property
    def depth(self) -> int:
        """How deep in the tree of modules: 0 is the model."""
        return self.name.count(".") + 1 if self.name else 0


_SUMS = ("parameters", "active", "macs", "adds", "others", "switch", "modules")


def collect_layers(
    graph: Graph, counts: Counts, energy: Energy | None = None, run: Run | None = None
) -> tuple[LayerRow, ...]:
    """One row for each module that has an op, a parameter or a count, in order of execution."""
    kinds: dict[str, str] = {}
    outputs: dict[str, tuple[int, ...]] = {}
    for op in graph.ops:
        kinds.setdefault(op.module, op.module_type)
        if op.stage == "input":
            outputs[op.module] = graph.tensors[op.outputs[0]].shape
    sums: dict[str, dict[str, int | float]] = {}

    def add(layer: str, field: str, number: int | float) -> None:
        row = sums.setdefault(layer, {})
        row[field] = row.get(field, 0) + number

    for name in kinds:
        sums.setdefault(name, {})
    for item in counts:
        if item.stage == "switch":
            add(item.layer, "switch", item.number)
        elif item.stage != "deploy":
            field = {"mac": "macs", "add": "adds"}.get(item.action, "others")
            add(item.layer, field, item.number)
    for spec in graph.parameters:
        counted = counts.convention.count_scalar_parameters or spec.elements != 1
        if spec.kind == "parameter" and counted:
            layer = spec.name.rpartition(".")[0]
            add(layer, "parameters", spec.elements)
            add(layer, "active", spec.active)
    energies = {} if energy is None else {name: pj for (name,), pj in energy.group("layer").items()}
    cycles = _cycles(run)
    for name in (*energies, *cycles):
        sums.setdefault(name, {})
    return tuple(
        LayerRow(
            name=name,
            kind=kinds.get(name, ""),
            output=outputs.get(name),
            energy_pj=None if energy is None else energies.get(name, 0.0),
            cycles=None if run is None else cycles.get(name, 0),
            **numbers,  # type: ignore[arg-type]
        )
        for name, numbers in sums.items()
    )


def _cycles(run: Run | None) -> Mapping[str, int]:
    sums: dict[str, int] = {}
    for step in () if run is None else run.steps:
        if step.stage in ("noise", "input"):
            sums[step.layer] = sums.get(step.layer, 0) + step.cycles
    return sums


def sum_layers(rows: Iterable[LayerRow], name: str = "total") -> LayerRow:
    """One row for several; its shape is that of the last."""
    given = list(rows)
    energies = [row.energy_pj for row in given if row.energy_pj is not None]
    cycles = [row.cycles for row in given if row.cycles is not None]
    sums = {field: sum(getattr(row, field) for row in given) for field in _SUMS}
    return LayerRow(
        name=name,
        output=next((row.output for row in reversed(given) if row.output is not None), None),
        energy_pj=sum(energies) if energies else None,
        cycles=sum(cycles) if cycles else None,
        **sums,
    )


def fold_layers(rows: Sequence[LayerRow], depth: int | None = None) -> tuple[LayerRow, ...]:
    """The rows with everything below `depth` summed into the module at that depth.

    Args:
        rows: What `collect_layers` returned.
        depth: 0 leaves the model alone; None folds nothing.
    """
    if depth is None:
        return tuple(rows)
    groups: dict[str, list[LayerRow]] = {}
    for row in rows:
        parts = row.name.split(".") if row.name else []
        groups.setdefault(".".join(parts[:depth]), []).append(row)
    return tuple(
        of[0]
        if len(of) == 1 and of[0].name == name
        else dataclasses.replace(
            sum_layers(of, name), kind=next((row.kind for row in of if row.name == name), "")
        )
        for name, of in groups.items()
    )
