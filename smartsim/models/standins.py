"""Constants in place of drawn weights, for models that are traced and never run or trained."""

from collections import Counter
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from smartsim.models.layers import NoisyWeight
from smartsim.models.model import ConditionalModel

__all__ = ["StandIns"]


class StandIns:
    """Tensors that stand in for the weights of models, and for their frozen noise.

    No count depends on the value of a weight, but on zeros, and on whether a weight has a standard
    deviation, which noise is scaled with: so all elements are one half, and the first is a quarter.
    Models that are given the same stand-ins share their memory; no two tensors of one model do.
    """

    def __init__(self) -> None:
        self._made: dict[tuple[int, ...], list[Tensor]] = {}

    def fill(self, model: ConditionalModel) -> None:
        """Give every parameter, and frozen noise, a stand-in; other buffers become empty memory."""
        taken: Counter[tuple[int, ...]] = Counter()
        weights = {name for name, _ in model.named_parameters()}
        weights |= set(_noise_names(model))
        state = {}
        for name, value in model.state_dict().items():
            shape = tuple(value.shape)
            if name in weights:
                state[name] = self._take(shape, taken[shape])
                taken[shape] += 1
            else:
                state[name] = torch.empty(shape, dtype=value.dtype)
        model.load_state_dict(state, assign=True)

    def freeze_noise(self, model: ConditionalModel) -> ConditionalModel:
        """The variant of a noisy model whose noise is frozen; it shares the memory of `model`.

        As `smartsim.models.freeze_noise`, for a trace.
        """
        frozen = model.make_empty(model.settings.with_frozen_noise())
        state: Mapping[str, Tensor] = model.state_dict()
        taken = Counter(tuple(value.shape) for value in state.values())
        noise = {}
        for name in _noise_names(frozen):
            shape = tuple(frozen.get_buffer(name).shape)
            noise[name] = self._take(shape, taken[shape])
            taken[shape] += 1
        frozen.load_state_dict({**state, **noise}, assign=True)
        return frozen.train(model.training)

    def _take(self, shape: tuple[int, ...], place: int) -> Tensor:
        made = self._made.setdefault(shape, [])
        while len(made) <= place:
            tensor = torch.full(shape, 0.5)
            tensor.view(-1)[0] = 0.25
            made.append(tensor)
        return made[place]


def _noise_names(model: ConditionalModel) -> Iterator[str]:
    for name, layer in model.named_modules():
        if isinstance(layer, NoisyWeight) and layer.noise is not None:
            yield f"{name}.noise"
