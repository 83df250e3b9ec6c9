"""Matrix products over known zeros: exact, and cheap where nothing is known."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smartsim.graph import Work
from smartsim.trace.record.geometry import Bits, any_along, count_true
from smartsim.trace.record.tape import Node, Operand, narrow
from smartsim.trace.semantics.convolutions import (
    convolution_live,
    convolution_reads,
    convolution_zeros,
)

__all__ = ["CONTRACTIONS", "Answers"]

Answers = tuple[
    Callable[[Node], Bits | None],
    Callable[[Node, Bits | None], list[Bits | None]],
    Callable[[Node, Bits | None], Work | None],
    bool,
]


# Matrix products: (.., m, k) times (.., k, n)


def _factors(node: Node) -> tuple[int, int]:
    """Places of the two factors among the inputs; a leading third one is the bias."""
    return (1, 2) if node.name in ("aten.addmm", "aten.baddbmm", "aten.addmv") else (0, 1)


@dataclass(frozen=True, slots=True)
class _Pattern:
    """Nonzeros of a batch of matrices: of `(.., rows, columns)`, or a product of these two.

    Most patterns are products: dense matrices, padded windows, masked channels. Then two vectors
    tell all about a matrix, and a question about it costs no more than they are long.

    Attributes:
        rows: Which rows hold anything.
        columns: Which columns hold anything.
        bits: The matrix; None where an element is there wherever its row and its column are.
    """

    rows: Bits
    columns: Bits
    bits: Bits | None = None

    def write(self) -> Bits:
        """The matrix, written out."""
        return _outer(self.rows, self.columns) if self.bits is None else self.bits

    @property
    def transposed(self) -> "_Pattern":
        """The same with rows for columns."""
        bits = None if self.bits is None else np.swapaxes(self.bits, -1, -2)
        return _Pattern(self.columns, self.rows, bits)


def _outer(rows: Bits, columns: Bits) -> Bits:
    return np.asarray(rows[..., None] & columns[..., None, :])


def _find_pattern(bits: Bits | None, shape: tuple[int, ...]) -> _Pattern:
    if bits is None:
        return _Pattern(np.ones(shape[:-1], np.bool_), np.ones((*shape[:-2], shape[-1]), np.bool_))
    bits = bits.reshape(shape)
    rows, columns = any_along(bits, [bits.ndim - 1]), any_along(bits, [bits.ndim - 2])
    is_product = bool((_count(rows) * _count(columns)).sum() == count_true(bits))
    return _Pattern(rows, columns, None if is_product else bits)


def _count(bits: Bits, axis: int = -1) -> NDArray[np.int64]:
    return np.asarray(np.count_nonzero(bits, axis=axis), dtype=np.int64)


def _factor_patterns(node: Node) -> tuple[_Pattern, _Pattern]:
    """The factors as (.., m, k) and (.., k, n), a vector as one row or column."""
    first, second = (node.inputs[i] for i in _factors(node))
    row, column = first.shape, second.shape
    return (
        _find_pattern(first.bits, row if len(row) > 1 else (1, *row)),
        _find_pattern(second.bits, column if len(column) > 1 else (*column, 1)),
    )


def _meet(first: _Pattern, second: _Pattern) -> _Pattern:
    """Elements of a product to which any two nonzeros contribute."""
    if second.bits is None:
        return _Pattern(_touched(first, second.rows), second.columns)
    if first.bits is None:
        return _Pattern(first.rows, _touched(second.transposed, first.columns))
    met = np.asarray(_multiply(first.bits, second.bits) > 0)
    return _find_pattern(met, met.shape)


def _multiply(first: Bits, second: Bits) -> NDArray[np.float32]:
    return np.asarray(first.astype(np.float32) @ second.astype(np.float32))


def _touched(pattern: _Pattern, columns: Bits) -> Bits:
    """Rows that hold anything within the given columns."""
    if pattern.bits is None:
        shared = np.asarray((pattern.columns & columns).any(axis=-1))
        return np.asarray(pattern.rows & shared[..., None])
    return np.asarray((pattern.bits & columns[..., None, :]).any(axis=-1))


def _both(first: _Pattern, second: _Pattern) -> Bits:
    if first.bits is None and second.bits is None:
        return _outer(first.rows & second.rows, first.columns & second.columns)
    return first.write() & second.write()


def _count_products(first: _Pattern, second: _Pattern, wanted: _Pattern) -> int:
    """Products of two nonzeros in the wanted elements."""
    if wanted.bits is None:
        down = _count_within(first.transposed, wanted.rows)
        return int((down * _count_within(second, wanted.columns)).sum())
    if second.bits is None:
        each = _count_within(first, second.rows)[..., None]
        return int((each * _count_within(wanted, second.columns)[..., None]).sum())
    if first.bits is None:
        return _count_products(second.transposed, first.transposed, wanted.transposed)
    numbers = _multiply(first.bits, second.bits)
    return int(np.rint(numbers[wanted.bits]).astype(np.int64).sum())


def _count_within(pattern: _Pattern, columns: Bits) -> NDArray[np.int64]:
    """How much each row holds within the given columns."""
    if pattern.bits is None:
        return np.asarray(pattern.rows * _count(pattern.columns & columns)[..., None])
    return _count(pattern.bits & columns[..., None, :])


def _matmul_known(node: Node) -> bool:
    return any(node.inputs[i].bits is not None for i in _factors(node))


def _matmul_zeros(node: Node) -> Bits | None:
    start = _start(node)
    begun = None if start is None else start.bits
    if not _matmul_known(node) or (start is not None and begun is None):
        return None
    met = _meet(*_factor_patterns(node))
    if met.bits is None and met.rows.all() and met.columns.all():
        return None
    reached = met.write().reshape(node.outputs[0].shape)
    return reached if begun is None else np.asarray(reached | begun)


def _start(node: Node) -> Operand | None:
    """What the products are added to."""
    return node.inputs[0] if _factors(node) == (1, 2) and node.attributes.get("beta") != 0 else None


def _wanted(first: _Pattern, second: _Pattern, out: Bits | None) -> _Pattern:
    """What is needed of the result, as (.., m, n)."""
    return _find_pattern(out, (*first.rows.shape, second.columns.shape[-1]))


def _matmul_reads(node: Node, out: Bits | None) -> list[Bits | None]:
    a, b = _factors(node)
    reads: list[Bits | None] = [None] * len(node.inputs)
    if a == 1 and _start(node) is None:
        reads[0] = np.zeros(node.inputs[0].shape, dtype=np.bool_)
    if out is None and not _matmul_known(node):
        return reads
    first, second = _factor_patterns(node)
    wanted = _wanted(first, second, out)
    left, right = _meet(wanted, second.transposed), _meet(first.transposed, wanted)
    reads[a] = _both(left, first).reshape(node.inputs[a].shape)
    reads[b] = _both(right, second).reshape(node.inputs[b].shape)
    if out is not None and _start(node) is not None:
        reads[0] = narrow(out, node.inputs[0])
    return reads


def _matmul_live(node: Node, out: Bits | None) -> Work | None:
    made = node.outputs[0].bits
    if made is not None:
        out = made if out is None else out & made
    if out is None and not _matmul_known(node):
        return None
    first, second = _factor_patterns(node)
    wanted = _wanted(first, second, out)
    sites = _count_products(first, second, wanted)
    outputs = int((_count(wanted.rows) * _count(wanted.columns)).sum())
    if wanted.bits is not None:
        outputs = count_true(wanted.bits)
    return Work(sites=sites, sites_in_bounds=sites, outputs=outputs)


_PLAIN = ("mm", "bmm", "mv", "dot")
_MATMULS = (*_PLAIN, "addmm", "baddbmm", "addmv")

CONTRACTIONS: dict[str, Answers] = {
    "aten.convolution": (convolution_zeros, convolution_reads, convolution_live, False),
    **{f"aten.{n}": (_matmul_zeros, _matmul_reads, _matmul_live, n in _PLAIN) for n in _MATMULS},
}
