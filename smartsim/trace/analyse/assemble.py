"""From the tape to the plain records of `smartsim.graph`."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import torch

from smartsim.graph import STAGES, Graph, Op, ParameterSpec, Pattern, TensorSpec
from smartsim.trace.record.geometry import ALL, NOTHING, Bits, View, count_true
from smartsim.trace.record.recorder import Recorder
from smartsim.trace.record.tape import Node, Operand, Value

__all__ = ["assemble_graph"]

_CONTRACTIONS = frozenset(
    f"aten.{name}"
    for name in ("convolution", "mm", "addmm", "bmm", "baddbmm", "mv", "addmv", "dot")
)


class _Assembly:
    """Tensors and patterns that were met so far, each kept once."""

    def __init__(self) -> None:
        self.tensors: list[TensorSpec] = []
        self.patterns: list[Pattern] = []
        self._places: dict[Any, int] = {}
        self._by_bits: dict[Any, int] = {}
        self._keep: list[Bits] = []

    def tensor(self, operand: Operand, *, keep_pattern: bool) -> int:
        """The place of an operand's tensor among the graph's."""
        view, value = operand.view, operand.value
        shape = view.shape if operand.seen is None else operand.seen
        key = (value.index, view, operand.dtype, shape)
        place = self._places.get(key)
        if place is not None and (not keep_pattern or value.bits is None):
            return place
        bits = operand.bits
        kept = self.pattern(bits) if keep_pattern and bits is not None else None
        spec = TensorSpec(
            index=len(self.tensors) if place is None else place,
            value=value.index,
            shape=shape,
            dtype=_name_dtype(operand.dtype),
            stage=STAGES[value.stage],
            role=value.role,
            name=value.name,
            nonzeros=None if bits is None else count_true(bits),
            needed=self._count_needed(operand),
            pattern=kept,
        )
        if place is None:
            self._places[key] = spec.index
            self.tensors.append(spec)
        else:
            self.tensors[place] = spec
        return spec.index

    def pattern(self, bits: Bits) -> int:
        """The place of a pattern; equal ones are kept once."""
        key = self._identify(bits)
        if key not in self._by_bits:
            place = next((i for i, p in enumerate(self.patterns) if _is_same(p.bits, bits)), None)
            if place is None:
                place = len(self.patterns)
                self.patterns.append(Pattern(bits.copy()))  # the model may draw its masks anew
            self._by_bits[key] = place
        return self._by_bits[key]

    def _identify(self, bits: Bits) -> Any:
        self._keep.append(bits)  # while it lives, nobody else gets its address
        return (bits.__array_interface__["data"][0], bits.shape, bits.strides)

    def _count_needed(self, operand: Operand) -> int | None:
        need = operand.value.need
        if need is ALL or operand.converted:
            return None
        if need is NOTHING:
            return 0
        bits = need.within(operand.view)
        count = count_true(bits)
        return None if count == bits.size else count


def _is_same(first: Bits, second: Bits) -> bool:
    """Whether two patterns are equal; a glance at their beginning nearly always tells."""
    return (
        first.shape == second.shape
        and np.array_equal(np.atleast_1d(first)[:1], np.atleast_1d(second)[:1])
        and np.array_equal(first, second)
    )


@cache
def _name_dtype(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def assemble_graph(
    recorder: Recorder,
    outputs: list[Operand],
    *,
    condition: Mapping[str, float],
    name: str,
) -> Graph:
    """The graph of a finished tape."""
    assembly = _Assembly()
    ops = tuple(_assemble_op(assembly, node, place) for place, node in enumerate(recorder.nodes))
    inputs = [leaf for leaf in recorder.memories.leaves if leaf.role == "input"]
    by_value = {spec.value: spec.index for spec in reversed(assembly.tensors)}
    return Graph(
        model=name,
        condition={key: float(value) for key, value in condition.items()},
        ops=ops,
        outputs=tuple(assembly.tensor(operand, keep_pattern=False) for operand in outputs),
        inputs=tuple(by_value[leaf.index] for leaf in inputs if leaf.index in by_value),
        parameters=tuple(_assemble_parameters(recorder, assembly)),
        tensors=tuple(assembly.tensors),
        patterns=tuple(assembly.patterns),
        notes=tuple(recorder.notes),
        environment={"torch": torch.__version__, "device": "meta", "mode": "eval"},
    )


def _assemble_op(assembly: _Assembly, node: Node, place: int) -> Op:
    is_contraction = node.name in _CONTRACTIONS
    return Op(
        index=place,
        name=node.name,
        module=node.module,
        module_type=node.module_type,
        stage=STAGES[node.stage],
        inputs=tuple([assembly.tensor(o, keep_pattern=is_contraction) for o in node.inputs]),
        arguments=tuple([operand.argument for operand in node.inputs]),
        outputs=tuple([assembly.tensor(o, keep_pattern=False) for o in node.outputs]),
        attributes=node.attributes,
        live=node.live,
        gating=node.gating,
    )


def _assemble_parameters(recorder: Recorder, assembly: _Assembly) -> list[ParameterSpec]:
    """Every parameter and buffer once, with what this path reads of it after deployment.

    Two names of the same elements are one; different parts of one memory are several.
    """
    leaves = {
        leaf.name: leaf for leaf in recorder.memories.leaves if leaf.role in ("parameter", "buffer")
    }
    first_names: dict[int, str] = {}
    seen: set[tuple[int, int, int]] = set()
    specs: list[ParameterSpec] = []
    for kind, name, tensor in recorder.model_tensors:
        memory = tensor.untyped_storage()._cdata
        first_names.setdefault(memory, name)
        elements = (memory, int(tensor.storage_offset()), tensor.numel())
        if elements in seen:
            continue
        seen.add(elements)
        active, place = _active(leaves.get(first_names[memory]), tensor, assembly)
        specs.append(
            ParameterSpec(
                name=name,
                shape=tuple(tensor.shape),
                dtype=_name_dtype(tensor.dtype),
                kind=kind,
                active=active,
                pattern=place,
            )
        )
    return specs


def _active(
    leaf: Value | None, tensor: torch.Tensor, assembly: _Assembly
) -> tuple[int, int | None]:
    """How many elements are held and not known to be zero, and their pattern where partial."""
    if leaf is None or leaf.held is NOTHING:
        return 0, None
    if leaf.held is ALL and (leaf.bits is None or leaf.mask):
        return tensor.numel(), None
    held = leaf.held.flat(leaf.size)
    if leaf.bits is not None and not leaf.mask:
        held = held & leaf.bits
    offset = int(tensor.storage_offset())
    bits = View(leaf.size, tuple(tensor.shape), tensor.stride(), offset).take(held)
    count = count_true(bits)
    if count in (0, tensor.numel()):
        return count, None
    return count, assembly.pattern(bits)
