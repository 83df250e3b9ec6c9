"""Small graphs made by hand, as a trace would leave them."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smartsim.graph import Graph, Op, Pattern, Role, Stage, TensorSpec, Work
from smartsim.simulate import Accelerator, Buffer, VectorUnit, ZeroPolicy

Bits = NDArray[np.bool_]


@dataclass
class Builder:
    """Adds ops one by one; every method returns the place of the tensor that it wrote."""

    tensors: list[TensorSpec] = field(default_factory=list)
    ops: list[Op] = field(default_factory=list)
    patterns: list[Pattern] = field(default_factory=list)

    def tensor(
        self,
        shape: tuple[int, ...],
        *,
        stage: Stage = "input",
        role: Role = "activation",
        mask: Bits | None = None,
    ) -> int:
        index = len(self.tensors)
        pattern = nonzeros = None
        if mask is not None:
            pattern, nonzeros = len(self.patterns), int(mask.sum())
            self.patterns.append(Pattern(mask))
        self.tensors.append(
            TensorSpec(
                index=index,
                value=index,
                shape=shape,
                dtype="float32",
                stage=stage,
                role=role,
                nonzeros=nonzeros,
                pattern=pattern,
            )
        )
        return index

    def input(self, *shape: int) -> int:
        return self.tensor(shape, role="input")

    def parameter(self, *shape: int, mask: Bits | None = None) -> int:
        return self.tensor(shape, stage="deploy", role="parameter", mask=mask)

    def op(
        self,
        name: str,
        inputs: dict[str, int],
        shape: tuple[int, ...],
        *,
        stage: Stage = "input",
        live: Work | None = None,
        layer: str = "",
        **attributes: Any,
    ) -> int:
        output = self.tensor(shape, stage=stage)
        index = len(self.ops)
        self.ops.append(
            Op(
                index=index,
                name=f"aten.{name}",
                module=layer or f"layer{index}",
                module_type="Layer",
                stage=stage,
                inputs=tuple(inputs.values()),
                arguments=tuple(inputs),
                outputs=(output,),
                attributes=attributes,
                live=live,
            )
        )
        return output

    def convolution(
        self,
        data: int,
        filters: int,
        kernel: int = 3,
        *,
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
        dilation: int = 1,
        mask: Bits | None = None,
        weight: int | None = None,
    ) -> int:
        batch, channels, *sides = self.tensors[data].shape
        taps = (filters, channels // groups, kernel, kernel)
        if weight is None:
            weight = self.parameter(*taps, mask=mask)
        reach = dilation * (kernel - 1) + 1
        out = tuple((side + 2 * padding - reach) // stride + 1 for side in sides)
        live = None
        if mask is not None:
            sites = int(mask.sum()) * batch * math.prod(out)
            live = Work(
                sites=sites, sites_in_bounds=sites, outputs=batch * filters * math.prod(out)
            )
        return self.op(
            "convolution",
            {"input": data, "weight": weight},
            (batch, filters, *out),
            live=live,
            stride=[stride, stride],
            padding=[padding, padding],
            dilation=[dilation, dilation],
            groups=groups,
            transposed=False,
        )

    def linear(self, data: int, filters: int, *, stage: Stage = "input") -> int:
        rows, width = self.tensors[data].shape
        weight = self.parameter(width, filters)
        return self.op("mm", {"self": data, "mat2": weight}, (rows, filters), stage=stage)

    def relu(self, data: int) -> int:
        return self.op("relu", {"self": data}, self.tensors[data].shape)

    def add(self, first: int, second: int) -> int:
        return self.op("add", {"self": first, "other": second}, self.tensors[first].shape)

    def graph(self, *outputs: int) -> Graph:
        return Graph(
            model="by hand",
            condition={"lam": 0.0},
            tensors=tuple(self.tensors),
            ops=tuple(self.ops),
            parameters=(),
            inputs=tuple(t.index for t in self.tensors if t.role == "input"),
            outputs=outputs,
            patterns=tuple(self.patterns),
        )


def machine(**changes: Any) -> Accelerator:
    """A 4 x 4 weight-stationary array with roomy memories; fields by name, buffers by size."""
    sizes = {
        name: changes.pop(name, 2**20)
        for name in ("input_buffer", "weight_buffer", "output_buffer")
    }
    buffers = {
        name: Buffer(capacity_bits=size, width_bits=changes.get("port", 2**20))
        for name, size in sizes.items()
    }
    changes.pop("port", None)
    fields: dict[str, Any] = {
        "name": "by hand",
        "rows": 4,
        "cols": 4,
        "dataflow": "ws",
        "accumulator_words": 1024,
        "dram_bandwidth_bits_per_cycle": 64.0,
        "vector": VectorUnit(lanes=4),
        "zeros": ZeroPolicy(),
        **buffers,
        **changes,
    }
    return Accelerator(**fields)
