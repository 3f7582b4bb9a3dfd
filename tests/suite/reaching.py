"""What a test may not reach into: the insides of what it tries, and the benchmarks. Pure; ruff's SLF001 finds the rest.

A name that begins with an underscore is used in the file that defines it, and nowhere else: not as an attribute of
`self` that another class has set, not by an import, and not as a string. Only the tests of the benchmarks import these.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

BY_NAME = {"getattr", "setattr", "delattr", "hasattr", "attrgetter"}
"""What reaches an attribute by a string."""


NAMEDTUPLE = {"_asdict", "_fields", "_make", "_replace"}
"""Public in spite of their underscore, so that they clash with no field."""


def reaches(path: str, source: str) -> list[str]:
    """Return a line `path:line: what` for everything in a test's source that reaches where it may not."""
    tree = ast.parse(source)
    found = [*_privates(tree, _defined(tree)), *([] if path.startswith("tests/benchmarks/") else _benchmarks(tree))]
    return [f"{path}:{line}: {what}" for line, what in sorted(found)]


def _defined(tree: ast.Module) -> set[str]:
    """The private names that a file defines itself."""
    names: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name, ctx=ast.Store()):
                names.add(name)
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                names.add(name)
    return names


def _privates(tree: ast.Module, own: set[str]) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name) if _private(name) and name not in own:
                yield node.lineno, ast.unparse(node)
            case ast.ImportFrom(module=module):
                for alias in node.names:
                    if any(map(_private, [*(module or "").split("."), alias.name])):
                        yield node.lineno, f"{module}.{alias.name}"
            case ast.Import():
                yield from ((node.lineno, it.name) for it in node.names if any(map(_private, it.name.split("."))))
            case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called)) if called in BY_NAME:
                texts = [it.value for it in node.args if isinstance(it, ast.Constant) and isinstance(it.value, str)]
                if any(_private(part) and part not in own for text in texts for part in text.split(".")):
                    yield node.lineno, ast.unparse(node)


def _benchmarks(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] == "benchmarks":
                yield node.lineno, module
            case ast.Import():
                yield from ((node.lineno, it.name) for it in node.names if it.name.split(".")[0] == "benchmarks")


def _private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in NAMEDTUPLE
