"""Which machine, with which energies, in which numbers: the options of the simulator's verbs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from smartsim.cli.options import accelerator_option, format_option, stack, table_option

if TYPE_CHECKING:
    from smartsim.cost import PrecisionPlan, Table
    from smartsim.simulate import Accelerator

__all__ = ["MEMORY_TABLE", "MachineChoice", "hardware_options", "machine_options"]

F = TypeVar("F", bound=Callable[..., Any])
MEMORY_TABLE = "horowitz2014_45nm+shiftaddnet2020_asic_45nm+han2015_45nm"


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineChoice:
    """A machine, as `machine_options` reads it.

    Attributes:
        accelerator: Name, or path of a .toml file.
        zeros: What it does with zeros, in place of its own policy.
        table: Energy table; "none" is none.
        dram: Memory level of the table that its DRAM is priced as.
        format: Number format or precision plan.
    """

    accelerator: str = "edge_npu"
    zeros: str | None = None
    table: str = MEMORY_TABLE
    dram: str | None = None
    format: str = "int8"

    def load_accelerator(self) -> "Accelerator":
        """The machine."""
        from smartsim.simulate import load_accelerator

        accelerator = load_accelerator(self.accelerator)
        return accelerator.with_zeros(self.zeros) if self.zeros else accelerator

    def load_table(self) -> "Table | None":
        """Its energies."""
        from smartsim.cost import load_table

        return None if self.table == "none" else load_table(self.table)

    def load_plan(self) -> "PrecisionPlan":
        """Its numbers."""
        from smartsim.cost import load_plan

        return load_plan(self.format)


def hardware_options(command: F) -> F:
    """The options that say which machine and which energies, for verbs that choose formats."""
    return stack(
        accelerator_option(),
        click.option(
            "--zeros",
            metavar="POLICY",
            help="In place of its own: none, gating, skipping:8, 2:4.",
        ),
        table_option(MEMORY_TABLE, "Energy table; none for no energies."),
        click.option("--dram", metavar="NAME", help="Memory of the table, such as dram:hbm2."),
    )(command)


def machine_options(command: F) -> F:
    """The options that say which machine, in one format; read into `MachineChoice`."""
    return stack(hardware_options, format_option())(command)
