"""The command line: one thin verb per room. Heavy imports happen inside the verbs."""

from typing import Any, NoReturn

import click

from smartsim import __version__
from smartsim.cli.energy import energy, tables
from smartsim.cli.report import report
from smartsim.cli.simulate import accelerators, simulate, sweep
from smartsim.cli.trace import count, trace
from smartsim.cli.train import data, evaluate, train
from smartsim.errors import SmartsimError

__all__ = ["cli", "main"]


class _OneSentenceGroup(click.Group):
    """A group whose verbs end with one sentence and exit code 2 on every bad input."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        try:
            return super().make_context(*args, **kwargs)
        except click.UsageError as error:
            _fail_usage(error)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SmartsimError as error:
            _fail(str(error))
        except click.UsageError as error:
            _fail_usage(error)
        except MemoryError:
            _fail("there is not enough memory for this; give a smaller input")
        except BrokenPipeError:  # whoever read our output has seen enough
            raise
        except OSError as error:
            _fail(f"{error.filename or 'file'}: {error.strerror or error}")


def _fail_usage(error: click.UsageError) -> NoReturn:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        raise error
    help_of = error.ctx.command_path if error.ctx else "smartsim"
    _fail(f"{error.format_message().rstrip('.')}; see {help_of} --help")


def _fail(sentence: str) -> NoReturn:
    click.echo(f"smartsim: {sentence}", err=True)
    raise SystemExit(2)


@click.group(cls=_OneSentenceGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """What a conditional neural network costs in hardware, by how often each part is paid for."""


for _verb in (trace, count, energy, tables, simulate, sweep, accelerators, report):
    cli.add_command(_verb)
for _verb in (data, train, evaluate):
    cli.add_command(_verb)


def main() -> None:
    """Entry point of the `smartsim` command."""
    cli(prog_name="smartsim")
