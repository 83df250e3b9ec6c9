"""Contractions: convolutions, matrix products, attention, Fourier transforms."""

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
    """One MAC a product; factors `alpha` and `beta` other than 1 scale each output once more."""
    attributes = facts.shapes.attributes
    scaled = (attributes.get("alpha", 1) != 1) + (attributes.get("beta", 1) not in (0, 1))
    return Cost(run={"mac": facts.sites, **({"mul": scaled * facts.outputs} if scaled else {})})


@register_rule("aten.vdot")
def _inner_product(facts: Facts) -> Cost:
    """One MAC an element; spectral norms divide by it."""
    return Cost(run={"mac": math.prod(facts.shapes.data)})


@register_rule("aten._grouped_mm")
def _grouped_product(facts: Facts) -> Cost:
    """Products of groups of rows, columns or terms, each of which belongs to one group.

    (m, k) with (g, k, n), (g, m, k) with (k, n), and (m, k) with (k, n), whose terms are grouped,
    are m * k * n products; (g, m, k) with (g, k, n) is a product for each group.
    """
    first, second = (facts.shapes.arguments[name].shape for name in ("self", "mat2"))
    if len(first) > len(second):
        first = first[1:]
    return Cost(run={"mac": math.prod(first) * second[-1]})


@register_rule("quantized.linear_dynamic", "quantized.linear_relu_dynamic")
def _quantized_product(facts: Facts) -> Cost:
    """The data's range, its rounding to 8 bits, one MAC a product, the way back to floats.

    Two comparisons an element find the range; an element is scaled, shifted and rounded.
    """
    elements, outputs = math.prod(facts.shapes.data), math.prod(facts.shapes.output)
    relu = outputs if "relu" in facts.shapes.name else 0
    return Cost(
        run={
            "mac": elements * facts.shapes.output[-1],
            "compare": 2 * (elements - 1) + relu,
            "mul": elements + outputs,
            "add": 2 * elements + outputs,
        }
    )


@register_rule("aten._fft_c2c", "aten._fft_r2c", "aten._fft_c2r")
def _fourier_transform(facts: Facts) -> Cost:
    """Transforms along each of `dim`, by the radix-2 algorithm: n log n.

    A complex line of n elements takes n / 2 * log2(n) butterflies, log2 rounded up, each a complex
    product (4 multiplications, 2 additions) and two complex additions. A real line takes half of
    that. Scaling, where it is asked for, is one multiplication a real number of the output.
    """
    shapes, name = facts.shapes, facts.shapes.name
    real = {"aten._fft_r2c": shapes.data, "aten._fft_c2r": shapes.output}.get(name)
    dims = list(shapes.attributes["dim"])
    lines = list(shapes.data)
    halves = 0
    if real is not None and dims:
        *dims, last = dims
        lines = list(real)
        halves = math.prod(real) * _levels(real[last])
        lines[last] = real[last] // 2 + 1
    halves += sum(2 * math.prod(lines) * _levels(lines[d]) for d in dims)
    parts = 1 if name == "aten._fft_c2r" else 2
    scaled = parts * math.prod(shapes.output) if shapes.attributes.get("normalization") else 0
    return Cost(run={"mul": halves + scaled, "add": -(-3 * halves // 2)})


def _levels(length: int) -> int:
    """Logarithm of a length to the base 2, rounded up."""
    return max(length - 1, 0).bit_length()


@register_rule(
    "aten._scaled_dot_product_fused_attention_overrideable",
    "aten._scaled_dot_product_flash_attention",
    "aten._scaled_dot_product_flash_attention_for_cpu",
    "aten._scaled_dot_product_efficient_attention",
    "aten._scaled_dot_product_cudnn_attention",
)
def _attention(facts: Facts) -> Cost:
    """Scores, their softmax, and the weighted values: q (b, h, s, d), k (b, h, t, d), v (.., e)."""
    query, value = (facts.shapes.inputs[place].shape for place in (0, 2))
    scores, rows = facts.sites, facts.outputs
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


@register_rule("smartsim.block_scores")
def _block_scores(facts: Facts) -> Cost:
    """A query times a key, and the scale, for each of the scores that a block mask leaves."""
    scores = math.prod(facts.shapes.output)
    return Cost(run={"mac": scores * facts.shapes.data[-1], "mul": scores})


@register_rule("smartsim.block_attention")
def _block_attention(facts: Facts) -> Cost:
    """The softmax of these scores, row by row, and the values that they weight."""
    scores, rows = math.prod(facts.shapes.data), int(facts.shapes.attributes["rows"])
    return Cost(
        run={
            "mac": scores * facts.shapes.output[-1],
            "compare": scores - rows,
            "add": 2 * scores - rows,
            "exp": scores,
            "div": scores,
        }
    )


@register_rule("smartsim.block_logsumexp")
def _block_logsumexp(facts: Facts) -> Cost:
    """What the softmax has summed: its logarithm, and the largest added back."""
    rows = int(facts.shapes.attributes["rows"])
    return Cost(run={"log": rows, "add": rows})
