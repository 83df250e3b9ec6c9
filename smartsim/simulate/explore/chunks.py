"""One chunk of a sweep: evaluated, summed up, and left in a folder.

A chunk is named by its number and is done when its summary is there.
"""

import csv
import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smartsim.errors import FileFormatError
from smartsim.records.files import read_json, write_json_atomically, write_text_atomically
from smartsim.simulate.explore.clouds import Cloud, cloud_of, merge_clouds
from smartsim.simulate.explore.designs import Designs, Results
from smartsim.simulate.explore.evaluate import evaluate_designs
from smartsim.simulate.explore.fronts import Front, front_of, merge_fronts
from smartsim.simulate.explore.plans import Sweep

__all__ = ["Summary", "merge_summaries", "points_file", "run_chunk"]

_OF_DESIGN = ("rows", "cols", "buffer_bits", "bits")


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What was found in a chunk, or in several.

    Attributes:
        points: Designs of the grid.
        within: Designs within the limits, which were evaluated.
        feasible: Designs of these whose buffers hold one tile.
        used: Designs of these that meet the least utilization.
        front: The feasible designs that no other of their width beats on the axes.
        used_front: The same of those that meet the least utilization.
        cloud: Where the feasible designs lie.
    """

    points: int = 0
    within: int = 0
    feasible: int = 0
    used: int = 0
    front: Front
    used_front: Front
    cloud: Cloud

    @staticmethod
    def empty(sweep: Sweep, points: int = 0) -> "Summary":
        """What is known before anything was evaluated."""
        front = Front(columns=sweep.columns, axes=sweep.axes)
        return Summary(points=points, front=front, used_front=front, cloud=Cloud())

    def to_dict(self) -> dict[str, Any]:
        """The summary as JSON-ready values."""
        return {
            **{name: getattr(self, name) for name in ("points", "within", "feasible", "used")},
            "front": self.front.to_dict(),
            "used_front": self.used_front.to_dict(),
            "cloud": self.cloud.to_dict(),
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> "Summary":
        """Rebuild a summary from `to_dict`'s values."""
        return Summary(
            **{name: int(data[name]) for name in ("points", "within", "feasible", "used")},
            front=Front.from_dict(data["front"]),
            used_front=Front.from_dict(data["used_front"]),
            cloud=Cloud.from_dict(data["cloud"]),
        )


def merge_summaries(first: Summary, second: Summary) -> Summary:
    """What was found in both."""
    return Summary(
        points=first.points + second.points,
        within=first.within + second.within,
        feasible=first.feasible + second.feasible,
        used=first.used + second.used,
        front=merge_fronts(first.front, second.front),
        used_front=merge_fronts(first.used_front, second.used_front),
        cloud=merge_clouds(first.cloud, second.cloud),
    )


def points_file(folder: Path, number: int) -> Path:
    """Where a chunk leaves its points."""
    return folder / f"chunk-{number:06d}.csv"


def run_chunk(
    sweep: Sweep, number: int, folder: Path | None = None, *, points: bool = False
) -> dict[str, Any]:
    """Evaluate one chunk, unless its summary is already in `folder`.

    Args:
        sweep: The sweep.
        number: Which chunk, from 0.
        folder: Where its files go: chunk-000012.json, and chunk-000012.csv with `points`.
        points: Whether every feasible point is written, or only the chunk's Pareto fronts.

    Returns:
        The `Summary` as JSON-ready values, with its chunk and the sweep's fingerprint.
    """
    summary_path = None if folder is None else folder / f"chunk-{number:06d}.json"
    if folder is not None and summary_path is not None and summary_path.is_file():
        found = _read_chunk(summary_path, points_file(folder, number) if points else None)
        if found.get("fingerprint") == sweep.fingerprint and found.get("chunk") == number:
            return found
    start = number * sweep.chunk_points
    stop = min(start + sweep.chunk_points, len(sweep.grid))
    within, columns = _evaluate(sweep, start, stop)
    summary = _sum_up(sweep, stop - start, within, columns)
    data = {"fingerprint": sweep.fingerprint, "chunk": number, **summary.to_dict()}
    if folder is not None and summary_path is not None:
        if points:
            text = _to_csv(columns)
            write_text_atomically(points_file(folder, number), text)
            data["points_sha256"] = hashlib.sha256(text.encode()).hexdigest()
        data["sha256"] = _sum_of(data)
        write_json_atomically(summary_path, data)
    return data


def _sum_of(data: Mapping[str, Any]) -> str:
    """Checksum of a chunk's summary, without itself."""
    rest = {key: value for key, value in data.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _read_chunk(path: Path, points: Path | None) -> dict[str, Any]:
    """A chunk's summary, if it and its points are as they were written; {} to evaluate it again.

    Raises:
        FileFormatError: If either was altered.
    """
    found = read_json(path, "a chunk of a sweep")
    if "sha256" not in found:
        return {}  # of a version that wrote none
    if found["sha256"] != _sum_of(found):
        raise FileFormatError(_ALTERED.format(path))
    if points is None:
        return found
    if not points.is_file() or "points_sha256" not in found:
        return {}
    if hashlib.sha256(points.read_bytes()).hexdigest() != found["points_sha256"]:
        raise FileFormatError(_ALTERED.format(points))
    return found


_ALTERED = "{}: is not as it was written; delete it, and the chunk is evaluated again"


def _evaluate(sweep: Sweep, start: int, stop: int) -> tuple[int, dict[str, NDArray[Any]]]:
    """How many designs are within the limits, and the columns of those that are feasible."""
    parts, within = [], 0
    for designs in sweep.grid.designs(start, stop):
        admitted = designs.take(sweep.limits.admit(designs, sweep.areas))
        within += len(admitted)
        if len(admitted):
            results = evaluate_designs(sweep.network, admitted, sweep.base, sweep.prices)
            parts.append(_columns(sweep, admitted, results))
    empty = np.zeros(0, dtype=np.int64)
    return within, {
        name: np.concatenate([part[name] for part in parts]) if parts else empty
        for name in sweep.columns
    }


def _to_csv(columns: Mapping[str, NDArray[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*(column.tolist() for column in columns.values()), strict=True))
    return text.getvalue()


def _sum_up(sweep: Sweep, points: int, within: int, columns: Mapping[str, NDArray[Any]]) -> Summary:
    front = front_of(columns, sweep.axes)
    used = columns["utilization"] >= sweep.least_utilization
    if used.all():
        used_front = front
    else:
        used_front = front_of({name: c[used] for name, c in columns.items()}, sweep.axes)
    return Summary(
        points=points,
        within=within,
        feasible=len(used),
        used=int(used.sum()),
        front=front,
        used_front=used_front,
        cloud=cloud_of(columns, sweep.axes),
    )


def _columns(sweep: Sweep, designs: Designs, results: Results) -> dict[str, NDArray[Any]]:
    """The feasible points, an array for each of the sweep's columns."""
    kept = results.feasible
    columns: dict[str, NDArray[Any]] = {}
    for name in sweep.columns:
        match name:
            case "dataflow":
                column: NDArray[Any] = np.full(len(designs), designs.dataflow)
            case "pes":
                column = designs.processing_elements
            case _ if sweep.areas is not None and name == sweep.areas.column:
                column = sweep.areas.measure(
                    designs.rows, designs.cols, designs.bits, designs.buffer_bits
                )
            case _:
                column = getattr(designs if name in _OF_DESIGN else results, name)
        columns[name] = column[kept]
    return columns
