"""The OpenAPI document, the page /docs that shows it, and the command that writes it into a file."""

import json
import re
import subprocess
import sys
from typing import Any
from urllib.parse import urljoin

import pytest
from fastapi import FastAPI

from app.main import create_app
from app.web.problem import MEDIA_TYPE
from tests.conftest import client_of
from tests.databases import ROOT, make_settings
from tests.guarded import guarded
from tests.http_client import httpx

TYPES = {"json": "application/json", "js": "text/javascript", "css": "text/css", "png": "image/png"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The OpenAPI document of the service, which needs no database."""
    return create_app(make_settings("postgresql://nobody@127.0.0.1:1/none")).openapi()


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the HTTP method and the description of each operation."""
    return [item for methods in document["paths"].values() for item in methods.items()]


@pytest.mark.parametrize("root_path", ["", "/behind/a/proxy"])
async def test_docs_need_only_files_of_the_service(shared_app: FastAPI, root_path: str) -> None:
    """A page that loads scripts from a different site stays blank on a machine without internet."""
    # builds the document before the event loop is watched, as `app.main` does at import: a busy machine takes a second
    shared_app.openapi()
    transport = httpx.ASGITransport(app=shared_app, root_path=root_path)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as http, guarded(shared_app):
        page = await http.get(f"{root_path}/docs")
        named = re.findall(r"""(?:href=|src=|url: ?)["']([^"']+)""", page.text)
        answers = [await http.get(urljoin(f"{root_path}/docs", address)) for address in named]
        other = await http.get(f"{root_path}/redoc")

    assert page.headers["content-type"].partition(";")[0] == "text/html"
    assert {address.rpartition(".")[2] for address in named} == {"json", "js", "css", "png"}
    assert {(answer.url.host, answer.status_code) for answer in answers} == {("service", 200)}
    assert other.status_code == 404  # /redoc, FastAPI's second documentation page, whose files are not included
    kinds = [answer.headers["content-type"].partition(";")[0] for answer in answers]
    assert kinds == [TYPES[address.rpartition(".")[2]] for address in named]


async def test_without_api_docs_there_is_no_page_and_no_document() -> None:
    app = create_app(make_settings("postgresql://nobody@127.0.0.1:1/none", api_docs=False))
    async with client_of(app) as http:
        paths = ("/docs", "/docs/files/swagger-ui.css", "/openapi.json", "/redoc")
        answers = [await http.get(path) for path in paths]

    assert [answer.status_code for answer in answers] == [404] * 4


def test_every_operation_is_a_function_of_a_generated_client(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, operation in operations(document)]

    assert len(set(names)) == len(names)
    assert [name for name in names if not re.fullmatch(r"[a-z][a-z0-9_]{2,39}", name)] == []
    assert {len(operation["tags"]) for _, operation in operations(document)} == {1}


def test_every_operation_has_the_responses_of_the_middleware(document: dict[str, Any]) -> None:
    for method, operation in operations(document):
        responses = operation["responses"]
        errors = {status: responses[status]["content"][MEDIA_TYPE] for status in responses if status >= "400"}

        assert {"500", "503", "504"} <= errors.keys()
        assert method == "get" or {"400", "408", "413", "415", "422"} <= errors.keys()
        assert [str(error["example"]["status"]) for error in errors.values()] == list(errors)
        assert all("X-Request-ID" in response["headers"] for response in responses.values())
        assert "Retry-After" in responses["503"]["headers"]
        keyed = "idempotency-key" in {parameter["name"] for parameter in operation.get("parameters", ())}
        good = [responses[status]["headers"] for status in responses if status < "300"]
        assert all(keyed == ("Idempotency-Replayed" in headers) for headers in good)


def test_the_document_is_printed_without_a_database_and_always_in_the_same_order(
    document: dict[str, Any],
) -> None:
    command = [sys.executable, "-m", "devtools.openapi"]
    first, second = (
        subprocess.check_output(command, cwd=ROOT, env={"PYTHONHASHSEED": seed}, encoding="utf-8") for seed in "01"
    )

    assert first == second
    assert json.loads(first) == document
