"""A stored data set in pieces and whole again, with every way in which pieces go wrong."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from smartsim.cli import cli
from smartsim.errors import ConfigurationError, FileFormatError
from smartsim.train.data import (
    DATASETS,
    fetch_dataset,
    find_spec,
    list_datasets,
    load_dataset,
    split_dataset,
)
from smartsim.train.data.pieces import split_file

PIECE_MIB = 0.01  # 13 images of 3,072 bytes and a header make 4 pieces of 10,485 bytes


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that has a CIFAR-10 of ten images and three, and pieces of it beside."""
    spec = dataclasses.replace(
        find_spec("cifar10"), train_count=10, test_count=3, archive_md5={}, record_md5=()
    )
    monkeypatch.setattr("smartsim.train.data.catalogue.DATASETS", {**DATASETS, "cifar10": spec})
    random = np.random.default_rng(0)
    files = tmp_path / "files"
    files.mkdir()
    for name, count in ({f"data_batch_{n}": 2 for n in range(1, 6)} | {"test_batch": 3}).items():
        records = random.integers(0, 256, (count, 3073), dtype=np.uint8)
        records[:, 0] %= 10
        (files / f"{name}.bin").write_bytes(records.tobytes())
    fetch_dataset("cifar10", str(files), folder=tmp_path / "here")
    split_dataset("cifar10", tmp_path / "pieces", size_mib=PIECE_MIB, folder=tmp_path / "here")
    return tmp_path / "here"


def test_pieces_join_to_the_same_file_with_its_origin(here: Path, tmp_path: Path) -> None:
    there, told = tmp_path / "there", list[tuple[int, int]]()
    joined = fetch_dataset(
        "cifar10",
        str(tmp_path / "pieces"),
        folder=there,
        progress=lambda done, total: told.append((done, total)),
    )
    original = (here / "cifar10.safetensors").read_bytes()
    assert joined.read_bytes() == original
    assert [path.name for path in there.iterdir()] == ["cifar10.safetensors"]
    assert list_datasets(there)[0].origin == "files, unchecked"
    assert load_dataset("cifar10", there).checksum == load_dataset("cifar10", here).checksum
    sizes = [path.stat().st_size for path in sorted((tmp_path / "pieces").glob("*.piece"))]
    assert sizes[:-1] == [10_485] * 3
    assert sum(sizes) == len(original)
    assert told[-1] == (len(original), len(original))


def _shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _alter(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[5] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "victims", "says"),
    [
        (Path.unlink, ["cifar10.002.piece"], r"cifar10\.002\.piece of 4 pieces is missing; bring"),
        (
            Path.unlink,
            ["cifar10.001.piece", "cifar10.004.piece"],
            r"cifar10\.001\.piece \(and 1 more\) of 4 pieces is missing",
        ),
        (
            _shorten,
            ["cifar10.003.piece"],
            r"cifar10\.003\.piece: has 10484 bytes, its list .*10485",
        ),
        (_alter, ["cifar10.003.piece"], r"cifar10\.003\.piece: does not have the SHA-256 of its"),
        (Path.unlink, ["cifar10.pieces.json"], r"has pieces, but not their list cifar10\.pieces"),
    ],
)
def test_pieces_that_are_not_whole_leave_everything_as_it_was(
    damage: Callable[[Path], None], victims: list[str], says: str, here: Path, tmp_path: Path
) -> None:
    before = (here / "cifar10.safetensors").read_bytes()
    for victim in victims:
        damage(tmp_path / "pieces" / victim)
    with pytest.raises(FileFormatError, match=says):
        fetch_dataset("cifar10", str(tmp_path / "pieces"), folder=here)
    assert [path.name for path in here.iterdir()] == ["cifar10.safetensors"]
    assert (here / "cifar10.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"name": "cifar100"}, "is no list of pieces of cifar10 that this version can read"),
        ({"version": 2}, "is no list of pieces of cifar10 that this version can read"),
        ({"pieces": []}, "is damaged, its pieces have no sizes and sums"),
        ({"pieces": [{"bytes": 10_485}]}, "is damaged, its pieces have no sizes and sums"),
        ({"pieces": [3]}, "is damaged, its pieces have no sizes and sums"),
    ],
)
@pytest.mark.usefixtures("here")
def test_a_list_that_is_none_is_an_error(
    changes: dict[str, object], says: str, tmp_path: Path
) -> None:
    path = tmp_path / "pieces" / "cifar10.pieces.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(FileFormatError, match=says):
        fetch_dataset("cifar10", str(tmp_path / "pieces"), folder=tmp_path / "there")
    assert not list((tmp_path / "there").iterdir())


def test_sound_pieces_of_something_else_are_not_stored(here: Path, tmp_path: Path) -> None:
    foreign, there = tmp_path / "foreign", tmp_path / "there"
    (tmp_path / "noise").write_bytes(bytes(1_000))
    split_file(tmp_path / "noise", "cifar10", foreign, 300)
    with pytest.raises(FileFormatError, match="is damaged"):
        fetch_dataset("cifar10", str(foreign), folder=there)
    split_file(here / "cifar10.safetensors", "cifar100", foreign, 10_000)
    with pytest.raises(FileFormatError, match="hold another data set than cifar100"):
        fetch_dataset("cifar100", str(foreign), folder=there)
    larger = dataclasses.replace(find_spec("cifar10"), train_count=11)
    with pytest.raises(FileFormatError, match=r"10 training images .* expected 11"):
        fetch_dataset("cifar10", str(tmp_path / "pieces"), folder=there, spec=larger)
    official = dataclasses.replace(find_spec("cifar10"), record_md5=("0" * 32,) * 2)
    with pytest.raises(FileFormatError, match="the official ones 000"):
        fetch_dataset("cifar10", str(tmp_path / "pieces"), folder=there, spec=official)
    assert not list(there.iterdir())


def test_only_a_sound_data_set_is_split(here: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="has pieces of cifar10; choose another folder"):
        split_dataset("cifar10", tmp_path / "pieces", folder=here)
    with pytest.raises(ConfigurationError, match="data set 'svhn' is not in"):
        split_dataset("svhn", tmp_path / "new", folder=here)
    path = here / "cifar10.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(FileFormatError, match="do not have the checksum they were stored with"):
        split_dataset("cifar10", tmp_path / "new", folder=here)
    assert not (tmp_path / "new").exists()


def _call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def test_a_data_set_is_carried_from_the_command_line(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMARTSIM_DATA", str(here))
    out = tmp_path / "out"
    split = _call("data", "split", "cifar10", "--size-mib", str(PIECE_MIB), "-o", out)
    assert split.output == f"written: {out / 'cifar10.pieces.json'} and 4 pieces\n"
    monkeypatch.setenv("SMARTSIM_DATA", str(tmp_path / "there"))
    fetched = _call("data", "fetch", "cifar10", "--from", out)
    assert fetched.exit_code == 0, fetched.output
    path = tmp_path / "there" / "cifar10.safetensors"
    assert fetched.output.endswith(f"written: {path} from files, unchecked\n")
    assert path.read_bytes() == (here / path.name).read_bytes()


@pytest.mark.parametrize(
    ("name", "size", "says"),
    [
        ("synthetic", 60, "is drawn when used; nothing to split"),
        ("cifar10", 0, "pieces of 0 MiB cannot be; give a size such as 60"),
        ("cifar10", "nan", "pieces of nan MiB cannot be"),
        ("cifar10", "inf", "pieces of inf MiB cannot be"),
        ("cifar1", 60, "unknown data set 'cifar1'; did you mean 'cifar10'?"),
    ],
)
def test_what_cannot_be_split_gets_one_sentence(
    name: str, size: object, says: str, tmp_path: Path
) -> None:
    result = _call("data", "split", name, "--size-mib", str(size), "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert says in result.output
    assert len(result.output.strip().splitlines()) == 1
