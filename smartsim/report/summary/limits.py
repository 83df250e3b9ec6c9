"""TEXT -> LIMIT: the conditions under which a comparison fails."""

import re
from dataclasses import dataclass

from smartsim.errors import ConfigurationError
from smartsim.records.files import quote
from smartsim.report.summary.compare import Comparison

__all__ = ["Limit", "parse_limit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A condition under which a comparison fails, such as "macs > +2%".

    Attributes:
        text: As it was given.
        metric: Name of a total.
        above: Whether more than the bound is too much, or less than it too little.
        bound: The bound.
        mode: "value" of the second record, its "change", or its change in "percent".
    """

    text: str
    metric: str
    above: bool
    bound: float
    mode: str

    def holds(self, comparison: Comparison) -> bool:
        """Whether the comparison fails by it.

        Raises:
            ConfigurationError: If the metric is not compared.
        """
        total = comparison.total(self.metric)
        change = total.second - total.first
        if self.mode == "percent":
            if total.first == 0:
                return change != 0 and (change > 0) == self.above
            measured = 100 * change / abs(total.first)
        else:
            measured = float(change if self.mode == "change" else total.second)
        return measured > self.bound if self.above else measured < self.bound


_LIMIT = re.compile(r"\s*(\w+)\s*([<>])\s*([+-]?)\s*(\d+(?:\.\d+)?(?:e\d+)?)\s*(%?)\s*", re.ASCII)


def parse_limit(text: str) -> Limit:
    """A limit from its text: "macs > +2%", "energy > +1000", "cycles > 1e6", "macs < -5%".

    Raises:
        ConfigurationError: If it is none of these.
    """
    found = _LIMIT.fullmatch(text)
    if found is None or (found[5] and not found[3]):
        raise ConfigurationError(
            f"{quote(text)} is no limit; write for instance 'macs > +2%' (a change in percent), "
            "'energy > +1000' (a change), or 'cycles > 1e6' (a value)"
        )
    metric, sign, plus, number, percent = found.groups()
    return Limit(
        text=" ".join(text.split()),
        metric=metric,
        above=sign == ">",
        bound=float(f"{plus}{number}"),
        mode="percent" if percent else "change" if plus else "value",
    )
