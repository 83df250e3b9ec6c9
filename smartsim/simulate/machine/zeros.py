"""What an array makes of known zeros: nothing, save their energy, or save their cycles."""

from dataclasses import dataclass
from typing import Literal

from smartsim.errors import ConfigurationError
from smartsim.records.files import parse_whole

__all__ = ["ZeroKind", "ZeroPolicy", "parse_zero_policy"]

ZeroKind = Literal["none", "gating", "skipping", "n:m"]
"""What it makes of a known zero: nothing; save the energy; save the cycle; the cycles of m - n."""

_MOST_WINDOW = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ZeroPolicy:
    """How the array treats known zeros of weights.

    Attributes:
        kind: See `ZeroKind`.
        window: Indices that a skipping element chooses from; m of an n:m array.
        granule: Slots come in multiples of this; n of an n:m array.
    """

    kind: ZeroKind = "none"
    window: int = 1
    granule: int = 1

    @property
    def skips(self) -> bool:
        """Whether zeros save cycles."""
        return self.kind in ("skipping", "n:m")

    def __str__(self) -> str:
        match self.kind:
            case "skipping":
                return f"skipping:{self.window}"
            case "n:m":
                return f"{self.granule}:{self.window}"
            case _:
                return self.kind


def parse_zero_policy(text: str) -> ZeroPolicy:
    """A policy from "none", "gating", "skipping", "skipping:8" (its window) or "2:4".

    >>> parse_zero_policy("2:4")
    ZeroPolicy(kind='n:m', window=4, granule=2)

    Raises:
        ConfigurationError: If it is none of these, or a window cannot be.
    """
    head, _, tail = text.partition(":")
    if head in ("none", "gating") and not tail:
        return ZeroPolicy(kind="none" if head == "none" else "gating")
    numbers = [parse_whole(part) or 0 for part in (head, tail)]
    if head == "skipping":
        window, granule = (numbers[1] if tail else 1), 1
    else:
        granule, window = numbers
    if not 1 <= granule <= window <= _MOST_WINDOW or window & (window - 1):
        raise ConfigurationError(
            f"zeros {text!r} is no policy; possible: none, gating, skipping, skipping:W, N:M, with "
            f"W and M a power of two up to {_MOST_WINDOW} and N at most M"
        )
    return ZeroPolicy(
        kind="skipping" if head == "skipping" else "n:m", window=window, granule=granule
    )
