"""The graph as networkx sees it, for analysis and drawing."""

import dataclasses

import networkx as nx

from smartsim.graph.graph import Graph

__all__ = ["to_networkx"]


def to_networkx(graph: Graph) -> "nx.DiGraph[int]":
    """A directed graph of ops; an edge leads from the op that wrote a value to each reader.

    Nodes are op indices with the op's fields as attributes; an edge's `values` are the values
    it carries and `elements` how many elements they have.
    """
    view: nx.DiGraph[int] = nx.DiGraph(model=graph.model, condition=dict(graph.condition))
    writer: dict[int, int] = {}
    for op in graph.ops:
        view.add_node(
            op.index,
            **{f.name: getattr(op, f.name) for f in dataclasses.fields(op) if f.name != "index"},
        )
        for tensor in graph.input_tensors(op):
            source = writer.get(tensor.value)
            if source is None or source == op.index:
                continue
            if not view.has_edge(source, op.index):
                view.add_edge(source, op.index, values=(), elements=0)
            edge = view.edges[source, op.index]
            if tensor.value not in edge["values"]:
                edge["values"] += (tensor.value,)
                edge["elements"] += tensor.elements
        for tensor in graph.output_tensors(op):
            writer[tensor.value] = op.index
    return view
