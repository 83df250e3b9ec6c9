"""Settings whose annotations say what they can hold: checked by pydantic, one sentence a fault."""

import typing
from collections.abc import Hashable, Mapping
from functools import cache
from typing import Any, Literal, cast, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from smartsim.errors import ConfigurationError, suggest_name
from smartsim.records.files import quote

__all__ = ["check_fields"]


def check_fields(record: object) -> None:
    """Refuse a dataclass of which a field holds what its annotation does not allow.

    Raises:
        ConfigurationError: For the first such field; the sentence says what is possible.
    """
    for name, (adapter, annotation) in _adapters(cast(Hashable, type(record))).items():
        value = getattr(record, name)
        try:
            adapter.validate_python(value, strict=True)
        except ValidationError as error:
            said = error.errors(include_url=False)[0]["msg"].removeprefix("Input should be ")
            raise ConfigurationError(_describe(name, value, annotation, said)) from error


@cache
def _adapters(kind: Hashable) -> Mapping[str, tuple[TypeAdapter[Any], Any]]:
    hints = typing.get_type_hints(cast(type, kind), include_extras=True)
    return {
        name: (TypeAdapter(hint), hint)
        for name, hint in hints.items()
        if get_origin(hint) is not typing.ClassVar and _is_plain(hint)
    }


def _is_plain(hint: Any) -> bool:
    """Numbers, words and choices; a record inside a record has checked itself."""
    parts = get_args(hint)
    if get_origin(hint) is Literal:
        return True
    if parts:
        return all(_is_plain(part) for part in parts if not isinstance(part, FieldInfo))
    return hint in (int, float, bool, str, type(None), ...)


def _describe(name: str, value: object, annotation: Any, said: str) -> str:
    choices = _find_choices(annotation)
    if choices:
        return f"{name} is {quote(value)}{suggest_name(str(value), choices)}"
    bounds = _find_bounds(annotation)
    given = f"{value:g}" if isinstance(value, float) else quote(value)
    if bounds and isinstance(value, int | float) and not isinstance(value, bool):
        least, most = bounds
        return f"{name} is {given}; it must be in [{least:g}, {most:g}]"
    return f"{name} is {given}; it must be {said}"


def _find_choices(annotation: Any) -> tuple[str, ...]:
    if get_origin(annotation) is Literal:
        return tuple(map(str, get_args(annotation)))
    return next((found for part in get_args(annotation) if (found := _find_choices(part))), ())


def _find_bounds(annotation: Any) -> tuple[float, float] | None:
    for part in get_args(annotation):
        if isinstance(part, FieldInfo):
            limits = {
                key: getattr(rule, key)
                for rule in part.metadata
                for key in ("ge", "le")
                if hasattr(rule, key)
            }
            return limits.get("ge", -float("inf")), limits.get("le", float("inf"))
        found = _find_bounds(part)
        if found is not None:
            return found
    return None
