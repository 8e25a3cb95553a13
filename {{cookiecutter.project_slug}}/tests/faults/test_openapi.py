"""Forty generated requests to each operation of the OpenAPI document: every response must be documented.

The document decides which requests are valid and which invalid. The seed is fixed, so that every run sends the same
requests. Stubs replace the downstreams.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings, strategies
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.main import create_app
from devtools.ports import free_port
from devtools.probe import posts
from devtools.run import stub_urls
from tests.databases import ROOT, cloned, make_settings
from tests.faults.signed_in import SIGNED_IN
from tests.http_client import httpx
from tests.server.processes import Service, gunicorn

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

SEED = 7
SETTINGS = settings(
    max_examples=40,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
TIMEOUT_SECONDS = 30.0
schemathesis.serializer.alias("application/jsonl", "text/plain")  # schemathesis does not know JSON lines
PROBLEM = {"$ref": "#/components/schemas/Problem"}
AnyCase = Case[Any]
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
DOCUMENT = create_app(make_settings("postgresql://nobody@127.0.0.1:1/none")).openapi()
OPERATIONS = {
    operation.label: operation
    for found in schemathesis.openapi.from_dict(DOCUMENT).get_all_operations()
    for operation in [found.ok()]  # type: ignore[union-attr] # an invalid operation has no `ok`: this import fails
}


@pytest.fixture(scope="module")
def service(server_url: str, template: str) -> Iterator[Service]:
    """The service with one worker, whose downstreams are stubs."""
    with ExitStack() as stack:
        port = free_port()
        stubs = stack.enter_context(
            subprocess.Popen([sys.executable, "-m", "devtools.stubs", "--port", f"{port}"], cwd=ROOT)
        )
        stack.callback(stubs.kill)
        url = stack.enter_context(cloned(server_url, template))
        variables = {"WEB_CONCURRENCY": "1", "LOG_LEVEL": "warning", **stub_urls(port)}
        running = stack.enter_context(gunicorn(url, *SIGNED_IN, **variables))
        running.wait_until_serving()
        yield running


@pytest.fixture
def known(service: Service) -> dict[str, int]:
    """Path parameters of stored rows, such as the id of an invoice; a generated id would never match a row."""
    found: dict[str, int] = {}
    for path, example in posts(DOCUMENT):
        row = httpx.post(service.url + path, content=example, headers={"Content-Type": "application/json"}).json()
        found |= {known.removeprefix(f"{path}/").strip("{}"): row.get("id") for known in DOCUMENT["paths"]}
    return found


def test_each_error_is_documented_as_a_problem() -> None:
    errors = [
        (operation.label, status, documented["content"])
        for operation in OPERATIONS.values()
        for status, documented in operation.definition.raw["responses"].items()
        if status >= "400"
    ]
    schemas = [content.get("application/problem+json", {}).get("schema") for _, _, content in errors]

    assert {status for _, status, _ in errors} >= {"422", "500", "503", "504"}
    assert [error for error, schema in zip(errors, schemas, strict=True) if schema != PROBLEM] == []
    assert {"HTTPValidationError", "ValidationError"}.isdisjoint(DOCUMENT["components"]["schemas"])


def requests_to(
    operation: APIOperation[Any, Any, Any, Any], known: dict[str, int]
) -> strategies.SearchStrategy[AnyCase]:
    """Return a Hypothesis strategy of requests: valid, valid for a stored row, and invalid."""
    stored = {name: value for name, value in known.items() if "{" + name + "}" in operation.path}
    return strategies.one_of(
        operation.as_strategy(GenerationMode.POSITIVE),
        operation.as_strategy(GenerationMode.POSITIVE, path_parameters=stored or None),
        operation.as_strategy(GenerationMode.NEGATIVE),
    )


def is_stream(operation: APIOperation[Any, Any, Any, Any]) -> bool:
    """Tell whether an operation responds with an endless stream, for whose end a client must not wait."""
    return "text/event-stream" in operation.definition.raw["responses"].get("200", {}).get("content", {})


def begin_stream(case: AnyCase, url: str) -> None:
    """Send a request to a stream, check its status and media type, and close after the first bytes."""
    request = case.as_transport_kwargs(base_url=url)
    headers = [(name.encode(), value.encode("latin-1")) for name, value in request["headers"].items()]
    with httpx.stream(request["method"], request["url"], params=request.get("params"), headers=headers) as answer:
        documented = case.operation.definition.raw["responses"][str(answer.status_code)]["content"]
        assert answer.headers["content-type"].partition(";")[0] in documented
        assert next(answer.iter_bytes())


@pytest.mark.parametrize("label", OPERATIONS)
def test_every_response_is_documented(service: Service, known: dict[str, int], label: str) -> None:
    @seed(SEED)
    @SETTINGS
    @given(case=requests_to(OPERATIONS[label], known))
    def ask(case: AnyCase) -> None:
        if is_stream(OPERATIONS[label]):
            begin_stream(case, service.url)
            return
        answer = case.call(base_url=service.url, timeout=TIMEOUT_SECONDS)
        case.validate_response(answer, checks=CHECKS)

    ask()
