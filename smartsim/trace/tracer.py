"""MODEL -> GRAPH: one forward pass under the recorder, one pass forwards, one backwards."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch

from smartsim.errors import ConfigurationError, suggest_name
from smartsim.graph import Graph
from smartsim.trace.analyse.assemble import assemble_graph
from smartsim.trace.analyse.propagate import propagate_needs, propagate_zeros
from smartsim.trace.record.arguments import KnownInputs
from smartsim.trace.record.forward import record_forward
from smartsim.trace.record.indexing import ListIndexError
from smartsim.trace.record.surroundings import outside_of_compilers
from smartsim.trace.record.tape import Node
from smartsim.trace.semantics.known import note_chance_zeros, test_leaf

__all__ = ["trace_model"]


@outside_of_compilers
def trace_model(
    model: torch.nn.Module,
    inputs: Any,
    *,
    condition: Mapping[str, float] | None = None,
    declared_zeros: Iterable[str] = (),
    known_inputs: KnownInputs = (),
    name: str | None = None,
) -> Graph:
    """Trace `model` by partial evaluation.

    The model is run once in eval mode with tensors that have shapes but no data; its parameters,
    buffers, hooks, modes and attributes are left as they were, and so is what its forward sets for
    the whole process, also when it raises. One thread traces at a time. While other threads live,
    a generator (torch's, numpy's, Python's) that was only drawn from is not put back, since that
    would repeat their draws.

    Args:
        model: Any module, on any device, also on the meta device.
        inputs: The forward's data arguments: a tensor, a shape such as `(1, 3, 32, 32)`, a
            sequence of tensors or shapes for several positional arguments, or a mapping of them
            for keyword arguments. A shape stands for a float tensor of the model's dtype.
        condition: Keyword arguments that the user of the device sets, such as `{"lam": 1.0}`;
            each is passed as a 0-d tensor whose value is known.
        declared_zeros: Names of parameters whose exact zeros are structure, for instance of a
            pruned checkpoint; "*" declares all.
        known_inputs: Names of inputs, as the forward calls them, whose values the trace may know,
            such as token ids, lengths, or the attention mask of a padded batch: control flow on
            them is followed, and what a mask among them makes zero is no work. Or such inputs by
            name, each a tensor, besides those in `inputs`. They stay data: what is computed from
            them is paid for in every inference.
        name: How reports call the model; its class name if None.

    Returns:
        The graph: per op its stage, its shapes, and the work left after known zeros.

    Raises:
        ConfigurationError: If an input, a condition or a declared name cannot be.
        InvalidModelError: If a parameter holds NaN, or the forward pass raises.
        DataDependentControlFlowError: If the forward branches on noise, or on data that is not
            declared known.

    Example:
        >>> layer = torch.nn.Conv2d(3, 8, 3, bias=False)
        >>> graph = trace_model(layer, (1, 3, 32, 32))
        >>> [(op.name, op.stage) for op in graph.ops]
        [('aten.convolution', 'input')]
    """
    settings = dict(condition or {})
    if not isinstance(model, torch.nn.Module):
        raise ConfigurationError(f"a model must be a torch.nn.Module, not {type(model).__name__}")
    declared = _resolve_declared(model, declared_zeros)

    def trace(*, watch_indices: bool) -> Graph:
        made = record_forward(model, inputs, settings, known_inputs, watch_indices=watch_indices)
        with made as (recorder, outputs):
            for leaf in recorder.memories.leaves:
                test_leaf(leaf, zeros_declared=leaf.name in declared)
            recorder.notes |= dict.fromkeys(propagate_zeros(recorder.nodes))
            recorder.notes |= dict.fromkeys(note_chance_zeros(recorder.model_tensors, declared))
            recorder.notes |= dict.fromkeys(_note_packed_weights(recorder.nodes))
            propagate_needs(recorder.nodes, outputs)
            return assemble_graph(
                recorder, outputs, condition=settings, name=name or type(model).__name__
            )

    try:
        return trace(watch_indices=False)
    except ListIndexError:
        return trace(watch_indices=True)


def _note_packed_weights(nodes: Iterable[Node]) -> Iterator[str]:
    """A quantised layer of torch keeps its weights in an object that is no tensor."""
    names = {node.name: node.module for node in reversed(list(nodes))}
    for name in sorted(name for name in names if name.startswith("quantized.")):
        yield (
            f"the weights of {name} are packed (first in module {names[name]!r}): its products are "
            "counted, but no parameter count has its weights, nor are their zeros known"
        )


def _resolve_declared(model: torch.nn.Module, names: Iterable[str]) -> frozenset[str]:
    wanted = set(names)
    if not wanted:
        return frozenset()
    present = {name for name, _ in model.named_parameters()}
    if "*" in wanted:
        return frozenset(present)
    for name in sorted(wanted - present):
        raise ConfigurationError(
            f"declared_zeros names {name!r}, which is no parameter{suggest_name(name, present)}"
        )
    return frozenset(wanted)
