"""Stream endpoints are async generators, which end when the client leaves, and none of their dependencies commits."""

import ast
import inspect
from collections.abc import Iterator

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

from app.main import create_app
from tests.architecture import Finding, modules, refuse
from tests.databases import make_settings
from tests.streams.counters import add_counters

METHODS = {"get", "post", "put", "patch", "delete"}


def plain_generators(tree: ast.Module, module: str) -> Iterator[Finding]:
    """Yield each endpoint that is a plain generator, which FastAPI does not close when the client leaves."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef):
            continue
        called = [one.func for one in node.decorator_list if isinstance(one, ast.Call)]
        is_endpoint = any(isinstance(one, ast.Attribute) and one.attr in METHODS for one in called)
        if is_endpoint and any(isinstance(inner, ast.Yield | ast.YieldFrom) for inner in ast.walk(node)):
            yield module, node.lineno, f"def {node.name}"


def test_an_endpoint_that_yields_is_async() -> None:
    sample = ast.parse("@router.get('/x')\ndef stream():\n    yield 1\n")

    assert list(plain_generators(sample, "sample")) == [("sample", 2, "def stream")]
    refuse(
        (found for module, tree in modules() for found in plain_generators(tree, module)),
        "Write `async def`: a plain generator that its client left keeps all that it holds.",
    )


def dependencies_of(dependant: Dependant) -> Iterator[Dependant]:
    for inner in dependant.dependencies:
        yield inner
        yield from dependencies_of(inner)


def test_no_dependency_commits_after_a_client_has_left_a_stream() -> None:
    """When a stream's client leaves, a request-scoped dependency ends as after success: a transaction would commit."""
    app = create_app(make_settings("postgresql://nobody@127.0.0.1:1/none"))
    add_counters(app)
    routes = [context.original_route for context in iter_route_contexts(app.routes)]
    streams = [one for one in routes if isinstance(one, APIRoute) and inspect.isasyncgenfunction(one.endpoint)]
    late = {
        inner.call.__qualname__
        for route in streams
        for inner in dependencies_of(route.dependant)
        if inspect.isasyncgenfunction(inner.call) and inner.scope != "function"
    }

    assert len(streams) >= 2
    # these two dependencies only close a subscription at the end
    assert late == {"follow_all", "follow_one.<locals>.follow"}
