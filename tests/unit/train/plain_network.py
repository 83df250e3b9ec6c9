"""The ResNet-8 of every method in plain torch functions: the slow twin of a model and its layers.

It knows the names of a model's parameters and the papers' equations, and imports nothing of
smartsim's.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn.functional import conv2d, leaky_relu, log_softmax, relu

GRID = (0.0, 0.1, 0.2, 0.3, 0.4, 1.0)
"""OAT's lam; the orthogonal rows of its encoding belong to them."""

PARAMETERS = ("weight", "bias", "alpha")


class PlainNetwork:
    """One network as a dictionary of tensors; which entries it has says what it computes.

    Attributes:
        values: By the names of the model's state; parameters are leaves that take gradients.
        training: Whether batch norms use the batch's statistics, and remember them.
        generator: Where noise comes from that is not among the values.
        used: The noise of the pass, by layer; taken again where it holds a layer.
    """

    def __init__(
        self, state: Mapping[str, Tensor], generator: torch.Generator | None = None
    ) -> None:
        self.values = {name: value.detach().clone() for name, value in state.items()}
        self.training = True
        self.generator = generator
        self.used: dict[str, Tensor] = {}
        for value in self.parameters().values():
            value.requires_grad_()

    def parameters(self) -> dict[str, Tensor]:
        """What is trained."""
        return {n: v for n, v in self.values.items() if n.rpartition(".")[2] in PARAMETERS}

    def gradients(self, loss: Tensor) -> dict[str, Tensor]:
        """The loss's gradient by each parameter, all of which it must depend on."""
        names, leaves = zip(*self.parameters().items(), strict=True)
        return dict(zip(names, torch.autograd.grad(loss, leaves), strict=True))

    def logits(self, x: Tensor, lam: Tensor, *, keep_noise: bool = False) -> Tensor:
        """Images (n, 3, h, w), each with its lam (n,), to logits (n, classes)."""
        if not keep_noise:
            self.used.clear()
        x = relu(self.norm(self.convolve(x, "conv1", lam), "bn1", lam))
        for block, stride in (("layer1.0", 1), ("layer2.0", 2), ("layer3.0", 2)):
            out = self.convolve(x, f"{block}.conv1", lam, stride)
            out = relu(self.norm(out, f"{block}.bn1", lam))
            out = self.norm(self.convolve(out, f"{block}.conv2", lam), f"{block}.bn2", lam)
            if stride == 2:
                x = self.convolve(x, f"{block}.shortcut.conv", lam, stride)
                x = self.norm(x, f"{block}.shortcut.bn", lam)
            x = relu(out + x)
        return x.mean((2, 3)) @ self.weight("linear", lam).T + self.values["linear.bias"]

    def convolve(self, x: Tensor, name: str, lam: Tensor, stride: int = 1) -> Tensor:
        """A square convolution whose padding keeps the size at stride 1."""
        weight = self.weight(name, lam)
        return conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)

    def weight(self, name: str, lam: Tensor) -> Tensor:
        """W, or `W + lam alpha std(W) eta` where lam > 0, each times its path's mask.

        The standard deviation, of all of W and with n - 1, is no function of W.
        """
        weight, mask = self.values[f"{name}.weight"], "mask_clean"
        if f"{name}.alpha" in self.values:
            (value,) = set(lam.tolist())  # noisy layers have one weight for the whole batch
            if value > 0:
                numbers = weight.detach().flatten()
                spread = (numbers - numbers.mean()).square().sum() / (len(numbers) - 1)
                amplitude = value * self.values[f"{name}.alpha"] * spread.sqrt()
                weight, mask = weight + amplitude * self.eta(name), "mask_adversarial"
        mask = f"{name}.{mask}"
        return weight * self.values[mask] if mask in self.values else weight

    def eta(self, name: str) -> Tensor:
        """Standard normal numbers of the weight's shape: frozen, this pass's, or new."""
        if f"{name}.noise" in self.values:
            return self.values[f"{name}.noise"]
        if name not in self.used:
            weight = self.values[f"{name}.weight"]
            self.used[name] = torch.randn(
                weight.shape, dtype=weight.dtype, generator=self.generator
            )
        return self.used[name]

    def norm(self, x: Tensor, name: str, lam: Tensor) -> Tensor:
        """One batch norm, or one for lam = 0 and one for lam > 0; then OAT's FiLM."""
        filmed = f"{name}.film.mlp.0.weight" in self.values
        inner = f"{name}.norm" if filmed else name
        if f"{inner}.clean.weight" in self.values:
            out = torch.zeros_like(x)
            for path, chosen in (("clean", lam == 0), ("adversarial", lam > 0)):
                if bool(chosen.any()):
                    out[chosen] = self.batch_norm(x[chosen], f"{inner}.{path}")
        else:
            out = self.batch_norm(x, inner)
        return self.modulate(out, f"{name}.film.mlp", lam) if filmed else out

    def batch_norm(self, x: Tensor, name: str) -> Tensor:
        """`(x - mean) / sqrt(var + 1e-5) w + b`; a tenth of the new statistics is remembered."""
        if self.training:
            mean = x.mean((0, 2, 3))
            variance = (x - mean[:, None, None]).square().mean((0, 2, 3))
            count = x.numel() / x.shape[1]
            for key, seen in (("mean", mean), ("var", variance * count / (count - 1))):
                before = self.values[f"{name}.running_{key}"]
                self.values[f"{name}.running_{key}"] = 0.9 * before + 0.1 * seen.detach()
        else:
            mean, variance = (self.values[f"{name}.running_{key}"] for key in ("mean", "var"))
        weight, bias = (self.values[f"{name}.{key}"][:, None, None] for key in ("weight", "bias"))
        scale = (variance[:, None, None] + 1e-5).sqrt()
        return (x - mean[:, None, None]) / scale * weight + bias

    def modulate(self, x: Tensor, name: str, lam: Tensor) -> Tensor:
        """`gamma x + beta` for each image and channel, from two layers on the encoding of lam."""
        coded = lam[:, None].to(x.dtype)
        if "encoding.rows" in self.values:
            places = [min(range(6), key=lambda i: abs(GRID[i] - one)) for one in lam.tolist()]
            coded = self.values["encoding.rows"][places]
        for layer in (0, 2):
            weight, bias = (self.values[f"{name}.{layer}.{key}"] for key in ("weight", "bias"))
            coded = leaky_relu(coded @ weight.T + bias, 0.01)
        channels = x.shape[1]
        return coded[:, :channels, None, None] * x + coded[:, channels:, None, None]


def plain_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """-log softmax(logits)[y], for each image."""
    return -log_softmax(logits, dim=1)[torch.arange(len(y)), y]


def plain_attack(
    predict: Callable[[Tensor], Tensor],
    x: Tensor,
    y: Tensor,
    starts: Tensor,
    *,
    epsilon: float,
    steps: int,
    step_size: float,
) -> Tensor:
    """x <- Proj(x + sigma sign(grad CE)), into the ball and into [0, 1]."""
    found = (x + epsilon * starts).clamp(0, 1)
    for _ in range(steps):
        point = found.clone().requires_grad_()
        (slope,) = torch.autograd.grad(plain_entropy(predict(point), y).sum(), point)
        found = found + step_size * slope.sign()
        found = torch.min(torch.max(found, x - epsilon), x + epsilon).clamp(0, 1)
    return found
