"""Scalar rules of normalisation layers and softmax."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from smartsim.counts.records import Action
from smartsim.testing.calls import Call, scalar_rule, tie
from smartsim.testing.memory import Operand
from smartsim.testing.scalars import Scalar, ScalarArray, latest_stage

__all__: list[str] = []


@scalar_rule("aten.native_batch_norm", "aten._native_batch_norm_legit_no_training")
def _execute_batch_norm(call: Call) -> tuple[ScalarArray | None, ...]:
    if call.arguments.get("training", False):
        return tie(call, (_normalise_channels(call), None, None))
    mean, var = call["running_mean"], call["running_var"]
    weight, bias = call.get("weight"), call.get("bias")
    parts = [part for part in (mean, var, weight, bias) if part is not None]
    deployed = call.site_at(latest_stage(part.stage for part in parts))
    actions: dict[Action, int] = {"add": 1, "sqrt": 1, "div": 1, "mul": 1 + (weight is not None)}
    if bias is not None:
        actions["add"] += 1
    data = call["input"].scalars
    result = np.empty(data.shape, dtype=object)
    for channel in range(data.shape[1]):
        read = [part.scalars[channel] for part in parts]
        scale = 1 / math.sqrt(var.scalars[channel].value + float(call.arguments["eps"]))
        scale *= weight.scalars[channel].value if weight else 1
        offset = (bias.scalars[channel].value if bias else 0) - mean.scalars[channel].value * scale
        # Scale and shift are made together: the shift needs the scale and every element the shift.
        shift = call.act(offset, read, actions, site=deployed)
        for place in np.ndindex(data.shape[0], *data.shape[2:]):
            at = (place[0], channel, *place[1:])
            x = data[at]
            result[at] = (
                shift
                if x.zero
                else call.act(x.value * scale + offset, (x, shift), {"mul": 1, "add": 1})
            )
    return result, None, None


def _normalise_channels(call: Call) -> ScalarArray:
    """By the statistics of each channel of the data, as an instance norm does."""
    data = call["input"].scalars
    by_channel = np.moveaxis(data, 1, 0)
    rows = by_channel.reshape(data.shape[1], -1)
    affine: list[ScalarArray | None] = []
    for name in ("weight", "bias"):
        operand = call.get(name)
        spread = None if operand is None else np.broadcast_to(operand.scalars[:, None], rows.shape)
        affine.append(spread)
    result = _normalise(call, rows, affine[0], affine[1]).reshape(by_channel.shape)
    return np.moveaxis(result, 0, 1)


def _normalise(
    call: Call,
    rows: ScalarArray,
    weights: ScalarArray | None,
    biases: ScalarArray | None,
) -> ScalarArray:
    """Normalise each row (last dimension) by its own mean and variance, then scale and shift."""
    n = rows.shape[-1]
    eps = float(call.arguments["eps"])
    result = np.empty(rows.shape, dtype=object)
    for place in np.ndindex(*rows.shape[:-1]):
        row = list(rows[place])
        mean = math.fsum(s.value for s in row) / n
        variance = math.fsum((s.value - mean) ** 2 for s in row) / n
        inverse = 1 / math.sqrt(variance + eps)
        # Mean: n - 1 adds, 1 mul; centre: n adds; squares: n muls; their mean: n - 1 adds, 1 mul;
        # eps: 1 add; 1 sqrt; 1 div.
        row_actions: dict[Action, int] = {"add": 3 * n - 1, "mul": n + 2, "sqrt": 1, "div": 1}
        statistics = call.act(inverse, row, row_actions)
        for k, x in enumerate(row):
            actions: dict[Action, int] = {"mul": 1}
            operands = [x, statistics]
            value = (x.value - mean) * inverse
            if weights is not None:
                weight = weights[(*place, k)]
                value *= weight.value
                actions["mul"] += 1
                operands.append(weight)
            if biases is not None:
                bias = biases[(*place, k)]
                value += bias.value
                actions["add"] = 1
                operands.append(bias)
            result[(*place, k)] = call.act(value, operands, actions)
    return result


@scalar_rule("aten.native_layer_norm", whole=True)
def _execute_layer_norm(call: Call) -> tuple[ScalarArray, None, None]:
    data = call["input"].scalars
    length = math.prod(call.arguments["normalized_shape"])
    rows = data.reshape(-1, length)
    affine = [_spread(call.get(name), rows.shape) for name in ("weight", "bias")]
    return _normalise(call, rows, affine[0], affine[1]).reshape(data.shape), None, None


@scalar_rule("aten.native_group_norm", whole=True)
def _execute_group_norm(call: Call) -> tuple[ScalarArray, None, None]:
    data = call["input"].scalars
    groups = call.arguments["group"]
    rows = data.reshape(data.shape[0], groups, -1)
    affine: list[ScalarArray | None] = []
    for name in ("weight", "bias"):
        operand = call.get(name)
        if operand is None:
            affine.append(None)
            continue
        per_channel = operand.scalars.reshape(1, -1, *[1] * (data.ndim - 2))
        affine.append(np.broadcast_to(per_channel, data.shape).reshape(rows.shape))
    return _normalise(call, rows, affine[0], affine[1]).reshape(data.shape), None, None


def _spread(operand: Operand | None, shape: Sequence[int]) -> ScalarArray | None:
    if operand is None:
        return None
    return np.broadcast_to(operand.scalars.reshape(-1), shape)


@scalar_rule("aten._log_softmax", whole=True)
def _execute_log_softmax(call: Call) -> ScalarArray:
    return _by_rows(call, _log_softmax_row)


@scalar_rule("aten._softmax", "aten._safe_softmax")
def _execute_softmax(call: Call) -> ScalarArray:
    return _by_rows(call, _softmax_row)


def _by_rows(call: Call, of_row: Callable[[Call, Sequence[Scalar]], list[Scalar]]) -> ScalarArray:
    data = call["self"].scalars
    axis = int(call.arguments["dim"])
    rows = np.moveaxis(data, axis, -1) if data.ndim else data.reshape(1)
    result = np.empty(rows.shape, dtype=object)
    for place in np.ndindex(*rows.shape[:-1]):
        for k, scalar in enumerate(of_row(call, list(rows[place]))):
            result[(*place, k)] = scalar
    return np.moveaxis(result, -1, axis) if data.ndim else result.reshape(())


def _softmax_row(call: Call, row: Sequence[Scalar]) -> list[Scalar]:
    left = [s for s in row if not s.cut] or list(row)
    n = len(left)
    top = max(s.value for s in left)
    powers = {id(s): math.exp(s.value - top) for s in left}
    # Maximum: n - 1 compares; subtract it: n adds; n exps; their sum: n - 1 adds; n quotients.
    actions: dict[Action, int] = {"compare": n - 1, "add": 2 * n - 1, "exp": n, "div": n}
    total = call.act(math.fsum(powers[id(s)] for s in left), left, actions)
    return [
        Scalar(powers[id(s)] / total.value, act=total.act) if id(s) in powers else call.zero()
        for s in row
    ]


def _log_softmax_row(call: Call, row: Sequence[Scalar]) -> list[Scalar]:
    n = len(row)
    top = max(s.value for s in row)
    logarithm = math.log(math.fsum(math.exp(s.value - top) for s in row))
    actions: dict[Action, int] = {"compare": n - 1, "add": 2 * n - 1, "exp": n, "log": 1}
    total = call.act(logarithm, row, actions)
    return [call.act(s.value - top - logarithm, (total, s), {"add": 1}) for s in row]
