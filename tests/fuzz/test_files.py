"""Nearly valid files: a result, or one sentence and exit code 2, quickly, nothing written.

`make fuzz` draws 100,000 of them; `make test` a fixed few hundred, and the seeds that once ended in
a traceback.
"""

import os
import resource
import shutil
import time
import warnings
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import smartsim
from smartsim.cli import cli
from smartsim.errors import SmartsimError
from smartsim.report.published import load_published
from tests.fuzz.mutations import MUTATIONS, mutate_bytes

SEEDS = sorted((Path(__file__).parent / "seeds").iterdir())
EXAMPLES = int(os.environ.get("SMARTSIM_FUZZ", "12"))
MOST_SECONDS = 3.0  # of this process's own time; a figure takes one and a half
MOST_MEBIBYTES = 500

OFTEN = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],  # what fails is small as it is
)

VERBS: dict[str, list[tuple[str, ...]]] = {
    "graph.json": [("count", "@"), ("simulate", "@"), ("summary", "@"), ("compare", "@", "@")],
    "counts.json": [("energy", "@", "--format", "int8,shift4"), ("compare", "@", "@")],
    "energy.json": [("compare", "@", "@")],
    "run.json": [("compare", "@", "@")],
    "machine.toml": [("simulate", "=graph.json", "--accelerator", "@"), ("accelerators", "@")],
    "convention.toml": [("count", "=graph.json", "--convention", "@")],
    "plan.toml": [("energy", "=counts.json", "--format", "@")],
    "plan.csv": [("simulate", "=graph.json", "--format", "@")],
    "horowitz2014_45nm.csv": [("energy", "=counts.json", "--table", "@")],
    "sources.toml": [("energy", "=counts.json", "--table", "=horowitz2014_45nm.csv")],
    "results.json": [("report", "figures", "@"), ("report", "figures", "@", "=sparse.json")],
    "sparse.json": [("report", "figures", "@")],
    "model.pt2": [("trace", "@", "--input", "1,1,2,2")],
}
SEED_VERBS = {
    "accel": "machine.toml",
    "conv": "convention.toml",
    "counts": "counts.json",
    "graph": "graph.json",
    "plan": "plan.toml",
    "results": "results.json",
    "runs": "run.json",
    "deep": "machine.toml",
    "hugeint": "convention.toml",
    "huge": "graph.json",
    "surrogate": "graph.json",
}


def try_verb(folder: Path, name: str, verb: tuple[str, ...]) -> int:
    """Run one verb on one file; its exit code, after everything else was checked."""
    words = [str(folder / (name if w == "@" else w[1:])) if w[0] in "@=" else w for w in verb]
    if verb[0] == "report":
        words += ["--files", "svg", "--output", str(folder / "out")]
    elif verb[0] != "accelerators":
        words += ["-o", str(folder / "out.json")]
    before = {path.name for path in folder.iterdir()}
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        result = CliRunner().invoke(cli, words, prog_name="smartsim")
    seconds = time.process_time() - began
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - most) / 1024
    said = f"{' '.join(verb)}: {result.output[-300:]!r}"
    assert result.exception is None or isinstance(result.exception, SystemExit), (
        said,
        result.exception,
    )
    assert result.exit_code in (0, 2), said
    assert seconds < MOST_SECONDS, (said, seconds)
    assert grown < MOST_MEBIBYTES, (said, grown)
    if result.exit_code == 2:
        sentence = result.stderr.splitlines()[-1]
        assert sentence.startswith("smartsim: "), said
        assert len(sentence) < 2_000, said
        assert {path.name for path in folder.iterdir()} == before, said
    for made in (folder / "out.json", folder / "out"):
        if made.is_dir():
            shutil.rmtree(made)
        made.unlink(missing_ok=True)
    return result.exit_code


@pytest.mark.parametrize("name", VERBS)
def test_the_valid_file_is_taken(files: Path, name: str) -> None:
    for verb in VERBS[name]:
        assert try_verb(files, name, verb) == 0


@pytest.mark.parametrize("seed", SEEDS, ids=lambda path: path.name)
def test_what_once_ended_in_a_traceback_is_a_sentence(
    files: Path, tmp_path: Path, seed: Path
) -> None:
    kind = SEED_VERBS[seed.name.partition("_")[0].partition(".")[0]]
    shutil.copytree(files, tmp_path / "at")
    name = f"seed{seed.suffix}"
    shutil.copy(seed, tmp_path / "at" / name)
    codes = [try_verb(tmp_path / "at", name, verb) for verb in VERBS[kind]]
    assert 2 in codes


@pytest.fixture(scope="module")
def place(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the valid files, of which one at a time is changed and put back."""
    folder = tmp_path_factory.mktemp("fuzz") / "at"
    shutil.copytree(files, folder)
    return folder


@pytest.mark.parametrize("name", VERBS)
@OFTEN
@given(data=st.data())
def test_a_file_that_is_nearly_right(place: Path, name: str, data: st.DataObject) -> None:
    valid = (place / name).read_bytes()
    structure: Any = MUTATIONS.get(Path(name).suffix)
    if structure is not None and data.draw(st.integers(0, 3)):
        changed = structure(valid.decode(), data.draw)
    else:
        changed = mutate_bytes(valid, data.draw)
    try:
        (place / name).write_bytes(changed)
        try_verb(place, name, data.draw(st.sampled_from(VERBS[name])))
    finally:
        (place / name).write_bytes(valid)


KINDS: dict[str, Any] = {
    "graph.json": smartsim.load_graph,
    "counts.json": smartsim.load_counts,
    "energy.json": smartsim.load_energy,
    "run.json": smartsim.load_run,
    "summary.json": smartsim.load_summary,
}
PUBLISHED = tuple(f"published/smart2023_table2.{ending}" for ending in ("toml", "csv"))


@pytest.mark.parametrize("name", PUBLISHED)
@OFTEN
@given(data=st.data())
def test_a_papers_table_that_is_nearly_right(place: Path, name: str, data: st.DataObject) -> None:
    assert load_published(str(place / PUBLISHED[0])).rows
    valid = (place / name).read_bytes()
    try:
        (place / name).write_bytes(MUTATIONS[Path(name).suffix](valid.decode(), data.draw))
        load_published(str(place / PUBLISHED[0]))
    except SmartsimError:
        pass
    finally:
        (place / name).write_bytes(valid)


@pytest.mark.parametrize("name", KINDS)
@OFTEN
@given(data=st.data())
def test_what_a_reader_takes_can_be_shown(place: Path, name: str, data: st.DataObject) -> None:
    valid = (place / name).read_bytes()
    changed = MUTATIONS[".json"](valid.decode(), data.draw)
    (place / "changed.json").write_bytes(changed)
    try:
        record = KINDS[name](place / "changed.json")
        assert repr(record)
        assert len(record.to_dataframe()) >= 0
        assert record._repr_html_()
        assert type(record).from_json(record.to_json()) == record
    except SmartsimError:
        pass
    finally:
        (place / "changed.json").unlink()


RUN_FILES = ("run.json", "metrics.csv", "epochs.csv", "last.safetensors")


@pytest.mark.parametrize("name", RUN_FILES)
@OFTEN
@given(data=st.data())
def test_a_folder_of_a_run_that_is_nearly_right(
    trained: Path, name: str, data: st.DataObject
) -> None:
    from smartsim.train.loop.train import train
    from tests.unit.train.helpers import stop_after, tiny_data, tiny_settings

    kept = {path.name: path.read_bytes() for path in trained.iterdir() if path.is_file()}
    structure: Any = MUTATIONS.get(Path(name).suffix)
    if structure is not None and data.draw(st.booleans()):
        changed = structure(kept[name].decode(), data.draw)
    else:
        changed = mutate_bytes(kept[name], data.draw)
    try:
        (trained / name).write_bytes(changed)
        from smartsim.train.loop.folder import RunFolder

        RunFolder(path=trained).read()
        train(tiny_settings("smart"), tiny_data(), trained, resume=True, stop=stop_after(1))
    except SmartsimError:
        pass
    finally:
        for path in trained.iterdir():
            path.unlink()
        for file, content in kept.items():
            (trained / file).write_bytes(content)
