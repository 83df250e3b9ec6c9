"""What a public function takes: a record, or what its user holds in its place by mistake."""

from typing import Any, TypeVar

from smartsim.errors import ConfigurationError

__all__ = ["ArgumentError", "expect"]

RecordT = TypeVar("RecordT")


class ArgumentError(ConfigurationError, TypeError):
    """An argument of another kind than is needed; the sentence says how to make the right one."""


_REMEDIES = {
    "Graph": "make one with trace_model(model, input_shape), or load_graph(path)",
    "Counts": "make them with count_actions(graph)",
    "Table": "give its name, such as 'horowitz2014_45nm', its path, or load_table(...)",
    "PrecisionPlan": "give a format's name, such as 'int8', a file's path, or load_plan(...)",
    "Accelerator": "give its name, such as 'edge_npu', its path, or load_accelerator(...)",
    "Convention": "give its name, such as 'exact', its path, or load_convention(...)",
}


def expect(given: Any, kind: type[RecordT], what: str) -> RecordT:
    """The argument, if it is of the kind that is needed.

    >>> expect(1, int, "number")
    1

    Raises:
        ArgumentError: If it is not.
    """
    if isinstance(given, kind):
        return given
    article = "an" if type(given).__name__[0] in "AEIOUaeiou" else "a"
    remedy = _REMEDIES.get(kind.__name__, "")
    raise ArgumentError(
        f"{what} must be a {kind.__name__}, not {article} {type(given).__name__}"
        f"{'; ' if remedy else ''}{remedy}"
    )
