"""Sums, means, variances, extremes, norms and sorting."""

import math

from smartsim.counts.records import Action
from smartsim.counts.rules.registry import (
    Cost,
    Facts,
    count_rows,
    register_rule,
)

__all__: list[str] = []


@register_rule("aten.sum", "aten.mean")
def _sum(facts: Facts) -> Cost:
    """N terms need n - 1 additions; a mean also a multiplication by 1/n."""
    run: dict[Action, int] = {"add": max(0, facts.sites - facts.outputs)}
    if facts.shapes.name == "aten.mean":
        run["mul"] = facts.outputs
    return Cost(run=run)


@register_rule("aten.logsumexp")
def _logsumexp(facts: Facts) -> Cost:
    """Largest of the row, subtract it, exponentials, their sum, its log, add the largest back."""
    elements, rows = count_rows(facts)
    run: dict[Action, int] = {"compare": elements - rows, "exp": elements, "log": rows}
    return Cost(run={**run, "add": 2 * elements})


@register_rule("aten.var", "aten.std", "aten.var_mean", "aten.std_mean")
def _variance(facts: Facts) -> Cost:
    """A mean, n differences, n squares, their mean; a standard deviation is a root more."""
    elements, rows = math.prod(facts.shapes.data), math.prod(facts.shapes.output)
    run: dict[Action, int] = {"add": 3 * elements - 2 * rows, "mul": elements + 2 * rows}
    return Cost(run={**run, "sqrt": rows} if "std" in facts.shapes.name else run)


@register_rule(
    "aten.amax", "aten.amin", "aten.max", "aten.min", "aten.argmax", "aten.argmin", "aten.aminmax"
)
def _extreme(facts: Facts) -> Cost:
    """The largest of n needs n - 1 comparisons; of two tensors, one an element."""
    elements, outputs = math.prod(facts.shapes.data), math.prod(facts.shapes.output)
    if len(facts.shapes.inputs) > 1:
        return Cost(run={"compare": facts.sites})
    sides = 2 if facts.shapes.name == "aten.aminmax" else 1
    return Cost(run={"compare": sides * (elements - outputs)})


@register_rule("aten.cumsum", "aten.cumprod", "aten.prod")
def _running(facts: Facts) -> Cost:
    """N - 1 additions or multiplications a row."""
    elements = math.prod(facts.shapes.data)
    if facts.shapes.name == "aten.prod":
        return Cost(run={"mul": elements - math.prod(facts.shapes.output)})
    action: Action = "add" if facts.shapes.name == "aten.cumsum" else "mul"
    return Cost(run={action: elements - count_rows(facts)[1]})


@register_rule("aten.any", "aten.all", "aten.count_nonzero")
def _any(facts: Facts) -> Cost:
    """N - 1 boolean acts."""
    return Cost(run={"logic": math.prod(facts.shapes.data) - math.prod(facts.shapes.output)})


@register_rule("aten.linalg_vector_norm", "aten.norm")
def _vector_norm(facts: Facts) -> Cost:
    """The 2-norm: n squares, n - 1 additions, a root; any other order has a power an element."""
    elements, outputs = math.prod(facts.shapes.data), math.prod(facts.shapes.output)
    order = facts.shapes.attributes.get("ord", facts.shapes.attributes.get("p", 2))
    if order == 2:
        return Cost(run={"mul": elements, "add": elements - outputs, "sqrt": outputs})
    if order == 1:
        return Cost(run={"add": elements - outputs})
    return Cost(run={"pow": elements + outputs, "add": elements - outputs})


@register_rule("aten.sort", "aten.topk", "aten.argsort", "aten.median", "aten.kthvalue")
def _sort(facts: Facts) -> Cost:
    """A merge sort's bound, n * ceil(log2 n) comparisons a row; also for the k largest."""
    elements, rows = count_rows(facts)
    width = elements // rows if rows else 1
    return Cost(run={"compare": elements * math.ceil(math.log2(width)) if width > 1 else 0})


@register_rule("aten.histc", "aten.bincount")
def _histogram(facts: Facts) -> Cost:
    """An addition an element to the count of its bin; `histc` first scales and shifts to bins."""
    elements = math.prod(facts.shapes.data)
    if facts.shapes.name == "aten.bincount":
        return Cost(run={"add": elements})
    return Cost(run={"mul": elements, "add": 2 * elements, "compare": 2 * elements})
