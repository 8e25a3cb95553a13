"""A downstream receives exactly the bytes of the built request; a socket records them, as MockTransport sees none."""

import asyncio
import socket
import string
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from pydantic import HttpUrl

from app.downstreams.client import Call, Client, httpx
from app.downstreams.downstream import Downstream
from app.errors import DownstreamTimedOut, DownstreamUnavailable
from app.settings.downstreams import DownstreamSettings
from tests.downstreams.faulty_server import Behave, answer, hang_up, reset

SPECIAL = "a;b=c,d&e:f@g h+i%3Bj/k?l#m~n'o\"p|q"

MORE_THAN_THE_KERNEL_BUFFERS = 20_000_000
"""The size of a request body, in bytes, that both sides' socket buffers cannot hold, so that the client must wait."""

URLS = [
    "/a%3Bb%3Dc%2Cd%26e%3Af%40g",
    "/a;b=c,d&e:f@g",
    "/a%2Fb/%2E%2E/%2e/c",
    "/%7Ehome/%c3%9f/%C3%9F",
    "/a+b%2Bc%20d",
    "//x//y/",
    "/!$'()*[]|^",
    "/x?q=%3B%3D%2C%26%3A%40",
    "/x?q=;=,:@/?&q=+%20%2B",
    "/x?a=1&a=2&b=&c",
]

HEADERS = [
    [("X-Tag", "first"), ("X-Tag", "second"), ("x-tag", "third")],
    [("Cookie", "a=1"), ("Cookie", "b=2"), ("Forwarded", 'for="[::1]"')],
    [("X-Tabs", "a\tb  c"), ("UPPER-lower", "1"), ("X-Empty", "")],
    [("Content-Type", "text/plain"), ("User-Agent", "canary/1"), ("Accept", "a/b"), ("Accept-Encoding", "identity")],
]

WRITES = [(method, body) for method in ("PUT", "POST", "PATCH", "DELETE", "GET") for body in (b"", b"\x00\r\n\r\n7")]


@asynccontextmanager
async def recording(
    behave: Behave = answer,
    **changes: Any,  # noqa: ANN401 - Any, as settings have several types
) -> AsyncGenerator[tuple[DownstreamSettings, list[bytes]]]:
    """Yield the settings for a local server, and the list to which it adds the bytes of each request."""
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = httpx.Headers([_pair(line) for line in head.splitlines()[1:-1]]).get("content-length", "0")
                seen.append(head + await reader.readexactly(int(length)))
                await behave(head.split(b" ")[1].decode(), writer)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    # a host name, not an address, so that each client resolves the name as in production
    url = HttpUrl(f"http://localhost:{server.sockets[0].getsockname()[1]}/api")
    async with server:
        yield DownstreamSettings.model_validate({"base_url": url} | changes), seen


@asynccontextmanager
async def connected(settings: DownstreamSettings) -> AsyncGenerator[Downstream]:
    """Yield a `Downstream` with a client over the network."""
    async with Client("downstream", settings) as client:
        yield Downstream("downstream", client, settings)


def _pair(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name, value.strip()


def written(request: httpx.Request) -> bytes:
    """Return the bytes of a request as httpx built it: each header in order, the body, and nothing else."""
    lines = [b"%s %s HTTP/1.1" % (request.method.encode(), request.url.raw_path)]
    lines += [b"%s: %s" % header for header in request.headers.raw]
    return b"\r\n".join([*lines, b"", request.content])


@pytest.mark.parametrize(
    ("method", "target", "headers", "body"),
    [
        *(("GET", target, [], b"") for target in URLS),
        *(("POST", "/x", headers, b"7") for headers in HEADERS),
        *((method, "/x", [], body) for method, body in WRITES),
    ],
)
async def test_the_bytes_of_a_request_are_those_that_were_built(
    method: str, target: str, headers: list[tuple[str, str]], body: bytes
) -> None:
    async with recording() as (settings, seen), Client("downstream", settings) as client:
        library = client._client  # noqa: SLF001 - the library's own client: `Call` cannot send a header twice
        url = str(settings.base_url).removesuffix("/api") + target
        request = library.build_request(method, url, headers=headers, content=body)
        await library.send(request)

    assert seen == [written(request)]
    assert request.url.raw_path.decode() == target


@pytest.mark.parametrize("part", [*(f"x{character}y" for character in string.printable), SPECIAL, "ß\u2028\uff0e"])
async def test_a_path_segment_and_a_query_value_arrive_as_they_were_encoded(part: str) -> None:
    async with recording() as (settings, seen), connected(settings) as downstream:
        await downstream.get_json("things", part, params={"q": part})

    (request,) = seen
    target = f"/api/things/{quote(part, safe='')}?{urlencode({'q': part})}"
    assert request.startswith(f"GET {target} HTTP/1.1\r\n".encode())


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH", "DELETE"])
async def test_an_empty_write_has_no_content_type(method: str) -> None:
    async with recording() as (settings, seen), connected(settings) as downstream:
        await downstream.call(Call(method, "things"), retryable=False)

    (request,) = seen
    assert b"content-type" not in request.lower()
    assert request.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("path", ["/x", "//evil.invalid/x", "http://evil.invalid", "x?y=1", "x#y", "../x", "x/..", "."])
async def test_a_path_that_leads_away_from_the_base_url_or_has_a_query_is_not_sent(path: str) -> None:
    async with recording() as (settings, seen), connected(settings) as downstream:
        with pytest.raises(ValueError, match="below the base URL"):
            await downstream.call(Call("GET", path), retryable=False)

    assert seen == []


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
@pytest.mark.parametrize(
    ("read_seconds", "total_seconds", "sentence"), [(0.3, 60, "did not respond in time"), (60, 0.3, "no answer within")]
)
async def test_a_downstream_that_does_not_read_the_body_is_a_timeout(
    read_seconds: float, total_seconds: float, sentence: str
) -> None:
    """A call whose body the downstream does not read ends at the write timeout, or earlier at the total timeout."""
    with socket.create_server(("127.0.0.1", 0)) as listening:  # accepts connections, but never reads
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        settings = DownstreamSettings.model_validate(
            {
                "base_url": f"http://127.0.0.1:{listening.getsockname()[1]}",
                "read_timeout_seconds": read_seconds,
                "timeout_seconds": total_seconds,
            }
        )
        async with connected(settings) as downstream, asyncio.timeout(20):
            with pytest.raises(DownstreamTimedOut, match=sentence):
                await downstream.send_json("POST", "things", body="x" * MORE_THAN_THE_KERNEL_BUFFERS)

    assert downstream.bulkhead.in_use == 0


@pytest.mark.parametrize("behave", [hang_up, reset])
@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
async def test_a_write_without_a_key_is_not_repeated_after_its_bytes_were_sent(behave: Behave, method: str) -> None:
    """The second of two writes fails on the reused connection: the client must not repeat the write, as many do."""

    async def answer_once(path: str, writer: asyncio.StreamWriter) -> None:
        await (answer if len(seen) == 1 else behave)(path, writer)

    async with recording(answer_once, max_attempts=3) as (settings, seen), connected(settings) as downstream:
        await downstream.send_json(method, "things", body=1)
        with pytest.raises(DownstreamUnavailable):
            await downstream.send_json(method, "things", body=2)

    assert len(seen) == 2


async def test_a_write_with_a_key_is_repeated_with_the_same_key_after_the_retry_after() -> None:
    async def ask_for_a_pause(path: str, writer: asyncio.StreamWriter) -> None:
        sent_at.append(time.monotonic())
        if len(sent_at) == 1:
            writer.write(b"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n")
        else:
            await answer(path, writer)

    sent_at: list[float] = []
    async with (
        recording(ask_for_a_pause, timeout_seconds=60, read_timeout_seconds=50) as (settings, seen),
        connected(settings) as downstream,
    ):
        assert await downstream.send_json("POST", "things", body=1, idempotency_key="order-7") == 7

    assert [request.count(b"Idempotency-Key: order-7\r\n") for request in seen] == [1, 1]
    assert sent_at[1] - sent_at[0] >= 1
