"""Execute a torch module with scalars that count, and say what its outputs needed."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules import module as module_hooks
from torch.utils._pytree import tree_flatten, tree_unflatten

from smartsim.counts.conventions import Convention
from smartsim.counts.records import Counts
from smartsim.errors import ConfigurationError, InvalidModelError, suggest_name
from smartsim.testing.executor import ScalarMode
from smartsim.testing.memory import Memory
from smartsim.testing.scalars import Act, ScalarArray, count_acts, elements, find_needed_acts

__all__ = ["OracleResult", "count_by_scalars", "oracle_convention"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OracleResult:
    """What the oracle found.

    Attributes:
        outputs: What the model returned, computed by scalars, in the same structure.
        counts: The actions, counted one by one.
    """

    outputs: Any
    counts: Counts


def oracle_convention(*, skip_zeros: bool = True, count_padding: bool = False) -> Convention:
    """A convention that the oracle can count under: unfolded, with every act as it is executed.

    >>> oracle_convention(skip_zeros=False).fold_batch_norm
    False
    """
    return Convention(
        name="oracle",
        description="what the model's own operators execute, one by one, nothing folded or fused",
        skip_zeros=skip_zeros,
        count_padding=count_padding,
        fold_batch_norm=False,
    )


def count_by_scalars(
    model: nn.Module,
    *inputs: torch.Tensor,
    condition: Mapping[str, float] | None = None,
    convention: Convention | None = None,
    declared_zeros: Iterable[str] = (),
) -> OracleResult:
    """Execute a small model with scalar arithmetic that counts itself.

    The model is left as it is: what it would write to a parameter, a buffer or an input goes to a
    copy, and torch's default random generator is put back. Every element costs a Python loop, so
    give it a model of some thousand products. In double precision the comparison with torch is
    sharpest.

    Args:
        model: Any module in eval mode.
        inputs: Its data, in order.
        condition: Value of each condition, passed as a 0-d tensor under its name.
        convention: What counts; `oracle_convention()` if None.
        declared_zeros: Names of parameters and buffers whose exact zeros are structure, as in a
            pruned checkpoint.

    Returns:
        The outputs and the counts.

    Raises:
        ConfigurationError: If the convention folds or fuses, or a declared name is unknown.
        MissingRuleError: If an operator has no scalar rule.
        OracleError: If a scalar rule computes something else than torch.

    >>> result = count_by_scalars(nn.Linear(3, 2), torch.ones(1, 3))
    >>> result.counts.group("op", "action")
    {('aten.addmm', 'mac'): 6}
    """
    convention = convention or oracle_convention()
    _check_convention(convention)
    with torch.no_grad():
        conditions = {name: torch.tensor(float(value)) for name, value in (condition or {}).items()}
        memory = Memory(skips_zeros=convention.skip_zeros)
        _register_model(memory, model, declared_zeros)
        for data in inputs:
            memory.register_leaf(data, "input")
        for value in conditions.values():
            memory.register_leaf(value, "switch")
        acts: list[Act] = []
        with (
            torch.random.fork_rng(devices=[]),
            _unfused_attention(),
            _follow_modules(model) as path,
            ScalarMode(memory, convention, acts, path),
        ):
            outputs = model(*inputs, **conditions)
        return _conclude(memory, convention, acts, outputs, type(model).__name__, condition or {})


def _conclude(
    memory: Memory,
    convention: Convention,
    acts: list[Act],
    outputs: Any,
    model: str,
    condition: Mapping[str, float],
) -> OracleResult:
    leaves, structure = tree_flatten(outputs)
    tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
    if not tensors:
        raise InvalidModelError(
            f"{model} returns a {type(outputs).__name__} in which no tensor can be found, so "
            "nothing is needed; return a tensor, or a tuple, list or dict of them"
        )
    if convention.skip_zeros:
        needed = find_needed_acts(s for t in tensors for s in elements(memory.read(t).scalars))
        acts = [act for act in acts if act in needed]
    values = [
        _as_tensor(memory.read(leaf).scalars, leaf) if isinstance(leaf, torch.Tensor) else leaf
        for leaf in leaves
    ]
    counts = Counts(
        model=model,
        condition={name: float(value) for name, value in condition.items()},
        convention=convention,
        items=count_acts(acts),
    )
    return OracleResult(outputs=tree_unflatten(values, structure), counts=counts)


def _as_tensor(scalars: ScalarArray, like: torch.Tensor) -> torch.Tensor:
    values = torch.tensor([s.value for s in elements(scalars)], dtype=torch.float64)
    return values.to(like.dtype).reshape(scalars.shape)


def _check_convention(convention: Convention) -> None:
    plain = oracle_convention()
    for choice in (
        "skip_activation_zeros",
        "fold_batch_norm",
        "fuse_multiply_add",
        "count_noise_scaling",
        "noise_on_every_parameter",
    ):
        wanted = getattr(plain, choice)
        if getattr(convention, choice) != wanted:
            raise ConfigurationError(
                f"convention {convention.name!r} has {choice}={not wanted}, but the oracle counts "
                f"what the model itself executes and needs {choice}={wanted}; "
                "make one with oracle_convention()"
            )


def _register_model(memory: Memory, model: nn.Module, declared_zeros: Iterable[str]) -> None:
    leaves: dict[str, torch.Tensor] = dict(model.named_parameters(remove_duplicate=False))
    leaves.update(model.named_buffers(remove_duplicate=False))
    declared = set()
    for name in declared_zeros:
        if name not in leaves:
            raise ConfigurationError(
                f"declared zeros of {name!r}, which is no parameter or buffer of the model"
                f"{suggest_name(name, leaves)}"
            )
        declared.add(id(leaves[name]))
    for tensor in leaves.values():
        memory.register_leaf(tensor, "deploy", zeros=id(tensor) in declared)


@contextlib.contextmanager
def _unfused_attention() -> Iterator[None]:
    """Attention by its parts: a fused one has no products that could be counted."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


@contextlib.contextmanager
def _follow_modules(model: nn.Module) -> Iterator[list[str]]:
    """A stack of the names of the modules that run; a foreign module counts as its caller."""
    names = {id(module): name for name, module in model.named_modules()}
    path = [""]

    def enter(module: nn.Module, _arguments: object) -> None:
        path.append(names.get(id(module), path[-1]))

    def leave(_module: nn.Module, _arguments: object, _output: object) -> None:
        path.pop()

    hooks = (
        module_hooks.register_module_forward_pre_hook(enter),
        module_hooks.register_module_forward_hook(leave, always_call=True),
    )
    try:
        yield path
    finally:
        for hook in hooks:
            hook.remove()
