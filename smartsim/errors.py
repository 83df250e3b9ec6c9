"""The errors that smartsim raises on purpose; each message is one sentence that says what to do.

Every error also inherits the builtin that a caller would expect, so `except ValueError` works.
The command line prints the sentence and ends with exit code 2.
"""

import difflib
from collections.abc import Iterable

__all__ = [
    "USER_CODE_ERRORS",
    "ConfigurationError",
    "DataDependentControlFlowError",
    "FileFormatError",
    "InvalidModelError",
    "MissingRuleError",
    "SmartsimError",
    "TrainingError",
    "suggest_name",
]

USER_CODE_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    MemoryError,
    NameError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)
"""What a model of the user's own may raise; caught only around calls of the user's code."""


class SmartsimError(Exception):
    """Base of every error that smartsim raises on purpose."""


class ConfigurationError(SmartsimError, ValueError):
    """A setting, name or argument that cannot be: the message says what is possible."""


class FileFormatError(SmartsimError, ValueError):
    """A file that is damaged, foreign or invalid: the message names file, place and rule."""


class InvalidModelError(SmartsimError, ValueError):
    """A model that cannot be traced as it is, for instance with NaN weights."""


class MissingRuleError(SmartsimError, LookupError):
    """An op without a counting rule: nothing is silently zero.

    Args:
        sentence: What is missing, and what to do.
        operator: The op's name, such as "aten.fft", where one op is meant.
    """

    def __init__(self, sentence: str, *, operator: str = "") -> None:
        super().__init__(sentence)
        self.operator = operator


class DataDependentControlFlowError(SmartsimError, RuntimeError):
    """Python control flow that depends on input data or noise, which a trace cannot know."""


class TrainingError(SmartsimError, RuntimeError):
    """Training that cannot go on, for instance with a NaN loss; the last checkpoint stands."""


def suggest_name(given: str, possible: Iterable[str]) -> str:
    """Ends an error sentence: the near name if there is one, else all that is possible.

    >>> suggest_name("resnet43", ["resnet34", "wrn40_2"])
    "; did you mean 'resnet34'?"
    >>> suggest_name("vgg", ["resnet34", "wrn40_2"])
    '; possible: resnet34, wrn40_2'
    """
    names = sorted(possible)
    near = difflib.get_close_matches(given, names, n=1, cutoff=0.8)
    return f"; did you mean {near[0]!r}?" if near else f"; possible: {', '.join(names)}"
