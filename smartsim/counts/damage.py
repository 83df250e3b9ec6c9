"""An op whose shapes and attributes do not fit together is a sentence, wherever it is noticed."""

from collections.abc import Iterator
from contextlib import contextmanager

from smartsim.errors import ConfigurationError, SmartsimError
from smartsim.graph import Graph, Op
from smartsim.records.files import quote

__all__ = ["blame_op"]

_FAULTS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, MemoryError)


@contextmanager
def blame_op(graph: Graph, op: Op, what: str) -> Iterator[None]:
    """Say which op is to blame for what goes wrong inside.

    A graph that comes from a file has fields of the right types, which does not make an op one
    that torch could have run: its kernel may have no size, its operands may not fit each other.

    Args:
        graph: The graph.
        op: One of its ops.
        what: What is being done, as the sentence's subject, such as "the counting rule of x".

    Raises:
        ConfigurationError: In place of any fault that arithmetic on shapes can have.
    """
    try:
        yield
    except SmartsimError:
        raise
    except _FAULTS as error:
        sizes = ", ".join(str(tensor.shape) for tensor in graph.input_tensors(op))
        raise ConfigurationError(
            f"{what} fails on op {op.index} ({op.name}) in module {quote(op.module)} on shapes "
            f"{quote(sizes or 'none')} ({type(error).__name__}: {quote(str(error))}); the graph is "
            "damaged, or the rule does not fit the op"
        ) from error
