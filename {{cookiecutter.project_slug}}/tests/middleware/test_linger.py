"""An answer before the end of its request's body: how long its connection is kept, over real sockets."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager, suppress
from itertools import repeat
from time import perf_counter
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse

from app.middleware.linger import Linger
from tests.faults.raw import head
from tests.serving import served

SECONDS = 2
PART = bytes(1_000_000)
CHUNK = b"f4240\r\n" + PART + b"\r\n"


@pytest.fixture
async def url() -> AsyncGenerator[str]:
    """An app that answers before it has read, as it reads, and without saying how much."""
    app = FastAPI(middleware=[Middleware(Linger, seconds=SECONDS)])

    @app.post("/early")
    async def early() -> PlainTextResponse:
        return PlainTextResponse("early")

    @app.post("/whole")
    async def whole(request: Request) -> PlainTextResponse:
        return PlainTextResponse(f"{len(await request.body())}")

    @app.post("/streamed")
    async def streamed() -> StreamingResponse:
        return StreamingResponse(iter([b"early"]))

    async with served(app) as address:
        yield address


@asynccontextmanager
async def connection(url: str) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open one, for ten seconds at most."""
    reader, writer = await asyncio.open_connection(urlsplit(url).hostname, urlsplit(url).port)
    try:
        async with asyncio.timeout(10):
            yield reader, writer
    finally:
        writer.transport.abort()


async def answers(url: str, *requests: bytes, until: bytes) -> bytes:
    """Send requests over one connection and return what came, up to these bytes."""
    async with connection(url) as (reader, writer):
        writer.write(b"".join(requests))
        return await reader.readuntil(until)


async def seconds_until_cut_off(url: str, parts: Iterable[bytes], pause: float = 0) -> float:
    """Send for as long as the server lets us."""
    async with connection(url) as (reader, writer):
        writer.write(head("POST", "/early", "Transfer-Encoding: chunked"))
        await reader.readuntil(b"early")
        started = perf_counter()
        with suppress(OSError):
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(pause)
        return perf_counter() - started


async def test_who_never_stops_sending_is_cut_off(url: str) -> None:
    assert await seconds_until_cut_off(url, repeat(CHUNK)) < SECONDS + 3


async def test_who_sends_next_to_nothing_is_cut_off_sooner(url: str) -> None:
    assert await seconds_until_cut_off(url, repeat(b"1\r\nx\r\n"), pause=0.1) < 1 + 3


async def test_a_small_rest_does_not_cost_the_connection(url: str) -> None:
    request = head("POST", "/early", "Content-Length: 5") + b"12345"

    received = await answers(url, request, head("POST", "/whole", "Content-Length: 2") + b"12", until=b"\r\n\r\n2")

    assert received.count(b"HTTP/1.1 200 OK") == 2
    assert b"connection: close" not in received


async def test_a_body_that_was_read_changes_nothing(url: str) -> None:
    request = head("POST", "/whole", "Content-Length: 100000") + bytes(100_000)

    received = await answers(url, request, request, until=b"\r\n\r\n100000")

    assert b"connection: close" not in received


async def test_an_answer_without_a_length_is_not_held_back(url: str) -> None:
    """Only its end says that it is complete; it comes while the body is still on its way."""
    async with connection(url) as (reader, writer), asyncio.TaskGroup() as group:
        writer.write(head("POST", "/streamed", "Transfer-Encoding: chunked"))

        async def send() -> None:
            for _ in range(15):
                writer.write(CHUNK)
                await asyncio.sleep(0.1)

        sending = group.create_task(send())
        received = await reader.readuntil(b"0\r\n\r\n")
        in_time = not sending.done()
        sending.cancel()

    assert b"early" in received
    assert in_time
