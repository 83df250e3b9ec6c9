"""Two energies against each other: from how many inferences a switch one costs no more."""

from dataclasses import dataclass
from typing import Literal

from smartsim.cost.energy.energy import Energy
from smartsim.errors import ConfigurationError

__all__ = ["BreakEven", "find_break_even"]

Quantity = Literal["total", "conditional"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEven:
    """From how many inferences per switch a rival costs no more than a reference.

    With N inferences a switch, one inference costs `recurring + switch / N`. The two are equal at
    `N = (s_rival - s_reference) / (r_reference - r_rival)`.

    Attributes:
        rival: The model that pays more at a switch.
        reference: The model that it is held against.
        quantity: "total" energy, or only the "conditional" part, the overhead.
        verdict: "from" so many inferences the rival costs no more; "up to" so many; "always", or
            "never".
        inferences: Where the two are equal; None when they never are.
        rival_recurring_pj: What the rival pays in every inference.
        rival_switch_pj: What the rival pays at a switch.
        reference_recurring_pj: What the reference pays in every inference.
        reference_switch_pj: What the reference pays at a switch.
    """

    rival: str
    reference: str
    quantity: Quantity
    verdict: Literal["from", "up to", "always", "never"]
    inferences: float | None
    rival_recurring_pj: float
    rival_switch_pj: float
    reference_recurring_pj: float
    reference_switch_pj: float


def find_break_even(
    rival: Energy,
    reference: Energy,
    *,
    quantity: Quantity = "total",
    rival_name: str = "",
    reference_name: str = "",
) -> BreakEven:
    """The number of inferences per switch at which `rival` and `reference` cost the same.

    Args:
        rival: Energy of one model.
        reference: Energy of another, from the same table.
        quantity: "total" energy of arithmetic, or only its "conditional" part.
        rival_name: What to call it; its model's name by default.
        reference_name: What to call it; its model's name by default.

    Raises:
        ConfigurationError: If the energies are from different tables or plans.
    """
    if (rival.table, rival.plan) != (reference.table, reference.plan):
        raise ConfigurationError(
            f"{rival.table} in {rival.plan} and {reference.table} in {reference.plan} cannot break "
            "even; price both models from one table in one format"
        )
    only = True if quantity == "conditional" else None
    recurring, switch = (
        [energy.total(stages=stages, conditional=only) for energy in (rival, reference)]
        for stages in (("noise", "input"), ("switch",))
    )
    saved, extra = recurring[1] - recurring[0], switch[0] - switch[1]
    inferences = extra / saved if saved and extra / saved > 0 else None
    verdict: Literal["from", "up to", "always", "never"]
    if inferences is not None:
        verdict = "from" if saved > 0 else "up to"
    else:
        verdict = "always" if saved >= 0 and extra <= 0 else "never"
    return BreakEven(
        rival=rival_name or rival.model,
        reference=reference_name or reference.model,
        quantity=quantity,
        verdict=verdict,
        inferences=inferences,
        rival_recurring_pj=recurring[0],
        rival_switch_pj=switch[0],
        reference_recurring_pj=recurring[1],
        reference_switch_pj=switch[1],
    )
