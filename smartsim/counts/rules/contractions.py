"""Contractions: convolutions, matrix products, attention."""

import math

from smartsim.counts.rules.registry import (
    Cost,
    Facts,
    register_rule,
)
from smartsim.counts.work import MATMULS

__all__: list[str] = []


@register_rule("aten.convolution", *MATMULS)
def _contraction(facts: Facts) -> Cost:
    """One MAC a product."""
    return Cost(run={"mac": facts.sites})


@register_rule("aten.vdot")
def _inner_product(facts: Facts) -> Cost:
    """One MAC an element; spectral norms divide by it."""
    return Cost(run={"mac": math.prod(facts.shapes.data)})


@register_rule(
    "aten._scaled_dot_product_fused_attention_overrideable",
    "aten._scaled_dot_product_flash_attention",
    "aten._scaled_dot_product_flash_attention_for_cpu",
    "aten._scaled_dot_product_efficient_attention",
    "aten._scaled_dot_product_cudnn_attention",
)
def _attention(facts: Facts) -> Cost:
    """Scores, their softmax, and the weighted values: q (b, h, s, d), k (b, h, t, d), v (.., e)."""
    query, key, value = (tensor.shape for tensor in facts.shapes.inputs[:3])
    scores = math.prod(query[:-1]) * key[-2]
    rows = math.prod(query[:-1])
    return Cost(
        run={
            "mac": scores * (query[-1] + value[-1]),
            "mul": scores,
            "compare": scores - rows,
            "add": 2 * scores - rows,
            "exp": scores,
            "div": scores,
        }
    )
