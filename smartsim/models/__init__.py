"""The four methods on their backbones: PGD-AT, OAT, FLOAT, SMART on ResNets and Wide ResNets.

Knows how the models compute, nothing of how they are traced, counted or trained.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from smartsim.models.build import build_from_settings, build_model, build_named_model
    from smartsim.models.catalogue import ARCHITECTURES, METHODS, Architecture, Method
    from smartsim.models.condition import Condition, make_condition
    from smartsim.models.export import export_path, freeze_noise
    from smartsim.models.masks import draw_mask_pair
    from smartsim.models.model import ConditionalModel
    from smartsim.models.names import parse_model
    from smartsim.models.norms import LAM_GRID
    from smartsim.models.settings import ModelSettings

__all__ = [
    "ARCHITECTURES",
    "LAM_GRID",
    "METHODS",
    "Architecture",
    "Condition",
    "ConditionalModel",
    "Method",
    "ModelSettings",
    "build_from_settings",
    "build_model",
    "build_named_model",
    "draw_mask_pair",
    "export_path",
    "freeze_noise",
    "make_condition",
    "parse_model",
]

_ROOMS = {
    "smartsim.models.build": (
        "build_from_settings",
        "build_model",
        "build_named_model",
        "parse_model",
    ),
    "smartsim.models.catalogue": ("ARCHITECTURES", "METHODS", "Architecture", "Method"),
    "smartsim.models.condition": ("Condition", "make_condition"),
    "smartsim.models.export": ("export_path", "freeze_noise"),
    "smartsim.models.masks": ("draw_mask_pair",),
    "smartsim.models.model": ("ConditionalModel",),
    "smartsim.models.names": ("parse_model",),
    "smartsim.models.norms": ("LAM_GRID",),
    "smartsim.models.settings": ("ModelSettings",),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a module when one of its names is first asked for: settings need no torch."""
    if name not in _ROOM_OF:
        raise AttributeError(f"module 'smartsim.models' has no attribute {name!r}")
    return getattr(importlib.import_module(_ROOM_OF[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
