"""The dispatch mode that watches a forward pass and executes none of it.

Every tensor that an op makes lies on the meta device: it has a shape and no data. What is known at
trace time (parameters, constants, the condition, and what follows from them) is computed only when
somebody asks for its value, such as an `if` on lam. The user's tensors are never written to.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from smartsim.errors import (
    DataDependentControlFlowError,
    InvalidModelError,
    MissingRuleError,
)
from smartsim.graph import STAGES
from smartsim.trace.record.evaluate import compute_arguments
from smartsim.trace.record.indexing import demand_seen_indices
from smartsim.trace.record.kernels import META, MetaKernels, map_tensors, to_meta
from smartsim.trace.record.lines import user_line
from smartsim.trace.record.memories import TINY_ELEMENTS, Memories
from smartsim.trace.record.modules import ModuleStack
from smartsim.trace.record.operators import PACK, Operator, describe_operator
from smartsim.trace.record.parameters import ModelTensor
from smartsim.trace.record.tape import DEPLOY, INPUT, NOISE, SWITCH, Node, Operand

__all__ = ["Recorder"]

_PLAIN = (bool, int, float, str)
_SELECT_BY_VALUE = frozenset(("aten.index", "aten.masked_select", PACK))
_IGNORES_TARGET = frozenset(
    f"aten.{name}" for name in ("copy", "fill", "zero", "normal", "uniform", "exponential")
)


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Writes a tape of `Node`s while it is active.

    Args:
        stack: Tells which module is running.
        model_tensors: The parameters and buffers of the model; where several share one memory,
            the first gives it its name.

    Attributes:
        indices_are_watched: Whether lists are looked at before torch makes indices of them.
    """

    def __init__(self, stack: ModuleStack, model_tensors: Sequence[ModelTensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.nodes: list[Node] = []
        self.notes: dict[str, None] = {}
        self.model_tensors = model_tensors
        self.memories = Memories(model_tensors)
        self.operand = self.memories.operand
        self.indices_are_watched = False
        self._stack = stack
        self._kernels = MetaKernels()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing here is ever compiled; torch would wrap each call to make sure of that."""
        return False

    @contextmanager
    def kept(self) -> Iterator["Recorder"]:
        """Take the tape apart at the end: its values and nodes hold each other, and the model."""
        try:
            yield self
        finally:
            for node in self.nodes:
                for operand in node.outputs:
                    operand.value.node = None
            self.nodes.clear()
            self.memories.clear()

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        operator = describe_operator(func)
        kwargs = kwargs or {}
        if operator.is_composite:  # under inference mode ops arrive before they are taken apart
            with self:
                return func.decompose(*args, **kwargs)
        if operator.is_view:
            return func(*args, **kwargs)
        if operator.changes_view:
            return self._change_view(operator, func, args, kwargs)
        if operator.name == "aten.empty" and 0 in args[0]:
            return self._kernels.run(func, operator, args, kwargs)  # scratch, as of a batch norm
        inputs, attributes = self._read_arguments(operator, args, kwargs)
        if operator.name in _INDEXED and not self.indices_are_watched:
            demand_seen_indices(inputs)
        if operator.name == "aten._local_scalar_dense":
            return self.read(args[0]).item()
        if operator.returns_number:
            return self._compute_known(func, args, kwargs, inputs)
        if operator.shape_only:
            inputs, args = [], (_stand_in(args[0]), *args[1:])
        stage = NOISE if operator.is_random else DEPLOY
        for operand in inputs:
            stage = max(stage, operand.value.stage)
        module, kind = self._stack.innermost
        node = Node(operator.name, module, kind, stage, inputs, [], attributes, func, args, kwargs)
        if operator.writes is None:
            result = self._run(operator, node)
            self._write_results(operator, node, result)
        else:
            result = self._overwrite(operator, node)
        if node.outputs:
            self.nodes.append(node)
        return result

    def _read_arguments(
        self, operator: Operator, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> tuple[list[Operand], dict[str, Any]]:
        """Tensors become operands, plain values attributes, both under the operator's names."""
        inputs: list[Operand] = []
        attributes: dict[str, Any] = {}
        for name, argument in (*zip(operator.names, args, strict=False), *kwargs.items()):
            if isinstance(argument, torch.Tensor):
                inputs.append(self.operand(argument, name))
            elif isinstance(argument, _PLAIN):
                attributes[name] = argument
            elif isinstance(argument, list | tuple):
                tensors = [item for item in argument if isinstance(item, torch.Tensor)]
                if tensors:
                    inputs += [self.operand(item, name) for item in tensors]
                else:
                    attributes[name] = tuple(argument)
            elif isinstance(argument, torch.dtype):
                attributes[name] = str(argument).removeprefix("torch.")
        return inputs, attributes

    def _change_view(
        self, operator: Operator, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Another view of the same memory, in place: no work, unless the model itself changed."""
        role, name = self.memories.name(args[0])
        if name:
            raise InvalidModelError(
                f"{operator.name} reshapes the {role} {name!r} in place at {user_line()}; "
                "a trace leaves the model as it is, so use the plain form"
            )
        result = func(*args, **kwargs)
        memory = self.memories.find(args[0])
        if memory is not None and args[0] is memory.keep:
            memory.view = self.memories.view(args[0], memory.value.size)
        return result

    def _run(self, operator: Operator, node: Node) -> Any:
        """The op's outputs, as shapes."""
        if operator.value_decides_shape and not _is_indexing_by_place(node):
            return self._run_by_value(operator, node)
        try:
            return self._kernels.run(node.function, operator, node.arguments, node.keywords)
        except NotImplementedError:  # an op that torch has no meta kernel for
            if not all(operand.value.known for operand in node.inputs):
                raise
            args, kwargs = compute_arguments(node.arguments, node.keywords, node.inputs)
            return map_tensors(to_meta, node.function(*args, **kwargs))

    def _run_by_value(self, operator: Operator, node: Node) -> Any:
        """The outputs of an op whose operands' values decide its shape."""
        if operator.name in _SELECT_BY_VALUE:  # of the first operand only the shape matters
            args, kwargs = self._known_arguments(
                operator.name, node.arguments[1:], node.keywords, node.inputs[1:]
            )
            result = node.function(_stand_in(node.arguments[0]), *args, **kwargs)
        else:
            args, kwargs = self._known_arguments(
                operator.name, node.arguments, node.keywords, node.inputs
            )
            result = node.function(*args, **kwargs)
        if operator.name == PACK:  # recurrent kernels read the sizes of its batches
            return to_meta(result[0]), result[1]
        return map_tensors(to_meta, result)

    def _known_arguments(
        self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], operands: list[Operand]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        for operand in operands:
            self._demand_known(operand, f"{name} makes a shape from")
        return compute_arguments(args, kwargs, operands)

    def _compute_known(
        self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], inputs: list[Operand]
    ) -> Any:
        """What an op that compares tensors tells Python."""
        for operand in inputs:
            self._demand_known(operand, "Python reads the value of")
        real_args, real_kwargs = compute_arguments(args, kwargs, inputs)
        return func(*real_args, **real_kwargs)

    def read(self, tensor: torch.Tensor) -> torch.Tensor:
        """The content of `tensor`, if it is known, for `.item()`, `if t:`, `.numpy()`."""
        operand = self.operand(tensor, "")
        self._demand_known(operand, "Python reads the value of")
        if operand.value.stage == SWITCH and operand.dtype != torch.bool:
            self.notes[
                f"the condition is read as a Python number at {user_line(short=True)}: "
                "what follows from that number alone counts as stage deploy"
            ] = None
        (real,), _ = compute_arguments((tensor,), {}, [operand])
        return torch.as_tensor(real)

    def _demand_known(self, operand: Operand, what: str) -> None:
        value = operand.value
        if value.known:
            return
        if value.stage > SWITCH:
            raise DataDependentControlFlowError(
                f"{what} a tensor that depends on {_DEPENDENCE[value.stage]} at {user_line()}; "
                "a trace can follow control flow on parameters, on the condition and on inputs "
                "that known_inputs declares (--known on the command line), so declare what that "
                "line reads, or write it with tensor operations such as torch.where"
            )
        raise InvalidModelError(
            f"{what} a tensor on the meta device at {user_line()}; "
            "build the model on the CPU, or pass this value as a Python number"
        )

    def _write_results(self, operator: Operator, node: Node, result: Any) -> None:
        """Each new tensor holds a new value."""
        known = tiny = not operator.is_random
        for operand in node.inputs:
            known, tiny = known and operand.value.known, tiny and operand.value.tiny
        for place, tensor in enumerate(result if isinstance(result, tuple | list) else (result,)):
            if not isinstance(tensor, torch.Tensor) or (not node.inputs and tensor.numel() == 0):
                continue  # made of nothing, and holds nothing
            made = self.memories.hold(tensor, node, place)
            if made is None:
                continue  # the op handed back what it was given
            value = made.value
            value.known, value.tiny = known, tiny and value.size <= TINY_ELEMENTS
            if tensor.device != META:  # made with its values
                value.known, value.content = True, tensor.reshape(-1)
            node.outputs.append(made)

    def _overwrite(self, operator: Operator, node: Node) -> Any:
        """An in-place op: its target's memory holds a new value, and it returns its target."""
        node.in_place = True
        place = operator.writes or 0
        target = (
            node.arguments[place]
            if place < len(node.arguments)
            else node.keywords[operator.names[place]]
        )
        if not isinstance(target, torch.Tensor) or place > 0:
            raise MissingRuleError(
                f"{operator.name} in module {node.module!r} writes to its argument "
                f"{operator.names[place]!r}, which a trace cannot follow; use the op's plain form"
            )
        old = node.inputs[0]
        if operator.name in _IGNORES_TARGET:
            node.target_dropped = True
            node.inputs = node.inputs[1:]
            node.arguments = node.arguments[1:]
            node.stage = max((o.value.stage for o in node.inputs), default=DEPLOY)
            node.stage = max(node.stage, NOISE) if operator.is_random else node.stage
        keeps = [] if old.view.is_whole else [old.value]
        sources = [*(operand.value for operand in node.inputs), *keeps]
        value = self.memories.new_value(
            old.value.size, max([node.stage, *(v.stage for v in keeps)]), node=node
        )
        value.previous = old.value
        value.known = not operator.is_random and all(v.known for v in sources)
        value.tiny = value.known and all(v.tiny for v in sources)
        self.memories.replace(target, value)
        node.outputs.append(Operand("0", value, old.view, old.dtype, old.converted, old.seen))
        return target


def _is_indexing_by_place(node: Node) -> bool:
    """Whether whole numbers, not booleans, say what is taken: then shapes alone decide."""
    return node.name == "aten.index" and not any(
        operand.dtype in (torch.bool, torch.uint8) for operand in node.inputs[1:]
    )


_INDEXED = frozenset(("aten.index", "aten.index_put"))
_DEPENDENCE = {NOISE: f"a random draw (stage {STAGES[NOISE]})", INPUT: "the input data"}


def _stand_in(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor of the same shape and type that takes no memory, for ops that read only these."""
    return torch.empty((), dtype=tensor.dtype).expand(tensor.shape)
