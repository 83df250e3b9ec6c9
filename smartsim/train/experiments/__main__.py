"""`python -m smartsim.train.experiments`: run the experiments that are not finished."""

import time
from pathlib import Path

import click

from smartsim.errors import ConfigurationError
from smartsim.train.experiments.catalogue import EXPERIMENTS, find_experiment
from smartsim.train.experiments.runner import run_tasks
from smartsim.train.experiments.tasks import Task, next_tasks


@click.command()
@click.argument("names", nargs=-1)
@click.option("--runs", default="runs/study", show_default=True, type=click.Path(path_type=Path))
@click.option(
    "--results", default="reports/results", show_default=True, type=click.Path(path_type=Path)
)
@click.option("--jobs", default=2, show_default=True, help="Processes side by side.")
@click.option("--minutes", type=float, help="Stop after so long; a later call goes on.")
@click.option("--preset", default="study", show_default=True)
@click.option("--images", default=1_000, show_default=True, help="Of each evaluation.")
@click.option("--set", "extra", multiple=True, help="Further setting of every training.")
@click.option("--list", "only_list", is_flag=True, help="Say what there is to do, and do nothing.")
def main(
    names: tuple[str, ...],
    runs: Path,
    results: Path,
    jobs: int,
    minutes: float | None,
    preset: str,
    images: int,
    extra: tuple[str, ...],
    only_list: bool,
) -> None:
    """Run the experiments NAMES, or all that are not finished."""
    try:
        chosen = [find_experiment(name).name for name in names or EXPERIMENTS]
    except ConfigurationError as error:
        raise click.UsageError(str(error)) from error
    until = time.monotonic() + 60 * minutes if minutes is not None else float("inf")
    runs.mkdir(parents=True, exist_ok=True)
    results.mkdir(parents=True, exist_ok=True)

    def find() -> tuple[Task, ...]:
        return next_tasks(
            chosen, runs=runs, results=results, preset=preset, images=images, extra=extra
        )

    if only_list:
        for task in find():
            click.echo(f"{task.name:<28} smartsim {' '.join(task.command)}")
        return
    failed = run_tasks(find, runs, jobs=jobs, until=until, tell=click.echo)
    click.echo(f"{len(find())} experiments left to do, {len(failed)} failed; words are in {runs}")


if __name__ == "__main__":
    main()
