"""What a conditional neural network costs in hardware, by how often each part is paid for.

Example:
    >>> import smartsim
    >>> model = smartsim.build_named_model("smart:resnet8")
    >>> graph = smartsim.trace_model(model, (1, 3, 32, 32), condition={"lam": 1.0})
    >>> counts = smartsim.count_actions(graph, "exact")
    >>> counts.total("add", stages=["noise"]), counts.parameters.active
    (42800, 43492)
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from smartsim.cost import estimate_energy, load_table
    from smartsim.counts import (
        Convention,
        Counts,
        count_actions,
        count_parameters,
        load_counts,
        register_rule,
        save_counts,
    )
    from smartsim.errors import SmartsimError
    from smartsim.graph import Graph, load_graph, save_graph
    from smartsim.models import build_model, build_named_model
    from smartsim.trace import collect_weights, load_model, measure_density, trace_model

__version__ = "0.1.0"

__all__ = [
    "Convention",
    "Counts",
    "Graph",
    "SmartsimError",
    "build_model",
    "build_named_model",
    "collect_weights",
    "count_actions",
    "count_parameters",
    "estimate_energy",
    "load_counts",
    "load_graph",
    "load_model",
    "load_table",
    "measure_density",
    "register_rule",
    "save_counts",
    "save_graph",
    "trace_model",
]

_ROOMS = {
    "smartsim.cost": ("estimate_energy", "load_table"),
    "smartsim.counts": (
        "Convention",
        "Counts",
        "count_actions",
        "count_parameters",
        "load_counts",
        "register_rule",
        "save_counts",
    ),
    "smartsim.errors": ("SmartsimError",),
    "smartsim.graph": ("Graph", "load_graph", "save_graph"),
    "smartsim.models": ("build_model", "build_named_model"),
    "smartsim.trace": ("collect_weights", "load_model", "measure_density", "trace_model"),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a room when one of its names is first asked for: torch and pandas load slowly."""
    if name not in _ROOM_OF:
        raise AttributeError(f"module 'smartsim' has no attribute {name!r}")
    return getattr(importlib.import_module(_ROOM_OF[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
