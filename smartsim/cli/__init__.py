"""The command line: one thin verb per room. Heavy imports happen inside the verbs."""

import gc

import click

from smartsim import __version__
from smartsim.cli.data import data
from smartsim.cli.door.verb import DoorGroup
from smartsim.cli.energy import energy, tables
from smartsim.cli.evaluate import evaluate
from smartsim.cli.models import models
from smartsim.cli.report import report
from smartsim.cli.simulate import accelerators, simulate
from smartsim.cli.summary import compare, summary
from smartsim.cli.sweep import sweep
from smartsim.cli.trace import count, trace
from smartsim.cli.train import train

__all__ = ["cli", "main"]


@click.group(cls=DoorGroup, example="smartsim report table2")
@click.version_option(__version__, "-V", "--version")
def cli() -> None:
    """What a conditional neural network costs in hardware, by how often each part is paid for."""


_VERBS: tuple[click.Command, ...] = (
    *(summary, compare, trace, count, energy, tables, models),
    *(simulate, sweep, accelerators, report),
    *(data, train, evaluate),
)
for _verb in _VERBS:
    cli.add_command(_verb)


def main() -> None:
    """Entry point of the `smartsim` command."""
    # Its records live until it ends; by the default of 700 objects the collector would walk all of
    # torch's heap again and again, for half a second of a short verb.
    gc.set_threshold(100_000)
    cli(prog_name="smartsim")
