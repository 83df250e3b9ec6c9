"""The command line: one thin verb per room. Heavy imports happen inside the verbs."""

from typing import Any, NoReturn

import click

from smartsim.errors import SmartsimError

__all__ = ["cli", "main"]


class _OneSentenceGroup(click.Group):
    """A group whose verbs end with one sentence and exit code 2 on every error of ours."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SmartsimError as error:
            _fail(str(error))
        except OSError as error:
            _fail(f"{error.filename or 'file'}: {error.strerror or error}")


def _fail(sentence: str) -> NoReturn:
    click.echo(f"smartsim: {sentence}", err=True)
    raise SystemExit(2)


@click.group(cls=_OneSentenceGroup, context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """What a conditional neural network costs in hardware, by how often each part is paid for."""


def main() -> None:
    """Entry point of the `smartsim` command."""
    cli(prog_name="smartsim")
