"""The closed forms of the array against the twin that moves every operand by hand."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from smartsim.simulate.array.sparsity import run_skipping_array
from smartsim.simulate.array.systolic import ArrayActivity, Dataflow, run_dense_array
from tests.oracle.systolic_array import Seen, multiply

FIELDS = (
    "cycles",
    "folds",
    "macs",
    "input_reads",
    "weight_reads",
    "accumulator_reads",
    "accumulator_writes",
    "output_writes",
    "operand_moves",
    "sum_moves",
)
DATAFLOW = st.sampled_from(["os", "ws", "is"])


@dataclass(frozen=True)
class Product:
    """Operands of one matrix product with zeros in the weights, and an array."""

    x: list[list[int]]
    w: list[list[int]]
    rows: int
    cols: int

    @property
    def shape(self) -> tuple[int, int, int]:
        return len(self.x), len(self.w), len(self.w[0])

    @property
    def mask(self) -> NDArray[np.bool_]:
        return np.not_equal(self.w, 0)


@st.composite
def products(draw: st.DrawFn, *, zeros: bool) -> Product:
    m, k, n = (draw(st.integers(1, 9)) for _ in range(3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = rng.integers(-4, 5, (m, k))
    w = rng.integers(1, 5, (k, n)) * rng.choice([-1, 1], (k, n))
    if zeros:
        w *= rng.random((k, n)) < draw(st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.8, 1.0]))
        w *= rng.random((k, 1)) < draw(st.sampled_from([0.3, 1.0]))  # whole rows of zeros
    return Product(
        x=x.tolist(), w=w.tolist(), rows=draw(st.integers(1, 5)), cols=draw(st.integers(1, 5))
    )


def assert_same(activity: ArrayActivity, seen: Seen, product: Product) -> None:
    assert seen.product == (np.asarray(product.x) @ np.asarray(product.w)).tolist()
    found = {name: int(getattr(activity, name)) for name in FIELDS}
    assert found == {name: getattr(seen, name) for name in FIELDS}


@settings(max_examples=150)
@given(
    products(zeros=True),
    DATAFLOW,
    st.none() | st.integers(1, 9),
    st.sampled_from([None, 1, 2, 4]),
    st.integers(1, 3),
)
def test_a_dense_array_does_what_the_twin_is_seen_to_do(
    product: Product, dataflow: Dataflow, stream: int | None, chunk: int | None, beats: int
) -> None:
    row_chunk = col_chunk = None
    if dataflow == "os":
        row_chunk, col_chunk, stream = chunk, stream, None
    seen = multiply(
        product.x,
        product.w,
        product.rows,
        product.cols,
        dataflow=dataflow,
        row_chunk=row_chunk,
        col_chunk=col_chunk,
        stream_chunk=stream,
        cycles_per_product=beats,
    )
    activity = run_dense_array(
        *product.shape,
        product.rows,
        product.cols,
        dataflow=dataflow,
        row_chunk=row_chunk,
        col_chunk=col_chunk,
        stream_chunk=stream,
        cycles_per_product=beats,
    )
    assert_same(activity, seen, product)


@settings(max_examples=60)
@given(products(zeros=True), DATAFLOW)
def test_a_gating_array_executes_only_products_of_nonzero_weights(
    product: Product, dataflow: Dataflow
) -> None:
    seen = multiply(
        product.x, product.w, product.rows, product.cols, dataflow=dataflow, zeros="gating"
    )
    activity = run_dense_array(
        *product.shape,
        product.rows,
        product.cols,
        dataflow=dataflow,
        live_macs=int(product.mask.sum()) * product.shape[0],
    )
    assert_same(activity, seen, product)


@settings(max_examples=250)
@given(
    products(zeros=True),
    DATAFLOW,
    st.sampled_from([(1, 1), (2, 1), (4, 1), (4, 2), (8, 2), (16, 1)]),
    st.sampled_from([None, 1, 2, 3]),
    st.none() | st.integers(1, 6),
    st.integers(1, 2),
)
def test_a_skipping_array_does_what_the_twin_is_seen_to_do(
    product: Product,
    dataflow: Dataflow,
    packing: tuple[int, int],
    pieces: int | None,
    row_chunk: int | None,
    beats: int,
) -> None:
    window, granule = packing
    stream_chunk = None if pieces is None else pieces * window
    col_chunk = None
    if dataflow == "os":
        stream_chunk, col_chunk = None, pieces
    else:
        row_chunk = None
    seen = multiply(
        product.x,
        product.w,
        product.rows,
        product.cols,
        dataflow=dataflow,
        zeros="skipping",
        window=window,
        granule=granule,
        row_chunk=row_chunk,
        col_chunk=col_chunk,
        stream_chunk=stream_chunk,
        cycles_per_product=beats,
    )
    activity = run_skipping_array(
        product.shape[0],
        product.mask[None],
        product.rows,
        product.cols,
        dataflow=dataflow,
        window=window,
        granule=granule,
        row_chunk=row_chunk,
        col_chunk=col_chunk,
        stream_chunk=stream_chunk,
        cycles_per_product=beats,
    )
    assert_same(activity, seen, product)


@pytest.mark.parametrize("dataflow", ["os", "ws", "is"])
def test_one_element_multiplies_two_numbers_in_two_cycles(dataflow: str) -> None:
    # One product, and one cycle to load the stationary operand or to drain the sum.
    seen = multiply([[3]], [[-2]], 1, 1, dataflow=dataflow)
    assert (seen.product, seen.cycles, seen.macs) == ([[-6]], 2, 1)
