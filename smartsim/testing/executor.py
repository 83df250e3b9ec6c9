"""The dispatch mode that executes every operator twice: with torch, and with scalars.

Torch's result is what the model sees, so its control flow works; the scalars are kept beside it,
and each result of a rule is compared with torch's. What a rule costs is in the rule.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

from smartsim.counts.conventions import Convention
from smartsim.errors import (
    DataDependentControlFlowError,
    InvalidModelError,
    MissingRuleError,
    SmartsimError,
)
from smartsim.graph import Stage
from smartsim.testing.calls import RULES, Call, Rule, tie
from smartsim.testing.memory import Memory, Operand, is_binary, to_values
from smartsim.testing.rules.creation import DRAWS, FILLS
from smartsim.testing.scalars import Act, Scalar, ScalarArray, Site, elements, latest_stage

__all__ = ["OracleError", "ScalarMode"]

_Overload: TypeAlias = torch._ops.OpOverload[Any, Any]

_TOLERANCES = {torch.float64: 1e-9, torch.float32: 1e-4}
_LOW_PRECISION_TOLERANCE = 3e-2


class OracleError(SmartsimError, AssertionError):
    """A scalar rule that computes something else than torch: its counts prove nothing."""


class ScalarMode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Executes operators with scalars while it is active.

    Args:
        memory: The scalars behind each tensor.
        convention: What counts.
        acts: Where each act is noted.
        path: Names of the modules that run, the innermost last.
    """

    def __init__(
        self, memory: Memory, convention: Convention, acts: list[Act], path: Sequence[str]
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._memory = memory
        self._convention = convention
        self._acts = acts
        self._path = path
        self._tolerance = 0.0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # or torch would load its compiler, for seconds, to keep it out of here

    def __torch_dispatch__(
        self,
        func: _Overload,
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Execute one operator."""
        originals = _bind(func, args, kwargs or {})
        for leaf in tree_flatten(originals)[0]:
            if isinstance(leaf, torch.Tensor):
                self._memory.read(leaf)
        self._refuse_training(func, originals)
        written = self._protect_users_tensors(func, originals)
        stand_ins: dict[int, torch.Tensor] = {}

        def substitute(leaf: Any) -> Any:
            if not isinstance(leaf, torch.Tensor):
                return leaf
            stand_in = self._memory.substitute(leaf)
            stand_ins[id(stand_in)] = leaf
            return stand_in

        args, kwargs = tree_map(substitute, (args, kwargs or {}))
        result = func(*args, **kwargs)
        results = tuple(t for t in tree_flatten(result)[0] if isinstance(t, torch.Tensor))
        if not results:  # a Python number or truth, such as `.item()` gives
            for leaf in tree_flatten(originals)[0]:
                if isinstance(leaf, torch.Tensor):
                    self._check_control_flow(leaf)
        elif torch.Tag.inplace_view not in func.tags and (
            written or not all(self._memory.knows(t) for t in results)
        ):
            self._execute(func, _bind(func, args, kwargs), results)
        return tree_map(lambda leaf: stand_ins.get(id(leaf), leaf), result)

    def _refuse_training(self, func: _Overload, arguments: Mapping[str, Any]) -> None:
        """A batch norm that learns writes to its statistics without its schema saying so."""
        if arguments.get("training") and isinstance(arguments.get("running_mean"), torch.Tensor):
            raise MissingRuleError(
                f"{_name(func)} in module {self._path[-1]!r} learns the statistics of its batch, "
                "which has no scalar rule; call model.eval()"
            )

    def _protect_users_tensors(self, func: _Overload, arguments: Mapping[str, Any]) -> bool:
        """Redirect what is written in place to copies; say whether anything is written."""
        written = [
            arguments[a.name]
            for a in func._schema.arguments
            if a.alias_info is not None and a.alias_info.is_write
        ]
        for tensor in written:
            if isinstance(tensor, torch.Tensor):
                if torch.Tag.inplace_view in func.tags and self._memory.is_users(tensor):
                    raise InvalidModelError(
                        f"module {self._path[-1]!r} changes the shape of a tensor in place "
                        f"({func}) that is not its own; let it make a view instead"
                    )
                self._memory.shadow(tensor)
        return bool(written)

    def _check_control_flow(self, tensor: torch.Tensor) -> None:
        stage = self._memory.read(tensor).stage
        if stage in ("noise", "input"):
            raise DataDependentControlFlowError(
                f"module {self._path[-1]!r} turns a tensor of stage {stage!r} into a Python "
                "number, so its counts depend on the data; keep it a tensor"
            )

    def _execute(
        self, func: _Overload, arguments: Mapping[str, Any], results: tuple[torch.Tensor, ...]
    ) -> None:
        name = _name(func)
        if name not in RULES:
            shapes = [tuple(t.shape) for t in tree_flatten(arguments)[0] if torch.is_tensor(t)]
            raise MissingRuleError(
                f"{name} in module {self._path[-1]!r} on shapes {shapes} has no scalar rule; "
                f"enter one with @smartsim.testing.scalar_rule({name!r})"
            )
        rule = RULES[name]
        operands = self._read_operands(func, rule, arguments)
        stages = [operand.stage for operand in _flatten(operands)]
        stage = latest_stage([*stages, "noise"] if name in DRAWS else stages)
        call = Call(
            site=Site(
                layer=self._path[-1],
                op=name,
                stage=stage,
                conditional=_is_conditional(stage, stages, rule),
            ),
            overload=func,
            arguments=arguments,
            operands=operands,
            results=results,
            convention=self._convention,
            acts=self._acts,
        )
        made = rule.execute(call)
        outputs = made if isinstance(made, tuple) else (made,)
        if rule.whole:
            outputs = tie(call, outputs)
        for tensor, scalars in zip(results, outputs, strict=True):
            self._store(call, tensor, scalars)

    def _read_operands(
        self, func: _Overload, rule: Rule, arguments: Mapping[str, Any]
    ) -> dict[str, Operand | list[Operand | None]]:
        operands: dict[str, Operand | list[Operand | None]] = {}
        for argument in func._schema.arguments:
            name, value = argument.name, arguments[argument.name]
            if rule.reads is not None and name not in rule.reads:
                continue
            if isinstance(value, torch.Tensor):
                operands[name] = self._memory.read(value)
            elif isinstance(value, list | tuple) and any(torch.is_tensor(v) for v in value):
                operands[name] = [None if v is None else self._memory.read(v) for v in value]
            elif isinstance(value, int | float) and str(argument.type) in _NUMBERS:
                operands[name] = Operand(
                    scalars=np.array(Scalar(float(value)), dtype=object),
                    stage="deploy",
                    is_number=True,
                    literal=float(value),
                )
        return operands

    def _store(self, call: Call, tensor: torch.Tensor, scalars: ScalarArray | None) -> None:
        """Check what a rule computed and put it where the tensor lies."""
        values = to_values(tensor)
        if scalars is None:  # a by-product that the model has no use for
            scalars = np.array([Scalar(float(v)) for v in values.flat] or None, dtype=object)
            scalars = (
                scalars.reshape(values.shape) if values.size else np.empty(values.shape, object)
            )
        else:
            self._check_values(call, tensor, scalars)
        filled = call.site.op in FILLS and scalars.size
        literal = elements(scalars)[0].value if filled else None
        self._memory.write(
            tensor,
            scalars,
            call.site.stage,
            is_mask=_makes_mask(call, tensor),
            literal=literal,
        )

    def _check_values(self, call: Call, tensor: torch.Tensor, scalars: ScalarArray) -> None:
        expected = to_values(tensor)
        found = np.array([s.value for s in elements(scalars)], dtype=np.float64)
        if tensor.is_floating_point():
            allowed = _TOLERANCES.get(tensor.dtype, _LOW_PRECISION_TOLERANCE)
            self._tolerance = max(self._tolerance, allowed)
        tolerance = self._tolerance if tensor.is_floating_point() else 0.0
        finite = expected[np.isfinite(expected)]
        scale = max(1.0, float(np.abs(finite).max())) if finite.size else 1.0
        if scalars.shape == expected.shape and np.allclose(
            found.reshape(expected.shape),
            expected,
            rtol=tolerance,
            atol=tolerance * scale,
            equal_nan=True,
        ):
            return
        raise OracleError(
            f"{call.site.op} in module {call.site.layer!r} gives {expected.ravel()[:4]} of shape "
            f"{expected.shape} in torch but {found[:4]} of shape {scalars.shape} by its scalar "
            "rule; correct the rule, or compare in double precision if the two are close"
        )


_KEEP_MASKS = frozenset({"aten.clone", "aten._to_copy", "aten.copy", "aten.mul"})


def _makes_mask(call: Call, tensor: torch.Tensor) -> bool:
    """Whether a result is a mask: a known boolean, or made of masks alone and again one."""
    if call.site.stage in ("noise", "input"):
        return False
    sources = [operand for operand in _flatten(call.operands) if not operand.is_number]
    of_masks = bool(sources) and all(operand.is_mask for operand in sources)
    if of_masks and call.site.op in _KEEP_MASKS:
        return True
    if tensor.numel() <= 1 or not (of_masks or tensor.dtype == torch.bool):
        return False
    values = (s.value for operand in sources for s in elements(operand.scalars))
    return is_binary(tensor) or not (tensor.any() or any(values))  # or zeros of zeros alone


_NUMBERS = frozenset({"Tensor", "Optional[Tensor]", "number", "Optional[number]"})


def _is_conditional(stage: Stage, operand_stages: Sequence[Stage], rule: Rule) -> bool:
    """Whether work is there only because the model is conditional."""
    if stage in ("switch", "noise"):
        return True
    on_conditional = "switch" in operand_stages or "noise" in operand_stages
    return stage == "input" and on_conditional and not rule.contraction


def _name(func: _Overload) -> str:
    """The operator without overload and in-place mark, such as "aten.relu"."""
    name = func._schema.name.replace("::", ".")
    return name[:-1] if name.endswith("_") and not name.endswith("__") else name


def _bind(func: _Overload, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments by name, defaults included."""
    bound: dict[str, Any] = {}
    for place, argument in enumerate(func._schema.arguments):
        if place < len(args):
            bound[argument.name] = args[place]
        elif argument.name in kwargs:
            bound[argument.name] = kwargs[argument.name]
        else:
            bound[argument.name] = argument.default_value if argument.has_default_value() else None
    return bound


def _flatten(operands: Mapping[str, Operand | list[Operand | None]]) -> list[Operand]:
    flat: list[Operand] = []
    for operand in operands.values():
        parts = operand if isinstance(operand, list) else [operand]
        flat += [part for part in parts if part is not None]
    return flat
