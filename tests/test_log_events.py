"""A test that waits for a log event or counts lines of an event names an event that the code logs.

With a wrong name, the test would wait in vain.
"""

import ast
from collections.abc import Iterator

from tests.source import sources

OF_LIBRARIES = {"Application startup complete.", "Handling signal: term"}
"""The events of uvicorn and gunicorn for which tests wait."""


LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}


def strings(tree: ast.AST) -> Iterator[str]:
    """Yield all string constants of a syntax tree."""
    return (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))


def calls(tree: ast.AST, names: set[str]) -> Iterator[str]:
    """Yield the first argument of each call of a method with one of these names, if it is a string."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr=name), args=[ast.Constant(value=str(event)), *_]) if name in names:
                yield event
            case _:
                pass


def compared(tree: ast.AST) -> Iterator[str]:
    """Yield the strings with which a test compares `line["event"]`."""
    for node in ast.walk(tree):
        match node:
            case ast.Compare(left=ast.Subscript(slice=ast.Constant(value="event")), comparators=[right]):
                yield from strings(right)
            case _:
                pass


def test_each_event_that_a_test_expects_is_logged_somewhere() -> None:
    logged, expected = set(OF_LIBRARIES), dict[str, str]()
    for file in sources():
        if file.name.startswith("tests/") or "/tests/" in file.name:
            logged |= set(calls(file.tree, LEVELS))
            found = [*calls(file.tree, {"wait_for", "lines"}), *compared(file.tree)]
            expected |= dict.fromkeys(found, file.name)
        else:
            logged |= set(strings(file.tree))

    assert len(expected) > 20
    assert {event: name for event, name in expected.items() if event not in logged} == {}
