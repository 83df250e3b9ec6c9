"""Number formats by name: integers, floating point, and signed powers of two. Knows no energy."""

import math
import re
from dataclasses import dataclass
from typing import Literal

from smartsim.errors import ConfigurationError, suggest_name
from smartsim.records.files import quote

__all__ = ["FLOAT_FORMATS", "MAX_BITS", "FormatKind", "NumberFormat", "parse_format"]

FormatKind = Literal["int", "fp", "shift"]
"""How a number is stored: two's complement, floating point, or a sum of signed powers of two."""

MAX_BITS = 64

FLOAT_FORMATS = {"fp8": 8, "fp16": 16, "bf16": 16, "fp32": 32, "fp64": 64}
"""Floating-point formats and their bits; whether one has a price is up to the table."""

_EXAMPLES = ("int4", "int8", "int16", "int32", *FLOAT_FORMATS, "shift4", "shift8", "shift8x2")
_WHOLE = re.compile(r"(int|shift)([1-9]\d{0,5})(?:x([1-9]\d{0,5}))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberFormat:
    """How weights and activations are represented.

    Attributes:
        kind: "int", "fp" or "shift".
        bits: Width of an activation, and of a weight unless it is a shift weight.
        terms: Signed powers of two that a shift weight is a sum of; 1 otherwise.
        name: As users write it, such as "int8", "bf16" or "shift8x2".
    """

    kind: FormatKind
    bits: int
    terms: int = 1
    name: str

    @property
    def weight_bits(self) -> int:
        """Bits in which one weight is stored.

        A shift weight stores a sign and an exponent for each term. A b-bit shifter reaches b - 1
        powers of two (the magnitudes of a symmetric b-bit integer), and one more code says zero:
        1 + ceil(log2(b)) bits a term.

        >>> parse_format("shift8").weight_bits, parse_format("shift8x2").weight_bits
        (4, 8)
        """
        if self.kind != "shift":
            return self.bits
        return self.terms * (1 + math.ceil(math.log2(self.bits)))

    def __str__(self) -> str:
        return self.name


def parse_format(name: str) -> NumberFormat:
    """The format called `name`: int2 to int64, shift2 to shift64 (x terms), fp8 to fp64, bf16.

    >>> parse_format("shift8x2")
    NumberFormat(kind='shift', bits=8, terms=2, name='shift8x2')

    Raises:
        ConfigurationError: If there is no such format.
    """
    if name in FLOAT_FORMATS:
        return NumberFormat(kind="fp", bits=FLOAT_FORMATS[name], name=name)
    match = _WHOLE.fullmatch(name)
    if match is None or (match[1] == "int" and match[3]):
        raise ConfigurationError(
            f"unknown number format {quote(name)}{suggest_name(name, _EXAMPLES)}"
        )
    bits, terms = int(match[2]), int(match[3] or 1)
    if not 2 <= bits <= MAX_BITS:
        raise ConfigurationError(
            f"number format {name!r} has {bits} bits; possible: 2 to {MAX_BITS}"
        )
    if terms > bits:
        raise ConfigurationError(
            f"number format {name!r} has {terms} terms; {bits} bits have at most {bits}"
        )
    return NumberFormat(
        kind="int" if match[1] == "int" else "shift",
        bits=bits,
        terms=terms,
        name=f"{match[1]}{bits}" + (f"x{terms}" if terms > 1 else ""),
    )
