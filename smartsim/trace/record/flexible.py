"""Flexible attention, which torch compiles, as two operators that a trace can record.

Scores are computed for the blocks that its block mask lists, each block whole, as torch's kernel
does; the user's `score_mod` then runs on them in a row, with their places. Python reads which
blocks these are, so that a block mask must be known.
"""

import math
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils._python_dispatch import _get_current_dispatch_mode

from smartsim.trace.record.evaluate import plain_torch
from smartsim.trace.record.kernels import META
from smartsim.trace.record.recorder import Recorder
from smartsim.trace.record.tape import DEPLOY

__all__ = ["flexible_attention_by_parts"]

_MODULE = "torch.nn.attention.flex_attention"
_OPERATOR = "torch._higher_order_ops.flex_attention"
_HANDLER = "_smartsim_handler"

_LIBRARY: Any = torch.library.Library("smartsim", "DEF")  # type: ignore[no-untyped-call]
_LIBRARY.define("block_scores(Tensor query, Tensor key, int pairs) -> Tensor")
_LIBRARY.define("block_attention(Tensor scores, Tensor value, int[] shape, int rows) -> Tensor")
_LIBRARY.define("block_logsumexp(Tensor scores, int[] shape, int rows) -> Tensor")


def _scores(query: torch.Tensor, _key: torch.Tensor, pairs: int) -> torch.Tensor:
    return query.new_empty((pairs,))


def _attention(
    scores: torch.Tensor, _value: torch.Tensor, shape: list[int], _rows: int
) -> torch.Tensor:
    return scores.new_empty(shape)


def _logsumexp(scores: torch.Tensor, shape: list[int], _rows: int) -> torch.Tensor:
    return scores.new_empty(shape, dtype=torch.float32)


for _name, _kernel in (
    ("block_scores", _scores),
    ("block_attention", _attention),
    ("block_logsumexp", _logsumexp),
):
    _LIBRARY.impl(_name, _kernel, "Meta")


@contextmanager
def flexible_attention_by_parts() -> Iterator[None]:
    """Let torch's function run as ours where a recorder is active.

    Models hold that function under names of their own, so that its code is exchanged and not the
    name that torch has for it.
    """
    operator = getattr(sys.modules.get(_OPERATOR), "flex_attention", None)
    if operator is not None and Recorder not in operator.python_key_table:
        operator.py_impl(Recorder)(_attend_exported)
    module = sys.modules.get(_MODULE)
    function = getattr(module, "flex_attention", None)
    if function is None or _HANDLER in function.__globals__:  # set already, by an outer trace
        yield
        return
    code, defaults, named = function.__code__, function.__defaults__, function.__kwdefaults__
    plain = types.FunctionType(code, function.__globals__, function.__name__, defaults)
    plain.__kwdefaults__ = named

    def handle(*args: Any, **keywords: Any) -> Any:
        recorder = _get_current_dispatch_mode()
        if not isinstance(recorder, Recorder):
            return plain(*args, **keywords)
        return _attend(recorder, *args, **keywords)

    function.__globals__[_HANDLER] = handle
    function.__code__ = _call_handler.__code__
    function.__defaults__ = function.__kwdefaults__ = None
    try:
        yield
    finally:
        function.__code__, function.__defaults__ = code, defaults
        function.__kwdefaults__ = named
        del function.__globals__[_HANDLER]


def _call_handler(*args: Any, **keywords: Any) -> Any:
    return _smartsim_handler(*args, **keywords)  # type: ignore[name-defined]  # noqa: F821


def _places(pairs: int, recorder: Recorder) -> torch.Tensor:
    """Where each score stands along one dimension; which numbers these are, nobody asks."""
    with plain_torch():
        places = torch.empty((pairs,), dtype=torch.int32, device=META)
    recorder.memories.declare(places, DEPLOY, "constant", "")
    return places


def _attend(
    recorder: Recorder,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    score_mod: Callable[..., torch.Tensor] | None = None,
    block_mask: Any = None,
    scale: float | None = None,
    enable_gqa: bool = False,
    return_lse: bool = False,
    kernel_options: Any = None,
    *,
    return_aux: Any = None,
) -> Any:
    """The attention, with the arguments of torch's own."""
    del scale, enable_gqa, kernel_options
    pairs, rows = _count_pairs((*query.shape[:-1], key.shape[-2]), _read(block_mask))
    scores = _score(recorder, query, key, pairs, score_mod)
    made = [*query.shape[:-1], value.shape[-1]]
    out = torch.ops.smartsim.block_attention(scores, value, made, rows)
    if return_aux is None and not return_lse:
        return out
    sums = None
    if return_aux is None or return_aux.lse:
        sums = torch.ops.smartsim.block_logsumexp(scores, made[:-1], rows)
    if return_aux is None:
        return out, sums
    return out, sys.modules[_MODULE].AuxOutput(
        lse=sums,
        max_scores=scores.new_empty(made[:-1]) if return_aux.max_scores else None,
    )


def _score(
    recorder: Recorder,
    query: torch.Tensor,
    key: torch.Tensor,
    pairs: int,
    score_mod: Callable[..., torch.Tensor] | None,
    buffers: Sequence[Any] = (),
) -> torch.Tensor:
    """The scores in a row, as the user changes them."""
    scores: torch.Tensor = torch.ops.smartsim.block_scores(query, key, pairs)
    if score_mod is None:
        return scores
    return score_mod(scores, *(_places(pairs, recorder) for _ in query.shape), *buffers)


def _attend_exported(
    recorder: Recorder,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    score_mod: Callable[..., torch.Tensor],
    block_mask: tuple[Any, ...],
    _scale: float,
    _options: Any,
    score_buffers: Sequence[Any] = (),
    _mask_buffers: Sequence[Any] = (),
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The attention, with the arguments and results of the operator in an exported program."""
    with recorder:
        counts, places, full_counts, full_places = block_mask[2:6]
        size = (block_mask[-3], block_mask[-2])
        blocks = _Blocks(counts, places, full_counts, full_places, size)
        pairs, rows = _count_pairs((*query.shape[:-1], key.shape[-2]), blocks)
        scores = _score(recorder, query, key, pairs, score_mod, score_buffers)
        made = [*query.shape[:-1], value.shape[-1]]
        out = torch.ops.smartsim.block_attention(scores, value, made, rows)
        return out, scores.new_empty(made[:-1]), scores.new_empty(made[:-1])


class _Blocks(NamedTuple):
    """Which blocks are computed: how many in each row of blocks, and where; in part, and whole."""

    counts: torch.Tensor
    places: torch.Tensor
    full_counts: torch.Tensor | None
    full_places: torch.Tensor | None
    size: tuple[int, int]


def _read(block_mask: Any) -> _Blocks | None:
    if block_mask is None:
        return None
    return _Blocks(
        block_mask.kv_num_blocks,
        block_mask.kv_indices,
        block_mask.full_kv_num_blocks,
        block_mask.full_kv_indices,
        block_mask.BLOCK_SIZE,
    )


def _count_pairs(shape: tuple[int, ...], listed: _Blocks | None) -> tuple[int, int]:
    """Scores that are computed, and rows that have any, of (batch, heads, queries, keys)."""
    queries, keys = shape[-2:]
    if listed is None:
        return math.prod(shape), math.prod(shape[:-1])
    blocks = _list_blocks(listed.counts, listed.places)
    if listed.full_counts is not None and listed.full_places is not None:
        blocks = blocks | _list_blocks(listed.full_counts, listed.full_places)
    down, across = listed.size
    heights = np.clip(queries - down * np.arange(blocks.shape[-2]), 0, down)
    widths = np.clip(keys - across * np.arange(blocks.shape[-1]), 0, across)
    each = blocks @ widths
    times = math.prod(shape[:2]) // math.prod(blocks.shape[:2])  # one mask for all heads
    return times * int((each * heights).sum()), times * int(((each > 0) * heights).sum())


def _list_blocks(counts: torch.Tensor, indices: torch.Tensor) -> NDArray[np.bool_]:
    """Which blocks are computed: (batch, heads, blocks of queries, blocks of keys)."""
    number, places = counts.numpy(), indices.numpy()
    listed = np.arange(places.shape[-1]) < number[..., None]
    blocks = np.zeros(places.shape, dtype=np.bool_)
    np.put_along_axis(blocks, places.astype(np.int64), listed, axis=-1)
    return blocks
