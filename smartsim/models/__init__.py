"""The four methods on their backbones: PGD-AT, OAT, FLOAT, SMART on ResNets and Wide ResNets.

Knows how the models compute, nothing of how they are traced, counted or trained.
"""

from smartsim.models.build import build_from_settings, build_model, build_named_model, parse_model
from smartsim.models.catalogue import ARCHITECTURES, METHODS, Architecture, Method
from smartsim.models.condition import Condition, make_condition
from smartsim.models.export import export_path, freeze_noise
from smartsim.models.masks import draw_mask_pair
from smartsim.models.model import ConditionalModel
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
