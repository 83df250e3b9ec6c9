"""The rules that every row and table must keep; a fault is the end of a sentence. Reads no file."""

import math
from collections.abc import Collection, Iterator, Mapping

from smartsim.cost.formats.numbers import MAX_BITS
from smartsim.cost.tables.table import ARITHMETIC, BASES, MEMORIES, STATUSES, UNITS, Row
from smartsim.errors import suggest_name
from smartsim.records.files import parse_whole, quote

__all__ = ["find_row_faults", "find_table_faults"]


def find_row_faults(record: Mapping[str, str], sources: Collection[str]) -> Iterator[str]:
    """What is wrong with one line, each as the end of a sentence."""
    action, memory = record["action"], record["action"] in MEMORIES
    if action not in ARITHMETIC and not memory:
        hint = "; a MAC is priced as mul and add, a shift-add as shift and add"
        yield f"unknown action {action!r}{suggest_name(action, (*ARITHMETIC, *MEMORIES))}" + (
            hint if action in ("mac", "shift_add") else ""
        )
    elif not memory and record["format"] not in ("int", "fp", "bf"):
        yield f"format {record['format']!r} is none of int, fp, bf"
    elif memory and not record["format"]:
        yield "format is empty; write data, or the memory's technology"
    least, most = (1, 65536) if memory else (2, MAX_BITS)
    if not (_whole(record["bits"], most) and int(record["bits"]) >= least):
        yield f"bits {record['bits']!r} must be a whole number from {least} to {most}"
    if record["capacity_bits"] and not (memory and _whole(record["capacity_bits"], 2**50)):
        yield f"capacity_bits {record['capacity_bits']!r} must be a whole number of a memory"
    for column in ("energy", "energy_high", "area_um2"):
        if (record[column] or column == "energy") and not _positive(record[column]):
            yield f"{column} {record[column]!r} must be a positive, finite number"
    if _positive(record["energy_high"]) and _positive(record["energy"]):
        low, high = float(record["energy"]), float(record["energy_high"])
        if high < low:
            yield f"energy_high {record['energy_high']} is below energy {record['energy']}"
    if record["unit"] not in UNITS:
        yield f"unknown unit {record['unit']!r}{suggest_name(record['unit'], UNITS)}"
    if not record["source"]:
        yield "source is empty; every energy needs a publication"
    elif record["source"] not in sources:
        near = suggest_name(record["source"], sources)
        yield f"source {quote(record['source'])} is in no sources.toml{near}"
    if not record["locator"]:
        yield "locator is empty; name the table or figure"
    for column, possible in (("basis", BASES), ("status", STATUSES)):
        if record[column] not in possible:
            yield f"{column} {record[column]!r} is none of {', '.join(possible)}"
    if record["status"] == "unverified" and "unverified" not in record["note"]:
        yield "an unverified value must say so in its note"


def _whole(text: str, most: int) -> bool:
    return 0 < (parse_whole(text) or 0) <= most


def _positive(text: str) -> bool:
    try:
        value = float(text)
    except ValueError:
        return False
    return math.isfinite(value) and value > 0


def find_table_faults(rows: Mapping[int, Row]) -> Iterator[str]:
    """Doubles, and energies in an order that physics does not allow."""
    first: dict[tuple[str, str, int, int | None], int] = {}
    for line, row in rows.items():
        if first.setdefault(row.key, line) != line:
            yield f"line {line}: repeats line {first[row.key]}"
    by_key = {row.key: row for row in rows.values()}
    for line, row in rows.items():
        add = by_key.get(("add", row.format, row.bits, None))
        if row.action == "mul" and add is not None and row.energy_pj < add.energy_pj:
            yield f"line {line}: a multiplication is cheaper than the addition of its width"
        for other in rows.values():
            if (row.action, row.format) != (other.action, other.format) or other is row:
                continue
            if row.action not in MEMORIES:
                if row.bits > other.bits and row.energy_pj < other.energy_pj:
                    yield f"line {line}: is cheaper than the same action with {other.bits} bits"
            elif (row.capacity_bits or 0) > (other.capacity_bits or 0) and (
                row.energy_pj / row.bits < other.energy_pj / other.bits
            ):
                yield f"line {line}: a bit is cheaper than in a smaller memory"
    yield from _hierarchy_faults(rows)


def _hierarchy_faults(rows: Mapping[int, Row]) -> Iterator[str]:
    """DRAM above SRAM above register, per bit."""
    order = ("register", "sram", "dram")
    for line, far in rows.items():
        for near in rows.values():
            if (
                far.action in order
                and near.action in order[: order.index(far.action)]
                and far.energy_pj / far.bits <= near.energy_pj / near.bits
            ):
                yield f"line {line}: a bit from {far.action} is not above one from {near.action}"
