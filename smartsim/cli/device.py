"""`--device`: where a model is trained or attacked."""

import os

import click

from smartsim.errors import ConfigurationError
from smartsim.records.files import parse_whole, quote

__all__ = ["choose_device", "device_option", "read_local_rank"]

device_option = click.option("--device", default="auto", metavar="NAME", help="cpu, cuda, or auto.")


def choose_device(name: str, local_rank: int = 0) -> str:
    """The device to use; of several GPUs, each process that torchrun started has its own."""
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigurationError(f"--device {name!r} is no device; write cpu or cuda") from error
    if device.type not in ("cpu", "cuda"):
        raise ConfigurationError(
            f"--device {name!r}: models are trained and attacked on cpu or cuda, not there"
        )
    if device.type != "cuda":
        return name
    index = local_rank if device.index is None else device.index
    if index >= torch.cuda.device_count():
        raise ConfigurationError(
            f"torch finds {torch.cuda.device_count() or 'no'} CUDA devices here, and cuda:{index} "
            "is asked for; write --device cpu, or start fewer processes"
        )
    # Convolutions in fp32 are meant in fp32: TF32 has 10 bits of mantissa.
    torch.backends.cudnn.allow_tf32 = False
    return f"cuda:{index}"


def read_local_rank() -> int:
    """Which of this machine's processes this one is, as torchrun says it.

    Raises:
        ConfigurationError: If the environment says something else.
    """
    text = os.environ.get("LOCAL_RANK", "0")
    rank = parse_whole(text)
    if rank is None:
        raise ConfigurationError(
            f"LOCAL_RANK is {quote(text)} in the environment; torchrun sets a whole number"
        )
    return rank
