"""Which layer computes in which number format: one for all, or glob patterns from a file."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from smartsim.cost.formats.numbers import NumberFormat, parse_format
from smartsim.errors import ConfigurationError, FileFormatError
from smartsim.records.accept import expect
from smartsim.records.document import Document
from smartsim.records.files import quote, read_csv, read_toml
from smartsim.records.shown import Shown

__all__ = ["PrecisionPlan", "load_plan", "uniform_plan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecisionPlan(Shown):
    """A number format for every layer.

    Attributes:
        name: What reports print: the format, or the file it came from.
        rules: Glob patterns on qualified layer names and their formats; the first match decides.
        default: Format of layers that no pattern matches; None makes such a layer an error.
    """

    name: str
    rules: tuple[tuple[str, NumberFormat], ...] = ()
    default: NumberFormat | None = None

    def __repr__(self) -> str:
        return f"<PrecisionPlan {self.name}: {len(self.rules)} patterns, default {self.default}>"

    def resolve(self, layers: Iterable[str]) -> dict[str, NumberFormat]:
        """The format of each of `layers`.

        Raises:
            ConfigurationError: If a pattern decides no layer, or a layer has no format.
        """
        formats: dict[str, NumberFormat] = {}
        used: set[int] = set()
        names = tuple(dict.fromkeys(layers))
        for layer in names:
            for place, (pattern, number_format) in enumerate(self.rules):
                if fnmatchcase(layer, pattern):
                    formats[layer] = number_format
                    used.add(place)
                    break
            else:
                formats[layer] = self._default_for(layer)
        for place, (pattern, _) in enumerate(self.rules):
            if place not in used:
                raise ConfigurationError(self._unused(pattern, names))
        return formats

    def _default_for(self, layer: str) -> NumberFormat:
        if self.default is None:
            raise ConfigurationError(
                f"precision plan {self.name}: no pattern matches layer {layer!r} and there is "
                'no default; add default = "int8" (in a CSV, a last line *,int8)'
            )
        return self.default

    def _unused(self, pattern: str, layers: tuple[str, ...]) -> str:
        matched = [layer for layer in layers if fnmatchcase(layer, pattern)]
        if matched:
            return (
                f"precision plan {self.name}: pattern {pattern!r} decides no layer, because "
                f"earlier patterns already match {matched[0]!r}; put it before them"
            )
        some = ", ".join(repr(layer) for layer in layers[:3])
        return (
            f"precision plan {self.name}: pattern {quote(pattern)} matches none of the "
            f"{len(layers)} layers, such as {some}"
        )


def uniform_plan(number_format: NumberFormat | str) -> PrecisionPlan:
    """The plan that gives every layer the same format.

    >>> uniform_plan("int8").resolve(["conv1", "linear"])["linear"].bits
    8
    """
    if isinstance(number_format, str):
        number_format = parse_format(number_format)
    return PrecisionPlan(name=number_format.name, default=number_format)


def load_plan(text: str | Path | NumberFormat | PrecisionPlan) -> PrecisionPlan:
    """A plan from a format's name, or from a TOML or CSV file; a plan is returned as it is.

    TOML: `default = "int8"` and a table `[layers]` of `"glob" = "format"`. CSV: a header
    `pattern,format` and a line each. The first pattern that matches a layer decides.

    Raises:
        ConfigurationError: If it is no format's name and no file.
        FileFormatError: If the file is not such a plan; the sentence names file and place.
    """
    if isinstance(text, NumberFormat):
        return uniform_plan(text)
    if not isinstance(text, str | Path):
        return expect(text, PrecisionPlan, "plan")
    path = Path(text)
    suffix = path.suffix.lower()
    if suffix not in (".toml", ".csv"):
        if path.is_file():
            raise ConfigurationError(f"{path}: a precision plan is a .toml or .csv file")
        return uniform_plan(str(text))
    return _read_toml(path) if suffix == ".toml" else _read_csv(path)


def _read_toml(path: Path) -> PrecisionPlan:
    data = read_toml(path, "a precision plan")
    layers, default = data.get("layers", {}), data.get("default")
    for key in data.keys() - {"layers", "default"}:
        raise FileFormatError(f"{path}: unknown key {quote(key)}; possible: default, [layers]")
    if not isinstance(layers, Mapping) or not isinstance(default, str | None):
        raise FileFormatError(f"{path}: layers must be a table and default a format's name")
    return _plan(
        path, [(f"key {quote(key)}", key, value) for key, value in layers.items()], default
    )


def _read_csv(path: Path) -> PrecisionPlan:
    rows = read_csv(path, "a precision plan")
    if [cell.strip() for cell in rows[0]] != ["pattern", "format"]:
        raise FileFormatError(f"{path}: line 1 must be pattern,format")
    entries = []
    for line, row in enumerate(rows[1:], start=2):
        if not row:
            continue
        if len(row) != 2:
            raise FileFormatError(f"{path}: line {line} has {len(row)} cells instead of 2")
        entries.append((f"line {line}", row[0].strip(), row[1].strip()))
    return _plan(path, entries, None)


def _plan(
    path: Path, entries: Sequence[tuple[str, str, object]], default: str | None
) -> PrecisionPlan:
    """The plan of a file that holds rules as (place in the file, pattern, format's name)."""
    if not entries and default is None:
        raise FileFormatError(f"{path}: holds no pattern and no default")
    return PrecisionPlan(
        name=path.name,
        rules=tuple((pattern, _format(path, place, name)) for place, pattern, name in entries),
        default=None if default is None else _format(path, "key 'default'", default),
    )


def _format(path: Path, place: str, name: object) -> NumberFormat:
    if not isinstance(name, str):
        raise FileFormatError(f"{path}: {place}: {quote(name)} is not a format's name")
    try:
        return parse_format(name)
    except ConfigurationError as error:
        raise FileFormatError(f"{path}: {place}: {error}") from error


_DOCUMENT = Document(
    record=PrecisionPlan,
    format="smartsim-plan",
    version=1,
    what="a smartsim plan",
    remedy="make one with `load_plan(NAME).to_json()`",
)
