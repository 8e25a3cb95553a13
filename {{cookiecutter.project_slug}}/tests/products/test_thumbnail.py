"""Thumbnails over HTTP: chunked uploads, bounded in bytes and number, that leave the event loop responsive."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping
from importlib.util import find_spec
from pkgutil import resolve_name

import pytest
from fastapi import FastAPI
from starlette.types import Message

from app.limits.bulkhead import Bulkhead
from app.settings.route_groups import RouteGroupsSettings
from tests.databases import ROOT
from tests.http_client import httpx
from tests.products.conftest import bulkhead_of, fill
from tests.products.drawing import decode, encode, halves
from tests.tasks import until

PATH = "/api/v1/thumbnails"
LIMIT = RouteGroupsSettings().uploads.max_body_bytes or 0
PNG = {"Content-Type": "image/png"}


async def chunks(content: bytes, size: int = 65_536) -> AsyncGenerator[bytes]:
    """Yield a request body in chunks, so that the request has no Content-Length."""
    for start in range(0, len(content), size):
        yield content[start : start + size]


@pytest.mark.parametrize("media_type", ["image/jpeg", "image/png", "image/webp", "IMAGE/PNG; x=1"])
async def test_a_picture_comes_back_small(client: httpx.AsyncClient, media_type: str) -> None:
    picture = encode(halves(600, 300), media_type.partition(";")[0].lower())

    answer = await client.post(PATH, content=chunks(picture, 500), headers={"Content-Type": media_type})

    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/webp")
    assert decode(answer.content).size == (256, 128)


def test_a_worker_imports_pillow_only_for_the_first_picture() -> None:
    variables = {**os.environ, "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing"}

    done = subprocess.run(
        [sys.executable, "-c", "import sys, app.main; print('PIL' in sys.modules)"],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert done.stdout == "False\n"


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "image/gif"}, {"Content-Type": "multipart/form-data"}])
async def test_an_unsupported_type_is_refused_with_a_list_of_the_supported_types(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    answer = await client.post(PATH, content=chunks(b"GIF89a"), headers=headers)

    assert (answer.status_code, answer.headers["content-type"]) == (415, "application/problem+json")
    assert answer.json()["detail"] == "Send one of image/jpeg, image/png, image/webp."


async def test_an_upload_may_be_as_large_as_the_route_group_allows(client: httpx.AsyncClient) -> None:
    whole = encode(halves(600, 300))
    padded, too_large = (whole.ljust(size, b"\0") for size in (LIMIT, LIMIT + 1))

    accepted = [await client.post(PATH, content=body, headers=PNG) for body in (padded, chunks(padded))]
    refused = [await client.post(PATH, content=body, headers=PNG) for body in (too_large, chunks(too_large))]

    assert [answer.status_code for answer in accepted] == [200, 200]
    assert [answer.status_code for answer in refused] == [413, 413]
    assert {answer.json()["detail"] for answer in refused} == {"The body is larger than 5242880 bytes."}


@pytest.mark.usefixtures("client")  # with authentication, this fixture provides the issuer's public key
async def test_a_client_that_disconnects_during_an_upload_is_400(app: FastAPI) -> None:
    arriving: list[Message] = [
        {"type": "http.request", "body": encode(halves(600, 300))[:100], "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return arriving.pop(0) if len(arriving) > 1 else arriving[0]

    async def send(message: Message) -> None:
        sent.append(message)

    token = resolve_name("tests.tokens:bearer")()["Authorization"] if find_spec("tests.tokens") else ""
    headers = [(b"content-type", b"image/png"), (b"authorization", token.encode())]
    scope = {"type": "http", "method": "POST", "path": PATH, "query_string": b"", "headers": headers}
    await app(scope, receive, send)

    assert [message["status"] for message in sent if "status" in message] == [400]


async def test_the_error_about_a_damaged_picture_does_not_name_the_library(client: httpx.AsyncClient) -> None:
    picture = encode(halves(600, 300), "image/jpeg")

    answer = await client.post(PATH, content=picture[: len(picture) // 2], headers={"Content-Type": "image/jpeg"})

    problem = answer.json()
    del problem["request_id"]
    assert problem == {
        "type": "about:blank",
        "code": "invalid_request",
        "title": "Invalid request",
        "status": 422,
        "detail": "This is not a whole picture of type image/jpeg.",
    }


async def test_a_request_beyond_the_full_queue_is_refused(app: FastAPI, client: httpx.AsyncClient) -> None:
    bulkhead, picture = bulkhead_of(app, "threads"), encode(halves(600, 300))
    before, bulkhead.max_queue = bulkhead.max_queue, 0
    await fill(bulkhead)

    refused, listed = await client.post(PATH, content=picture, headers=PNG), await client.get("/api/v1/orders")

    for _ in range(bulkhead.max_concurrent):
        bulkhead.leave()
    bulkhead.max_queue = before
    assert (refused.status_code, listed.status_code) == (503, 200)
    assert refused.json()["detail"] == "Too many such requests are being worked on. Try again."


async def test_an_upload_on_its_way_takes_no_slot(app: FastAPI, client: httpx.AsyncClient) -> None:
    bulkheads: Mapping[str, Bulkhead] = app.state.resources.bulkheads
    uploads_at_once = bulkheads["uploads"].max_concurrent + 1
    picture, resumed = encode(halves(600, 300)), asyncio.Event()
    started = 0

    async def slow() -> AsyncGenerator[bytes]:
        nonlocal started
        started += 1
        yield picture[:100]
        await resumed.wait()
        yield picture[100:]

    uploads = [asyncio.create_task(client.post(PATH, content=slow(), headers=PNG)) for _ in range(uploads_at_once)]
    await until(lambda: started == uploads_at_once)
    on_their_way, in_slots = bulkheads["requests.bodies"].in_use, bulkheads["uploads"].in_use
    resumed.set()
    answers = await asyncio.gather(*uploads)

    assert (on_their_way, in_slots) == (5, 0)
    assert [answer.status_code for answer in answers] == [200] * 5


async def test_openapi_describes_the_picture_of_the_request_and_of_the_response(client: httpx.AsyncClient) -> None:
    described = (await client.get("/openapi.json")).json()["paths"][PATH]["post"]
    binary = {"schema": {"type": "string", "format": "binary"}}

    assert described["requestBody"] == {
        "required": True,
        "content": {"image/jpeg": binary, "image/png": binary, "image/webp": binary},
    }
    assert described["responses"]["200"]["content"] == {"image/webp": binary}
    assert "application/problem+json" in described["responses"]["415"]["content"]
    assert "parameters" not in described
