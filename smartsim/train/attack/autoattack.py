"""AutoAttack through the package pyautoattack, which is an extra: `pip install -e '.[attack]'`.

Source: Croce and Hein, arXiv 2003.01690. Its version for random models drops an image after one
noisy misclassification, also a chance one; the final forward passes here are counted anew.
"""

import importlib
import logging
import warnings

import torch
from torch import Tensor, nn

from smartsim.errors import ConfigurationError
from smartsim.models import Condition, ConditionalModel
from smartsim.train.attack.folded import fold_model
from smartsim.train.attack.pgd import undisturbed

__all__ = ["run_autoattack"]


class _AtCondition(nn.Module):
    """A model of images alone, as AutoAttack wants it."""

    def __init__(self, model: ConditionalModel, condition: Condition) -> None:
        super().__init__()
        dtype = model.linear.weight.dtype
        self.classify = fold_model(model, condition, dtype=dtype, redraw=True)

    def forward(self, images: Tensor) -> Tensor:
        """Classify (n, c, h, w)."""
        return self.classify(images)


def run_autoattack(
    model: ConditionalModel,
    images: Tensor,
    labels: Tensor,
    condition: Condition,
    *,
    version: str,
    epsilon: float,
    batch_size: int,
    seed: int,
) -> Tensor:
    """Adversarial images by AutoAttack; the model is left as it was.

    Args:
        model: Attacked in eval mode.
        images: Shape (n, c, h, w), in [0, 1].
        labels: Shape (n,).
        condition: Of the whole attack.
        version: "standard" or "rand".
        epsilon: Radius of the ball.
        batch_size: Images of one forward.
        seed: Of its random numbers.

    Raises:
        ConfigurationError: If pyautoattack is not installed.
    """
    try:
        package = importlib.import_module("pyautoattack")
    except ImportError as error:
        raise ConfigurationError(
            "AutoAttack needs the package pyautoattack; install it from the checkout with "
            "pip install -e '.[attack]'"
        ) from error
    classes = model.settings.classes
    logging.getLogger("auto-attack").setLevel(logging.ERROR)
    with undisturbed(model), torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wrapped = _AtCondition(model, condition).eval()
        attack = package.AutoAttack(
            wrapped, eps=epsilon, version=version, seed=seed, device=images.device
        )
        # Targeted attacks need as many other classes as they try, nine as a rule.
        targets = min(attack.apgd_targeted.n_target_classes, classes - 1)
        attack.apgd_targeted.n_target_classes = attack.fab.n_target_classes = targets
        found: Tensor = attack.run_standard_evaluation(images, labels, batch_size=batch_size)[0]
    return found.detach()
