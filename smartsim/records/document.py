"""Records as JSON files: a format's name and version around a frozen dataclass, checked by type.

A record says by its annotations what its fields can hold, and sets `__pydantic_config__ = STRICT`:
then nothing is converted, nothing unknown is taken, and no number is infinite.
"""

import dataclasses
import json
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar, cast

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from smartsim.errors import FileFormatError
from smartsim.records.faults import describe_faults
from smartsim.records.files import quote, read_json, write_json_atomically

__all__ = [
    "STRICT",
    "Count",
    "Document",
    "Nonnegative",
    "Number",
    "Positive",
    "Whole",
    "document_of",
]

STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
"""What a record's `__pydantic_config__` is."""

_MOST = 10**30
Whole = Annotated[int, Field(ge=0, le=_MOST)]
"""A whole number from 0, of things that hardware could hold or do."""

Count = Annotated[int, Field(gt=0, le=_MOST)]
"""The same from 1."""

Number = Annotated[int | float, Field(ge=-_MOST, le=_MOST)]
"""A whole number, or what an expected value makes of one; a difference may be negative."""

Nonnegative = Annotated[float, Field(ge=0, le=1e60)]
"""A time, a share, an energy: not below 0, and within what hardware could be."""

Positive = Annotated[float, Field(gt=0, le=1e60)]
"""The same, and not 0 either."""

RecordT = TypeVar("RecordT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Document(Generic[RecordT]):
    """How one kind of record is written and read.

    Attributes:
        record: The frozen dataclass.
        format: Name that each file carries.
        version: Likewise; a file of another version is refused.
        what: What a sentence calls it, such as "a smartsim graph".
        remedy: How to make one, the end of a sentence.
        check: Raises a `ValueError` for a record whose fields do not agree with each other.
    """

    record: type[RecordT]
    format: str
    version: int
    what: str
    remedy: str
    check: Callable[[RecordT], None] | None = None

    def __post_init__(self) -> None:
        _DOCUMENTS[self.record] = self

    def to_dict(self, record: RecordT) -> dict[str, Any]:
        """The record as JSON-ready values."""
        try:
            fields = _adapter(cast(Hashable, self.record)).dump_python(record, mode="json")
        except PydanticSerializationError as error:
            raise TypeError(f"{self.what} cannot be written: {error}") from error
        return {"format": self.format, "version": self.version, **fields}

    def from_dict(self, data: Mapping[str, Any]) -> RecordT:
        """Rebuild a record from `to_dict`'s values.

        Raises:
            FileFormatError: If a field is missing, unknown, or holds what it cannot hold.
        """
        if data.get("format") != self.format:
            raise FileFormatError(
                f"not {self.what} of version {self.version} (its format is "
                f"{quote(data.get('format'))}); {self.remedy}"
            )
        if data.get("version") != self.version:
            raise FileFormatError(
                f"not {self.what} of version {self.version}: it is of version "
                f"{quote(data.get('version'))}, this smartsim reads version {self.version}; "
                f"{self.remedy}"
            )
        fields = {key: value for key, value in data.items() if key not in ("format", "version")}
        names = [f.name for f in dataclasses.fields(cast(Any, self.record))]
        missing = [name for name in names if name not in fields]
        damaged = f"damaged {self.what.removeprefix('a ').removeprefix('an ')}"
        if missing:  # also one that has a default: a file says everything
            raise FileFormatError(f"{damaged}: no field {missing[0]!r}")
        try:
            # strict pydantic takes lists for tuples and objects for records from JSON alone
            record: RecordT = _adapter(cast(Hashable, self.record)).validate_json(
                json.dumps(fields)
            )
            self.check_all(record)
        except ValidationError as error:
            raise FileFormatError(f"{damaged}: {describe_faults(error)}") from error
        except (ValueError, TypeError) as error:
            raise FileFormatError(f"{damaged}: {error}") from error
        return record

    def check_all(self, record: RecordT) -> None:
        """Whether the fields of a record agree with each other, and those of records inside it.

        Raises:
            ValueError: If they do not.
        """
        if self.check is not None:
            self.check(record)
        for name in (f.name for f in dataclasses.fields(cast(Any, self.record))):
            inside = getattr(record, name)
            if type(inside) in _DOCUMENTS:
                document_of(type(inside)).check_all(inside)

    def save(self, record: RecordT, path: str | Path) -> None:
        """Write the record as JSON to `path`, whole or not at all."""
        write_json_atomically(path, self.to_dict(record))

    def load(self, path: str | Path) -> RecordT:
        """Read a record that `save` wrote; "-" is the standard input.

        Raises:
            FileFormatError: If the file is missing, damaged, or something else; it is named.
        """
        data = read_json(path, self.what)
        try:
            return self.from_dict(data)
        except FileFormatError as error:
            raise FileFormatError(f"{path}: {error}") from error


_DOCUMENTS: dict[type[Any], Document[Any]] = {}
"""Record -> how it is written, entered by the module that defines both."""


def document_of(record: type[Any]) -> Document[Any]:
    """How a kind of record is written and read."""
    return _DOCUMENTS[record]


@cache
def _adapter(record: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(cast(Any, record))
