"""VALID FILE x DRAWS -> a file that is nearly valid: by the structure of its kind, or by bytes."""

import copy
import csv
import io
import json
import re
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

__all__ = ["MUTATIONS", "mutate_bytes", "mutate_csv", "mutate_json", "mutate_toml"]

Draw = Callable[[st.SearchStrategy[Any]], Any]

_NUMBERS = [0, 1, -1, 2, 3, 2**31, 2**53, 2**62, 2**63, 10**18, 10**30, 10**400, 0.5, -0.0, 1e308]
_TEXTS = ["", "x", "\x00", "é" * 5, "../../etc/passwd", "a" * 100_000, "9" * 5_000, "NaN", "None"]
_VALUES: list[Any] = [*_NUMBERS, *_TEXTS, None, True, False, [], {}, [[]], [0], [-1, 0], {"a": 1}]
_RAW = ["NaN", "Infinity", "-Infinity", '"\\ud800"', "1e400", "[" * 2_000, "9" * 5_000, "1.", "0x1"]


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    if isinstance(value, dict):
        for key in value:
            found += _places(value[key], (*path, key))
    elif isinstance(value, list):
        for place in range(min(len(value), 30)):
            found += _places(value[place], (*path, place))
    return found


def mutate_json(text: str, draw: Draw) -> bytes:
    """A value at any depth is replaced, removed, doubled, or exchanged for another of the file."""
    data = json.loads(text)
    for _ in range(draw(st.integers(1, 3))):
        places = _places(data)
        path = draw(st.sampled_from(places[1:] or places))
        parent = data
        for key in path[:-1]:
            parent = parent[key]
        if not path:
            continue
        last = path[-1]
        match draw(st.sampled_from(["value", "raw", "remove", "add", "other"])):
            case "value":
                parent[last] = copy.deepcopy(draw(st.sampled_from(_VALUES)))
            case "raw":
                parent[last] = f"@RAW{draw(st.sampled_from(range(len(_RAW))))}@"
            case "remove":
                del parent[last]
            case "add" if isinstance(parent, list):
                parent.append(copy.deepcopy(draw(st.sampled_from(_VALUES))))
            case "add":
                parent["unknown"] = copy.deepcopy(draw(st.sampled_from(_VALUES)))
            case "other":
                other: Any = data
                for key in draw(st.sampled_from(places)):
                    if isinstance(other, dict | list):
                        other = other[key] if isinstance(other, list) else other.get(key)
                parent[last] = copy.deepcopy(other) if other is not data else None
    text = json.dumps(data)
    return re.sub(r'"@RAW(\d)@"', lambda found: _RAW[int(found[1])], text).encode()


_SCALARS = [
    *("0", "-1", "1", "0.5", "1e308", "inf", "nan", "9" * 5_000, "2" * 25, "true", '""', '"x"'),
    *("[]", "{}", "[1, [2]]", "[" * 1_500 + "]" * 1_500, '"' + "a" * 100_000 + '"', "1979-05-27"),
    *('"""', "'", "=", "\x00", "\ufeff"),
]


def mutate_toml(text: str, draw: Draw) -> bytes:
    """A line gets another value, is lost, doubled, or moved."""
    lines = text.splitlines()
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["value", "key", "remove", "twice", "insert"])):
            case "value":
                head = lines[place].partition("=")[0]
                lines[place] = f"{head}= {draw(st.sampled_from(_SCALARS))}"
            case "key":
                lines[place] = f"{draw(st.sampled_from(_SCALARS))} = 1"
            case "remove":
                del lines[place]
            case "twice":
                lines.insert(place, lines[place])
            case "insert":
                lines.insert(place, draw(st.sampled_from(["[x]", "[[x]]", "a.b.c = 1", "[a.b"])))
        lines = lines or [""]
    return "\n".join(lines).encode(errors="surrogatepass")


_CELLS = [
    *("", "0", "-1", "1e308", "inf", "nan", "x", "9" * 5_000, "a" * 200_000, "\x00", '"', "³"),
    *("1,2", "\ufeff", "1e-400", " 1 ", "=1+1", "None"),
]


def mutate_csv(text: str, draw: Draw) -> bytes:
    """A cell gets another value, a row or a column is lost or doubled."""
    rows = list(csv.reader(io.StringIO(text)))
    for _ in range(draw(st.integers(1, 3))):
        row = draw(st.integers(0, len(rows) - 1))
        if not rows[row]:
            continue
        column = draw(st.integers(0, len(rows[row]) - 1))
        match draw(st.sampled_from(["cell", "short", "long", "remove", "twice"])):
            case "cell":
                rows[row][column] = draw(st.sampled_from(_CELLS))
            case "short":
                del rows[row][column]
            case "long":
                rows[row].insert(column, draw(st.sampled_from(_CELLS)))
            case "remove" if len(rows) > 1:
                del rows[row]
            case _:
                rows.insert(row, list(rows[row]))
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()


def mutate_bytes(content: bytes, draw: Draw) -> bytes:
    """Bytes are changed, lost, doubled, or cut off."""
    for _ in range(draw(st.integers(1, 3))):
        if not content:
            break
        first = draw(st.integers(0, len(content) - 1))
        last = min(first + draw(st.integers(1, 64)), len(content))
        match draw(st.sampled_from(["change", "remove", "twice", "cut", "zero"])):
            case "change":
                new = draw(st.binary(min_size=1, max_size=8))
                content = content[:first] + new + content[first + len(new) :]
            case "remove":
                content = content[:first] + content[last:]
            case "twice":
                content = content[:last] + content[first:]
            case "cut":
                content = content[:first]
            case "zero":
                content = content[:first] + bytes(last - first) + content[last:]
    return content


MUTATIONS = {".json": mutate_json, ".toml": mutate_toml, ".csv": mutate_csv}
"""Ending of a file -> how its structure is changed."""
