"""Moving data costs nothing; interpolating it does."""

from smartsim.counts.rules.registry import register_pointwise

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
    diagonal_copy view_as_real_copy
    """
)
register_pointwise("scatter_add index_add", add=1)
register_pointwise("upsample_linear1d", mul=2, add=1)
register_pointwise("upsample_bilinear2d _upsample_bilinear2d_aa", mul=4, add=3)
register_pointwise("upsample_trilinear3d", mul=8, add=7)
register_pointwise("upsample_bicubic2d _upsample_bicubic2d_aa", mul=16, add=15)
