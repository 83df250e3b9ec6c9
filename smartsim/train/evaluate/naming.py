"""What reports call a model and its training, in a few words."""

from collections.abc import Mapping
from typing import Any

from smartsim.models import METHODS
from smartsim.train.settings import TrainSettings

__all__ = ["describe_setting", "name_model"]


def name_model(settings: TrainSettings) -> str:
    """What reports call a model: the method's title, with what is not the paper's.

    >>> from smartsim.train.settings import make_settings
    >>> name_model(make_settings("smart", changes={"arch": "resnet8", "overlap": 0.0}))
    'SMART [DSS] overlap 0'
    """
    model = settings.model
    title = METHODS[model.method].title if settings.method != "sparse" else "sparse learning"
    notes = []
    if model.stages is not None:
        usual = (model.architecture.default_stages, 0.5, 0.25)
        if (model.stages, model.density, model.overlap) != usual:
            notes.append(f"[{model.stages}]")
            notes.append(f"overlap {model.overlap:g}")
            if model.density != usual[1]:
                notes.append(f"density {model.density:g}")
    if model.norm != model.features.norm:
        notes.append(f"{model.norm} batch norm")
    if settings.alpha is not None:
        notes.append(f"alpha {settings.alpha:g}")
    if settings.method == "sparse":
        notes.append(f"density {settings.sparse_density:g}")
    return " ".join([title, *notes])


def describe_setting(settings: TrainSettings, progress: Mapping[str, Any] | None = None) -> str:
    """Network, data and epochs in a few words, the same for models that may be compared.

    Of a run that was stopped, the epochs that are done stand before those that were planned.
    """
    model = settings.model
    width = "" if model.width == 1 else f" of width {model.width:g}"
    part = "" if settings.train_images is None else f" ({settings.train_images} images)"
    stopped = progress is not None and not progress["finished"]
    done = f"{progress['epochs_done']:g} of " if stopped and progress is not None else ""
    return f"{model.arch}{width}, {settings.data}{part}, {done}{settings.epochs} epochs"
