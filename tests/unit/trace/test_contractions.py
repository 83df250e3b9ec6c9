"""Matrix products over known zeros, held against a loop over every product of two elements."""

import time
from typing import Any

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from smartsim.counts import count_actions
from smartsim.graph import Work
from smartsim.trace import trace_model
from smartsim.trace.record.geometry import View
from smartsim.trace.record.tape import Node, Operand, Value
from smartsim.trace.semantics.table import RULES

Bits = NDArray[np.bool_]


@st.composite
def patterns(draw: st.DrawFn, shape: tuple[int, ...]) -> Bits | None:
    """Dense, a product of rows and columns, or anything."""
    kind = draw(st.sampled_from(("dense", "product", "any")))
    if kind == "dense":
        return None

    def booleans(sizes: tuple[int, ...]) -> Bits:
        count = int(np.prod(sizes))
        flat = draw(st.lists(st.booleans(), min_size=count, max_size=count))
        return np.array(flat, dtype=np.bool_).reshape(sizes)

    if kind == "any":
        return booleans(shape)
    rows, columns = booleans(shape[:-1]), booleans((*shape[:-2], shape[-1]))
    return np.asarray(rows[..., None] & columns[..., None, :])


def _operand(name: str, shape: tuple[int, ...], bits: Bits | None) -> Operand:
    size = int(np.prod(shape))
    value = Value(0, size, 3, bits=None if bits is None else bits.reshape(-1))
    return Operand(name, value, View(size, shape), torch.float32)


@given(st.data())
def test_zeros_reads_and_work_of_a_product_are_those_of_its_loop(data: st.DataObject) -> None:
    b, m, k, n = (data.draw(st.integers(1, 4)) for _ in range(4))
    first, second = data.draw(patterns((b, m, k))), data.draw(patterns((b, k, n)))
    out = data.draw(patterns((b, m, n)))
    inputs = [_operand("self", (b, m, k), first), _operand("mat2", (b, k, n), second)]
    outputs = [_operand("0", (b, m, n), None)]
    node = Node("aten.bmm", "", "", 3, inputs, outputs, {}, None, (), {})
    one, two = (operand.written_bits() for operand in inputs)
    wanted = np.ones((b, m, n), np.bool_) if out is None else out
    zeros, left, right = np.zeros_like(wanted), np.zeros_like(one), np.zeros_like(two)
    sites = 0
    for batch, i, j, shared in np.ndindex(b, m, n, k):
        if one[batch, i, shared] and two[batch, shared, j]:
            zeros[batch, i, j] = True
            if wanted[batch, i, j]:
                left[batch, i, shared] = right[batch, shared, j] = True
                sites += 1
    rule = RULES[node.name]
    assert _same(rule.zeros(node), zeros)
    knows = first is not None or second is not None
    if out is not None or knows:
        assert all(map(_same, rule.reads(node, out), (left, right)))
        assert rule.live(node, out) == Work(
            sites=sites, sites_in_bounds=sites, outputs=int(wanted.sum())
        )


def _same(bits: Bits | None, expected: Bits) -> bool:
    return bool(expected.all()) if bits is None else np.array_equal(bits, expected)


@given(st.data())
def test_padding_and_cropping_move_what_torch_moves(data: st.DataObject) -> None:
    shape = tuple(data.draw(st.lists(st.integers(2, 4), min_size=1, max_size=3)))
    pads = data.draw(st.lists(st.integers(-1, 2), max_size=len(shape)).map(lambda p: [*p, *p]))
    value = data.draw(st.sampled_from((0.0, 1.0)))
    bits = data.draw(patterns(shape)) if len(shape) > 1 else None
    dense = torch.ones(shape) if bits is None else torch.from_numpy(bits.astype(np.float32))
    expected = functional.pad(dense, pads, value=value).numpy() != 0
    (x,) = inputs = [_operand("self", shape, bits)]
    output = _operand("0", expected.shape, None)
    attributes = {"pad": tuple(pads), "value": value}
    node = Node("aten.constant_pad_nd", "", "", 3, inputs, [output], attributes, None, (), {})
    rule = RULES[node.name]
    assert _same(rule.zeros(node), expected)
    out = data.draw(patterns(expected.shape)) if expected.ndim > 1 else None
    source = torch.arange(1, x.view.size + 1.0).reshape(shape)
    places = functional.pad(source, pads).numpy()[... if out is None else out]
    (read,) = rule.reads(node, out)
    assert _same(read, np.isin(source.numpy(), places))


class WindowedAttention(nn.Module):
    """A block of SAM's vision encoder: windows of a padded map, relative positions by axis."""

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.window, self.heads = window, heads
        self.qkv, self.project = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.down = nn.Parameter(torch.randn(2 * window - 1, width // heads))
        self.across = nn.Parameter(torch.randn(2 * window - 1, width // heads))

    def forward(self, x: Tensor) -> Tensor:
        batch, height, wide, width = x.shape
        size = self.window
        lower, right = -height % size, -wide % size
        y = functional.pad(x, (0, 0, 0, right, 0, lower))
        rows, columns = y.shape[1] // size, y.shape[2] // size
        y = y.view(batch, rows, size, columns, size, width).permute(0, 1, 3, 2, 4, 5)
        y = self._attend(y.reshape(-1, size, size, width))
        y = y.view(batch, rows, columns, size, size, width).permute(0, 1, 3, 2, 4, 5)
        y = y.reshape(batch, rows * size, columns * size, width)[:, :height, :wide]
        return torch.add(x, y)

    def _attend(self, y: Tensor) -> Tensor:
        windows, size, heads = y.shape[0], self.window, self.heads
        qkv = self.qkv(y).reshape(windows, size * size, 3, heads, -1).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.reshape(3, windows * heads, size * size, -1).unbind(0)
        places = torch.arange(size)[:, None] - torch.arange(size)[None, :] + size - 1
        grid = q.reshape(windows * heads, size, size, -1)
        down = torch.einsum("bhwc,hkc->bhwk", grid, self.down[places])
        across = torch.einsum("bhwc,wkc->bhwk", grid, self.across[places])
        scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)
        biased = scores.view(-1, size, size, size, size) + down[..., None] + across[:, :, :, None]
        weighted = biased.view(scores.shape).softmax(-1) @ v
        weighted = weighted.view(windows, heads, size, size, -1).permute(0, 2, 3, 1, 4)
        result: Tensor = self.project(weighted.reshape(windows, size, size, -1))
        return result


def test_padded_windows_cost_what_is_inside_them() -> None:
    width, heads, size, height, wide = 8, 2, 4, 5, 6
    model = WindowedAttention(width, heads, size)
    counts = count_actions(trace_model(model, (1, height, wide, width)), "exact")
    macs = {
        name: sum(c.number for c in counts if c.layer == name and c.action == "mac")
        for name in ("qkv", "project", "")
    }
    inside, padded = height * wide, 8 * 8
    assert macs["qkv"] == inside * width * 3 * width  # of padding, the bias is left
    assert macs["project"] == inside * width * width
    # a row: its scores with every key of its window, the values weighted by them, two positions
    row = 2 * size * size * width + 2 * size * width
    assert inside * row <= macs[""] < padded * row


def test_the_time_of_padded_windows_is_bounded_by_what_lies_in_memory() -> None:
    model: Any = WindowedAttention(384, 6, 14).to("meta")
    blocks = nn.Sequential(*[model] * 3)
    trace_model(blocks, (1, 64, 64, 384))
    start = time.process_time()
    trace_model(blocks, (1, 64, 64, 384))
    assert time.process_time() - start < 1.0  # the boolean product of each took a second
