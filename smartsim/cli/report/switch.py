"""The verb `report switch`."""

from dataclasses import asdict, dataclass
from pathlib import Path

from smartsim.cli.door.answer import JsonLayout, collect_facts, print_answer, say_written
from smartsim.cli.door.verb import reads, verb
from smartsim.cli.machine import MachineChoice, machine_options
from smartsim.cli.methods import MethodChoice, method_options, trace_methods
from smartsim.cli.options import files_option, folder_option, json_option
from smartsim.cli.report.group import report
from smartsim.errors import ConfigurationError

__all__ = ["switch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchOptions:
    """What `report switch` is asked."""

    methods: MethodChoice
    machine: MachineChoice
    files: tuple[str, ...]
    output: Path | None
    json: JsonLayout | None


@verb(
    group=report,
    example="smartsim report switch --accelerator edge_npu_skipping -o reports",
    renamed={"--format-of-files": "--files"},
)
@method_options
@machine_options
@files_option("md,csv,json,svg,png", "md", "csv", "json", "svg", "png", "pdf")
@folder_option()
@json_option
@reads(SwitchOptions)
def switch(options: SwitchOptions) -> None:
    """Price what moving lam costs on an accelerator: what is reloaded, and what is computed."""
    from smartsim.report.simulate.switch import build_switch_report
    from smartsim.report.simulate.switch_view import render_switch, write_switch

    machine = options.machine
    accelerator, table = machine.load_accelerator(), machine.load_table()
    if table is None:
        raise ConfigurationError("a switch is priced in energy too; give --table a table's name")
    switches = build_switch_report(
        trace_methods(options.methods),
        accelerator,
        table,
        plan=machine.load_plan(),
        dram_level=machine.dram,
        setting=options.methods.setting,
        provenance=collect_facts(),
    )
    print_answer(options.json, lambda: render_switch(switches), lambda: asdict(switches))
    if options.output is not None:
        paths = write_switch(switches, options.output, options.files)
        say_written(*paths, err=options.json is not None)
