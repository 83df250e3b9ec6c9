"""Result files of the evaluator, which training writes and reports read: checked on reading."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from smartsim.errors import FileFormatError
from smartsim.records.faults import describe_faults
from smartsim.records.files import quote, read_json

__all__ = ["FORMAT", "AccuracyRow", "LayerRow", "ResultFile", "read_result_file"]

FORMAT = "smartsim-accuracies"
_Percent = Annotated[float, Field(ge=0, le=100)]
_Images = Annotated[int, Field(ge=1, le=10**12)]
_Text = Annotated[str, Field(max_length=10_000)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False)


class AccuracyRow(_Part):
    """One accuracy at one lam; the evaluator writes more than is read here."""

    lam: Annotated[float, Field(ge=0, le=1)]
    attack: _Text
    accuracy: _Percent
    images: _Images
    standard_error: _Percent | None = None
    before: _Percent | None = None


class LayerRow(_Part):
    """The size of one layer's weight, and how many of its elements are not zero."""

    name: _Text
    weights: _Images
    nonzeros: Annotated[int, Field(ge=0, le=10**12)]


class ResultFile(_Part):
    """What a report needs of a result file.

    Attributes:
        method: As reports call the model.
        setting: Network, data, epochs, in a few words.
        results: In the order in which they were measured.
        layers: Of a model of sparse learning, each layer's share.
    """

    format: Literal["smartsim-accuracies"]
    method: _Text
    setting: _Text
    results: tuple[AccuracyRow, ...]
    layers: tuple[LayerRow, ...] | None = None


def read_result_file(path: str | Path) -> tuple[ResultFile, dict[str, Any]]:
    """A result file, checked, and all that it says.

    Raises:
        FileFormatError: If the file is damaged or something else; the sentence names it.
    """
    data = read_json(path, "a result file of the evaluator")
    if data.get("format") != FORMAT:
        raise FileFormatError(
            f"{path}: is no result file of the evaluator (its format is "
            f"{quote(data.get('format'))}, expected {FORMAT!r})"
        )
    lists = {key: _as_tuple(data[key]) for key in ("results", "layers") if key in data}
    try:
        return ResultFile.model_validate({**data, **lists}), data
    except ValidationError as error:
        raise FileFormatError(f"{path}: a damaged result file: {describe_faults(error)}") from error


def _as_tuple(value: object) -> object:
    """JSON has no tuples, and strict records take nothing else."""
    return tuple(value) if isinstance(value, list) else value
