"""A second, optional pass: how many activations are nonzero on real data, layer by layer."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from smartsim.errors import ConfigurationError
from smartsim.graph import Graph
from smartsim.trace.record.modules import ModuleStack, track_modules
from smartsim.trace.record.operators import describe_operator
from smartsim.trace.record.surroundings import keep_surroundings_unchanged, outside_of_compilers
from smartsim.trace.record.unchanged import keep_model_unchanged, put_back_versions

__all__ = ["measure_density"]

_DATA_PLACE = {"aten.convolution": 0, "aten.addmm": 1, "aten.mm": 0, "aten.bmm": 0}
"""Where each contraction takes its data."""

_Key = tuple[str, str, int]


class _DensityMode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Runs every op, and counts the nonzeros that contractions read."""

    def __init__(self, stack: ModuleStack, model: torch.nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.nonzeros: Counter[_Key] = Counter()
        self.elements: Counter[_Key] = Counter()
        self._stack = stack
        self._seen: Counter[tuple[str, str]] = Counter()
        self._untouched = {
            tensor.untyped_storage()._cdata: tensor
            for tensor in (*model.parameters(), *model.buffers())
        }
        self._written: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._versions: list[tuple[torch.Tensor, int]] = []

    @contextmanager
    def values_kept(self) -> Iterator[None]:
        """Put back what the forward passes inside wrote into the model's parameters and buffers."""
        try:
            yield
        finally:
            for memory, content in self._written:
                memory.copy_(content)
            put_back_versions(self._versions)

    def begin_batch(self) -> None:
        """Occurrences are numbered anew in each forward pass."""
        self._seen.clear()

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        name = func._schema.name.replace("::", ".")
        place = _DATA_PLACE.get(name)
        if place is not None:
            layer = (self._stack.innermost[0], name)
            key = (*layer, self._seen[layer])
            self._seen[layer] += 1
            self.nonzeros[key] += int(torch.count_nonzero(args[place]))
            self.elements[key] += args[place].numel()
        if describe_operator(func).writes is not None:
            self._copy_memory((args, kwargs))
        return func(*args, **(kwargs or {}))

    def _copy_memory(self, arguments: Any) -> None:
        """Before an op writes in place: the memory of the model's tensors among its arguments."""
        for tensor in tree_leaves(arguments):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                owner = self._untouched.pop(storage._cdata, None)
                if owner is not None:
                    memory = torch.empty(0, dtype=torch.uint8, device=tensor.device).set_(storage)
                    self._written.append((memory, memory.clone()))
                    self._versions.append((owner, owner._version))


@outside_of_compilers
def measure_density(
    model: torch.nn.Module,
    batches: Iterable[torch.Tensor],
    graph: Graph,
) -> Graph:
    """Attach to each contraction of `graph` the measured density of the data that it reads.

    Args:
        model: The model that was traced; it is run in eval mode and left unchanged.
        batches: Real inputs, `(n, ...)` each.
        graph: Its trace; the condition is taken from it.

    Returns:
        The same graph with `Op.input_density` set, in [0, 1], where the layer was met. Counting it
        with a convention that has `skip_activation_zeros` gives expected values.

    Raises:
        ConfigurationError: If there is no batch, or the model runs none of the graph's layers.
    """
    settings = {name: torch.tensor(value) for name, value in graph.condition.items()}
    with (
        keep_surroundings_unchanged(),
        keep_model_unchanged(model),
        track_modules(model) as stack,
        (mode := _DensityMode(stack, model)).values_kept(),
    ):
        for batch in batches:
            mode.begin_batch()
            with mode:
                model(batch, **settings)
    if not mode.elements:
        raise ConfigurationError(
            "no density was measured: give at least one batch that reaches a layer"
        )
    seen: Counter[tuple[str, str]] = Counter()
    ops = []
    for op in graph.ops:
        layer = (op.module, op.name)
        key = (*layer, seen[layer])
        seen[layer] += 1
        met = mode.elements[key]
        density = mode.nonzeros[key] / met if met else None
        ops.append(dataclasses.replace(op, input_density=density))
    return dataclasses.replace(graph, ops=tuple(ops))
