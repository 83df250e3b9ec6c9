"""COUNTS x TABLE -> ENERGY: published energies with their sources, formats, widths, shift-adds."""

from smartsim.cost.energy.compare import BreakEven, find_break_even
from smartsim.cost.energy.energy import (
    Energy,
    EnergyItem,
    MemoryEnergy,
    Unpriced,
    load_energy,
    save_energy,
)
from smartsim.cost.energy.estimate import estimate_energy
from smartsim.cost.energy.memory import ENCODINGS, Encoding, encode_weights, estimate_memory
from smartsim.cost.energy.terms import (
    compare_shift_readings,
    count_csd_terms,
    count_mean_terms,
    quantize_symmetric,
    round_to_powers,
)
from smartsim.cost.formats.numbers import NumberFormat, parse_format
from smartsim.cost.formats.plans import PrecisionPlan, load_plan, uniform_plan
from smartsim.cost.prices.grid import EnergyGrid, price_counts
from smartsim.cost.prices.recipes import describe_mac, missing_price, price_actions
from smartsim.cost.tables.load import list_arithmetic_tables, list_tables, load_table
from smartsim.cost.tables.table import Row, Table, combine_tables, memory_row
from smartsim.records.sources import Source, cost_models_folder

__all__ = [
    "ENCODINGS",
    "BreakEven",
    "Encoding",
    "Energy",
    "EnergyGrid",
    "EnergyItem",
    "MemoryEnergy",
    "NumberFormat",
    "PrecisionPlan",
    "Row",
    "Source",
    "Table",
    "Unpriced",
    "combine_tables",
    "compare_shift_readings",
    "cost_models_folder",
    "count_csd_terms",
    "count_mean_terms",
    "describe_mac",
    "encode_weights",
    "estimate_energy",
    "estimate_memory",
    "find_break_even",
    "list_arithmetic_tables",
    "list_tables",
    "load_energy",
    "load_plan",
    "load_table",
    "memory_row",
    "missing_price",
    "parse_format",
    "price_actions",
    "price_counts",
    "quantize_symmetric",
    "round_to_powers",
    "save_energy",
    "uniform_plan",
]
