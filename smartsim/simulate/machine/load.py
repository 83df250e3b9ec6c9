"""Reading accelerators from TOML: every value with its source, every fault with file and key."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from smartsim.counts import ACTIONS
from smartsim.errors import ConfigurationError, FileFormatError, suggest_name
from smartsim.records.accept import expect
from smartsim.records.faults import list_faults
from smartsim.records.files import quote, read_toml
from smartsim.records.sources import Source, cost_models_folder, named, shipped_sources
from smartsim.simulate.array.systolic import Dataflow
from smartsim.simulate.machine.accelerators import (
    ELEMENTS,
    Accelerator,
    Buffer,
    Citation,
    VectorUnit,
)
from smartsim.simulate.machine.zeros import parse_zero_policy

__all__ = ["list_accelerators", "load_accelerator"]

_STRICT = ConfigDict(extra="forbid", strict=True)
_Positive = Annotated[int, Field(gt=0)]


class _Cited(BaseModel):
    model_config = _STRICT
    source: str
    locator: str = ""
    status: Literal["verified", "consistent", "unverified"] = "verified"
    note: str = ""


class _Whole(_Cited):
    value: _Positive


class _Number(_Cited):
    value: Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Text(_Cited):
    value: str


class _Flag(_Cited):
    value: bool


class _Dataflow(_Cited):
    value: Dataflow


class _Elements(_Cited):
    value: list[Literal["mac", "shift_add", "add"]]


class _Array(BaseModel):
    model_config = _STRICT
    rows: _Whole
    cols: _Whole
    dataflow: _Dataflow
    elements: _Elements
    zeros: _Text
    clock_hz: _Number


class _Buffer(BaseModel):
    model_config = _STRICT
    capacity_bits: _Whole
    width_bits: _Whole
    double_buffered: _Flag


class _Buffers(BaseModel):
    model_config = _STRICT
    input: _Buffer
    weight: _Buffer
    output: _Buffer


class _Accumulator(BaseModel):
    model_config = _STRICT
    words_per_column: _Whole
    bits: _Whole


class _Dram(BaseModel):
    model_config = _STRICT
    bandwidth_bits_per_cycle: _Number
    level: _Text


class _Vector(BaseModel):
    model_config = _STRICT
    lanes: _Whole
    on_weight_path: _Flag
    cycles: dict[str, _Whole] = {}


class _File(BaseModel):
    model_config = _STRICT
    name: str
    description: str
    limits: str
    array: _Array
    buffers: _Buffers
    accumulator: _Accumulator
    dram: _Dram
    vector: _Vector
    sources: dict[str, Source] = {}


def list_accelerators() -> tuple[str, ...]:
    """Names of the shipped accelerators.

    >>> "eyeriss_like" in list_accelerators()
    True
    """
    return tuple(sorted(path.stem for path in _folder().glob("*.toml")))


def load_accelerator(name: str | Path | Accelerator) -> Accelerator:
    """A shipped accelerator by name, or one of your own by the path of its `.toml` file.

    An accelerator is returned as it is.

    >>> load_accelerator("tpu_v1_like").processing_elements
    65536

    Raises:
        ConfigurationError: If there is no such accelerator.
        FileFormatError: If the file breaks a rule; the sentence names file, key and rule.
    """
    if not isinstance(name, str | Path):
        return expect(name, Accelerator, "accelerator")
    path = Path(name)
    if path.suffix.lower() != ".toml":
        known = list_accelerators()
        found = [stem for stem in known if str(name) in (stem, stem.removesuffix("_like"))]
        if not found:
            raise ConfigurationError(
                f"unknown accelerator {str(name)!r}{suggest_name(str(name), known)}; "
                "or give the path of a .toml file"
            )
        path = _folder() / f"{found[0]}.toml"
    content = _read(path)
    citations = tuple(_citations(content))
    try:
        return _build(content, citations)
    except ConfigurationError as error:
        raise FileFormatError(f"{path}: {error}") from error


def _folder() -> Path:
    return cost_models_folder() / "accelerators"


def _read(path: Path) -> _File:
    """The file's content, with every fault of form in one sentence."""
    try:
        content = _File.model_validate(read_toml(path, "an accelerator"))
    except ValidationError as error:
        raise FileFormatError(f"{path}: {list_faults(list(_faults(error)))}") from error
    faults = list(_source_faults(content))
    if faults:
        raise FileFormatError(f"{path}: {list_faults(faults)}")
    return content


def _faults(error: ValidationError) -> Iterator[str]:
    for fault in error.errors():
        key = ".".join(str(part) for part in fault["loc"])
        match fault["type"]:
            case "missing" if key.endswith(".source"):
                yield f"{key.removesuffix('.source')}: has no source"
            case "missing":
                yield f"{key}: is missing"
            case "extra_forbidden":
                yield f"{key}: unknown key"
            case "model_type":
                given = fault["input"]
                yield f'{key}: has no source; write {{ value = {quote(given)}, source = "..." }}'
            case _:
                message = fault["msg"].lower().replace("input ", "")
                yield f"{key}: is {quote(fault['input'])}; {message}"


def _source_faults(content: _File) -> Iterator[str]:
    known = {**shipped_sources(), **named(content.sources)}
    for key, cited in _cited(content):
        if cited.source == "assumed":
            if not cited.note:
                yield f"{key}: is assumed without a note that says why"
        elif cited.source not in known:
            yield f"{key}: source {cited.source!r} is unknown{suggest_name(cited.source, known)}"
        elif not cited.locator:
            yield f"{key}: has no locator; name the section, table or figure"
    for name in content.vector.cycles:
        if name not in ACTIONS:
            yield f"vector.cycles.{name}: unknown action{suggest_name(name, ACTIONS)}"


def _cited(content: BaseModel, prefix: str = "") -> Iterator[tuple[str, _Cited]]:
    """Every cited value with its place in the file."""
    for name in type(content).model_fields:
        value = getattr(content, name)
        members = value.items() if isinstance(value, Mapping) else [("", value)]
        for member, entry in members:
            key = f"{prefix}{name}{'.' if member else ''}{member}"
            if isinstance(entry, _Cited):
                yield key, entry
            elif isinstance(entry, BaseModel) and not isinstance(entry, Source):
                yield from _cited(entry, f"{key}.")


def _citations(content: _File) -> Iterator[Citation]:
    for key, cited in _cited(content):
        yield Citation(
            key=key,
            value=str(getattr(cited, "value")),  # noqa: B009  # every subclass has one
            source=cited.source,
            locator=cited.locator,
            status=cited.status,
            note=cited.note,
        )


def _build(content: _File, citations: tuple[Citation, ...]) -> Accelerator:
    sources = {**shipped_sources(), **named(content.sources)}
    used = sorted({citation.source for citation in citations} - {"assumed"})
    array, vector = content.array, content.vector
    return Accelerator(
        name=content.name,
        description=content.description,
        limits=content.limits,
        rows=array.rows.value,
        cols=array.cols.value,
        dataflow=array.dataflow.value,
        elements=tuple(element for element in ELEMENTS if element in array.elements.value),
        zeros=parse_zero_policy(array.zeros.value),
        clock_hz=array.clock_hz.value,
        input_buffer=_buffer(content.buffers.input),
        weight_buffer=_buffer(content.buffers.weight),
        output_buffer=_buffer(content.buffers.output),
        accumulator_words=content.accumulator.words_per_column.value,
        accumulator_bits=content.accumulator.bits.value,
        dram_bandwidth_bits_per_cycle=content.dram.bandwidth_bits_per_cycle.value,
        dram_level=content.dram.level.value,
        vector=VectorUnit(
            lanes=vector.lanes.value,
            cycles={name: vector.cycles[name].value for name in ACTIONS if name in vector.cycles},
            on_weight_path=vector.on_weight_path.value,
        ),
        citations=citations,
        sources=tuple(sources[key] for key in used),
    )


def _buffer(entry: _Buffer) -> Buffer:
    return Buffer(
        capacity_bits=entry.capacity_bits.value,
        width_bits=entry.width_bits.value,
        double_buffered=entry.double_buffered.value,
    )
