"""Hold the counts of a trace against those of the oracle."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import nn

from smartsim.counts.conventions import Convention
from smartsim.counts.records import Counts
from smartsim.testing.oracle import count_by_scalars, oracle_convention
from smartsim.testing.rules.contractions import UncountablePaddingError

__all__ = ["assert_counts_agree", "describe_differences"]

_KEYS = ("layer", "op", "stage", "action", "conditional")


def assert_counts_agree(
    model: nn.Module,
    *inputs: torch.Tensor,
    condition: Mapping[str, float] | None = None,
    convention: Convention | None = None,
    declared_zeros: Sequence[str] = (),
) -> None:
    """Trace and count a small model, execute it with scalars too, and compare every count.

    Args:
        model: Any module in eval mode, of some thousand products at most.
        inputs: Its data, in order.
        condition: Value of each condition, passed as a 0-d tensor under its name.
        convention: What counts, as `oracle_convention` makes it; None compares under all that
            the oracle can count under: zeros skipped or not, padding counted or not.
        declared_zeros: Names of parameters whose exact zeros are structure.

    Raises:
        AssertionError: If any layer, op, stage or action has another number; the message is a
            table of the differences.
        MissingRuleError: If an operator has no rule, here or there.

    >>> assert_counts_agree(nn.Conv2d(2, 3, 3, padding=1), torch.ones(1, 2, 4, 4))
    """
    from smartsim.counts import count_actions
    from smartsim.trace import trace_model

    graph = trace_model(model, inputs, condition=condition, declared_zeros=declared_zeros)
    for choice in [convention] if convention else _every_convention():
        try:
            executed = count_by_scalars(
                model,
                *inputs,
                condition=condition,
                convention=choice,
                declared_zeros=declared_zeros,
            ).counts
        except UncountablePaddingError:
            if convention:
                raise
            continue  # the other conventions still say enough
        counted = count_actions(graph, convention=choice)
        differences = describe_differences(counted, executed)
        if differences:
            raise AssertionError(
                f"counts of {type(model).__name__} disagree with its execution by scalars, with "
                f"skip_zeros={choice.skip_zeros} and count_padding={choice.count_padding}:\n"
                + "\n".join(differences)
            )


def _every_convention() -> Iterable[Convention]:
    for skip_zeros in (True, False):
        for count_padding in (False, True):
            yield oracle_convention(skip_zeros=skip_zeros, count_padding=count_padding)


def describe_differences(counted: Counts, executed: Counts) -> list[str]:
    """One line for every count that two disagree on, under a heading; none when they agree."""
    found, expected = counted.group(*_KEYS), executed.group(*_KEYS)
    rows = [("layer", "op", "stage", "action", "conditional", "counted", "executed")]
    for place in dict.fromkeys((*expected, *found)):
        numbers = found.get(place, 0), expected.get(place, 0)
        if numbers[0] != numbers[1]:
            layer, op, stage, action, conditional = place
            rows.append(
                (layer or "(model)", op, stage, action, str(conditional), *map(str, numbers))
            )
    if len(rows) == 1:
        return []
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
