"""The scalar rules; importing this room enters all of them."""

from smartsim.testing.rules import (
    activations,
    contractions,
    creation,
    elementwise,
    movement,
    normalisation,
    pooling,
    reductions,
)

__all__ = [
    "activations",
    "contractions",
    "creation",
    "elementwise",
    "movement",
    "normalisation",
    "pooling",
    "reductions",
]
