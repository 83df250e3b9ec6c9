"""What is wrong with a file that a pydantic model describes, as the end of one sentence."""

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from smartsim.records.files import quote

__all__ = ["describe_faults", "list_faults"]

_MOST_FAULTS = 8


def list_faults(faults: Sequence[str]) -> str:
    """Faults as one sentence, the first few in full.

    >>> list_faults(["line 2: unit is missing", "line 3: repeats line 2"])
    'line 2: unit is missing; line 3: repeats line 2'
    """
    more = len(faults) - _MOST_FAULTS
    return "; ".join(faults[:_MOST_FAULTS]) + (f"; and {more} more" if more > 0 else "")


def describe_faults(error: ValidationError) -> str:
    """Every fault of a record with its place, the first few in full."""
    faults = {}
    for fault in error.errors(include_url=False):
        place = tuple(part for part in fault["loc"] if part not in _BRANCHES)
        faults[place] = _describe(place or ("it",), fault)  # of a union the last branch speaks
    return list_faults(list(faults.values()))


def _describe(place: Sequence[int | str], fault: Any) -> str:
    *parents, last = place
    where = f" of {'.'.join(map(str, parents))}" if parents else ""
    given = quote(fault["input"])
    match fault["type"]:
        case "missing" | "missing_keyword_only_argument" | "missing_argument":
            return f"no field {last!r}{where}"
        case "unexpected_keyword_argument" | "extra_forbidden":
            return f"unknown field {quote(last)}{where}"
        case "literal_error":
            possible = fault["ctx"]["expected"].replace("'", "").replace(" or ", ", ")
            return f"{last}{where} cannot be {given}; it is none of {possible}"
        case "value_error":
            return f"{fault['ctx']['error']}"
        case _:
            rule = fault["msg"].removeprefix("Input should be ")
            return f"{last}{where} cannot be {given}; it must be {_PLAIN.get(rule, rule)}"


_BRANCHES = ("int", "float", "str", "bool", "none")
"""Where a field may hold several types, pydantic adds the one that it tried to the place."""

_PLAIN = {
    "a valid integer": "a whole number",
    "a valid number": "a number",
    "a valid string": "text",
    "a valid boolean": "true or false",
    "a valid array": "a list",
}
