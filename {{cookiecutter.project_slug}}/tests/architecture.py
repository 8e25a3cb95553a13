"""Reads the source of `app/` as syntax trees, for tests of the architecture; nothing of the service is imported."""

import ast
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

APP = Path(__file__).parents[1] / "app"
"""The folder whose source the architecture tests check: `app/` of the service, unless a caller sets a different one."""

FEATURES = {file.parent.name for file in APP.glob("*/repository.py")}

# The files of a feature, from HTTP routes to tables: a file may import only files later in this list.
FEATURE_ORDER = ("routes", "dependencies", "service", "repository", "schemas", "models")

Finding = tuple[str, int, str]
"""A finding of an architecture test: module, line number, and the line's code."""


def modules() -> Iterator[tuple[str, ast.Module]]:
    for file in sorted(APP.rglob("*.py")):
        yield ".".join(file.relative_to(APP.parent).with_suffix("").parts), ast.parse(file.read_text("utf-8"))


def imports() -> Iterator[Finding]:
    for module, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from ((module, node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from ((module, node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def imports_of(name: str) -> list[Finding]:
    return [found for found in imports() if is_or_in(found[2], name)]


def is_or_in(imported: str, name: str) -> bool:
    return imported == name or imported.startswith(f"{name}.")


def expressions(matches: Callable[[ast.expr], bool]) -> list[Finding]:
    return [
        (module, node.lineno, ast.unparse(node))
        for module, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.expr) and matches(node)
    ]


def calls_of(function: str) -> list[Finding]:
    return expressions(lambda node: isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == function)


def refuse(findings: Iterable[Finding], way_out: str, *, but: Iterable[str] = ()) -> None:
    """Fail a test with a line for each finding, such as a forbidden call, outside of allowed modules and packages."""
    lines = [
        f"{module.replace('.', '/')}.py:{line}: {code.splitlines()[0]}. {way_out}"
        for module, line, code in findings
        if not any(is_or_in(module, allowed) for allowed in but)
    ]
    if lines:
        pytest.fail("\n".join(lines), pytrace=False)
