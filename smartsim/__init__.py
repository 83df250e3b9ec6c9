"""What a conditional neural network costs in hardware, by how often each part is paid for.

Example:
    >>> import smartsim
    >>> s = smartsim.summary("smart:resnet8", (1, 3, 32, 32), condition={"lam": 1.0}, depth=0)
    smart:resnet8 at lam = 1
    convention exact; numbers of one inference
    layer    type    output  params  active    MACs      %    ADDs    other   switch
    -------  ------  ------  ------  ------  ------  -----  ------  -------  -------
    (model)  ResNet    1x10  78.72k  43.49k  8.392M  100.0   75.5k   159.4k       20
    <BLANKLINE>
    total              1x10  78.72k  43.49k  8.392M  100.0   75.5k   159.4k       20
    78,724 parameters, 43,492 of them active; 8,392,138 MACs
    >>> s.counts.total("add", stages=["noise"]), s.counts.parameters.active
    (42800, 43492)
    >>> round(s.energy("int8").per_inference_pj / 1e6, 2)  # microjoule
    2.53
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from smartsim.cost import (
        Energy,
        Table,
        estimate_energy,
        list_tables,
        load_energy,
        load_plan,
        load_table,
        save_energy,
    )
    from smartsim.counts import (
        Convention,
        Counts,
        count_actions,
        count_parameters,
        get_convention,
        load_convention,
        load_counts,
        register_rule,
        save_counts,
    )
    from smartsim.door import summary
    from smartsim.errors import SmartsimError
    from smartsim.graph import Graph, load_graph, save_graph
    from smartsim.models import build_model, build_named_model
    from smartsim.report.summary.compare import Comparison, compare
    from smartsim.report.summary.summary import Summary, load_summary, save_summary
    from smartsim.simulate import (
        Accelerator,
        Run,
        SweepResult,
        list_accelerators,
        load_accelerator,
        load_run,
        load_sweep,
        save_run,
        save_sweep,
        simulate_network,
        sweep_designs,
    )
    from smartsim.trace import collect_weights, load_model, measure_density, trace_model

__version__ = "0.1.0"

__all__ = [
    "Accelerator",
    "Comparison",
    "Convention",
    "Counts",
    "Energy",
    "Graph",
    "Run",
    "SmartsimError",
    "Summary",
    "SweepResult",
    "Table",
    "build_model",
    "build_named_model",
    "collect_weights",
    "compare",
    "count_actions",
    "count_parameters",
    "estimate_energy",
    "get_convention",
    "list_accelerators",
    "list_tables",
    "load_accelerator",
    "load_convention",
    "load_counts",
    "load_energy",
    "load_graph",
    "load_model",
    "load_plan",
    "load_run",
    "load_summary",
    "load_sweep",
    "load_table",
    "measure_density",
    "register_rule",
    "save_counts",
    "save_energy",
    "save_graph",
    "save_run",
    "save_summary",
    "save_sweep",
    "simulate_network",
    "summary",
    "sweep_designs",
    "trace_model",
]

_ROOMS = {
    "smartsim.door": ("summary",),
    "smartsim.cost": (
        "Energy",
        "Table",
        "estimate_energy",
        "list_tables",
        "load_energy",
        "load_plan",
        "load_table",
        "save_energy",
    ),
    "smartsim.counts": (
        "Convention",
        "Counts",
        "count_actions",
        "count_parameters",
        "get_convention",
        "load_convention",
        "load_counts",
        "register_rule",
        "save_counts",
    ),
    "smartsim.errors": ("SmartsimError",),
    "smartsim.graph": (
        "Graph",
        "load_graph",
        "save_graph",
    ),
    "smartsim.models": (
        "build_model",
        "build_named_model",
    ),
    "smartsim.report.summary.compare": (
        "Comparison",
        "compare",
    ),
    "smartsim.report.summary.summary": (
        "Summary",
        "load_summary",
        "save_summary",
    ),
    "smartsim.simulate": (
        "Accelerator",
        "Run",
        "SweepResult",
        "list_accelerators",
        "load_accelerator",
        "load_run",
        "load_sweep",
        "save_run",
        "save_sweep",
        "simulate_network",
        "sweep_designs",
    ),
    "smartsim.trace": (
        "collect_weights",
        "load_model",
        "measure_density",
        "trace_model",
    ),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a room when one of its names is first asked for: torch and pandas load slowly."""
    if name not in _ROOM_OF:
        raise AttributeError(f"module 'smartsim' has no attribute {name!r}")
    return getattr(importlib.import_module(_ROOM_OF[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
