"""Where published numbers come from: publications, the one model of them, and their files."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, StrictInt, ValidationError

from smartsim.errors import FileFormatError
from smartsim.records.faults import describe_faults
from smartsim.records.files import find_shipped_folder, read_toml

__all__ = ["Source", "cost_models_folder", "named", "read_model", "shipped_sources"]

_PACKAGE = Path(__file__).resolve().parents[1]

ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A publication.

    Attributes:
        authors: Names in order.
        title: Title.
        venue: Where it appeared.
        year: When.
        key: Name by which rows refer to it.
        doi: Digital object identifier, or "".
        arxiv: arXiv number, or "".
    """

    __pydantic_config__ = ConfigDict(extra="forbid")  # lists from TOML are taken for tuples

    authors: tuple[str, ...]
    title: str
    venue: str
    year: StrictInt
    key: str = ""
    doi: str = ""
    arxiv: str = ""

    @property
    def citation(self) -> str:
        """One line for a reader."""
        place = f", doi:{self.doi}" if self.doi else f", arXiv:{self.arxiv}" if self.arxiv else ""
        return f'{", ".join(self.authors)}: "{self.title}", {self.venue}, {self.year}{place}'


def cost_models_folder(package: Path = _PACKAGE) -> Path:
    """The folder of the shipped tables and their `sources.toml`.

    Args:
        package: Folder of the `smartsim` package.

    Raises:
        ConfigurationError: If the folder is in neither place.

    >>> (cost_models_folder() / "sources.toml").is_file()
    True
    """
    return find_shipped_folder("cost_models", "cost_models", "sources.toml", package)


def read_model(path: Path, what: str, model: type[ModelT]) -> ModelT:
    """A TOML file as a pydantic model, with every fault of form in one sentence.

    Raises:
        FileFormatError: If the file cannot be read, is damaged, or breaks a rule of the model.
    """
    try:
        return model.model_validate(read_toml(path, what))
    except ValidationError as error:
        raise FileFormatError(f"{path}: {describe_faults(error)}") from error


class _SourcesFile(BaseModel):
    sources: dict[str, Source] = {}


@cache
def shipped_sources() -> Mapping[str, Source]:
    """The publications in `cost_models/sources.toml`, by key."""
    return named(read_model(cost_models_folder() / "sources.toml", "sources", _SourcesFile).sources)


def named(sources: Mapping[str, Source]) -> dict[str, Source]:
    """The same, each knowing its key."""
    return {key: dataclasses.replace(source, key=key) for key, source in sources.items()}
