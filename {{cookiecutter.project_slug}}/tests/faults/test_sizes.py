"""Requests that are too large, under real gunicorn: refused in words that the client can read, and never held."""

import asyncio
import sys
import zlib
from collections.abc import Iterator
from itertools import repeat

import pytest

from tests.databases import cloned
from tests.faults.memory import growth
from tests.faults.raw import Answer, asked, head
from tests.server.processes import Service, gunicorn

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of the workers from /proc")

MEGABYTES = 16
CLIENTS = 4
PART = bytes(1_000_000)
DECLARED = f"Content-Length: {100 * len(PART)}", *[PART] * 100
CHUNKED = "Transfer-Encoding: chunked", *[b"%x\r\n%s\r\n" % (len(PART), PART)] * 100, b"0\r\n\r\n"
BINARY = "Content-Type: application/octet-stream"


@pytest.fixture(scope="module")
def service(server_url: str, template: str) -> Iterator[Service]:
    """One worker with a route that takes any body."""
    with (
        cloned(server_url, template) as url,
        gunicorn(url, "--pythonpath=tests/faults", "taker:app", WEB_CONCURRENCY="1", LOG_LEVEL="warning") as running,
    ):
        running.wait_until_serving()
        yield running


async def still_serves(service: Service) -> bool:
    return (await asked(service.url, [head("GET", "/health/live")])).status == 200


async def all_at_once(service: Service, parts: list[bytes]) -> list[Answer]:
    """Let every client send the same; return what they could read and check what the worker held meanwhile."""
    await asked(service.url, [head("POST", "/take", BINARY, "Content-Length: 65536"), bytes(65_536)])  # warm
    async with growth(service) as grown:
        answers = await asyncio.gather(*(asked(service.url, parts) for _ in range(CLIENTS)))
    assert max(grown) <= MEGABYTES
    assert await still_serves(service)
    return answers


@pytest.mark.parametrize("connection", ["close", "keep-alive"])
@pytest.mark.parametrize("body", [DECLARED, CHUNKED], ids=["declared", "chunked"])
@pytest.mark.parametrize("path", ["/take", "/nowhere"])
async def test_a_hundred_megabytes_are_answered_so_that_the_client_can_read_it(
    service: Service, path: str, body: tuple[str, *tuple[bytes, ...]], connection: str
) -> None:
    length, *parts = body
    answers = await all_at_once(service, [head("POST", path, BINARY, length, f"Connection: {connection}"), *parts])

    large = {(413, "The body is larger than 1048576 bytes.")}
    unread = {(404, "Not Found")} if path == "/nowhere" and body is CHUNKED else large
    assert {(answer.status, answer.problem["detail"]) for answer in answers} == unread
    assert {answer.headers["connection"] for answer in answers} == {"close"}


@pytest.mark.parametrize(
    "lines",
    [["X-Large: " + "x" * 200_000], [f"X-Large-{number}: {'x' * 100}" for number in range(2000)]],
    ids=["one", "many"],
)
async def test_headers_that_are_too_large_are_431(service: Service, lines: list[str]) -> None:
    answers = await all_at_once(service, [head("GET", "/health/live", *lines)])

    assert {(answer.status, answer.problem["detail"]) for answer in answers} == {
        (431, "The headers are larger than 65536 bytes.")
    }


async def test_headers_as_large_as_proxies_let_through_are_taken(service: Service) -> None:
    answers = await all_at_once(service, [head("GET", "/health/live", "X-Large: " + "x" * 48_000)])

    assert {answer.status for answer in answers} == {200}


@pytest.mark.parametrize(
    "parts",
    [
        [head("GET", "/health/live")[:-2], b"X-Endless: ", *repeat(PART, 100)],
        [head("GET", "/")[:4], *repeat(PART.replace(b"\0", b"/"), 100)],
        [head("POST", "/take", BINARY, "Transfer-Encoding: chunked"), b"0\r\nX-Endless: ", *repeat(b"x" * 10**6, 100)],
        [head("POST", "/take", BINARY, "Transfer-Encoding: chunked"), b"1;", *repeat(b"x" * 10**6, 100)],
    ],
    ids=["header", "url", "trailer", "extension"],
)
async def test_what_never_ends_is_refused_and_not_held(service: Service, parts: list[bytes]) -> None:
    answers = await all_at_once(service, parts)

    assert {answer.status for answer in answers} <= {400, 414, 431}
    assert all(answer.problem["detail"] for answer in answers)


@pytest.mark.parametrize("target", ["?" + "a=1&" * 10_000, "?" + "a&" * 4_500, "/" + "x" * 9_000], ids=len)
async def test_an_address_that_is_too_long_is_414(service: Service, target: str) -> None:
    answers = await all_at_once(service, [head("GET", f"/health/live{target}")])

    assert {(answer.status, answer.problem["detail"]) for answer in answers} == {
        (414, "The URL is longer than 8192 bytes.")
    }


async def test_an_address_below_the_limit_is_taken(service: Service) -> None:
    answers = await all_at_once(service, [head("GET", "/health/live?" + "a&" * 4_000)])

    assert {answer.status for answer in answers} == {200}


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "zstd", "GZIP", "gzip, identity", "unheard-of"])
async def test_a_compressed_body_is_415_and_stays_packed(service: Service, coding: str) -> None:
    bomb = zlib.compress(bytes(100_000_000), 9)
    request = [head("POST", "/take", BINARY, f"Content-Encoding: {coding}", f"Content-Length: {len(bomb)}"), bomb]

    answers = await all_at_once(service, request)

    assert {(answer.status, answer.problem["detail"]) for answer in answers} == {
        (415, "Bodies are taken as they are: send this one without Content-Encoding.")
    }
    assert {answer.headers["accept-encoding"] for answer in answers} == {"identity"}


async def test_a_body_that_says_it_is_not_compressed_is_taken(service: Service) -> None:
    parts = [head("POST", "/take", BINARY, "Content-Encoding: identity", "Content-Length: 4"), b"body"]

    assert (await asked(service.url, parts)).body == b"4"
