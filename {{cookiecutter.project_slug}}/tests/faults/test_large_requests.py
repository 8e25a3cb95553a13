"""Requests that are too large: the client can read the refusal, and the worker's memory does not grow."""

import asyncio
import sys
import zlib
from collections.abc import Iterator
from itertools import repeat

import pytest

from tests.faults.memory import memory_growth
from tests.server.processes import Service, serving
from tests.smoke.raw_http import Answer, asked, head

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of the workers from /proc")

MEGABYTES = 16
"""The most memory that a worker may gain, in megabytes, from four clients that send 100 MB each."""

CLIENTS = 4
PART = bytes(1_000_000)
"""One megabyte of a body: clients send a body of 100 MB in pieces of this size."""
DECLARED = f"Content-Length: {100 * len(PART)}", *[PART] * 100
CHUNKED = "Transfer-Encoding: chunked", *[b"%x\r\n%s\r\n" % (len(PART), PART)] * 100, b"0\r\n\r\n"
BINARY = "Content-Type: application/octet-stream"


@pytest.fixture(scope="module")
def service(server_url: str, template: str) -> Iterator[Service]:
    """The service of `upload_app.py` with one worker, whose memory a test measures."""
    uploads = "--pythonpath=tests/faults", "upload_app:app"
    with serving(server_url, template, *uploads, WEB_CONCURRENCY="1", LOG_LEVEL="warning") as running:
        yield running


async def still_serves(service: Service) -> bool:
    return (await asked(service.url, [head("GET", "/health/live")])).status == 200


async def ask_concurrently(service: Service, parts: list[bytes]) -> list[Answer]:
    """Send the same request from four concurrent clients, check the worker's memory, and return the responses."""
    # The worker keeps the memory of the first upload: an upload before the measurement excludes this memory.
    await asked(service.url, [head("POST", "/upload", BINARY, "Content-Length: 65536"), bytes(65_536)])
    async with memory_growth(service) as grown:
        answers = await asyncio.gather(*(asked(service.url, parts) for _ in range(CLIENTS)))
    assert max(grown) <= MEGABYTES
    assert await still_serves(service)
    return answers


@pytest.mark.parametrize("connection", ["close", "keep-alive"])
@pytest.mark.parametrize("body", [DECLARED, CHUNKED], ids=["declared", "chunked"])
@pytest.mark.parametrize("path", ["/upload", "/nowhere"])
async def test_a_large_body_gets_a_readable_response(
    service: Service, path: str, body: tuple[str, *tuple[bytes, ...]], connection: str
) -> None:
    length, *parts = body
    answers = await ask_concurrently(service, [head("POST", path, BINARY, length, f"Connection: {connection}"), *parts])

    large = {(413, "The body is larger than 1048576 bytes.")}
    assert {(answer.status, answer.problem["detail"]) for answer in answers} == large
    assert {answer.headers["connection"] for answer in answers} == {"close"}


@pytest.mark.parametrize(
    "lines",
    [["X-Large: " + "x" * 200_000], [f"X-Large-{number}: {'x' * 100}" for number in range(2000)]],
    ids=["a single header", "many headers"],
)
async def test_large_headers_are_431(service: Service, lines: list[str]) -> None:
    answers = await ask_concurrently(service, [head("GET", "/health/live", *lines)])

    assert {(answer.status, answer.problem["detail"]) for answer in answers} == {
        (431, "A request has at most 100 headers, and 65536 bytes of headers.")
    }


async def test_headers_as_large_as_a_proxy_forwards_are_accepted(service: Service) -> None:
    answers = await ask_concurrently(service, [head("GET", "/health/live", "X-Large: " + "x" * 48_000)])

    assert {answer.status for answer in answers} == {200}


@pytest.mark.parametrize(
    "parts",
    [
        [head("GET", "/health/live")[:-2], b"X-Endless: ", *repeat(PART, 100)],
        [head("GET", "/")[:4], *repeat(PART.replace(b"\0", b"/"), 100)],
        [
            head("POST", "/upload", BINARY, "Transfer-Encoding: chunked"),
            b"0\r\nX-Endless: ",
            *repeat(b"x" * 10**6, 100),
        ],
        [head("POST", "/upload", BINARY, "Transfer-Encoding: chunked"), b"1;", *repeat(b"x" * 10**6, 100)],
    ],
    ids=["header", "url", "trailer", "extension"],
)
async def test_an_endless_part_of_a_request_is_refused(service: Service, parts: list[bytes]) -> None:
    answers = await ask_concurrently(service, parts)

    assert {answer.status for answer in answers} <= {400, 414, 431}
    assert all(answer.problem["detail"] for answer in answers)


@pytest.mark.parametrize("target", ["?" + "a=1&" * 10_000, "?" + "a&" * 4_500, "/" + "x" * 9_000], ids=len)
async def test_a_long_url_is_414(service: Service, target: str) -> None:
    answers = await ask_concurrently(service, [head("GET", f"/health/live{target}")])

    assert {(answer.status, answer.problem["detail"]) for answer in answers} == {
        (414, "The URL is longer than 8192 bytes.")
    }


async def test_a_url_below_the_limit_is_accepted(service: Service) -> None:
    answers = await ask_concurrently(service, [head("GET", "/health/live?" + "a&" * 4_000)])

    assert {answer.status for answer in answers} == {200}


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "zstd", "GZIP", "gzip, identity", "unheard-of"])
async def test_a_compressed_body_is_415_and_is_not_decompressed(service: Service, coding: str) -> None:
    bomb = zlib.compress(bytes(100_000_000), 9)
    request = [head("POST", "/upload", BINARY, f"Content-Encoding: {coding}", f"Content-Length: {len(bomb)}"), bomb]

    answers = await ask_concurrently(service, request)

    assert {(answer.status, answer.problem["detail"]) for answer in answers} == {
        (415, "Compressed bodies are refused: send the body without Content-Encoding.")
    }
    assert {answer.headers["accept-encoding"] for answer in answers} == {"identity"}


async def test_a_body_with_the_encoding_identity_is_accepted(service: Service) -> None:
    parts = [head("POST", "/upload", BINARY, "Content-Encoding: identity", "Content-Length: 4"), b"body"]

    assert (await asked(service.url, parts)).body == b"4"
