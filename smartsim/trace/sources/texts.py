"""What a user writes on the command line about a model's inputs -> shapes, tensors, numbers."""

from collections.abc import Mapping

import torch

from smartsim.errors import ConfigurationError, FileFormatError
from smartsim.records.files import parse_whole, quote, read_object, read_text
from smartsim.trace.record.arguments import make_input

__all__ = ["parse_condition", "parse_input", "parse_known", "parse_shape"]


def parse_input(text: str) -> tuple[int, ...] | torch.Tensor:
    """An input such as "1,3,32,32", of the model's float type, or "1,16:int64" of another.

    >>> parse_input("1,16:int64").dtype
    torch.int64

    Raises:
        ConfigurationError: If the shape is no list of whole numbers, or the type is none of torch.
    """
    shape, colon, kind = text.partition(":")
    sizes = parse_shape(shape)
    if not colon:
        return sizes
    dtype = getattr(torch, kind.strip(), None)
    if not isinstance(dtype, torch.dtype) or kind.strip().startswith(("q", "bits")):
        raise ConfigurationError(
            f"input type {quote(kind)} is no element type of torch; write int64, bool or float32"
        )
    return make_input(sizes, dtype)


def parse_shape(text: str) -> tuple[int, ...]:
    """A shape such as "1,3,32,32".

    >>> parse_shape("1,3,32,32")
    (1, 3, 32, 32)

    Raises:
        ConfigurationError: If it is no list of whole numbers of 1 or more.
    """
    parts = [part.strip() for part in text.replace("x", ",").split(",")]
    sizes = [parse_whole(part) or 0 for part in parts]
    if 0 in sizes:
        raise ConfigurationError(
            f"input shape {quote(text)} must be whole numbers of 1 or more, such as 1,3,32,32"
        )
    return tuple(sizes)


def parse_condition(texts: tuple[str, ...]) -> Mapping[str, float]:
    """Conditions such as ("lam=1.0",).

    >>> parse_condition(("lam=0.5",))
    {'lam': 0.5}

    Raises:
        ConfigurationError: If one is not NAME=NUMBER.
    """
    condition: dict[str, float] = {}
    for text in texts:
        name, _, number = text.partition("=")
        name = name.strip()
        try:
            value = float(number)
        except ValueError as error:
            raise ConfigurationError(
                f"condition {text!r} must be NAME=NUMBER, such as lam=1.0"
            ) from error
        if not name.isidentifier():
            raise ConfigurationError(f"condition {text!r} must be NAME=NUMBER, such as lam=1.0")
        if name in condition:
            raise ConfigurationError(f"condition {name} is given twice")
        condition[name] = value
    return condition


def parse_known(texts: tuple[str, ...]) -> Mapping[str, torch.Tensor]:
    """Inputs with their values, such as ("mask=[[1,1,0]]",) or ("mask=@mask.json",).

    >>> parse_known(("mask=[[1,1,0]]",))
    {'mask': tensor([[1, 1, 0]])}

    Raises:
        ConfigurationError: If one is not NAME=VALUES with numbers in nested lists of equal length.
        FileFormatError: If a file cannot be read.
    """
    known: dict[str, torch.Tensor] = {}
    for text in texts:
        name, _, values = (part.strip() for part in text.partition("="))
        if not name.isidentifier():
            raise ConfigurationError(_explain_known(text))
        if name in known:
            raise ConfigurationError(f"known input {name} is given twice")
        if values.startswith("@"):
            values = read_text(values[1:], "the values of an input as JSON")
        try:
            known[name] = torch.tensor(read_object(f'{{"values": {values}}}')["values"])
        except (FileFormatError, ValueError, TypeError, RuntimeError, OverflowError) as error:
            raise ConfigurationError(_explain_known(text)) from error
    return known


def _explain_known(text: str) -> str:
    return (
        f"known input {quote(text)} must be NAME=VALUES, numbers in lists of equal length such as "
        "mask=[[1,1,0]], or NAME=@FILE with such JSON in the file"
    )
