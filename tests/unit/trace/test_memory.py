"""What a forward does to the memory of its model past torch's ops, and what autograd remembers."""

import copy
import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from smartsim.errors import DataDependentControlFlowError, InvalidModelError
from smartsim.trace import trace_model
from tests.unit.trace.helpers import Calling, trace_function


def _assign(w: Tensor) -> None:
    w.detach().numpy()[0] = 7.0


def _assign_to_array_of(w: Tensor) -> None:
    np.asarray(w.detach())[:] = 7.0


def _add_in_place(w: Tensor) -> None:
    array = w.data.numpy()
    array += 1.0


def _write_to_result(w: Tensor) -> None:
    np.multiply(2.0, 2.0, out=(w * 2).detach().numpy())


def _write_to_address(w: Tensor) -> None:
    ctypes.memset(w.data_ptr() + 4, 0, 8)


def _write_to_storage(w: Tensor) -> None:
    storage: Any = w.untyped_storage()
    storage.fill_(0)


def _shrink_storage(w: Tensor) -> None:
    w.untyped_storage().resize_(0)


def _share_storage(w: Tensor) -> None:
    w.untyped_storage().share_memory_()


def _write_to_address_of_storage(w: Tensor) -> None:
    ctypes.memset(w.untyped_storage().data_ptr(), 0, 8)


def _swap(w: Tensor) -> None:
    swap: Any = torch.utils.swap_tensors
    swap(w, nn.Parameter(torch.zeros(4)))


def _hand_over(w: Tensor) -> None:
    np.from_dlpack(w.detach())


@pytest.mark.parametrize(
    ("write", "sentence"),
    [
        (_assign, r"writes into the memory of a tensor by numpy\(\) at .*test_memory\.py:\d+"),
        (_assign_to_array_of, r"by numpy\(\)"),
        (_add_in_place, r"by numpy\(\)"),
        (_write_to_result, r"by numpy\(\)"),
        (_write_to_address, r"by its data_ptr\(\)"),
        (_write_to_storage, r"the storage of a tensor is changed at .*test_memory\.py:\d+"),
        (_shrink_storage, "the storage of a tensor is changed"),
        (_share_storage, "the storage of a tensor is changed"),
        (_write_to_address_of_storage, "the storage of a tensor is changed"),
        (_swap, "two tensors are swapped at"),
        (_hand_over, r"by DLPack at .*test_memory\.py:\d+"),
    ],
)
def test_a_write_past_torch_is_refused_and_changes_nothing(
    write: Callable[[Tensor], None], sentence: str
) -> None:
    weight = nn.Parameter(torch.arange(4.0))

    def forward(module: Any, x: Tensor) -> Any:
        write(module.w)
        return x * module.w

    with pytest.raises(InvalidModelError, match=sentence):
        trace_function(forward, w=weight)
    assert weight.tolist() == [0.0, 1.0, 2.0, 3.0]
    weight.detach().numpy()[0] = 5.0  # numpy is as it was
    assert weight[0] == 5.0


def test_a_copy_that_the_forward_makes_may_be_written_to() -> None:
    def forward(module: Any, x: Tensor) -> Any:
        twin = copy.deepcopy(module.w)
        twin.data.mul_(2)
        return x * twin

    graph = trace_function(forward, w=nn.Parameter(torch.ones(4)))
    assert [op.name for op in graph.ops] == ["aten.clone", "aten.mul", "aten.mul"]


def test_an_array_shows_what_the_trace_knows_also_after_a_write_in_place() -> None:
    seen: list[Any] = []

    def forward(module: Any, x: Tensor) -> Any:
        module.count.add_(1)
        seen.append((module.count.numpy().tolist(), module.count.tolist(), module.count.item()))
        seen.append((module.w * 2).detach().numpy().tolist())
        return x * float(module.w.detach().numpy().sum())

    graph = trace_function(forward, w=nn.Parameter(torch.ones(4)), count=torch.zeros(()))
    assert seen == [(1.0, 1.0, 1.0), [2.0] * 4]
    assert graph.ops[-1].attributes["other"] == 4.0


@pytest.mark.parametrize("read", [lambda x: x.numpy(), lambda x: x.tolist(), np.asarray])
def test_an_array_of_the_data_is_an_error_that_names_the_line(read: Callable[..., Any]) -> None:
    with pytest.raises(DataDependentControlFlowError, match=r"test_memory\.py:\d+"):
        trace_function(lambda m, x: torch.zeros(2, 4) if read(x) is None else x)


def test_arrays_that_a_model_holds_are_put_back() -> None:
    weight = nn.Parameter(torch.ones(4))
    window, history = weight.detach().numpy(), np.zeros(3)

    def forward(module: Any, x: Tensor) -> Any:
        module.window[:] = 9.0
        module.history[1] += 1.0
        return x * module.w

    trace_function(forward, w=weight, window=window, history=history)
    assert weight.tolist() == [1.0] * 4
    assert history.tolist() == [0.0] * 3


@pytest.mark.parametrize("raises", [True, False])
def test_a_trace_between_forward_and_backward_leaves_the_backward_pass_as_it_was(
    raises: bool,
) -> None:
    shared = torch.ones(4, requires_grad=True)
    weight = nn.Parameter(torch.ones(4))
    model: Any = Calling(lambda m, x: (x * m.w + m.b) * shared, w=weight)
    model.register_buffer("b", torch.ones(4))
    x = torch.randn(2, 4, requires_grad=True)

    def careless(module: Any, x: Tensor) -> Any:
        module.w.mul_(2)
        module.w.data.add_(1)
        module.b[1:] += 1
        module.w.grad = None
        module.w.extra = 1
        module.w.register_hook(lambda grad: grad * 0)
        module.w.register_post_accumulate_grad_hook(print)
        module.b.register_hook(lambda grad: grad * 0)
        shared.add_(1)
        if raises:
            raise RuntimeError("tired")
        return x * module.w

    loss = model(x).square().sum()
    expected = torch.autograd.grad(loss, weight, retain_graph=True)[0]
    model.w.grad = torch.zeros(4)
    handle = model.b.requires_grad_().register_hook(lambda grad: grad)
    versions = [t._version for t in (model.w, model.b, shared)]
    model.function = careless
    if raises:
        with pytest.raises(InvalidModelError, match="tired"):
            trace_model(model, (2, 4))
    else:
        trace_model(model, (2, 4))
    assert [t._version for t in (model.w, model.b, shared)] == versions
    assert not hasattr(model.w, "extra")
    assert len(model.b._backward_hooks) == 1
    handle.remove()
    assert len(model.b._backward_hooks) == 0
    loss.backward()
    assert torch.equal(model.w.grad, expected)
