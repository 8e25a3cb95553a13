"""Reads the corpus of blocking code from the files: the routes, and to which route a line of a file belongs."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

CORPUS = Path(__file__).parent
KINDS = ("cases", "twins")

Route = ast.FunctionDef | ast.AsyncFunctionDef
Name = tuple[str, str]
"""The name of a route in the corpus: the topic, such as `cases/sleeps`, and the function's name."""


@dataclass(frozen=True)
class Member:
    """A case of blocking code or a correct twin: a route, and the code between the previous route and this route."""

    name: Name
    first: int
    last: int
    words: frozenset[str]
    """The names in the code of the case or twin, which decide which imports at the file's top belong to this code."""

    @property
    def title(self) -> str:
        """The name of the case or twin in tables."""
        return self.name[1].replace("_", " ")


@dataclass(frozen=True)
class Topic:
    """A file with cases of blocking code, or with correct twins."""

    path: Path

    @property
    def name(self) -> str:
        """The name of the topic: folder and file without suffix, such as `cases/sleeps`."""
        return f"{self.path.parent.name}/{self.path.stem}"

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree of the file."""
        return ast.parse(self.path.read_text("utf-8"))

    @cached_property
    def members(self) -> list[Member]:
        """The cases or twins of the file, in the sequence of their routes."""
        found = []
        above: list[ast.stmt] = []
        for statement in self.tree.body:
            above.append(statement)
            if isinstance(statement, Route) and is_route(statement):
                words = {node.id for one in above for node in ast.walk(one) if isinstance(node, ast.Name)}
                name = (self.name, statement.name)
                found.append(Member(name, start(above[0]), statement.end_lineno or 0, frozenset(words)))
                above = []
        return found

    @cached_property
    def imports(self) -> dict[int, set[str]]:
        """The names that the imports at the top of the file bind, by line number."""
        return {
            line: {(alias.asname or alias.name).split(".")[0] for alias in node.names}
            for node in self.tree.body
            if isinstance(node, ast.Import | ast.ImportFrom)
            for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
        }

    def at(self, line: int) -> Iterator[Name]:
        """Yield the cases or twins to which a line of the file belongs; an import may belong to several."""
        given = self.imports.get(line)
        for member in self.members:
            if (given & member.words) if given is not None else (member.first <= line <= member.last):
                yield member.name


def start(statement: ast.stmt) -> int:
    """Return the first line of a statement, including its decorators."""
    decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(decorator.lineno for decorator in decorators)])


def is_route(function: Route) -> bool:
    """Tell whether a function is a route: decorated with an HTTP method of a router or an application."""
    return any(
        isinstance(decorator, ast.Call)
        and isinstance(decorator.func, ast.Attribute)
        and decorator.func.attr in {"get", "post"}
        for decorator in function.decorator_list
    )


def topics(kind: str) -> list[Topic]:
    """Return the files of a kind of code: `cases` of blocking code, or correct `twins`."""
    return [Topic(path) for path in sorted((CORPUS / kind).glob("*.py")) if path.stem != "__init__"]


def members(kind: str) -> list[Member]:
    """Return all cases of blocking code, or all correct twins."""
    return [member for topic in topics(kind) for member in topic.members]
