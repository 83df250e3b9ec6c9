"""Moving data costs nothing; interpolating it does."""

import math

from smartsim.counts.records import Action
from smartsim.counts.rules.registry import Cost, Facts, register_pointwise, register_rule

__all__: list[str] = []

# Moving data is no arithmetic.
register_pointwise(
    """
    alias alias_copy cat clone constant_pad_nd copy embedding expand_copy flip gather im2col
    index index_copy index_fill index_put index_select lift_fresh lift_fresh_copy masked_fill
    masked_scatter masked_select nonzero one_hot pixel_shuffle pixel_unshuffle
    reflection_pad1d reflection_pad2d reflection_pad3d repeat replication_pad1d
    replication_pad2d replication_pad3d roll scatter select_scatter slice_scatter stack tril
    triu unfold_copy upsample_nearest1d upsample_nearest2d upsample_nearest3d view_copy where
    _reshape_copy _to_copy _unsafe_view resize take_along_dim _unsafe_index channel_shuffle
    native_channel_shuffle repeat_interleave complex real imag slice_copy squeeze_copy
    unsqueeze_copy permute_copy t_copy transpose_copy split_copy unbind_copy detach_copy
    diagonal_copy view_as_real_copy _pack_padded_sequence
    """
)
register_pointwise("scatter_add index_add", add=1)
register_pointwise("upsample_linear1d", mul=2, add=1)
register_pointwise("upsample_bilinear2d _upsample_bilinear2d_aa", mul=4, add=3)
register_pointwise("upsample_trilinear3d", mul=8, add=7)
register_pointwise("upsample_bicubic2d _upsample_bicubic2d_aa", mul=16, add=15)


@register_rule("aten.grid_sampler_2d", "aten.grid_sampler_3d")
def _grid_sampler(facts: Facts) -> Cost:
    """Samples at places that data says, the same in all channels: (n, c, .., d) of a grid.

    A coordinate is scaled and shifted to pixels and rounded. Linear weights are a coordinate's
    distances to both sides, and their products over the coordinates; cubic ones are 4 polynomials
    of 3 multiplications and additions a coordinate. What lies outside is addressing.
    """
    output, mode = facts.shapes.output, facts.shapes.attributes.get("interpolation_mode", 0)
    rank = len(output) - 2
    places = math.prod(output) // output[1] if output[1] else 0
    each: dict[Action, int] = {"mul": rank, "add": 2 * rank}
    taps = (2, 1, 4)[mode] ** rank
    if mode == 0:
        each["add"] += 2 * rank
    elif mode == 2:
        each["add"] += 12 * rank
        each["mul"] += 12 * rank
    if mode != 1:
        width = (2, 1, 4)[mode]
        each["mul"] += sum(width**r for r in range(2, rank + 1))
    run = {action: n * places for action, n in each.items()}
    if mode != 1:
        run["mul"] += taps * facts.sites
        run["add"] += (taps - 1) * facts.sites
    return Cost(run=run)


@register_rule("aten.affine_grid_generator")
def _affine_grid(facts: Facts) -> Cost:
    """Each coordinate is a row of `theta` times a place: (n, d, d + 1)."""
    return Cost(run={"mac": facts.sites * facts.shapes.data[-1]})


@register_rule("aten._embedding_bag", "aten._embedding_bag_forward_only")
def _embedding_bag(facts: Facts) -> Cost:
    """Rows of a table, looked up for nothing, and the sum, mean or largest of each bag of them."""
    rows = math.prod(facts.shapes.arguments["indices"].shape)
    bags, width = facts.shapes.output
    merged = max(0, rows - bags) * width
    if facts.shapes.attributes.get("mode", 0) == 2:
        return Cost(run={"compare": merged})
    run: dict[Action, int] = {"add": merged}
    if "per_sample_weights" in facts.shapes.arguments:
        run["mul"] = rows * width
    if facts.shapes.attributes.get("mode", 0) == 1:
        run |= {"div": bags, "mul": bags * width}
    return Cost(run=run)
