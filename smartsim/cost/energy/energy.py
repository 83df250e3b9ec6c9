"""What pricing leaves: the energy of one model, by layer, stage and action. Prices nothing."""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from smartsim.cost.prices.laws import BASIS_ORDER, Basis
from smartsim.counts.conventions import Convention
from smartsim.counts.records import Action
from smartsim.errors import ConfigurationError
from smartsim.graph import STAGES, Stage
from smartsim.records.document import STRICT, Document, Number, Positive, Whole
from smartsim.records.shown import Shown

__all__ = ["Energy", "EnergyItem", "MemoryEnergy", "Unpriced", "load_energy", "save_energy"]

_KEYS = ("layer", "stage", "action", "conditional", "format")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyItem:
    """Energy of one action of one layer at one stage, for each time the stage runs.

    Attributes:
        layer: Qualified module name; "" for the model itself.
        stage: How often it is paid for.
        action: What is priced.
        conditional: Whether it is there only because the model is conditional.
        format: Number format of the layer.
        number: How many acts.
        published_pj: Energy whose price a source prints.
        interpolated_pj: Energy whose price lies between published points.
        extrapolated_pj: Energy whose price lies beyond the outermost published point.
    """

    __pydantic_config__ = STRICT

    layer: str
    stage: Stage
    action: Action
    conditional: bool
    format: str
    number: Number
    published_pj: float
    interpolated_pj: float
    extrapolated_pj: float

    @property
    def energy_pj(self) -> float:
        """All of it."""
        return self.published_pj + self.interpolated_pj + self.extrapolated_pj


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpriced:
    """Acts that the table has no price for: they are in no energy, and every report lists them.

    Attributes:
        stage: How often they are paid for.
        action: What is not priced.
        format: Number format.
        number: How many acts, over all layers.
    """

    __pydantic_config__ = STRICT

    stage: Stage
    action: Action
    format: str
    number: Number


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryEnergy:
    """Energy of moving one kind of data of one layer in one inference.

    Attributes:
        layer: Qualified module name.
        kind: "weights", "index" (what says where the weights belong), or "activations".
        level: Memory level, such as "dram" or "sram:32KiB".
        bits: Bits that move.
        energy_pj: Energy.
    """

    __pydantic_config__ = STRICT

    layer: str
    kind: Literal["weights", "index", "activations"]
    level: str
    bits: Whole
    energy_pj: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy(Shown):
    """What the arithmetic of one model costs, from one table, under one convention.

    Attributes:
        model: How the model was named.
        condition: Value of each condition at which it was traced.
        convention: The counting choices; its accumulator decides the width of sums.
        table: Name of the energy table.
        technology: Its technology, as it describes itself.
        includes: What one of its energies contains.
        unit: "pJ"; "relative" when energies count in 16-bit MACs.
        plan: Name of the precision plan.
        macs: One line per format that says what a MAC is.
        inferences_per_switch: Inferences over which what is paid once a switch is spread.
        items: The energies; one layer, stage, action, conditional mark and format appears once.
        unpriced: Acts without a price.
        memory: Energy of reading weights and moving activations, where it was asked for; it is
            a column of its own and in no total of arithmetic.
        notes: What a reader of the numbers must know.
    """

    __pydantic_config__ = STRICT

    model: str
    condition: Mapping[str, float]
    convention: Convention
    table: str
    technology: str
    includes: str
    unit: str
    plan: str
    macs: tuple[str, ...]
    inferences_per_switch: Positive
    items: tuple[EnergyItem, ...]
    unpriced: tuple[Unpriced, ...] = ()
    memory: tuple[MemoryEnergy, ...] = ()
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        at = "".join(f", {name} = {value:g}" for name, value in self.condition.items())
        return (
            f"<Energy of {self.model}{at}: {self.per_inference_pj:.4g} {self.unit} an inference in "
            f"{self.plan} ({self.table})>"
        )

    @property
    def per_inference_pj(self) -> float:
        """Arithmetic of one inference, with its share of a switch; deployment is not in it."""
        return (
            self.total(stages=("noise", "input")) + self.per_switch_pj / self.inferences_per_switch
        )

    @property
    def recurring_pj(self) -> float:
        """Arithmetic of one inference without any share of a switch."""
        return self.total(stages=("noise", "input"))

    @property
    def per_switch_pj(self) -> float:
        """Arithmetic of one switch of the condition."""
        return self.total(stages=("switch",))

    @property
    def per_deployment_pj(self) -> float:
        """Arithmetic of one deployment."""
        return self.total(stages=("deploy",))

    @property
    def conditional_pj(self) -> float:
        """The part of `per_inference_pj` that is there only because the model is conditional."""
        recurring = self.total(stages=("noise", "input"), conditional=True)
        switch = self.total(stages=("switch",), conditional=True)
        return recurring + switch / self.inferences_per_switch

    @property
    def memory_pj(self) -> float:
        """Weights and activations moved in one inference; 0 when it was not asked for."""
        return sum(item.energy_pj for item in self.memory)

    @property
    def basis_shares(self) -> dict[Basis, float]:
        """Share of `per_inference_pj` on each basis; they add up to 1, or are all 0."""
        sums = dict.fromkeys(BASIS_ORDER, 0.0)
        for item in self.items:
            weight = self._weight(item.stage)
            sums["published"] += weight * item.published_pj
            sums["interpolated"] += weight * item.interpolated_pj
            sums["extrapolated"] += weight * item.extrapolated_pj
        whole = sum(sums.values())
        return {basis: value / whole if whole else 0.0 for basis, value in sums.items()}

    def total(
        self,
        *,
        stages: Iterable[Stage] = STAGES,
        layer: str | None = None,
        action: Action | None = None,
        conditional: bool | None = None,
    ) -> float:
        """Sum in pJ of the items that match, each stage once; None matches all."""
        wanted = frozenset(stages)
        return sum(
            item.energy_pj
            for item in self.items
            if item.stage in wanted
            and layer in (None, item.layer)
            and action in (None, item.action)
            and conditional in (None, item.conditional)
        )

    def group(self, *keys: str) -> dict[tuple[Any, ...], float]:
        """Energy of one inference in pJ, with its share of a switch, by fields of `EnergyItem`.

        Raises:
            ConfigurationError: If a key is no field to group by.
        """
        for key in keys:
            if key not in _KEYS:
                raise ConfigurationError(f"cannot group by {key!r}; possible: {', '.join(_KEYS)}")
        sums: dict[tuple[Any, ...], float] = {}
        for item in self.items:
            place = tuple(getattr(item, key) for key in keys)
            sums[place] = sums.get(place, 0.0) + self._weight(item.stage) * item.energy_pj
        return sums

    def records(self) -> list[dict[str, Any]]:
        """The items as plain rows, ready for a data frame."""
        return [{**dataclasses.asdict(item), "energy_pj": item.energy_pj} for item in self.items]

    def _weight(self, stage: Stage) -> float:
        """How much of a stage one inference pays."""
        return {"deploy": 0.0, "switch": 1 / self.inferences_per_switch}.get(stage, 1.0)


def save_energy(energy: Energy, path: str | Path) -> None:
    """Write `energy` as JSON to `path`, whole or not at all."""
    _DOCUMENT.save(energy, path)


def load_energy(path: str | Path) -> Energy:
    """Read an energy that `save_energy` wrote.

    Raises:
        FileFormatError: If the file is missing, damaged, or something else; the sentence names it.
    """
    return _DOCUMENT.load(path)


_DOCUMENT = Document(
    record=Energy,
    format="smartsim-energy",
    version=1,
    what="a smartsim energy",
    remedy="make one with `smartsim energy COUNTS --output FILE`",
)
