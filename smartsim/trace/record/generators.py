"""Random generators that all threads of a process share, put back after a forward pass.

To put a generator back to where it was would repeat what other threads drew from it meanwhile. So
while other threads live, one that was only drawn from stays where it is, and one that the forward
seeded or set goes back. All three are Mersenne twisters, whose words say which it was. A trace
itself draws nothing: random ops are recorded and never executed.
"""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["keep_generators_unchanged"]

_WORDS = 624
_TWISTS_AT_ONCE = 500
_MOST_LOOKS = 40
"""So many draws by other threads are told from a seed: 40 x 500 x 624, in a tenth of a second."""


@dataclass(frozen=True, slots=True)
class _Position:
    """The words of a Mersenne twister, and how many of them were drawn."""

    words: NDArray[np.uint64]
    drawn: int


@dataclass(frozen=True, slots=True)
class _Generator:
    """One of the shared generators."""

    read: Callable[[], Any]
    write: Callable[[Any], object]
    position: Callable[[Any], _Position | None]


def _position_in_torch(state: torch.Tensor) -> _Position | None:
    """Torch's record: a seed, two numbers of 4 bytes, the words drawn, the words, a normal draw."""
    data = state.numpy().tobytes()
    (drawn,) = np.frombuffer(data, np.uint64, 1, offset=16)
    return _Position(np.frombuffer(data, np.uint64, _WORDS, offset=24), int(drawn) or _WORDS)


def _position_in_numpy(state: Any) -> _Position | None:
    """A user may have put another kind of generator behind it."""
    if state["bit_generator"] != "MT19937":
        return None
    twister = state["state"]
    return _Position(twister["key"].astype(np.uint64), int(twister["pos"]))


def _read_numpy() -> Any:
    return np.random.get_state(legacy=False)


def _position_in_python(state: Any) -> _Position | None:
    return _Position(np.array(state[1][:_WORDS], dtype=np.uint64), int(state[1][_WORDS]))


_GENERATORS = (
    _Generator(torch.get_rng_state, torch.set_rng_state, _position_in_torch),
    _Generator(_read_numpy, np.random.set_state, _position_in_numpy),
    _Generator(random.getstate, random.setstate, _position_in_python),
)


@contextmanager
def keep_generators_unchanged() -> Iterator[None]:
    """Put back torch's, numpy's and Python's own generator, unless other threads draw from it."""
    states = [generator.read() for generator in _GENERATORS]
    try:
        yield
    finally:
        is_shared = threading.active_count() > 1
        for generator, before in zip(_GENERATORS, states, strict=True):
            if not (is_shared and _was_only_drawn_from(generator, before)):
                generator.write(before)


def _was_only_drawn_from(generator: _Generator, before: Any) -> bool:
    first, last = generator.position(before), generator.position(generator.read())
    return first is not None and last is not None and _leads_to(first, last)


def _leads_to(first: _Position, last: _Position) -> bool:
    """Whether draws alone lead from the first position to the last."""
    if np.array_equal(first.words, last.words):
        return last.drawn >= first.drawn
    sought = _twister(last.words, 0).random_raw(2)
    twister = _twister(first.words, _WORDS)
    for _ in range(_MOST_LOOKS):
        drawn = twister.random_raw(_WORDS * _TWISTS_AT_ONCE).reshape(-1, _WORDS)
        if bool((drawn[:, :2] == sought).all(axis=1).any()):
            return True
    return False


def _twister(words: NDArray[np.uint64], drawn: int) -> np.random.MT19937:
    twister = np.random.MT19937()
    key = words.astype(np.uint32)
    twister.state = {"bit_generator": "MT19937", "state": {"key": key, "pos": drawn}}
    return twister
