"""Over real sockets, a faulty downstream is an error within the timeouts, and cancelled calls leave nothing behind."""

import asyncio
import traceback
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import Any
from urllib.parse import unquote

import pytest
from pydantic import HttpUrl

from app.downstreams.client import Client
from app.downstreams.downstream import Downstream
from app.errors import DownstreamBadResponse, DownstreamError, DownstreamTimedOut, DownstreamUnavailable
from app.settings.downstreams import DownstreamSettings
from devtools.ports import free_port
from tests.downstreams.faulty_server import BEHAVIOURS, HEAD, Behave, answer, babble, fail, hang_up, reset
from tests.tasks import until


@asynccontextmanager
async def faulty_downstream(
    behave: Behave,
    heads: list[bytes] | None = None,
    **changes: Any,  # noqa: ANN401 - Any, as settings have several types
) -> AsyncGenerator[Downstream]:
    """Yield a `Downstream` of a local server that answers by `behave`; each request's head is added to `heads`."""
    connections: set[asyncio.Task[None] | None] = set()
    heads = [] if heads is None else heads

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(asyncio.current_task())
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                heads.append(head)
                await behave(head.split(b" ", 2)[1].decode(), writer)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = HttpUrl(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api")
    settings = DownstreamSettings.model_validate({"base_url": url, "max_attempts": 1} | changes)
    async with server, Client("downstream", settings) as client:
        yield Downstream("downstream", client, settings)
        for task in connections:
            if task is not None:
                task.cancel()


async def answer_after_5_ms(path: str, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(0.005)
    await answer(path, writer)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("never", DownstreamTimedOut),
        ("trickle", DownstreamTimedOut),
        ("hang_up", DownstreamUnavailable),
        ("hang_up_half_way", DownstreamUnavailable),
        ("reset", DownstreamUnavailable),
        ("reset_half_way", DownstreamUnavailable),
        ("flood", DownstreamBadResponse),
        ("babble", DownstreamUnavailable),
    ],
)
async def test_each_fault_is_an_error_within_the_timeouts_and_leaves_the_bulkhead_empty(
    name: str, error: type[DownstreamError]
) -> None:
    limits: dict[str, Any] = {"timeout_seconds": 1.2, "read_timeout_seconds": 0.8}
    limits |= {"max_concurrent": 2, "max_queue": 50, "queue_timeout_seconds": 60}
    async with faulty_downstream(BEHAVIOURS[name], **limits) as downstream, asyncio.timeout(20):
        for _ in range(3):
            with pytest.raises(error):
                await downstream.get_json("things")

        assert (downstream.bulkhead.in_use, downstream.bulkhead.queued) == (0, 0)


async def test_a_closed_port_is_an_error() -> None:
    settings = DownstreamSettings(base_url=HttpUrl(f"http://127.0.0.1:{free_port()}"))
    async with Client("closed", settings) as client:
        with pytest.raises(DownstreamUnavailable, match="cannot be reached"):
            await Downstream("closed", client, settings).get_json("things")


@pytest.mark.parametrize("part", ["a/b", "../x", "x?y=1#z", "%2e%2e", "%40evil.invalid", "@evil", "ß\n", "//evil"])
async def test_a_path_segment_arrives_unchanged(part: str) -> None:
    seen: list[str] = []

    async def note(path: str, writer: asyncio.StreamWriter) -> None:
        seen.append(path)
        await answer(path, writer)

    async with faulty_downstream(note) as downstream:
        await downstream.get_json("things", part)

    (path,) = seen
    assert path.startswith("/api/things/")
    assert path.count("/") == 3
    assert unquote(path.removeprefix("/api/things/")) == part


@pytest.mark.parametrize("behave", [answer, hang_up, babble, fail])
async def test_no_fault_writes_a_secret_to_the_log_or_the_traceback(
    behave: Behave, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    secret: dict[str, Any] = {"authorization": "Bearer canary", "headers": '{"X-Api-Key": "canary"}'}
    shown = ""
    async with faulty_downstream(behave, **secret) as downstream:
        try:
            await downstream.get_json("things")
        except DownstreamError:
            shown = traceback.format_exc()

    assert "canary" not in caplog.text + shown


async def test_a_cookie_of_a_response_is_not_sent_with_the_next_call() -> None:
    heads: list[bytes] = []

    async def give_a_cookie(_path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"Set-Cookie: session=first; Path=/\r\nContent-Length: 1\r\n\r\n7")

    async with faulty_downstream(give_a_cookie, heads) as downstream:
        for _ in range(2):
            await downstream.get_json("things")

    assert [b"cookie:" in head.lower() for head in heads] == [False, False]


async def test_neither_a_proxy_of_the_environment_nor_a_redirect_is_followed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The host of a call comes from the settings alone; a proxy or a redirect would lead to a different host."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    heads: list[bytes] = []

    async def redirect(_path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")

    async with faulty_downstream(redirect, heads) as downstream:
        with pytest.raises(DownstreamBadResponse, match="answered 302"):
            await downstream.get_json("things")

    assert [head.split(b" ", 2)[1] for head in heads] == [b"/api/things"]


async def test_cancelled_callers_leave_no_task_and_no_spoiled_connection_behind() -> None:
    """Callers cancel calls at random moments; the connection pool must reuse no half-read connection and leak none."""
    random = Random(7)  # noqa: S311 - a fixed seed, so that each run has the same timeouts; no secret is drawn
    ends = asyncio.get_running_loop().time() + 5
    cancelled = 0

    async def call_and_leave(downstream: Downstream) -> None:
        nonlocal cancelled
        while asyncio.get_running_loop().time() < ends:
            try:
                async with asyncio.timeout(random.uniform(0, 0.01)):
                    await downstream.get_json("things")
            except (TimeoutError, DownstreamError):
                cancelled += 1

    async with faulty_downstream(answer_after_5_ms, max_concurrent=4, breaker_min_calls=1_000_000) as downstream:
        before = len(asyncio.all_tasks())
        await asyncio.gather(*(call_and_leave(downstream) for _ in range(24)))
        responses = [await downstream.get_json("things") for _ in range(5)]
        # the fake server has a task for each of 4 open connections; those of closed connections end a moment later
        await until(lambda: len(asyncio.all_tasks()) <= before + 4)

    assert cancelled > 100
    assert responses == [7] * 5
    assert (downstream.bulkhead.in_use, downstream.bulkhead.queued) == (0, 0)


@pytest.mark.parametrize("behave", [hang_up, reset])
@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
async def test_the_transport_never_repeats_a_request(behave: Behave, method: str) -> None:
    """`Downstream` decides and counts retries; a transport that repeats requests by itself would multiply the calls."""
    heads: list[bytes] = []
    async with faulty_downstream(behave, heads) as downstream:
        with pytest.raises(DownstreamUnavailable):
            await downstream.send_json(method, "things", body={})

    assert len(heads) == 1
