"""The lingering close on real sockets: how long an unread request body is read after an early response."""

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

from app.web.catch_all import CatchAll, Service
from app.web.lingering_close import LingeringClose
from tests.serving import served
from tests.smoke.raw_http import head

SECONDS = 2
"""A short limit of the lingering close, in seconds: how long the app reads the rest of a request body after an early
response."""

LONG_SECONDS = 60
"""A long limit of the lingering close, in seconds: more than the 30 s that a test's connection may take.

A test that waits for the rest of a body until this limit fails.
"""

PART = bytes(1_000_000)
CHUNK = b"f4240\r\n" + PART + b"\r\n"


def build_app(seconds: int) -> FastAPI:
    """Return an app that responds before the body is read, after the body is read, or by a stream without a length.

    The lingering close of the app reads the rest of a body for at most `seconds`.
    """
    app = Service(middleware=[Middleware(LingeringClose, seconds=seconds), Middleware(CatchAll)])

    @app.post("/early")
    async def early() -> PlainTextResponse:
        return PlainTextResponse("early")

    @app.post("/failed")
    async def fail() -> None:
        raise RuntimeError("the handler is broken")

    @app.post("/whole")
    async def whole(request: Request) -> PlainTextResponse:
        return PlainTextResponse(f"{len(await request.body())}")

    @app.post("/streamed")
    async def streamed() -> StreamingResponse:
        return StreamingResponse(iter([b"early"]))

    return app


@pytest.fixture
async def url() -> AsyncGenerator[str]:
    """The URL of an app that reads the rest of a request body for at most 2 s after an early response."""
    async with served(build_app(SECONDS)) as address:
        yield address


@pytest.fixture
async def patient_url() -> AsyncGenerator[str]:
    """The URL of an app that reads the rest of a request body for at most 60 s after an early response."""
    async with served(build_app(LONG_SECONDS)) as address:
        yield address


@asynccontextmanager
async def connection(url: str) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Yield a TCP connection to the app; the test fails if the block lasts longer than 30 seconds."""
    reader, writer = await asyncio.open_connection(urlsplit(url).hostname, urlsplit(url).port)
    try:
        async with asyncio.timeout(30):
            yield reader, writer
    finally:
        writer.transport.abort()


async def answers(url: str, *requests: bytes, until: bytes) -> bytes:
    """Send requests on one connection, and return the received bytes up to the first occurrence of `until`."""
    async with connection(url) as (reader, writer):
        writer.write(b"".join(requests))
        return await reader.readuntil(until)


async def seconds_until_cut_off(url: str, parts: Iterable[bytes], pause: float = 0) -> float:
    """Keep sending a body after an early response, and return the seconds until the server closes the connection."""
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


async def test_a_client_that_never_stops_sending_is_cut_off(url: str) -> None:
    assert await seconds_until_cut_off(url, repeat(CHUNK)) < 10 * SECONDS


async def test_a_client_that_hardly_sends_is_cut_off_after_a_second(patient_url: str) -> None:
    assert await seconds_until_cut_off(patient_url, repeat(b"1\r\nx\r\n"), pause=0.1) < 10 * 1


async def test_the_connection_stays_open_after_a_small_rest(url: str) -> None:
    request = head("POST", "/early", "Content-Length: 5") + b"12345"

    received = await answers(url, request, head("POST", "/whole", "Content-Length: 2") + b"12", until=b"\r\n\r\n2")

    assert received.count(b"HTTP/1.1 200 OK") == 2
    assert b"connection: close" not in received


async def test_the_connection_stays_open_after_a_body_that_was_read(url: str) -> None:
    request = head("POST", "/whole", "Content-Length: 100000") + bytes(100_000)

    received = await answers(url, request, request, until=b"\r\n\r\n100000")

    assert b"connection: close" not in received


async def test_a_response_without_a_length_is_not_held_back(patient_url: str) -> None:
    """A chunked response is complete only after its last chunk, which must not wait for the request body."""
    async with connection(patient_url) as (reader, writer), asyncio.TaskGroup() as group:
        writer.write(head("POST", "/streamed", "Transfer-Encoding: chunked"))

        async def send() -> None:
            while True:
                writer.write(CHUNK)
                await asyncio.sleep(0.1)

        sending = group.create_task(send())
        received = await reader.readuntil(b"0\r\n\r\n")
        sending.cancel()

    assert b"early" in received


async def test_the_rest_of_a_body_is_read_after_the_500_of_an_exception(
    patient_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """After the 500 of an exception, the rest of the body is read: otherwise uvicorn logs an incomplete response."""
    async with connection(patient_url) as (reader, writer):
        writer.write(head("POST", "/failed", "Content-Length: 5") + b"123")
        received = await reader.readuntil(b'"request_id": ""}')
        writer.write(b"45")
        end = await reader.read()

    assert received.startswith(b"HTTP/1.1 500 ")
    assert (end, [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]) == (b"", [])
