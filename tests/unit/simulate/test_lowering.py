"""How ops become products on the array, and which of them become one step."""

import math

import numpy as np
import pytest

from smartsim.errors import MissingRuleError
from smartsim.graph import Graph
from smartsim.simulate import lower_graph
from smartsim.simulate.network.contractions import Contraction
from tests.unit.simulate.graphs import Builder


def only_product(graph: Graph) -> Contraction:
    products = [c for step in lower_graph(graph) for c in step.contractions]
    assert len(products) == 1
    return products[0]


def test_a_convolution_is_a_product_of_windows_and_filters() -> None:
    make = Builder()
    data = make.input(2, 3, 8, 8)
    product = only_product(make.graph(make.convolution(data, 5, 3, stride=2, padding=1)))
    # 2 images of 4 x 4 output pixels; windows of 3 * 3 * 3; 5 filters.
    assert (product.m, product.k, product.n, product.repeats) == (2 * 16, 27, 5, 1)
    assert product.input.elements == 2 * 3 * 8 * 8
    # Three lines of 8 pixels of 3 channels slide along; an element of a line lies under 3 lines.
    assert (product.window_elements, product.row_taps) == (3 * 8 * 3, 3)


def test_a_strided_1x1_convolution_touches_a_quarter_of_its_input() -> None:
    make = Builder()
    data = make.input(1, 4, 8, 8)
    product = only_product(make.graph(make.convolution(data, 6, 1, stride=2)))
    assert product.input.elements == 4 * 4 * 4
    assert (product.window_elements, product.row_taps) == (0, 1)


def test_a_depthwise_convolution_is_one_narrow_product_a_channel() -> None:
    make = Builder()
    data = make.input(1, 6, 5, 5)
    mask = np.zeros((6, 1, 3, 3), dtype=np.bool_)
    mask[2, 0, 1, :] = True
    product = only_product(make.graph(make.convolution(data, 6, 3, groups=6, mask=mask)))
    assert (product.m, product.k, product.n, product.repeats) == (9, 9, 1, 6)
    assert product.mask is not None
    assert product.mask.shape == (6, 9, 1)
    assert np.argwhere(product.mask[2]).tolist() == [[3, 0], [4, 0], [5, 0]]
    assert product.live_products == 3 * 9


def test_dilation_widens_the_lines_that_slide() -> None:
    make = Builder()
    data = make.input(1, 1, 9, 9)
    product = only_product(make.graph(make.convolution(data, 1, 3, dilation=2)))
    assert product.window_elements == 5 * 9  # (3 - 1) * 2 + 1 lines


def test_a_transposed_convolution_is_a_product_of_input_pixels_and_all_taps() -> None:
    make = Builder()
    data, weight = make.input(1, 4, 5, 5), make.parameter(4, 3, 2, 2)
    output = make.op(
        "convolution",
        {"input": data, "weight": weight},
        (1, 3, 10, 10),
        stride=[2, 2],
        padding=[0, 0],
        dilation=[1, 1],
        groups=1,
        transposed=True,
    )
    product = only_product(make.graph(output))
    assert (product.m, product.k, product.n) == (25, 4, 12)


@pytest.mark.parametrize("name", ["bmm", "baddbmm"])
def test_a_batched_product_repeats(name: str) -> None:
    make = Builder()
    first, second = make.input(3, 4, 5), make.input(3, 5, 6)
    inputs = {"batch1": first, "batch2": second}
    if name == "baddbmm":
        inputs = {"self": make.input(3, 4, 6), **inputs}
    product = only_product(make.graph(make.op(name, inputs, (3, 4, 6))))
    assert (product.m, product.k, product.n, product.repeats) == (4, 5, 6, 3)
    assert product.weight.value == second


def test_the_operand_that_is_known_earlier_is_the_weight() -> None:
    make = Builder()
    mask = np.zeros((4, 5), dtype=np.bool_)
    mask[1, 2] = True
    weight, data = make.parameter(4, 5, mask=mask), make.input(5, 7)
    product = only_product(make.graph(make.op("mm", {"self": weight, "mat2": data}, (4, 7))))
    assert (product.m, product.k, product.n) == (7, 5, 4)
    assert product.weight.value == weight
    assert product.mask is not None
    assert np.argwhere(product.mask).tolist() == [[0, 2, 1]]


def test_a_product_of_a_matrix_and_a_vector_has_one_row() -> None:
    make = Builder()
    weight, data = make.parameter(4, 5), make.input(5)
    product = only_product(make.graph(make.op("mv", {"self": weight, "vec": data}, (4,))))
    assert (product.m, product.k, product.n) == (1, 5, 4)


def test_attention_is_two_products_a_head_and_its_scores_stay_inside() -> None:
    make = Builder()
    query, key, value = make.input(1, 2, 4, 8), make.input(1, 2, 6, 8), make.input(1, 2, 6, 8)
    output = make.op(
        "_scaled_dot_product_fused_attention_overrideable",
        {"query": query, "key": key, "value": value},
        (1, 2, 4, 8),
    )
    scores, weighted = lower_graph(make.graph(output))
    first, second = scores.contractions[0], weighted.contractions[0]
    assert (first.m, first.k, first.n, first.repeats) == (4, 8, 6, 2)
    assert (second.m, second.k, second.n, second.repeats) == (4, 6, 8, 2)
    assert second.input.value == -1
    assert not scores.writes
    assert scores.actions["exp"] == 2 * 4 * 6
    assert not weighted.actions
    assert weighted.outputs == 2 * 4 * 8


def test_elementwise_work_joins_the_step_whose_result_it_takes() -> None:
    make = Builder()
    data = make.input(1, 2, 4, 4)
    first = make.convolution(data, 2, 3, padding=1)
    total = make.add(make.relu(first), data)
    pooled = make.op("mean", {"self": total}, (1, 2), dim=[2, 3])
    steps = lower_graph(make.graph(pooled))
    assert [step.ops for step in steps] == [
        ("aten.convolution", "aten.relu", "aten.add"),
        ("aten.mean",),
    ]
    assert dict(steps[0].actions) == {"compare": 32, "add": 32}
    assert [read.value for read in steps[0].reads] == [data]
    assert [write.value for write in steps[0].writes] == [total]


def test_a_result_that_others_read_is_written_even_if_the_next_op_takes_it() -> None:
    make = Builder()
    first = make.convolution(make.input(1, 2, 4, 4), 2, 3, padding=1)
    active = make.relu(first)
    second = make.convolution(active, 2, 3, padding=1)
    steps = lower_graph(make.graph(make.add(second, first)))
    assert [write.value for write in steps[0].writes] == [first, active]


def test_work_of_a_switch_comes_first_and_deployment_is_left_out() -> None:
    make = Builder()
    condition = make.tensor((1, 4), stage="switch", role="condition")
    data = make.input(1, 2, 4, 4)
    features = make.convolution(data, 2, 3, padding=1)
    hidden = make.linear(condition, 6, stage="switch")
    weight = make.parameter(3, 3)
    make.op("neg", {"self": weight}, (3, 3), stage="deploy")
    scaled = make.op("mul", {"self": features, "other": hidden}, (1, 2, 4, 4))
    steps = lower_graph(make.graph(scaled))
    assert [step.stage for step in steps] == ["switch", "input", "input"]
    assert [step.index for step in steps] == [0, 1, 2]


def test_an_op_without_a_rule_is_an_error() -> None:
    make = Builder()
    strange = make.op("fold_space", {"self": make.input(2, 2)}, (2, 2))
    with pytest.raises(MissingRuleError, match=r"aten\.fold_space.*register_rule"):
        lower_graph(make.graph(strange))


def test_an_empty_batch_has_no_product() -> None:
    make = Builder()
    steps = lower_graph(make.graph(make.convolution(make.input(0, 2, 4, 4), 2, 3)))
    assert sum(math.prod((c.m, c.k, c.n)) for step in steps for c in step.contractions) == 0
