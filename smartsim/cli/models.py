"""The verb `models`: what is built in, and with which settings. Loads no torch."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from smartsim.cli.door.answer import JsonLayout, print_answer
from smartsim.cli.door.kinds import MODEL_NAME
from smartsim.cli.door.verb import reads, verb
from smartsim.cli.options import json_option

if TYPE_CHECKING:
    from smartsim.models import ModelSettings

__all__ = ["models"]

_MEANINGS = {
    "classes": "number of classes",
    "in_channels": "channels of the images",
    "width": "factor on all channels",
    "norm": "batch norms: single, or dual (one for lam = 0, one for lam > 0)",
    "stages": "a letter a stage: D dense, S sparse",
    "density": "share of ones in each mask",
    "overlap": "share of places where both masks are one",
    "noise": "fresh in every forward, or frozen in a buffer",
    "film_dimension": "length of the code of lam: 1, or from 6 on",
    "dropout": "in the blocks of a Wide ResNet",
    "seed": "where weights, masks and frozen noise come from",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsOptions:
    """What `models` is asked."""

    name: str | None
    json: JsonLayout | None


@verb(
    example=(
        "smartsim models",
        "smartsim models smart:resnet34:stages=DSSS,density=0.25",
    )
)
@click.argument(
    "name", type=MODEL_NAME, required=False, help="Show this one, as method:arch:key=value,..."
)
@json_option
@reads(ModelsOptions)
def models(options: ModelsOptions) -> None:
    """List the methods and backbones that are built in, or all settings of one model."""
    if options.name is None:
        print_answer(options.json, _render_list, _gather_list)
        return
    from smartsim.models import parse_model

    settings = parse_model(options.name)
    print_answer(options.json, lambda: _render_one(settings), settings.to_dict)


def _render_list() -> str:
    from smartsim.models import ARCHITECTURES, METHODS
    from smartsim.report.style.text import grid, wrap

    methods = grid(
        [
            [m.name, m.title, m.description, ", ".join(_own_settings(m.name)) or "-"]
            for m in METHODS.values()
        ],
        ["method", "title", "what it is", "its own settings"],
        "llll",
        shortened=(),
        wrapped=(2, 3),
    )
    architectures = grid(
        [
            [a.name, _join(a.blocks), _join(a.channels), a.description]
            for a in ARCHITECTURES.values()
        ],
        ["backbone", "blocks", "channels", "what it is"],
        "llll",
        shortened=(),
        wrapped=(3,),
    )
    settings = grid(
        [[key, _print(_default(key)), meaning] for key, meaning in _MEANINGS.items()],
        ["setting", "default", "what it says"],
        "lll",
        shortened=(),
        wrapped=(2,),
    )
    ending = "a model is method:backbone:setting=value,...; smartsim models NAME shows one"
    return "\n\n".join([methods, architectures, settings, "\n".join(wrap(ending))]) + "\n"


def _own_settings(method: str) -> Mapping[str, Any]:
    """The settings that this method has and others lack, with their defaults."""
    from smartsim.models import ModelSettings

    bare, own = ModelSettings(method="pgdat").to_dict(), ModelSettings(method=method).to_dict()
    return {key: own[key] for key in _MEANINGS if bare[key] is None and own[key] is not None}


def _default(key: str) -> object:
    """A setting's default in ResNet-34; a method's own in the method that has it."""
    from smartsim.models import METHODS, ModelSettings

    if key == "norm":
        return "the method's"
    values = [ModelSettings(method=method).to_dict()[key] for method in METHODS]
    return next(value for value in values if value is not None)


def _render_one(settings: "ModelSettings") -> str:
    from smartsim.report.style.text import grid, wrap_all

    architecture, method = settings.architecture, settings.features
    facts = [
        f"{settings.name}: {method.title} on {architecture.name}",
        f"{method.title}: {method.description}",
        f"{architecture.name}: {architecture.description}; {_join(architecture.blocks)} blocks of "
        f"{_join(architecture.channels)} channels",
    ]
    rows = [
        [key, _print(value), _MEANINGS[key]]
        for key, value in settings.to_dict().items()
        if key in _MEANINGS and value is not None
    ]
    table = grid(rows, ["setting", "value", "what it says"], "lll", shortened=(), wrapped=(2,))
    return f"{wrap_all(facts, '  ')}\n\n{table}\n"


def _gather_list() -> dict[str, Any]:
    """The methods and backbones as JSON-ready values."""
    from smartsim.models import ARCHITECTURES, METHODS

    return {
        "methods": [
            {**dataclasses.asdict(method), "settings": dict(_own_settings(method.name))}
            for method in METHODS.values()
        ],
        "architectures": [dataclasses.asdict(each) for each in ARCHITECTURES.values()],
        "settings": {key: _default(key) for key in _MEANINGS},
    }


def _join(numbers: tuple[int, ...]) -> str:
    return ", ".join(str(number) for number in numbers)


def _print(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
