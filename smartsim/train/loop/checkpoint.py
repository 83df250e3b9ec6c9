"""A checkpoint: one safetensors file, whole or not at all.

Model, momentum and masks are its tensors, and the place in the run is JSON in its header. Reading
one executes nothing.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from smartsim.errors import FileFormatError
from smartsim.records.files import write_bytes_atomically

__all__ = ["Checkpoint", "Place", "load_checkpoint", "save_checkpoint"]

_KEY = "smartsim"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How far a run has come.

    Attributes:
        epoch: Epochs that are whole.
        batch: Batches of the next epoch that are done.
        step: Batches since the start.
        best_score: The best validation score so far; None before the first.
        seconds: Time spent so far.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    best_score: float | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Checkpoint:
    """Everything that a resumed run needs.

    Attributes:
        place: How far the run has come.
        model: The model's state.
        momentum: SGD's buffer of each parameter, by name.
        masks: Of sparse learning.
    """

    place: Place
    model: Mapping[str, Tensor]
    momentum: Mapping[str, Tensor] = field(default_factory=dict)
    masks: Mapping[str, Tensor] = field(default_factory=dict)


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; the file before it stays until the new one is complete."""
    parts = {
        "model": checkpoint.model,
        "momentum": checkpoint.momentum,
        "mask": checkpoint.masks,
    }
    tensors = {
        f"{part}/{name}": tensor.detach().cpu().contiguous()
        for part, named in parts.items()
        for name, tensor in named.items()
    }
    place = {name: getattr(checkpoint.place, name) for name in Place.__dataclass_fields__}
    write_bytes_atomically(path, save(tensors, metadata={_KEY: json.dumps(place)}))


def load_checkpoint(path: Path) -> Checkpoint:
    """Read what `save_checkpoint` wrote.

    Raises:
        FileFormatError: If the file is missing, truncated, or something else.
    """
    parts: dict[str, dict[str, Tensor]] = {"model": {}, "momentum": {}, "mask": {}}
    try:
        with safe_open(path, framework="pt") as file:
            place = Place(**json.loads((file.metadata() or {})[_KEY]))
            for name in file.keys():  # noqa: SIM118 (no mapping)
                part, _, key = name.partition("/")
                parts[part][key] = file.get_tensor(name)
    except (SafetensorError, OSError) as error:
        raise FileFormatError(f"{path}: is no readable checkpoint: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise FileFormatError(
            f"{path}: is a safetensors file, but no checkpoint of smartsim's"
        ) from error
    return Checkpoint(
        place=place, model=parts["model"], momentum=parts["momentum"], masks=parts["mask"]
    )
