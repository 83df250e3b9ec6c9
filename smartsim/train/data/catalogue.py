"""The data sets that can be trained on: their shapes, where they come from, their checksums."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from smartsim.errors import ConfigurationError, suggest_name

__all__ = ["DATASETS", "Dataset", "DatasetSpec", "find_spec"]

_TORONTO = "https://www.cs.toronto.edu/~kriz/"
_ZALANDO = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSpec:
    """What is known of a data set before it is read.

    Attributes:
        name: As the command line spells it.
        classes: Number of classes.
        shape: Channels, height and width of an image.
        train_count: Images to train with.
        test_count: Images to test with; Tiny-ImageNet's are its validation images, since its test
            images have no labels.
        urls: The official files.
        archive_md5: MD5 of each official archive by its name.
        file_md5: MD5 of the official files of one version, unpacked, by their names: all that
            are read. Empty where not known.
        record_md5: MD5 of each 10,000 images, training images first, as CIFAR's binary version
            stores them: a label byte, then the pixels plane by plane. Empty where not known.
        unlabelled_count: Images of its archive that have no label, and are not read.
        flips: Whether a mirrored image keeps its class: digits do not.
    """

    name: str
    classes: int
    shape: tuple[int, int, int]
    train_count: int
    test_count: int
    urls: tuple[str, ...] = ()
    archive_md5: Mapping[str, str] = field(default_factory=dict)
    file_md5: Mapping[str, str] = field(default_factory=dict)
    record_md5: tuple[str, ...] = ()
    unlabelled_count: int = 0
    flips: bool = True

    @property
    def most_bytes(self) -> int:
        """More than its files can have: twice the pixels, and 64 MiB for all else."""
        return 2 * self._images * math.prod(self.shape) + (64 << 20)

    @property
    def most_files(self) -> int:
        """More files than it can have: one an image, and 10,000 for lists and folders."""
        return self._images + 10_000

    @property
    def _images(self) -> int:
        return self.train_count + self.test_count + self.unlabelled_count


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dataset:
    """Images and labels in memory.

    Attributes:
        name: Name of its spec.
        classes: Number of classes.
        train_images: uint8 of shape (n, c, h, w).
        train_labels: int64 of shape (n,).
        test_images: Likewise.
        test_labels: Likewise.
        checksum: SHA-256 of labels and pixels.
        flips: Whether a mirrored image keeps its class.
    """

    name: str
    classes: int
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    checksum: str
    flips: bool = True

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        channels, height, width = self.train_images.shape[1:]
        return channels, height, width

    def to(self, device: torch.device) -> "Dataset":
        """The same data on another device."""
        return Dataset(
            name=self.name,
            classes=self.classes,
            train_images=self.train_images.to(device),
            train_labels=self.train_labels.to(device),
            test_images=self.test_images.to(device),
            test_labels=self.test_labels.to(device),
            checksum=self.checksum,
            flips=self.flips,
        )


def _named(*specs: DatasetSpec) -> Mapping[str, DatasetSpec]:
    return {spec.name: spec for spec in specs}


DATASETS: Mapping[str, DatasetSpec] = _named(
    DatasetSpec(
        name="cifar10",
        classes=10,
        shape=(3, 32, 32),
        train_count=50_000,
        test_count=10_000,
        urls=(_TORONTO + "cifar-10-binary.tar.gz",),
        archive_md5={
            "cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530",
            "cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a",
        },
        record_md5=(
            "5dd7e06a14cb22eb9f671a540d1b7c25",
            "5ea93a67294ea407fff1d09f752e9692",
            "942cd6a4bcdd0dd3c604fbe906cb4421",
            "ae636b3ba5c66a11e91e8cb52e771fcb",
            "53f37980c15c3d472c316c40844f3f0d",
            "803d5f7f4d78ea53de84dbe85f74fb6d",
        ),
    ),
    DatasetSpec(
        name="cifar100",
        classes=100,
        shape=(3, 32, 32),
        train_count=50_000,
        test_count=10_000,
        urls=(_TORONTO + "cifar-100-binary.tar.gz",),
        archive_md5={
            "cifar-100-binary.tar.gz": "03b5dce01913d631647c71ecec9e9cb8",
            "cifar-100-python.tar.gz": "eb9058c3a382ffc7106e4002c42a8d85",
        },
        # Of the Python version, as torchvision has them; of the binary one none are published.
        file_md5={
            "train": "16019d7e3df5f24257cddd939b257f8d",
            "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
        },
    ),
    DatasetSpec(
        name="svhn",
        classes=10,
        shape=(3, 32, 32),
        train_count=73_257,
        test_count=26_032,
        urls=(
            "http://ufldl.stanford.edu/housenumbers/train_32x32.mat",
            "http://ufldl.stanford.edu/housenumbers/test_32x32.mat",
        ),
        file_md5={
            "train_32x32.mat": "e26dedcc434d2e4c54c9b2d4a06d8373",
            "test_32x32.mat": "eb5a983be6a315427106f1b164d9cef3",
        },
        flips=False,
    ),
    DatasetSpec(
        name="stl10",
        classes=10,
        shape=(3, 96, 96),
        train_count=5_000,
        test_count=8_000,
        unlabelled_count=100_000,
        urls=("http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",),
        archive_md5={"stl10_binary.tar.gz": "91f7769df0f17e558f3565bffb0c7dfb"},
        # As torchvision has them.
        file_md5={
            "train_X.bin": "918c2871b30a85fa023e0c44e0bee87f",
            "train_y.bin": "5a34089d4802c674881badbb80307741",
            "test_X.bin": "7f263ba9f9e0b06b93213547f721ac82",
            "test_y.bin": "36f9794fa4beb8a2c72628de14fa638e",
        },
    ),
    DatasetSpec(
        name="tiny_imagenet",
        classes=200,
        shape=(3, 64, 64),
        train_count=100_000,
        test_count=10_000,
        unlabelled_count=10_000,
        urls=("http://cs231n.stanford.edu/tiny-imagenet-200.zip",),
        archive_md5={"tiny-imagenet-200.zip": "90528d7ca1a48142e341f4ef8d21d0de"},
    ),
    DatasetSpec(
        name="fashion_mnist",
        classes=10,
        shape=(1, 28, 28),
        train_count=60_000,
        test_count=10_000,
        urls=tuple(
            f"{_ZALANDO}{part}-ubyte.gz"
            for part in (
                "train-images-idx3",
                "train-labels-idx1",
                "t10k-images-idx3",
                "t10k-labels-idx1",
            )
        ),
        # No MD5 of the .gz files: Debian packs the same contents anew. The records' sums hold.
        record_md5=(
            "01dff0e1a386318b1053734d54438f84",
            "4fe5add6ad80a76581a970a4f28ed262",
            "12bbe7e7b37fc2d5781f17d6b4e484f6",
            "7f59a4adc427113f6882a55e74705a9a",
            "c2628633b91ea816f7c20d71c889a832",
            "67ae53ae003a6957da75c821b1758a26",
            "d33bea608143aa5cdc7bfd8471b359cf",
        ),
    ),
    DatasetSpec(name="synthetic", classes=10, shape=(3, 32, 32), train_count=2_000, test_count=500),
)
"""Every data set by its name. `synthetic` is drawn, for tests and first tries."""


def find_spec(name: str) -> DatasetSpec:
    """The spec called `name`.

    Raises:
        ConfigurationError: If there is none; the sentence suggests a near name.
    """
    if name not in DATASETS:
        raise ConfigurationError(f"unknown data set {name!r}{suggest_name(name, DATASETS)}")
    return DATASETS[name]
