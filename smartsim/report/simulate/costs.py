"""What moving lam costs, as records: one a switch, and one for all switches on a machine."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["SwitchCost", "SwitchReport"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchCost:
    """One switch of one method.

    Attributes:
        method: Column heading of the method; with its variant.
        start: lam before.
        end: lam after.
        weight_bits: Weights that the new path reads and the old one did not.
        mask_bits: Bit maps of the new path's weights, where they differ from the old one's.
        norm_bits: Scales, shifts and biases that the new path reads and the old one did not.
        reload_cycles: Cycles in which memory delivers these.
        reload_pj: Energy of reading these from memory and writing them near the array.
        actions: Work of stage switch.
        macs: Products of stage switch.
        compute_cycles: Cycles of stage switch on the machine.
        compute_bits: Bits that stage switch moves to and from memory.
        compute_pj: Energy of stage switch.
        inference_cycles: Cycles of one inference at the new lam.
        inference_pj: Energy of one inference at the new lam.
    """

    method: str
    start: float
    end: float
    weight_bits: int
    mask_bits: int
    norm_bits: int
    reload_cycles: int
    reload_pj: float
    actions: Mapping[str, int]
    macs: int
    compute_cycles: int
    compute_bits: int
    compute_pj: float
    inference_cycles: int
    inference_pj: float

    @property
    def reload_bits(self) -> int:
        """Everything that is reloaded."""
        return self.weight_bits + self.mask_bits + self.norm_bits

    @property
    def cycles(self) -> int:
        """Reloading, then computing."""
        return self.reload_cycles + self.compute_cycles

    @property
    def energy_pj(self) -> float:
        """Reloading and computing."""
        return self.reload_pj + self.compute_pj

    @property
    def inferences_worth(self) -> float:
        """Cycles of the switch in inferences at the new lam."""
        return self.cycles / self.inference_cycles if self.inference_cycles else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchReport:
    """Switches of several methods on one machine.

    Attributes:
        accelerator: Name of the machine.
        table: Name of the energy table.
        unit: Unit of the energies.
        plan: Name of the precision plan.
        setting: Network, classes and input.
        costs: The switches.
        unpriced: What has no price and is in no energy.
        break_even: Inferences between two switches from which on frozen noise costs less energy
            than fresh noise, by method.
        provenance: Versions and command.
    """

    accelerator: str
    table: str
    unit: str
    plan: str
    setting: str
    costs: tuple[SwitchCost, ...]
    unpriced: tuple[str, ...]
    break_even: Mapping[str, float]
    provenance: Mapping[str, str]
