"""Tracing the four methods and the user's own models, as reports need them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from smartsim.cli.door.answer import tell
from smartsim.cli.door.kinds import ARCHITECTURE_NAME, LAMS, METHOD_NAMES, MODEL_NAME
from smartsim.cli.options import PAPER_INPUT, stack
from smartsim.cli.progress import open_bar

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from smartsim.graph import Graph
    from smartsim.report.methods import MethodTraces

__all__ = ["MethodChoice", "collect_method_weights", "method_options", "trace_methods"]

F = TypeVar("F", bound=Callable[..., Any])
_FOUR = "pgdat,oat,float,smart"


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodChoice:
    """Which networks a report compares, as `method_options` reads them.

    Attributes:
        methods: Which of the built-in methods.
        arch: Their backbone.
        classes: Their classes.
        input: Input shape, such as "1,3,32,32".
        film_dimension: Length of the code of lam that OAT's FiLM layers get.
        lam: Values of lam.
        add: Models of the user's own.
    """

    methods: tuple[str, ...] = tuple(_FOUR.split(","))
    arch: str = "resnet34"
    classes: int = 10
    input: str = PAPER_INPUT
    film_dimension: int = 1
    lam: tuple[float, ...] = (0.0, 1.0)
    add: tuple[str, ...] = ()

    @property
    def network(self) -> dict[str, str | int]:
        """What published numbers must be of to stand beside these models."""
        return {"arch": self.arch, "classes": self.classes, "input": self.input}

    @property
    def setting(self) -> str:
        """Network, classes and input, for the head of a report."""
        return f"{self.arch}, {self.classes} classes, input {self.input}"

    def name_model(self, method: str) -> str:
        """One of the methods as `load_model` names it."""
        from smartsim.models import METHODS

        film = f",film_dimension={self.film_dimension}" if METHODS[method].film else ""
        return f"{method}:{self.arch}:classes={self.classes}{film}"


def method_options(command: F) -> F:
    """The options of a report that traces the four methods; read into `MethodChoice`."""
    return stack(
        click.option(
            "--methods", type=METHOD_NAMES, default=_FOUR, help="Built-in methods to compare."
        ),
        click.option("--arch", type=ARCHITECTURE_NAME, default="resnet34", help="Backbone."),
        click.option(
            "--classes",
            type=click.IntRange(1),
            default=10,
            metavar="INTEGER",
            help="Classes of the methods.",
        ),
        click.option("--input", default=PAPER_INPUT, metavar="SHAPE", help="Input shape."),
        click.option("--film-dimension", default=1, help="Length of OAT's code of lam."),
        click.option("--lam", type=LAMS, default="0,1", help="Values of lam."),
        click.option(
            "--add",
            type=MODEL_NAME,
            multiple=True,
            help="A model of your own beside them, package.module:callable.",
        ),
    )(command)


def collect_method_weights(
    choice: MethodChoice,
) -> "Mapping[str, Mapping[str, NDArray[np.float64]]]":
    """Effective weights of the methods at the largest lam."""
    from smartsim.models import METHODS
    from smartsim.trace import collect_weights, load_model, parse_shape

    return {
        METHODS[method].title: collect_weights(
            load_model(choice.name_model(method)),
            parse_shape(choice.input),
            condition={"lam": max(choice.lam)},
        )
        for method in choice.methods
    }


def trace_methods(choice: MethodChoice) -> "list[MethodTraces]":
    """The methods, then the user's own models, each at every lam."""
    import torch

    from smartsim.models import METHODS, ConditionalModel, freeze_noise
    from smartsim.report.methods import MethodTraces
    from smartsim.trace import load_model

    specs = {name: choice.name_model(name) for name in choice.methods}
    total = len(choice.lam) * (len(specs) + len(choice.add)) + 2
    traces = []
    with open_bar(total, "tracing") as bar:
        for method, spec in specs.items():
            model = load_model(spec, draw=False)
            paths = _trace_paths(model, spec, choice, choice.lam, bar)
            frozen = None
            if isinstance(model, ConditionalModel) and METHODS[method].noisy and 1.0 in choice.lam:
                variant = f"{spec},noise=frozen"
                still = freeze_noise(model, torch.Generator())
                frozen = _trace_paths(still, variant, choice, (1.0,), bar)[1.0]
            label = METHODS[method].title
            traces.append(MethodTraces(label=label, paths=paths, frozen=frozen))
        for name in choice.add:
            label = name.rpartition(":")[2]
            if label in [trace.label for trace in traces]:
                label = name
            paths = _trace_paths(load_model(name), name, choice, choice.lam, bar)
            traces.append(MethodTraces(label=label, paths=paths))
    return traces


def _trace_paths(
    model: "torch.nn.Module", name: str, choice: MethodChoice, lams: tuple[float, ...], bar: Any
) -> "dict[float, Graph]":
    """One model's traces at each lam; a model that takes no lam is the same at each."""
    from smartsim.trace import parse_shape, takes_argument, trace_model

    is_conditional = takes_argument(model, "lam")
    paths: dict[float, Graph] = {}
    for lam in lams:
        bar.set_postfix_str(f"{name} at lam = {lam:g}")
        condition = {"lam": lam} if is_conditional else {}
        if not paths or (is_conditional and not _ignores_lam(model)):
            graph = trace_model(model, parse_shape(choice.input), condition=condition, name=name)
            tell(f"traced {name} at lam = {lam:g}: {len(graph.ops)} ops")
            paths[lam] = graph
        else:
            paths[lam] = replace(next(iter(paths.values())), condition=condition)
        bar.update()
    return paths


def _ignores_lam(model: "torch.nn.Module") -> bool:
    """Whether it is a built-in that takes lam, and computes the same for each."""
    from smartsim.models import ConditionalModel

    return isinstance(model, ConditionalModel) and not model.settings.features.conditional
