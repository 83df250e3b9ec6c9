"""The state of a run between two steps, made from its settings and its data."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from smartsim.errors import ConfigurationError, TrainingError
from smartsim.models import Condition, ConditionalModel, build_from_settings
from smartsim.models.layers import NoisyWeight
from smartsim.train.data import Dataset
from smartsim.train.data.augment import pad_images
from smartsim.train.loop.checkpoint import Place
from smartsim.train.loop.distributed import Processes, synchronise_norms
from smartsim.train.loop.folder import RunFolder
from smartsim.train.methods.optimise import make_optimizer
from smartsim.train.methods.sparse import SparseLearner
from smartsim.train.methods.steps import Outcome
from smartsim.train.settings import TrainSettings

__all__ = ["Run", "count_steps", "not_finite", "prepare_run"]


@dataclass(slots=True, kw_only=True, eq=False)
class Run:
    """The state of a run between two steps.

    Attributes:
        settings: Everything that determines the run.
        folder: Its files.
        dataset: The images, on the CPU.
        device: Where it trains.
        processes: This process and its peers.
        model: The network.
        layout: How its images and weights lie in memory.
        forward: The same as a function, perhaps compiled.
        optimizer: SGD.
        learner: The masks of sparse learning.
        noise: Where the model's fresh noise comes from.
        padded: The training images on the device, as bytes with a border.
        labels: Theirs.
        place: How far the run has come.
        waiting: Step, epoch, learning rate and outcome of each step since the last flush.
        saved_at: When the last checkpoint was written, by the monotonic clock.
        flushed_at: When metrics were written.
        flush_every: Steps until they are again.
    """

    settings: TrainSettings
    folder: RunFolder
    dataset: Dataset
    device: torch.device
    processes: Processes
    model: ConditionalModel
    layout: torch.memory_format
    forward: Callable[[Tensor, Condition], Tensor]
    optimizer: torch.optim.SGD
    learner: SparseLearner | None
    noise: torch.Generator | None
    padded: Tensor
    labels: Tensor
    place: Place = field(default_factory=Place)
    waiting: list[tuple[int, int, float, Outcome]] = field(default_factory=list)
    saved_at: float = 0.0
    flushed_at: float = 0.0
    flush_every: int = 1

    @property
    def batches(self) -> int:
        """Steps of an epoch: the last images that fill no batch are dropped."""
        return len(self.labels) // self.settings.batch_size


def prepare_run(
    settings: TrainSettings,
    dataset: Dataset,
    folder: RunFolder,
    device: str | torch.device,
    processes: Processes,
) -> Run:
    """Everything before the first step; the weights are the seed's."""
    _check_fit(settings, dataset, processes)
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    device = torch.device(device)
    model = build_from_settings(settings.model).to(device)
    if settings.alpha is not None:
        for layer in model.modules():
            if isinstance(layer, NoisyWeight):
                layer.alpha.requires_grad_(False).fill_(settings.alpha)
    layout = _choose_layout(model, settings, device)
    model.to(memory_format=layout)  # type: ignore[call-overload]
    if processes.count > 1:
        synchronise_norms(model)
    noise = None
    if settings.model.noise == "fresh":
        noise = torch.Generator(device)
        model.draw_fresh_noise_from(noise)
    learner = None
    if settings.method == "sparse":
        learner = SparseLearner(model, settings.sparse_density, settings.seed)
    used = _used_images(settings, dataset)
    return Run(
        settings=settings,
        folder=folder,
        dataset=dataset,
        device=device,
        processes=processes,
        model=model,
        layout=layout,
        forward=torch.compile(model, dynamic=False) if settings.compile else model,
        optimizer=make_optimizer(model, settings, device),
        learner=learner,
        noise=noise,
        padded=pad_images(dataset.train_images[:used].to(device), _padding(settings)),
        labels=dataset.train_labels[:used].to(device),
    )


def _choose_layout(
    model: ConditionalModel, settings: TrainSettings, device: torch.device
) -> torch.memory_format:
    """Channels last where it is asked for and safe.

    On a CPU with AVX2 alone, torch 2.13's gradient by the weights of a 1x1 convolution with a
    stride writes past its memory when fewer than 8 channels come in last.
    """
    narrow = any(
        isinstance(layer, torch.nn.Conv2d)
        and layer.kernel_size == (1, 1)
        and layer.stride != (1, 1)
        and layer.in_channels < 8
        for layer in model.modules()
    )
    unsafe = narrow and device.type == "cpu" and torch.backends.cpu.get_cpu_capability() == "AVX2"
    last = settings.channels_last and not unsafe
    return torch.channels_last if last else torch.contiguous_format


def _padding(settings: TrainSettings) -> int:
    return 0 if settings.augment == "none" else settings.padding


def count_steps(settings: TrainSettings, dataset: Dataset) -> int:
    """Steps of a whole run."""
    return settings.epochs * (_used_images(settings, dataset) // settings.batch_size)


def _used_images(settings: TrainSettings, dataset: Dataset) -> int:
    most = len(dataset.train_images) - settings.validation_images
    return most if settings.train_images is None else min(most, settings.train_images)


def _check_fit(settings: TrainSettings, dataset: Dataset, processes: Processes) -> None:
    if settings.model.classes != dataset.classes:
        raise ConfigurationError(
            f"{dataset.name} has {dataset.classes} classes, the network {settings.model.classes}; "
            f"write --set classes={dataset.classes}"
        )
    if settings.model.in_channels != dataset.shape[0]:
        raise ConfigurationError(
            f"{dataset.name} has {dataset.shape[0]} channels, the network "
            f"{settings.model.in_channels}; write --set in_channels={dataset.shape[0]}"
        )
    used = _used_images(settings, dataset)
    if used < settings.batch_size:
        raise ConfigurationError(
            f"{max(used, 0)} training images are left of {len(dataset.train_images)} and fill no "
            f"batch of {settings.batch_size}; lower validation_images or batch_size"
        )
    if settings.batch_size // 6 < processes.count > 1:
        raise ConfigurationError(
            f"a batch of {settings.batch_size} is too small for {processes.count} processes; "
            f"each needs at least 6 images"
        )


def not_finite(run: Run, what: str) -> TrainingError:
    """The error for a number that is NaN or infinite; it says what to go back to."""
    kept = (
        f"the last good checkpoint is {run.folder.last}"
        if run.folder.last.exists()
        else ("no checkpoint had been saved yet")
    )
    return TrainingError(f"{what}; {kept}; try a lower learning_rate")
