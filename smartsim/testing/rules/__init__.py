"""The scalar rules; importing this room enters all of them."""

from smartsim.testing.rules import (
    contractions,
    creation,
    elementwise,
    movement,
    normalisation,
    pooling,
    reductions,
)

__all__ = [
    "contractions",
    "creation",
    "elementwise",
    "movement",
    "normalisation",
    "pooling",
    "reductions",
]
