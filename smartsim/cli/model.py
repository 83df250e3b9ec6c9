"""Which model is traced, on which inputs, under which condition: `trace` and `summary`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from smartsim.cli.door.kinds import MODEL_NAME
from smartsim.cli.options import PAPER_INPUT, stack

__all__ = ["ModelChoice", "model_options"]

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChoice:
    """A model, as `model_options` reads it.

    Attributes:
        model: A built-in, package.module:callable, a file.
        input: Input shapes as text; none is the paper's.
        condition: What the user of the device sets, as "lam=1.0".
        declare_zeros: Parameters whose zeros are structure.
        known: Inputs with values, as "mask=[[1,1,0]]".
    """

    model: str
    input: tuple[str, ...] = ()
    condition: tuple[str, ...] = ()
    declare_zeros: tuple[str, ...] = ()
    known: tuple[str, ...] = ()

    @property
    def is_bare(self) -> bool:
        """Whether the model alone is named."""
        return not (self.input or self.condition or self.declare_zeros or self.known)

    def read_inputs(self) -> list[Any]:
        """The inputs as tensors without data; the paper's, if none is given."""
        from smartsim.trace import parse_input

        usual = () if self.known else (PAPER_INPUT,)
        return [parse_input(text) for text in self.input or usual]

    def read_condition(self) -> Mapping[str, float]:
        """The condition by name."""
        from smartsim.trace import parse_condition

        return parse_condition(self.condition)

    def read_known(self) -> Mapping[str, Any]:
        """The inputs whose values are known, by name."""
        from smartsim.trace import parse_known

        return parse_known(self.known)


def model_options(*kinds: str) -> Callable[[F], F]:
    """The argument MODEL and how it is called; read into `ModelChoice`.

    Args:
        kinds: What it may be besides a built-in and package.module:callable.
    """
    possible = ", ".join(("A built-in", "package.module:callable of your own", *kinds[:-1]))
    runs = "Naming a module runs its code; the current folder is importable."
    return stack(
        click.argument("model", type=MODEL_NAME, help=f"{possible}, or {kinds[-1]}. {runs}"),
        click.option(
            "--input",
            multiple=True,
            metavar="SHAPE",
            help="Input shape, such as 1,16:int64; once for each input; may be repeated. "
            f"[default: {PAPER_INPUT}]",
        ),
        click.option(
            "--condition",
            multiple=True,
            metavar="NAME=NUMBER",
            help="What the user sets, as lam=1.0.",
        ),
        click.option(
            "--declare-zeros",
            multiple=True,
            metavar="NAME",
            help="Parameter whose zeros are structure; * for all.",
        ),
        click.option(
            "--known",
            multiple=True,
            metavar="NAME=VALUES",
            help="Input whose values are known, as mask=[[1,1,0]], or mask=@FILE with such JSON.",
        ),
    )
