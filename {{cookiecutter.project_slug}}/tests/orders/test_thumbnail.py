"""A picture on its way: uploaded in pieces, bounded in bytes and number, made small while the loop turns."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncGenerator

import pytest
from fastapi import FastAPI
from PIL import Image
from starlette.types import Message

from app.downstreams.client import httpx
from app.families import FamiliesSettings
from app.gate import Gate
from tests.databases import ROOT
from tests.faults.clients import late, undisturbed
from tests.heartbeat import heartbeat
from tests.orders.drawing import decode, encode, halves
from tests.orders.test_reports import fill, gate_of
from tests.tasks import until

PATH = "/api/v1/thumbnails"
LIMIT = FamiliesSettings().uploads.max_body_bytes or 0
PNG = {"Content-Type": "image/png"}


async def pieces(content: bytes, size: int = 65_536) -> AsyncGenerator[bytes]:
    """Yield it in chunks: such a body declares no length."""
    for start in range(0, len(content), size):
        yield content[start : start + size]


@pytest.mark.parametrize("media_type", ["image/jpeg", "image/png", "image/webp", "IMAGE/PNG; x=1"])
async def test_a_picture_comes_back_small(client: httpx.AsyncClient, media_type: str) -> None:
    picture = encode(halves(600, 300), media_type.partition(";")[0].lower())

    answer = await client.post(PATH, content=pieces(picture, 500), headers={"Content-Type": media_type})

    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/webp")
    assert decode(answer.content).size == (256, 128)


def test_a_worker_does_without_pillow_until_a_picture_comes() -> None:
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
async def test_another_type_is_refused_with_those_that_are_read(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    answer = await client.post(PATH, content=pieces(b"GIF89a"), headers=headers)

    assert (answer.status_code, answer.headers["content-type"]) == (415, "application/problem+json")
    assert answer.json()["detail"] == "Send one of image/jpeg, image/png, image/webp."


async def test_a_body_may_be_as_large_as_its_family_says(client: httpx.AsyncClient) -> None:
    whole = encode(halves(600, 300))
    padded, too_large = (whole.ljust(size, b"\0") for size in (LIMIT, LIMIT + 1))

    taken = [await client.post(PATH, content=body, headers=PNG) for body in (padded, pieces(padded))]
    refused = [await client.post(PATH, content=body, headers=PNG) for body in (too_large, pieces(too_large))]

    assert [answer.status_code for answer in taken] == [200, 200]
    assert [answer.status_code for answer in refused] == [413, 413]
    assert {answer.json()["detail"] for answer in refused} == {"The body is larger than 5242880 bytes."}


async def test_a_client_that_leaves_while_it_sends_is_no_bug_of_ours(app: FastAPI) -> None:
    arriving: list[Message] = [
        {"type": "http.request", "body": encode(halves(600, 300))[:100], "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return arriving.pop(0) if len(arriving) > 1 else arriving[0]

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"content-type", b"image/png")]
    scope = {"type": "http", "method": "POST", "path": PATH, "query_string": b"", "headers": headers}
    await app(scope, receive, send)

    assert [message["status"] for message in sent if "status" in message] == [400]


async def test_a_damaged_picture_is_a_problem_that_tells_nothing_of_the_library(client: httpx.AsyncClient) -> None:
    picture = encode(halves(600, 300), "image/jpeg")

    answer = await client.post(PATH, content=picture[: len(picture) // 2], headers={"Content-Type": "image/jpeg"})

    problem = answer.json()
    del problem["request_id"]
    assert problem == {
        "type": "about:blank",
        "title": "Invalid request",
        "status": 422,
        "detail": "This is not a whole picture of type image/jpeg.",
    }


async def test_the_loop_turns_meanwhile(client: httpx.AsyncClient) -> None:
    picture = encode(Image.effect_noise((1000, 750), 60).resize((4000, 3000)).convert("RGB"), "image/jpeg")
    headers = {"Content-Type": "image/jpeg"}
    await client.post(PATH, content=picture, headers=headers)  # the next one finds Pillow's parts imported

    async def measure() -> dict[str, float]:
        async with heartbeat() as beat:
            answer = await client.post(PATH, content=picture, headers=headers)

        assert answer.status_code == 200
        return late(share=(beat.share, 0.6))  # done in place it is 0.9

    assert await undisturbed(measure) == {}


async def test_what_is_too_much_is_refused(app: FastAPI, client: httpx.AsyncClient) -> None:
    gate, picture = gate_of(app, "threads"), encode(halves(600, 300))
    before, gate.max_waiting = gate.max_waiting, 0
    await fill(gate)

    refused, other = await client.post(PATH, content=picture, headers=PNG), await client.get("/api/v1/orders")

    for _ in range(gate.places):
        gate.leave()
    gate.max_waiting = before
    assert (refused.status_code, other.status_code) == (503, 200)
    assert refused.json()["detail"] == "Too many such requests are being worked on. Try again."


async def test_so_many_uploads_are_held_in_memory_at_once(app: FastAPI, client: httpx.AsyncClient) -> None:
    gate: Gate = app.state.resources.gates["uploads"]
    picture, gone_on = encode(halves(600, 300)), asyncio.Event()
    begun = 0

    async def slow() -> AsyncGenerator[bytes]:
        nonlocal begun
        begun += 1
        yield picture[:100]
        await gone_on.wait()
        yield picture[100:]

    uploads = [asyncio.create_task(client.post(PATH, content=slow(), headers=PNG)) for _ in range(gate.places + 1)]
    await until(lambda: gate.waiting == 1)
    held = begun
    gone_on.set()
    answers = await asyncio.gather(*uploads)

    assert (gate.places, held) == (4, 4)
    assert [answer.status_code for answer in answers] == [200] * 5


async def test_the_document_of_the_api_shows_pictures_both_ways(client: httpx.AsyncClient) -> None:
    described = (await client.get("/openapi.json")).json()["paths"][PATH]["post"]
    binary = {"schema": {"type": "string", "format": "binary"}}

    assert described["requestBody"] == {
        "required": True,
        "content": {"image/jpeg": binary, "image/png": binary, "image/webp": binary},
    }
    assert described["responses"]["200"]["content"] == {"image/webp": binary}
    assert "application/problem+json" in described["responses"]["415"]["content"]
    assert "parameters" not in described
