"""The verb `report`: tables and figures that compare methods, a module each."""

from smartsim.cli.report.energy_vs_bits import energy_vs_bits
from smartsim.cli.report.figures import figures
from smartsim.cli.report.group import report
from smartsim.cli.report.switch import switch
from smartsim.cli.report.table2 import table2

__all__ = ["energy_vs_bits", "figures", "report", "switch", "table2"]
