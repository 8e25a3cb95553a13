"""Reads the Python files of the template as syntax trees, for the ruler and for tests that judge the layout."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.repository import ROOT, SERVICE, tracked

Function = ast.FunctionDef | ast.AsyncFunctionDef

CONTROL = re.compile(r"# \{%")


@dataclass(frozen=True)
class Source:
    """A Python file of the template."""

    path: Path

    @cached_property
    def name(self) -> str:
        """The file's path: inside the service, or inside the template for a file outside the service."""
        folder = SERVICE if self.path.is_relative_to(SERVICE) else ROOT
        return self.path.relative_to(folder).as_posix()

    @cached_property
    def text(self) -> str:
        """The file's text, with the control lines of the template."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        """The file's syntax tree; the template's control lines are comments and do not disturb the parser."""
        return ast.parse(self.text, self.name)

    @property
    def lines(self) -> int:
        """The number of the file's lines."""
        return len(self.text.splitlines())

    @property
    def control_lines(self) -> int:
        """The number of the template's control lines (`# {% ... %}`) in the file."""
        return sum(1 for line in self.text.splitlines() if CONTROL.search(line))

    def functions(self) -> Iterator[Function]:
        """Yield every function and method of the file."""
        return (node for node in ast.walk(self.tree) if isinstance(node, Function))

    def inner_imports(self) -> list[str]:
        """Return file and line of each import inside a function."""
        return [
            f"{self.name}:{node.lineno}"
            for function in self.functions()
            for node in ast.walk(function)
            if isinstance(node, ast.Import | ast.ImportFrom)
        ]

    def uses(self, *names: str) -> list[str]:
        """Return file and line of each use of these dotted names."""
        return [
            f"{self.name}:{node.lineno}"
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Attribute | ast.Name) and _dotted(node) in names
        ]

    def calls(self, *names: str) -> list[str]:
        """Return file and line of each call of a function with one of these names, from any module."""
        return [
            f"{self.name}:{node.lineno}"
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Call) and _dotted(node.func).split(".")[-1] in names
        ]


def _dotted(node: ast.expr) -> str:
    return ast.unparse(node) if isinstance(node, ast.Attribute | ast.Name) else ""


def code_lines(text: str) -> int:
    """Return the number of code lines in a Python text, without blank lines, comments and docstrings."""
    texts = (node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Expr))
    prose = {
        line
        for text in texts
        if isinstance(text, ast.Constant) and isinstance(text.value, str)
        for line in range(text.lineno, (text.end_lineno or text.lineno) + 1)
    }
    lines = enumerate(text.splitlines(), start=1)
    return sum(1 for number, line in lines if line.strip()[:1] not in {"", "#"} and number not in prose)


def length(function: Function) -> int:
    """Return the number of a function's lines, without the decorators."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def sources(*folders: str) -> list[Source]:
    """Return the Python files of the service, or of some folders in the service."""
    found = [Source(path) for path in tracked(SERVICE) if path.suffix == ".py"]
    return [source for source in found if not folders or source.name.startswith(folders)]


def template_sources(folder: str) -> list[Source]:
    """Return the Python files in a folder of the template outside the service."""
    return [Source(path) for path in tracked(ROOT / folder) if path.suffix == ".py"]
