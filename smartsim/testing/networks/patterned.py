"""One call of each op on operands with patterns of zeros, whose result is needed in part.

Masks before sums, norms, products, views: what a network seldom brings together, every op meets
here. `CALLS` names what torch calls an op while a model is traced, and how to get it called.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, assert_never, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["CALLS", "OpCall", "Patterned", "draw_call"]

Origin: TypeAlias = Literal["data", "masked data", "padded data", "masked weight", "masked noise"]
Place: TypeAlias = Literal["whole", "transposed", "part", "every second", "flipped"]
Need: TypeAlias = Literal["all", "masked", "part", "chosen", "first of two"]

_ORIGINS: Sequence[Origin] = get_args(Origin)
_PLACES: Sequence[Place] = get_args(Place)
_NEEDS: Sequence[Need] = get_args(Need)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpCall:
    """How to get one op called.

    Attributes:
        shapes: Of its operands, which have values between 0.1 and 0.9 where no mask is.
        run: Calls it.
        keeps_off_zero: Whether it is no function of zero, so that no operand is masked.
        keeps_positive: Whether it is one of numbers from 0 to 1 alone, so that none is noisy.
    """

    shapes: tuple[tuple[int, ...], ...]
    run: Callable[..., Tensor]
    keeps_off_zero: bool = False
    keeps_positive: bool = False


class Patterned(nn.Module):
    """One call, on operands of several origins that lie in several ways, needed in part.

    Args:
        call: The call.
        origins: Of each operand.
        places: How each operand lies in memory.
        masks: Of each operand, of its shape; ones where it has none.
        need: Which part of the result is used.
        wanted: A mask of the result's shape, which some needs take.
    """

    def __init__(
        self,
        call: OpCall,
        *,
        origins: Sequence[Origin],
        places: Sequence[Place],
        masks: Sequence[Tensor],
        need: Need,
        wanted: Tensor,
    ) -> None:
        super().__init__()
        self.call, self.origins, self.places, self.need = call, origins, places, need
        for number, mask in enumerate(masks):
            self.register_buffer(f"mask{number}", mask)
            weight = torch.rand(mask.shape, dtype=torch.float64) * 0.8 + 0.1
            self.register_parameter(f"weight{number}", nn.Parameter(weight))
        self.wanted: Tensor
        self.register_buffer("wanted", wanted)

    def forward(self, *data: Tensor) -> Tensor:
        """Make the operands, call, use a part of the result; the last of `data` is lam."""
        operands = [
            _lay(self._make(number, x, data[-1]), place)
            for number, (x, place) in enumerate(zip(data, self.places, strict=False))
        ]
        made = self.call.run(*operands).to(torch.float64)
        return self._use(functional.leaky_relu(made, 0.5))  # costs nothing where it is zero

    def _make(self, number: int, x: Tensor, lam: Tensor) -> Tensor:
        mask, weight = self.get_buffer(f"mask{number}"), self.get_parameter(f"weight{number}")
        origin = self.origins[number]
        match origin:
            case "data":
                return x
            case "masked data":
                return x * mask
            case "padded data":
                kept = x[:1]
                return torch.cat([kept, torch.zeros_like(x[1:])])
            case "masked weight":
                return weight * mask
            case "masked noise":
                return (weight + lam * torch.randn_like(weight)) * mask
            case _:
                assert_never(origin)

    def _use(self, made: Tensor) -> Tensor:
        match self.need:
            case "all":
                return made
            case "masked":
                return made * self.wanted
            case "part":
                return made[..., :1] if made.dim() else made
            case "chosen":
                return torch.where(self.wanted, made, 0.5)
            case "first of two":
                return made[:1] if made.dim() else made
            case _:
                assert_never(self.need)

    def extra_repr(self) -> str:
        """What a failing example must show."""
        masks = [self.get_buffer(f"mask{n}").int().tolist() for n in range(len(self.origins))]
        return (
            f"origins={self.origins}, places={self.places}, masks={masks}, need={self.need}, "
            f"wanted={self.wanted.int().tolist()}"
        )


def draw_call(call: OpCall, seed: int) -> tuple[Patterned, tuple[Tensor, ...]]:
    """The call on operands that `seed` decides, and its data, the condition last."""
    draw = random.Random(seed)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        origins, places = list[Origin](), list[Place]()
        for _ in call.shapes:
            origin, place = draw.choice(_ORIGINS), draw.choice(_PLACES)
            if call.keeps_off_zero or (call.keeps_positive and origin == "masked noise"):
                origin, place = "data", "whole" if place == "part" else place
            origins.append(origin)
            places.append(place)
        data = [torch.rand(shape, dtype=torch.float64) * 0.8 + 0.1 for shape in call.shapes]
        lam = torch.tensor(draw.choice([0.0, 0.3]), dtype=torch.float64)
        model = Patterned(
            call,
            origins=origins,
            places=places,
            masks=[_draw_mask(shape, draw) for shape in call.shapes],
            need=draw.choice(_NEEDS),
            wanted=_draw_mask(tuple(call.run(*data).shape), draw),
        )
        return model.eval(), (*data, lam)


def _draw_mask(shape: tuple[int, ...], draw: random.Random) -> Tensor:
    """Of each element, or the same along some axes; seldom full, seldom empty."""
    alike = draw.random() < 0.4
    sizes = [1 if alike and draw.random() < 0.5 else size for size in shape]
    return (torch.rand(sizes) < draw.choice([0.2, 0.5, 0.8])).expand(shape).clone()


def _lay(x: Tensor, place: Place) -> Tensor:
    """The same numbers, lying another way in memory where there is one."""
    match place:
        case "transposed" if x.dim() > 1:
            return x.transpose(0, -1).clone(memory_format=torch.contiguous_format).transpose(0, -1)
        case "part" if x.dim():
            return functional.pad(x, (1, 1))[..., 1:-1]
        case "every second" if x.dim():
            return torch.stack([x, x], dim=-1).flatten(-2)[..., ::2]
        case "flipped" if x.dim():
            return x.flip(-1).flip(-1)
        case _:
            return x


_CUBE = (2, 3, 4)
_ROW = (3, 1)
_PLANE = (1, 2, 4, 4)
_LINE = (1, 2, 5)
_BLOCK = (1, 1, 3, 4, 4)


def _unary(name: str, **domain: bool) -> list[OpCall]:
    def get(x: Tensor) -> Callable[..., Tensor]:
        place = torch if hasattr(torch, name) else functional
        found: Callable[..., Tensor] = getattr(place, name)
        return found

    calls = [OpCall(shapes=(_CUBE,), run=lambda x: get(x)(x), **domain)]
    if hasattr(Tensor, f"{name}_"):

        def in_place(x: Tensor) -> Tensor:
            whole = x.clone()
            getattr(whole[:, 1:], f"{name}_")()
            return whole

        calls.append(OpCall(shapes=(_CUBE,), run=in_place, **domain))
    return calls


def _binary(name: str, *, keeps_off_zero: bool = False) -> list[OpCall]:
    function: Callable[..., Tensor] = getattr(torch, name)
    shapes = ((_CUBE, _CUBE), (_CUBE, _ROW), (_ROW, _CUBE))
    calls = [OpCall(shapes=pair, run=function, keeps_off_zero=keeps_off_zero) for pair in shapes]
    if hasattr(Tensor, f"{name}_"):

        def in_place(x: Tensor, y: Tensor) -> Tensor:
            whole = x.clone()
            getattr(whole[:, 1:], f"{name}_")(y[:, 1:])
            return whole

        calls.append(OpCall(shapes=(_CUBE, _CUBE), run=in_place, keeps_off_zero=keeps_off_zero))
    return calls


def _one(function: Callable[..., Tensor], *shapes: tuple[int, ...]) -> list[OpCall]:
    return [OpCall(shapes=shapes or (_CUBE,), run=function)]


def _logical(name: str) -> list[OpCall]:
    function: Callable[..., Tensor] = getattr(torch, name)
    return _one(lambda x, y: x * function(x > 0.5, y > 0.5), _CUBE, _CUBE)


_AT = torch.tensor([2, 0, 1])

CALLS: Mapping[str, Sequence[OpCall]] = {
    **{
        name: _unary(name)
        for name in "cosh exp exp2 expm1 log1p cos erfc sigmoid softplus hardsigmoid "
        "mish celu frac sgn relu leaky_relu gelu silu tanh hardswish neg abs square sin sinh "
        "tan atan erf sign trunc round floor ceil elu softshrink hardshrink "
        "clone hardtanh".split()
    },
    **{name: _unary(name, keeps_positive=True) for name in "sqrt asin acos erfinv".split()},
    **{
        name: _unary(name, keeps_off_zero=True)
        for name in "log10 log log2 reciprocal rsqrt logit".split()
    },
    **{
        name: _binary(name)
        for name in "fmax fmin heaviside eq ne gt ge lt le maximum minimum add sub mul".split()
    },
    **{
        name: _binary(name, keeps_off_zero=True)
        for name in "floor_divide remainder fmod atan2 div pow".split()
    },
    **{
        name: _logical(name)
        for name in "logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor".split()
    },
    "isnan": _one(lambda x: x * torch.logical_not(torch.isnan(x))),
    "isinf": _one(lambda x: x * torch.logical_not(torch.isinf(x))),
    "logical_not": _one(lambda x: x * torch.logical_not(x > 0.5)),
    "bitwise_not": _one(lambda x: x * torch.bitwise_not(x > 0.5)),
    "threshold": _one(lambda x: functional.threshold(x, 0.2, 0.3)),
    "clamp": _one(lambda x: x.clamp(0.3, 0.6)),
    "clamp_min": _one(lambda x: x.clamp_min(0.3)),
    "clamp_max": _one(lambda x: x.clamp_max(0.3)),
    "hardtanh off zero": _one(lambda x: functional.hardtanh(x, 0.2, 0.6)),
    "_prelu_kernel": _one(functional.prelu, _CUBE, (3,)),
    "power of a half": [OpCall(shapes=(_CUBE,), run=lambda x: x.pow(0.5), keeps_positive=True)],
    "power of three": _one(lambda x: x.pow(3)),
    "power of minus one": [OpCall(shapes=(_CUBE,), run=lambda x: x.pow(-1), keeps_off_zero=True)],
    "div by a number": _one(lambda x: x / 3),
    "div of known zeros": _one(lambda x, y: x / (y + 1.5), _CUBE, _CUBE),
    "rsub": [
        *_one(lambda x: torch.rsub(x, 1.5)),
        *_one(lambda x: torch.rsub(x, 1.5, alpha=2)),
        *_one(lambda x, y: torch.rsub(x, y, alpha=2), _ROW, _CUBE),
    ],
    "add of a scaled number": _one(lambda x: torch.add(x, 1.5, alpha=2)),
    "add with alpha": _one(lambda x, y: torch.add(x, y, alpha=2), _CUBE, _CUBE),
    "sub with alpha": _one(lambda x, y: torch.sub(x, y, alpha=2), _CUBE, _ROW),
    "addcmul": _one(torch.addcmul, _CUBE, _CUBE, _CUBE),
    "addcmul of rows": _one(lambda x, y, z: torch.addcmul(x, y, z, value=2), _CUBE, _ROW, _CUBE),
    "addcdiv": _one(lambda x, y, z: torch.addcdiv(x, y, z + 1.5), _CUBE, _CUBE, _ROW),
    "lerp": _one(torch.lerp, _CUBE, _CUBE, _CUBE),
    "where by data": _one(lambda x, y, z: torch.where(x > 0.5, y, z), _CUBE, _CUBE, _ROW),
    "masked_fill": _one(lambda x: x.masked_fill(torch.arange(12).reshape(3, 4) % 3 == 0, 0.0)),
    "softmax": [
        *_one(lambda x: x.softmax(-1)),
        *_one(lambda x: x.masked_fill(torch.ones(3, 4).triu(1).bool(), -torch.inf).softmax(-1)),
        *_one(lambda x: x.masked_fill(torch.ones(3, 4).tril(-1).bool(), -torch.inf).softmax(1)),
    ],
    "made": [
        *_one(lambda x: x + torch.ones_like(x)),
        *_one(lambda x: x + torch.zeros_like(x)),
        *_one(lambda x: x * x.new_ones(3, 1)),
        *_one(lambda x: torch.cat([x, x.new_zeros(2, 1, 4)], 1)),
        *_one(lambda x: x + x.new_full((3, 4), 0.25)),
        *_one(lambda x: x + torch.full((3, 4), 0.25, dtype=x.dtype)),
        *_one(lambda x: torch.cat([x, torch.zeros(2, 1, 4, dtype=x.dtype)], 1)),
        *_one(lambda x: x + torch.ones(4, dtype=x.dtype)),
        *_one(lambda x: x + torch.rand_like(x)),
        *_one(lambda x: x + torch.rand(3, 4, dtype=x.dtype)),
        *_one(lambda x: x + torch.randn(4, dtype=x.dtype)),
        *_one(lambda x: x + torch.empty_like(x).normal_()),
        *_one(lambda x: x + torch.empty_like(x).uniform_()),
        *_one(lambda x: x * torch.full_like(x, 0.5).bernoulli()),
        *_one(lambda x: x.clone().zero_() + x),
    ],
    "_to_copy": _one(lambda x: x.to(torch.float32).to(torch.float64)),
    "sums": [
        *_one(lambda x: x.sum(1)),
        *_one(lambda x: x.sum((0, 2), keepdim=True)),
        *_one(lambda x: x.mean(-1)),
        *_one(lambda x: x.mean()),
    ],
    "statistics": [
        *_one(lambda x: x.amax(1)),
        *_one(lambda x: x.var(1, correction=0)),
        *_one(lambda x: x.std(2, keepdim=True)),
    ],
    "cat and stack": [
        *_one(lambda x, y: torch.cat([x, y], 1), _CUBE, (2, 2, 4)),
        *_one(lambda x, y: torch.stack([x, y], 1), _CUBE, _CUBE),
    ],
    "copies": [
        *_one(lambda x, y: _write(x, y, "copy_"), _CUBE, _CUBE),
        *_one(lambda x, y: _write(x, y, "mul_"), _CUBE, _CUBE),
        *_one(lambda x, y: _write(x, y, "add_"), _CUBE, _CUBE),
        *_one(lambda x, y: _write(x, y[:, :1, :1], "sub_"), _CUBE, _CUBE),
        *_one(lambda x, y: torch.slice_scatter(x, y, dim=1, start=1, end=2), _CUBE, (2, 1, 4)),
        *_one(lambda x, y: torch.select_scatter(x, y, 2, 1), _CUBE, (2, 3)),
        *_one(lambda x, y: x.index_put((_AT,), y), (3, 4), (3, 4)),
        *_one(lambda x, y: x.index_copy(0, _AT, y), (3, 4), (3, 4)),
        *_one(lambda x: x.index_fill(1, _AT[:2], 0.0)),
        *_one(lambda x, y: x.scatter(0, _AT[:, None], y), (3, 4), (3, 1)),
        *_one(lambda x: _fill_part(x, 0.0)),
        *_one(lambda x: _fill_part(x, 0.5)),
        *_one(lambda x: x + torch.full_like(x, 0.25)),
    ],
    "moves": [
        *_one(lambda x: x.roll(1, 1)),
        *_one(lambda x: x.repeat(2, 1, 2)),
        *_one(lambda x: x.index_select(1, _AT)),
        *_one(lambda x: x[:, _AT, 1:]),
        *_one(lambda x: x.gather(1, _AT.expand(2, 1, 3).transpose(1, 2))),
        *_one(lambda x: torch.take_along_dim(x, _AT.reshape(1, 3, 1), 1)),
        *_one(lambda x: x.tril()),
        *_one(lambda x: x.triu(1)),
        *_one(lambda x: x.transpose(0, 2).reshape(4, 6)),
        *_one(lambda x: x.permute(2, 0, 1).contiguous().view(8, 3)),
        *_one(lambda x: functional.pad(x, (1, 0, 0, 2))),
        *_one(lambda x: functional.pad(x, (1, 2), mode="reflect"), _LINE),
        *_one(lambda x: functional.pad(x, (1, 0), mode="replicate"), _LINE),
        *_one(lambda x: functional.pad(x, (1, 2, 0, 1), mode="reflect"), _PLANE),
        *_one(lambda x: functional.pad(x, (1, 2, 0, 1), mode="replicate"), _PLANE),
        *_one(lambda x: functional.unfold(x, 2, padding=1, stride=2), _PLANE),
        *_one(lambda x: functional.pixel_shuffle(x, 2), (1, 4, 2, 2)),
        *_one(lambda x: functional.pixel_unshuffle(x, 2), _PLANE),
        *_one(lambda x: functional.channel_shuffle(x, 2), (1, 4, 2, 2)),
        *_one(lambda x: functional.interpolate(x, scale_factor=2), _LINE),
        *_one(lambda x: functional.interpolate(x, size=(3, 6)), _PLANE),
        *_one(lambda x: functional.interpolate(x, scale_factor=2), (1, 1, 1, 2, 2)),
    ],
    "pools": [
        *_one(lambda x: functional.max_pool2d(x, 2), _PLANE),
        *_one(lambda x: functional.max_pool2d(x, 3, 2, 1, ceil_mode=True), _PLANE),
        *_one(lambda x: functional.max_pool2d(x, 2, 1, dilation=2), _PLANE),
        *_one(lambda x: functional.avg_pool2d(x, 2, 1, 1), _PLANE),
        *_one(lambda x: functional.avg_pool2d(x, 3, 2, 1, count_include_pad=False), _PLANE),
        *_one(lambda x: functional.avg_pool2d(x, 2, divisor_override=3), _PLANE),
        *_one(lambda x: functional.adaptive_avg_pool2d(x, (3, 1)), _PLANE),
        *_one(lambda x: functional.adaptive_max_pool2d(x, (3, 2)), _PLANE),
        *_one(lambda x: functional.max_pool3d(x, 2, 1), _BLOCK),
        *_one(lambda x: functional.avg_pool3d(x, (1, 2, 2)), _BLOCK),
        *_one(lambda x: functional.adaptive_avg_pool3d(x, (2, 3, 1)), _BLOCK),
        *_one(lambda x: functional.adaptive_max_pool3d(x, (2, 3, 1)), _BLOCK),
    ],
    "batch norms": [
        *_one(
            lambda x, w, b: functional.batch_norm(
                x, torch.ones(3).double() / 4, torch.ones(3).double(), w, b
            ),
            _CUBE,
            (3,),
            (3,),
        ),
    ],
    "products": [
        *_one(torch.mm, (3, 4), (4, 2)),
        *_one(lambda x, y: x @ y.t(), (3, 4), (2, 4)),
        *_one(torch.addmm, (2,), (3, 4), (4, 2)),
        *_one(lambda a, x, y: torch.addmm(a, x, y, beta=0.5, alpha=2), (3, 2), (3, 4), (4, 2)),
        *_one(torch.bmm, (2, 3, 4), (2, 4, 2)),
        *_one(torch.baddbmm, (2, 3, 2), (2, 3, 4), (2, 4, 2)),
        *_one(lambda a, x, y: torch.baddbmm(a, x, y, beta=0), (2, 3, 2), (2, 3, 4), (2, 4, 2)),
        *_one(torch.mv, (3, 4), (4,)),
        *_one(torch.dot, (4,), (4,)),
        *_one(torch.addmv, (3,), (3, 4), (4,)),
        *_one(lambda a, x, y: torch.addmv(a, x, y, beta=2), (3,), (3, 4), (4,)),
        *_one(functional.linear, _CUBE, (2, 4), (2,)),
        *_one(lambda x, y: torch.einsum("bij,kj->bki", x, y), _CUBE, (2, 4)),
    ],
    "convolutions": [
        *_one(lambda x, w: functional.conv1d(x, w, padding=1, stride=2), _LINE, (3, 2, 3)),
        *_one(lambda x, w, b: functional.conv2d(x, w, b, padding=1), _PLANE, (3, 2, 3, 3), (3,)),
        *_one(lambda x, w: functional.conv2d(x, w, stride=2, dilation=2), _PLANE, (3, 2, 2, 2)),
        *_one(lambda x, w: functional.conv2d(x, w, groups=2, padding=1), _PLANE, (4, 1, 2, 3)),
        *_one(functional.conv2d, _PLANE, (3, 2, 1, 1)),
        *_one(lambda x, w: functional.conv3d(x, w, padding=(0, 1, 0)), _BLOCK, (2, 1, 2, 2, 2)),
        *_one(lambda x, w: functional.conv_transpose1d(x, w, stride=2), _LINE, (2, 3, 2)),
        *_one(
            lambda x, w: functional.conv_transpose2d(x, w, stride=2, padding=1, output_padding=1),
            (1, 2, 3, 2),
            (2, 2, 3, 3),
        ),
        *_one(
            lambda x, w: functional.conv_transpose2d(x, w, groups=2, dilation=2),
            (1, 2, 2, 2),
            (2, 2, 2, 2),
        ),
    ],
}
"""What is called -> calls of it. A name alone is that of the op in torch."""


def _write(x: Tensor, y: Tensor, name: str) -> Tensor:
    whole = x.clone()
    getattr(whole[:, 1:], name)(y if y.shape[1] == 1 else y[:, 1:])
    return whole


def _fill_part(x: Tensor, value: float) -> Tensor:
    whole = x.clone()
    whole[..., 1:3].fill_(value)
    return whole
