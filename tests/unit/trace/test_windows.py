"""Sliding windows against nested loops, and against torch on zeros and ones."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from smartsim.counts import count_actions
from smartsim.counts.work import Shapes, dense_work
from smartsim.graph import TensorSpec
from smartsim.trace import trace_model
from smartsim.trace.semantics.convolutions import _count_per_tap
from smartsim.trace.semantics.windows import Window, contract_window, need_of_window
from tests.oracle.windows_twin import contract_by_loops, list_products, need_by_loops
from tests.unit.trace.helpers import Calling


@dataclass(frozen=True)
class Case:
    """A convolution that torch accepts, with patterns for its operands and its output."""

    window: Window
    data: Any
    weight: Any
    need: Any
    settings: dict[str, Any]

    @property
    def shapes(self) -> Shapes:
        """The convolution as a counting rule sees it."""
        inputs = tuple(
            TensorSpec(index=i, value=i, shape=bits.shape, dtype="float32", stage="input")
            for i, bits in enumerate((self.data, self.weight))
        )
        output = self.need.shape
        attributes = {**self.settings, "transposed": self.window.transposed}
        return Shapes(
            name="aten.convolution",
            inputs=inputs,
            arguments={},
            output=output,
            attributes=attributes,
        )


def convolve(case: Case, data: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    rank, name = len(case.window.kernel), "conv_transpose" if case.window.transposed else "conv"
    function = getattr(functional, f"{name}{rank}d")
    result: torch.Tensor = function(data, weight, **case.settings)
    return result


@st.composite
def cases(draw: st.DrawFn) -> Case:
    rank = draw(st.sampled_from([1, 2, 2, 3]))
    transposed = draw(st.booleans())
    groups = draw(st.integers(1, 3))
    sizes = st.integers(1, 3 if rank == 3 else 5)
    each = {
        "inputs": [draw(sizes) for _ in range(rank)],
        "kernel": [draw(st.integers(1, 3)) for _ in range(rank)],
        "stride": [draw(st.integers(1, 3)) for _ in range(rank)],
        "padding": [draw(st.integers(0, 2)) for _ in range(rank)],
        "dilation": [draw(st.integers(1, 2)) for _ in range(rank)],
    }
    geometry = {name: tuple(values) for name, values in each.items()}
    chosen = {name: geometry[name] for name in ("stride", "padding", "dilation")}
    settings_ = {**chosen, "groups": groups}
    first, second = groups * draw(st.integers(1, 2)), draw(st.integers(1, 2))
    batch = draw(st.integers(1, 2))
    data_shape = (batch, first, *geometry["inputs"])
    weight_shape = (
        (first, second) if transposed else (groups * second, first // groups)
    ) + geometry["kernel"]
    name = f"conv{'_transpose' if transposed else ''}{rank}d"
    try:
        result = getattr(functional, name)(
            torch.empty(data_shape, device="meta"),
            torch.empty(weight_shape, device="meta"),
            **settings_,
        )
    except RuntimeError:
        assume(False)
    assume(result.numel() > 0)
    window = Window(
        **geometry, outputs=tuple(result.shape[2:]), groups=groups, transposed=transposed
    )
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    data, weight, need = (
        random.random(shape) < draw(st.sampled_from([0.2, 0.6, 1.0]))
        for shape in (data_shape, weight_shape, tuple(result.shape))
    )
    return Case(window, data, weight, need, settings_)


@given(cases())
def test_the_twin_counts_what_torch_adds_up(case: Case) -> None:
    # a convolution of zeros and ones adds up as many ones as there are products
    data, weight = (torch.tensor(bits, dtype=torch.float64) for bits in (case.data, case.weight))
    added = convolve(case, data, weight).numpy().astype(int)
    assert (contract_by_loops(case.window, case.data, case.weight) == added).all()


@given(cases())
def test_products_meet_as_nested_loops_find_them(case: Case) -> None:
    expected = contract_by_loops(case.window, case.data, case.weight)
    assert (contract_window(case.window, case.data, case.weight) == expected).all()


@given(cases())
def test_needs_go_back_as_nested_loops_find_them(case: Case) -> None:
    found = need_of_window(case.window, case.data, case.weight, case.need)
    expected = need_by_loops(case.window, case.data, case.weight, case.need)
    assert (found[0] == expected[0]).all()
    assert (found[1] == expected[1]).all()


@given(cases())
def test_the_closed_form_of_dense_work_is_every_product(case: Case) -> None:
    ones = np.ones_like(case.data), np.ones_like(case.weight)
    work = dense_work(case.shapes)
    inside = sum(1 for _ in list_products(case.window, *ones))
    assert work.sites_in_bounds == inside == int(contract_window(case.window, *ones).sum())
    assert work.outputs == case.need.size
    # with padding, each position of the strided side meets each weight of its group
    strided = case.window.inputs if case.window.transposed else case.window.outputs
    positions = case.data.shape[0] * int(np.prod(strided))
    assert work.sites == positions * case.weight.size


@given(cases())
@settings(max_examples=50)
def test_a_traced_convolution_counts_the_products_of_its_needed_outputs(case: Case) -> None:
    def forward(m: Any, x: torch.Tensor) -> Any:
        return convolve(case, x * m.data, m.weight * m.mask) * m.need

    model = Calling(
        forward,
        data=torch.tensor(case.data),
        weight=nn.Parameter(torch.ones(case.weight.shape)),
        mask=torch.tensor(case.weight),
        need=torch.tensor(case.need),
    )
    graph = trace_model(model, case.data.shape)
    counts = contract_by_loops(case.window, case.data, case.weight)
    assert count_actions(graph).macs == counts[case.need].sum()
    of_weight = need_by_loops(case.window, case.data, case.weight, case.need)[1]
    (spec,) = (spec for spec in graph.parameters if spec.name == "weight")
    assert spec.active == of_weight.sum()


@given(st.integers(1, 5000), st.integers(1, 9), st.floats(0, 1), st.integers(0, 2**32))
@settings(max_examples=30)
def test_nonzeros_of_each_tap_are_added_up_without_overflow(
    rows: int, taps: int, density: float, seed: int
) -> None:
    # bytes are added eight at a time inside, 255 rows before a carry would be lost
    weight = np.random.default_rng(seed).random((rows, 3, taps)) < density
    assert (_count_per_tap(weight) == weight.sum(axis=(0, 1))).all()


def test_nonzeros_of_each_tap_of_a_dense_weight_are_all_counted() -> None:
    assert _count_per_tap(np.ones((64, 64, 3, 3), dtype=np.bool_)).tolist() == [[4096] * 3] * 3
