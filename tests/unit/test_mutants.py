"""The mutants of `make mutants` are changes of code that runs, each of one expression."""

import ast

import pytest

from tests.mutants.mutate import list_mutants

SOURCE = '''"""A module."""
__all__ = ["f"]
if TYPE_CHECKING:
    import a
def f(x: int | None = 1, *, y: "str | int" = "ä") -> bool | None:
    """1 + 1."""
    if not x and any(v < 2 for v in x):
        raise ValueError("a" + "b")
    return isinstance(x, int | str) or np.minimum(x & y, True)
'''


def test_each_expression_that_is_computed_has_its_mutants() -> None:
    found = [(m.line, m.before, m.after) for m in list_mutants(SOURCE)]
    assert found == [
        (5, "1", "(2)"),
        (7, "not x and any(v < 2 for v in x)", "(not x or any((v < 2 for v in x)))"),
        (7, "not x", "(x)"),
        (7, "any(v < 2 for v in x)", "(all((v < 2 for v in x)))"),
        (7, "v < 2", "(v <= 2)"),
        (7, "2", "(3)"),
        (
            9,
            "isinstance(x, int | str) or np.minimum(x & y, True)",
            "(isinstance(x, int | str) and np.minimum(x & y, True))",
        ),
        (9, "np.minimum(x & y, True)", "(np.maximum(x & y, True))"),
        (9, "x & y", "(x | y)"),
        (9, "True", "(False)"),
    ]


@pytest.mark.parametrize("place", range(10))
def test_a_mutant_differs_from_the_module_in_that_alone(place: int) -> None:
    mutant = list(list_mutants(SOURCE))[place]
    assert mutant.source.replace(mutant.after, mutant.before, 1) == SOURCE
    ast.parse(mutant.source)
