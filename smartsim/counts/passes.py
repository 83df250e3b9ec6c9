"""Passes over the graph before it is counted: GRAPH -> GRAPH, each one a counting choice."""

import dataclasses
from collections.abc import Iterable, Sequence

from smartsim.graph import Graph, Op, TensorSpec, Work

__all__ = ["fold_batch_norm", "fuse_multiply_add", "list_counted_ops"]

_CONTRACTIONS = frozenset(f"aten.{name}" for name in ("convolution", "mm", "addmm"))


def list_counted_ops(graph: Graph, *, fold: bool, fuse: bool) -> Sequence[Op]:
    """The ops of `graph` after the passes that are asked for, under their numbers before them."""
    ops: Sequence[Op] = graph.ops
    if fold:
        ops = _fold_batch_norm(graph, ops)
    return _fuse_multiply_add(graph, ops) if fuse else ops


def fold_batch_norm(graph: Graph) -> Graph:
    """Fold each eval-mode batch norm into the convolution or linear layer before it.

    Possible where nobody else reads that layer's output, the batch norm reads it as the layer wrote
    it (so that its channels are the layer's), its own tensors are known at deployment, and the
    layer's weight does not depend on data. The batch norm vanishes; an op
    `smartsim.fold_batch_norm` at stage deploy stands for scaling the stored weights once. With
    weight noise, weights and noise amplitudes are both scaled at deployment, since the layer is
    linear in them.
    """
    return _rebuild(graph, _fold_batch_norm(graph, graph.ops))


def _fold_batch_norm(graph: Graph, ops: Sequence[Op]) -> Sequence[Op]:
    if all(op.name != "aten.native_batch_norm" for op in ops):
        return ops
    producers, readers = _links(graph, ops)
    replaced: dict[int, tuple[Op, ...]] = {}
    for op in ops:
        if op.name != "aten.native_batch_norm" or op.attributes.get("training", False):
            continue
        data = graph.tensors[op.inputs[0]]
        layer = producers.get(data.value)
        if layer is None or layer.name not in _CONTRACTIONS or layer.index in replaced:
            continue
        alone = readers.get(data.value) == {op.index} and not _is_output(graph, data.value)
        at_deploy = all(graph.tensors[i].stage == "deploy" for i in op.inputs[1:])
        weighted = _weight(graph, layer).stage != "input"
        if alone and at_deploy and weighted and op.inputs[0] == layer.outputs[0]:
            merged = dataclasses.replace(layer, outputs=op.outputs[:1])
            replaced[layer.index] = (_fold_op(graph, layer, op), merged)
            replaced[op.index] = ()
    return _replace(ops, replaced)


def _fold_op(graph: Graph, layer: Op, norm: Op) -> Op:
    """The deploy-stage op that scales the weights."""
    weight = _weight(graph, layer)
    bias = graph.argument(layer, "bias") or (
        graph.argument(layer, "self") if layer.name == "aten.addmm" else None
    )
    live = weight.elements if weight.nonzeros is None else weight.nonzeros
    amplitudes = 2 if weight.stage in ("switch", "noise") else 1
    channels = graph.tensors[norm.inputs[-1]].elements
    inputs, arguments = [weight.index, *norm.inputs[1:]], ["layer_weight", *norm.arguments[1:]]
    if bias is not None:
        inputs, arguments = [*inputs, bias.index], [*arguments, "layer_bias"]
    return Op(
        index=layer.index,
        name="smartsim.fold_batch_norm",
        module=norm.module,
        module_type=norm.module_type,
        stage="deploy",
        inputs=tuple(inputs),
        arguments=tuple(arguments),
        outputs=(weight.index,),
        live=Work(sites=live * amplitudes, sites_in_bounds=live * amplitudes, outputs=channels),
    )


def _weight(graph: Graph, layer: Op) -> TensorSpec:
    return graph.tensors[layer.inputs[1 if layer.name in ("aten.convolution", "aten.mm") else 2]]


def fuse_multiply_add(graph: Graph) -> Graph:
    """Fuse each elementwise product on data with the only addition that reads it, into one MAC.

    Only at stage input, only where both have the same shape and the same elements left, and not
    where the multiplication is by a mask.
    """
    return _rebuild(graph, _fuse_multiply_add(graph, graph.ops))


def _fuse_multiply_add(graph: Graph, ops: Sequence[Op]) -> Sequence[Op]:
    producers, readers = _links(graph, ops)
    replaced: dict[int, tuple[Op, ...]] = {}
    for op in ops:
        if op.name != "aten.add" or op.stage != "input" or len(op.inputs) != 2:
            continue
        if op.attributes.get("alpha", 1) not in (1, 1.0):
            continue
        for place, other in ((0, 1), (1, 0)):
            value = graph.tensors[op.inputs[place]].value
            product = producers.get(value)
            if product is None or product.index in replaced or not _fusable(graph, product, op):
                continue
            if readers.get(value) != {op.index} or _is_output(graph, value):
                continue
            if graph.tensors[op.inputs[other]].value == value:
                continue  # the product is added to itself
            replaced[product.index] = ()
            replaced[op.index] = (_fused(product, op, other),)
            break
    return _replace(ops, replaced)


def _fused(product: Op, addition: Op, other: int) -> Op:
    return dataclasses.replace(
        addition,
        name="smartsim.multiply_add",
        inputs=(*product.inputs, addition.inputs[other]),
        arguments=(*product.arguments, "addend"),
    )


def _fusable(graph: Graph, product: Op, addition: Op) -> bool:
    if product.name != "aten.mul" or product.gating or product.stage != "input":
        return False
    same_shape = _output(graph, product).shape == _output(graph, addition).shape
    return same_shape and product.live == addition.live


def _output(graph: Graph, op: Op) -> TensorSpec:
    return graph.tensors[op.outputs[0]]


def _links(graph: Graph, ops: Iterable[Op]) -> tuple[dict[int, Op], dict[int, set[int]]]:
    """Who writes each value, and who reads it."""
    tensors = graph.tensors
    producers: dict[int, Op] = {}
    readers: dict[int, set[int]] = {}
    for op in ops:
        for index in op.inputs:
            readers.setdefault(tensors[index].value, set()).add(op.index)
        for index in op.outputs:
            producers[tensors[index].value] = op
    return producers, readers


def _is_output(graph: Graph, value: int) -> bool:
    return any(graph.tensors[i].value == value for i in graph.outputs)


def _replace(ops: Sequence[Op], replaced: dict[int, tuple[Op, ...]]) -> Sequence[Op]:
    """The ops with some of them replaced."""
    if not replaced:
        return ops
    after: list[Op] = []
    for op in ops:
        after += replaced.get(op.index, (op,))
    return after


def _rebuild(graph: Graph, ops: Sequence[Op]) -> Graph:
    """The graph with other ops, numbered anew."""
    if ops is graph.ops:
        return graph
    numbered = (
        op if op.index == place else dataclasses.replace(op, index=place)
        for place, op in enumerate(ops)
    )
    return dataclasses.replace(graph, ops=tuple(numbered))
