"""Tensors from nothing: constants cost nothing, a random draw is an act of its own."""

from smartsim.counts.rules.registry import register_pointwise

__all__: list[str] = []

# A constant is written in the program.
register_pointwise(
    """
    arange empty empty_like empty_permuted empty_strided eye fill full full_like new_empty
    new_empty_strided new_full new_ones new_zeros ones ones_like scalar_tensor zero zeros
    zeros_like tril_indices triu_indices hann_window hamming_window bartlett_window blackman_window
    kaiser_window
    """
)
register_pointwise(
    "randn randn_like normal normal_functional rand rand_like uniform bernoulli randint "
    "randint_like randperm exponential multinomial log_normal native_dropout",
    noise=1,
)
