"""Tracing the four methods and the user's own models, as reports need them."""

from typing import TYPE_CHECKING, Any

import click

from smartsim.cli.options import PAPER_INPUT
from smartsim.errors import ConfigurationError

if TYPE_CHECKING:
    from smartsim.graph import Graph
    from smartsim.report.methods import MethodTraces

__all__ = ["PAPER_SETTING", "collect_method_weights", "of_methods", "trace_methods"]


_LABELS = {"pgdat": "PGD-AT", "oat": "OAT", "float": "FLOAT", "smart": "SMART"}
PAPER_SETTING = {"arch": "resnet34", "classes": 10, "shape": PAPER_INPUT}


def of_methods(command: Any) -> Any:
    """The options of a report that traces the four methods and the user's own models."""
    options = (
        click.option("--arch", default=PAPER_SETTING["arch"], show_default=True, help="Backbone."),
        click.option(
            "--classes", default=PAPER_SETTING["classes"], show_default=True, type=click.IntRange(1)
        ),
        click.option(
            "--input", "shape", default=PAPER_INPUT, show_default=True, help="Input shape."
        ),
        click.option("--film-dimension", default=1, show_default=True, help="OAT's code of lam."),
        click.option("--lam", default="0,1", show_default=True, help="Values of lam."),
        click.option("--add", multiple=True, help="A model of your own, package.module:callable."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def collect_method_weights(options: dict[str, Any]) -> Any:
    """Effective weights of the four methods at the largest lam."""
    from smartsim.models import METHODS
    from smartsim.trace import collect_weights, load_model, parse_shape

    lam = max(_parse_lams(options["lam"]))
    return {
        _LABELS.get(method, method): collect_weights(
            load_model(_name_model(method, options)),
            parse_shape(options["shape"]),
            condition={"lam": lam},
        )
        for method in METHODS
    }


def trace_methods(options: dict[str, Any]) -> "list[MethodTraces]":
    """The four methods, then the user's own models, each at every lam."""
    from smartsim.models import METHODS
    from smartsim.report.methods import MethodTraces

    lams = _parse_lams(options["lam"])
    specs = {name: _name_model(name, options) for name in METHODS}
    total = len(lams) * (len(specs) + len(options["add"])) + 2
    traces = []
    with _progress(total, "tracing") as bar:
        for method, spec in specs.items():
            paths = _trace_paths(spec, options["shape"], lams, bar)
            frozen = None
            if METHODS[method].noisy and 1.0 in lams:
                variant = f"{spec},noise=frozen"
                frozen = _trace_paths(variant, options["shape"], (1.0,), bar)[1.0]
            label = _LABELS.get(method, method)
            traces.append(MethodTraces(label=label, paths=paths, frozen=frozen))
        for name in options["add"]:
            label = name.rpartition(":")[2]
            if label in [trace.label for trace in traces]:
                label = name
            paths = _trace_paths(name, options["shape"], lams, bar)
            traces.append(MethodTraces(label=label, paths=paths))
    return traces


def _name_model(method: str, options: dict[str, Any]) -> str:
    film = f",film_dimension={options['film_dimension']}" if method == "oat" else ""
    return f"{method}:{options['arch']}:classes={options['classes']}{film}"


def _parse_lams(text: str) -> tuple[float, ...]:
    try:
        lams = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigurationError(
            f"--lam {text!r} must be numbers in [0, 1], such as 0,1"
        ) from error
    if not all(0 <= lam <= 1 for lam in lams):
        raise ConfigurationError(f"--lam {text!r} must be numbers in [0, 1], such as 0,1")
    return tuple(dict.fromkeys(lams))


def _trace_paths(name: str, shape: str, lams: tuple[float, ...], bar: Any) -> "dict[float, Graph]":
    """One model's traces at each lam; a model that takes no lam is the same at each."""
    from smartsim.trace import load_model, parse_shape, takes_argument, trace_model

    model = load_model(name)
    is_conditional = takes_argument(model, "lam")
    paths: dict[float, Graph] = {}
    for lam in lams:
        bar.set_postfix_str(f"{name} at lam = {lam:g}")
        if is_conditional or not paths:
            condition = {"lam": lam} if is_conditional else {}
            paths[lam] = trace_model(model, parse_shape(shape), condition=condition, name=name)
        else:
            paths[lam] = next(iter(paths.values()))
        bar.update()
    return paths


def _progress(total: int, what: str) -> Any:
    """A bar on stderr for a terminal, nothing in a pipe."""
    from tqdm import tqdm

    return tqdm(total=total, desc=what, disable=None, leave=False)
