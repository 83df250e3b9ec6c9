"""Batch norms for two paths, and the FiLM layers that follow them in OAT."""

import math

import torch
from torch import Tensor, nn

from smartsim.models.condition import CLEAN, Condition

__all__ = ["LAM_GRID", "BatchNorm2d", "DualBatchNorm2d", "Film", "FilmedNorm", "LamEncoding"]

LAM_GRID = (0.0, 0.1, 0.2, 0.3, 0.4, 1.0)
"""The lam that OAT trains with. Source: arXiv 2010.11828 and its official code."""

BakedNorm = dict[str, Tensor]
"""The state of the one batch norm that acts on a path: weight, bias, running statistics."""


class BatchNorm2d(nn.BatchNorm2d):
    """One batch norm for every lam."""

    def forward(self, input: Tensor, condition: Condition = CLEAN) -> Tensor:
        """Normalise (n, c, h, w)."""
        del condition
        return super().forward(input)

    def bake(self, condition: Condition) -> BakedNorm:
        """The batch norm of the path."""
        del condition
        return dict(self.state_dict())


class DualBatchNorm2d(nn.Module):
    """One batch norm for lam = 0, another for lam > 0; a mixed batch is split between them.

    Source: Wang et al., OAT, arXiv 2010.11828.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.clean = BatchNorm2d(channels)
        self.adversarial = BatchNorm2d(channels)

    def forward(self, input: Tensor, condition: Condition = CLEAN) -> Tensor:
        """Normalise (n, c, h, w)."""
        match condition.path:
            case "clean":
                normalised: Tensor = self.clean(input)
            case "adversarial":
                normalised = self.adversarial(input)
            case "mixed":
                split = condition.clean_count
                normalised = torch.cat([self.clean(input[:split]), self.adversarial(input[split:])])
        return normalised

    def bake(self, condition: Condition) -> BakedNorm:
        """The batch norm of the path."""
        return (self.clean if condition.path == "clean" else self.adversarial).bake(condition)


class Film(nn.Module):
    """Feature-wise linear modulation: `gamma * x + beta` per channel, both from lam.

    `gamma, beta = leaky_relu(W2 leaky_relu(W1 e + b1) + b2)` with an encoding e of length d and
    2 c hidden units.

    Source: Perez et al., AAAI 2018, in the form of OAT's official code.
    """

    def __init__(self, channels: int, dimension: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(dimension, 2 * channels),
            nn.LeakyReLU(),
            nn.Linear(2 * channels, 2 * channels),
            nn.LeakyReLU(),
        )

    def draw_weights(self, generator: torch.Generator) -> None:
        """Start as torch's own linear layers do: all uniform within 1 / sqrt(inputs)."""
        for layer in self.mlp:
            if isinstance(layer, nn.Linear):
                bound = 1 / math.sqrt(layer.in_features)
                nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
                nn.init.uniform_(layer.bias, -bound, bound, generator=generator)

    def modulation(self, condition: Condition) -> tuple[Tensor, Tensor]:
        """Gamma and beta, each of shape (1 or n, c)."""
        gamma, beta = self.mlp(condition.encoding).chunk(2, dim=1)
        return gamma, beta

    def forward(self, input: Tensor, condition: Condition) -> Tensor:
        """Modulate (n, c, h, w)."""
        gamma, beta = self.modulation(condition)
        return gamma[:, :, None, None] * input + beta[:, :, None, None]


class FilmedNorm(nn.Module):
    """A batch norm, single or dual, followed by FiLM."""

    def __init__(self, norm: BatchNorm2d | DualBatchNorm2d, film: Film) -> None:
        super().__init__()
        self.norm = norm
        self.film = film

    def forward(self, input: Tensor, condition: Condition) -> Tensor:
        """Normalise and modulate (n, c, h, w)."""
        modulated: Tensor = self.film(self.norm(input, condition), condition)
        return modulated

    def bake(self, condition: Condition) -> BakedNorm:
        """The one batch norm whose own gain and offset contain gamma and beta."""
        state = self.norm.bake(condition)
        gamma, beta = self.film.modulation(condition)
        state["weight"] = gamma[0] * state["weight"]
        state["bias"] = gamma[0] * state["bias"] + beta[0]
        return state


class LamEncoding(nn.Module):
    """What FiLM layers are given for lam: the bare number, or a row of an orthogonal matrix.

    OAT's official code knows rows only for the lam that it trains with, `LAM_GRID`. Between two of
    them, the encoding here is interpolated linearly between their rows; at one of them (to within
    1e-6) it is the row itself.

    Attributes:
        rows: The first six rows of the matrix, shape (6, d); None for d = 1.
        grid: The lam of each row, shape (6,); None for d = 1.
    """

    rows: Tensor | None
    grid: Tensor | None

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.dimension = dimension
        self.register_buffer("rows", None if dimension == 1 else torch.zeros(6, dimension))
        self.register_buffer("grid", None if dimension == 1 else torch.tensor(LAM_GRID))

    def draw_rows(self, generator: torch.Generator) -> None:
        """Draw the orthogonal matrix anew: the Q of a Gaussian one."""
        if self.rows is None or self.grid is None:
            return
        gaussian = torch.randn(self.dimension, self.dimension, generator=generator)
        orthogonal: Tensor = torch.linalg.qr(gaussian).Q
        self.rows.copy_(orthogonal[: len(LAM_GRID)])
        self.grid.copy_(torch.tensor(LAM_GRID))

    def forward(self, condition: Condition, like: Tensor) -> Tensor:
        """Encode lam as a tensor of shape (1 or n, d), of the type and device of `like`."""
        lam = condition.lam
        if isinstance(lam, Tensor):
            lam = lam.to(dtype=like.dtype, device=like.device).reshape(-1, 1)
        else:
            lam = torch.full((1, 1), lam, dtype=like.dtype, device=like.device)
        if self.rows is None or self.grid is None:
            return lam
        if _on_grid(condition.value):
            # A look-up, of which nothing remains to compute: comparisons find the nearest row.
            middles = (self.grid[1:] + self.grid[:-1]) / 2
            return self.rows[(lam > middles).sum(dim=1)]
        lower = (lam >= self.grid[1:-1]).sum(dim=1)
        start, end = self.grid[lower, None], self.grid[lower + 1, None]
        return torch.lerp(self.rows[lower], self.rows[lower + 1], (lam - start) / (end - start))


def _on_grid(value: float | None) -> bool:
    return value is not None and any(abs(value - point) < 1e-6 for point in LAM_GRID)
