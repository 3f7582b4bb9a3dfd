"""The faults that can be put into a source file, each of one place. Pure."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from tests.mutation.table import is_excluded

SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
}
CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}
SMALL = 10
"""Numbers below it become one more and one less; greater ones twice and half as much."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault.

    Args:
        path: the file, from the top of the tree.
        line: where, from 1.
        first: the line on which the statement begins that it is in.
        start: the offset of what is replaced, in bytes.
        end: its end.
        before: what stands there.
        after: what takes its place.
        always: whether the place runs when the module is imported, so that no single test runs it.
    """

    path: str
    line: int
    first: int
    start: int
    end: int
    before: str
    after: str
    always: bool = False

    def applied(self, source: str) -> str:
        """Return the source with the fault in it."""
        text = source.encode()
        return (text[: self.start] + self.after.encode() + text[self.end :]).decode()

    def __str__(self) -> str:
        before, after = (" ".join(text.split())[:100] for text in (self.before, self.after))
        return f"{self.path}:{self.line}: {before}  ->  {after}"


def mutants(path: str, source: str) -> list[Mutant]:
    """Return every fault that can be put into a file and still compiles, in the order of the text."""
    found = _Finder(path, source).found(ast.parse(source))
    return [each for each in sorted(found, key=lambda it: (it.start, it.end, it.after)) if _compiles(each, source)]


def _compiles(mutant: Mutant, source: str) -> bool:
    try:
        compile(mutant.applied(source), mutant.path, "exec")
    except SyntaxError:
        return False
    return True


class _Finder:
    def __init__(self, path: str, source: str) -> None:
        self._path = path
        self._text = source.encode()
        self._first = 1
        self._starts = [0]
        for line in self._text.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    def found(self, tree: ast.Module) -> set[Mutant]:
        return set(self._block(tree.body, always=True))

    def _block(self, body: list[ast.stmt], *, always: bool) -> Iterator[Mutant]:
        for statement in body:
            yield from self._statement(statement, always=always)

    def _statement(self, node: ast.stmt, *, always: bool) -> Iterator[Mutant]:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield from self._function(node)
            case ast.ClassDef():
                yield from self._block(node.body, always=True)
            case ast.Import() | ast.ImportFrom() | ast.Global() | ast.Nonlocal() | ast.Pass():
                return
            case ast.Expr(ast.Constant()):
                return  # a docstring, or the body of what is only declared
            case ast.If() if "TYPE_CHECKING" in ast.unparse(node.test):
                return
            case _:
                self._first = node.lineno
                head = self._head(node)
                if is_excluded(head):
                    return
                if not (always or any(isinstance(part, ast.stmt | ast.ExceptHandler) for part in _parts(node))):
                    yield self._mutant(node, "pass", always=always)
                if isinstance(node, ast.If | ast.While):
                    yield self._mutant(node.test, f"(not ({ast.unparse(node.test)}))", always=always)
                for part in _parts(node):
                    yield from self._part(part, always=always)

    def _part(self, part: ast.AST, *, always: bool) -> Iterator[Mutant]:
        match part:
            case ast.stmt():
                yield from self._statement(part, always=always)
            case ast.ExceptHandler():
                yield from self._block(part.body, always=always)
            case ast.match_case():
                if part.guard:
                    yield from self._expression(part.guard, always=always)
                yield from self._block(part.body, always=always)
            case ast.expr():
                yield from self._expression(part, always=always)
            case ast.withitem():
                yield from self._expression(part.context_expr, always=always)

    def _function(self, node: Function) -> Iterator[Mutant]:
        for default in [*node.args.defaults, *filter(None, node.args.kw_defaults)]:
            yield from self._expression(default, always=True)
        body = node.body[1:] if ast.get_docstring(node) is not None else node.body
        if not body or (isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant)):
            return  # a Protocol's method
        if len(body) > 1 and not any(isinstance(part, ast.Yield | ast.YieldFrom) for part in ast.walk(node)):
            yield self._mutant(body[0], "return", upto=body[0])
        yield from self._block(body, always=False)

    def _expression(self, node: ast.expr, *, always: bool) -> Iterator[Mutant]:
        if isinstance(node, ast.JoinedStr):
            return  # Python 3.11 does not tell where its parts are
        for changed in _changed(node):
            yield self._mutant(node, f"({ast.unparse(changed)})", always=always)
        for child in ast.iter_child_nodes(node):
            match child:
                case ast.expr():
                    yield from self._expression(child, always=always)
                case ast.keyword():
                    yield from self._expression(child.value, always=always)
                case ast.comprehension():
                    for each in (child.iter, *child.ifs):
                        yield from self._expression(each, always=always)
                    for condition in child.ifs:
                        yield self._mutant(condition, "True", always=always)

    def _head(self, node: ast.stmt) -> str:
        """A simple statement, or the first line of one with a block."""
        lines = (ast.get_source_segment(self._text.decode(), node) or "").splitlines()
        return lines[0] if any(isinstance(part, ast.stmt) for part in _parts(node)) else "\n".join(lines)

    def _mutant(
        self, node: ast.stmt | ast.expr, after: str, *, always: bool = False, upto: ast.stmt | None = None
    ) -> Mutant:
        """A fault in place of `node`, or with `upto` one that stands before it, on its own line."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = self._starts[node.lineno - 1] + node.col_offset
        end = self._starts[node.end_lineno - 1] + node.end_col_offset
        before = self._text[start:end].decode()
        if upto is not None:
            end, after, before = start, f"{after}\n{' ' * node.col_offset}", f"(before) {before}"
        return Mutant(self._path, node.lineno, min(self._first, node.lineno), start, end, before, after, always)


def _parts(node: ast.stmt) -> list[ast.AST]:
    """The parts of a statement that are mutated: no annotation, no target."""
    left_out = {"annotation", "returns", "decorator_list", "targets", "target", "bases"}
    parts: list[ast.AST] = []
    for name, value in ast.iter_fields(node):
        if name not in left_out:
            parts += [part for part in (value if isinstance(value, list) else [value]) if isinstance(part, ast.AST)]
    return parts


def _changed(node: ast.expr) -> Iterator[ast.expr]:
    """Return other expressions that could have been written by mistake."""
    match node:
        case ast.Compare():
            for index, operator in enumerate(node.ops):
                other: Any = deepcopy(node)
                other.ops[index] = SWAPS[type(operator)]()
                yield other
        case ast.BoolOp() | ast.BinOp() if type(node.op) in SWAPS:
            other = deepcopy(node)
            other.op = SWAPS[type(node.op)]()
            yield other
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield node.operand
        case ast.IfExp():
            yield ast.IfExp(node.test, node.orelse, node.body)
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)) if abs(value) < SMALL:
            yield from (ast.Constant(value + 1), ast.Constant(value - 1))
        case ast.Constant(value=int(value) | float(value)):
            yield from (ast.Constant(value * 2), ast.Constant(type(value)(value / 2)))
        case ast.Call(func=ast.Name(id=name)) if name in CALLS:
            other = deepcopy(node)
            other.func.id = CALLS[name]
            yield other
