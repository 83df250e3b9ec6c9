"""SOURCE -> MUTANTS: each small change that turns right code into wrong code, or should."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Mutant", "list_mutants"]

_OPERATORS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
_NAMES = {
    ("any", "all"),
    ("min", "max"),
    ("minimum", "maximum"),
    ("zeros", "ones"),
    ("zeros_like", "ones_like"),
    ("floor", "ceil"),
}
_TWINS = dict([*_NAMES, *((b, a) for a, b in _NAMES)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One change of one file.

    Attributes:
        line: Where it is.
        before: The expression as it stands.
        after: The expression in its place.
        source: The whole file, changed.
    """

    line: int
    before: str
    after: str
    source: str


def list_mutants(source: str) -> Iterator[Mutant]:
    """Every mutant of a module; annotations, messages of errors and `__all__` are left alone."""
    tree = ast.parse(source)
    lines = source.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line.encode()))
    encoded = source.encode()
    for node in _code(tree):
        for changed in _changes(node):
            first = starts[node.lineno - 1] + node.col_offset
            last = starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
            before, after = encoded[first:last].decode(), f"({ast.unparse(changed)})"
            text = (encoded[:first] + after.encode() + encoded[last:]).decode()
            yield Mutant(line=node.lineno, before=before, after=after, source=text)


def _code(tree: ast.AST) -> Iterator[ast.expr]:
    """The expressions that are computed when the code runs."""
    for name, value in ast.iter_fields(tree):
        if name in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, ast.Raise | ast.JoinedStr):
                continue
            if isinstance(child, ast.Assign) and "__all__" in ast.unparse(child.targets[0]):
                continue
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            if isinstance(child, ast.expr):
                yield child
            yield from _code(child)


def _changes(node: ast.expr) -> Iterator[ast.expr]:
    match node:
        case ast.BinOp() if type(node.op) in _OPERATORS and not _is_of_types(node):
            yield ast.BinOp(node.left, _OPERATORS[type(node.op)](), node.right)  # type: ignore[arg-type]
        case ast.BoolOp():
            yield ast.BoolOp(_OPERATORS[type(node.op)](), node.values)  # type: ignore[arg-type]
        case ast.Compare() if type(node.ops[0]) in _OPERATORS:
            other = _OPERATORS[type(node.ops[0])]()
            yield ast.Compare(node.left, [other, *node.ops[1:]], node.comparators)  # type: ignore[list-item]
        case ast.UnaryOp(op=ast.Not()):
            yield node.operand
        case ast.UnaryOp(op=ast.Invert()):
            yield node.operand
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value)):
            yield ast.Constant(value + 1)
        case ast.Call(func=ast.Name(id=name)) if name in _TWINS:
            yield ast.Call(ast.Name(_TWINS[name]), node.args, node.keywords)
        case ast.Call(func=ast.Attribute(attr=name)) if name in _TWINS:
            twin = ast.Attribute(node.func.value, _TWINS[name])  # type: ignore[attr-defined]
            yield ast.Call(twin, node.args, node.keywords)


def _is_of_types(node: ast.BinOp) -> bool:
    """Whether `a | b` is a union of types, as in isinstance."""
    text = ast.unparse(node)
    return isinstance(node.op, ast.BitOr) and any(
        part.strip().rpartition(".")[2][:1].isupper()
        or part.strip() in ("int", "float", "str", "bool", "list", "tuple", "dict", "None")
        for part in text.split("|")
    )
