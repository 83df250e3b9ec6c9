"""Averages and largest values of windows."""

from smartsim.counts.rules.registry import Cost, Facts, register_rule

__all__: list[str] = []


@register_rule(
    "aten.avg_pool2d", "aten.avg_pool3d", "aten._adaptive_avg_pool2d", "aten._adaptive_avg_pool3d"
)
def _average_pool(facts: Facts) -> Cost:
    """A mean of each window."""
    return Cost(run={"add": max(0, facts.sites - facts.outputs), "mul": facts.outputs})


@register_rule(
    "aten.max_pool2d_with_indices",
    "aten.max_pool3d_with_indices",
    "aten.adaptive_max_pool2d",
    "aten.adaptive_max_pool3d",
)
def _max_pool(facts: Facts) -> Cost:
    """The largest of n needs n - 1 comparisons."""
    return Cost(run={"compare": max(0, facts.sites - facts.outputs)})
