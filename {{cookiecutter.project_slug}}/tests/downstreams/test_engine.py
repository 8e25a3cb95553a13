"""The connections to a downstream, over real sockets: what others do to them, and what our own callers do."""

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
from app.downstreams.settings import DownstreamSettings
from app.errors import DownstreamBadResponse, DownstreamError, DownstreamTimedOut, DownstreamUnavailable
from devtools.ports import free_port
from tests.downstreams.behaviours import (
    HEAD,
    Behave,
    answer,
    babble,
    fail,
    flood,
    hang_up,
    hang_up_half_way,
    never,
    reset,
    reset_half_way,
    trickle,
)


@asynccontextmanager
async def behaving(behave: Behave, heads: list[bytes] | None = None, **changes: Any) -> AsyncGenerator[Downstream]:  # noqa: ANN401 - any setting
    """Yield a downstream on a real socket whose server does this with each path, and takes down what it is asked."""
    serving: set[asyncio.Task[None] | None] = set()
    heads = [] if heads is None else heads

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                heads.append(head)
                await behave(head.split(b" ", 2)[1].decode(), writer)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = HttpUrl(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api")
    settings = DownstreamSettings.model_validate({"base_url": url, "attempts": 1} | changes)
    async with server, Client("neighbour", settings) as client:
        yield Downstream("neighbour", client, settings)
        for task in serving:
            if task is not None:
                task.cancel()


async def answer_in_a_while(path: str, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(0.005)
    await answer(path, writer)


@pytest.mark.parametrize(
    ("behave", "error"),
    [
        (never, DownstreamTimedOut),
        (trickle, DownstreamTimedOut),
        (hang_up, DownstreamUnavailable),
        (hang_up_half_way, DownstreamUnavailable),
        (reset, DownstreamUnavailable),
        (reset_half_way, DownstreamUnavailable),
        (flood, DownstreamBadResponse),
        (babble, DownstreamUnavailable),
    ],
)
async def test_whatever_it_does_is_an_error_in_time_and_costs_no_place(
    behave: Behave, error: type[DownstreamError]
) -> None:
    limits: dict[str, Any] = {"total_seconds": 1.2, "read_seconds": 0.8}
    limits |= {"concurrency": 2, "waiting": 50, "wait_seconds": 60}
    async with behaving(behave, **limits) as one, asyncio.timeout(20):
        for _ in range(3):
            with pytest.raises(error):
                await one.get_json("things")

        assert (one.gate.in_use, one.gate.waiting) == (0, 0)


async def test_nobody_who_listens_is_an_error_too() -> None:
    settings = DownstreamSettings(base_url=HttpUrl(f"http://127.0.0.1:{free_port()}"))
    async with Client("nobody", settings) as client:
        with pytest.raises(DownstreamUnavailable, match="cannot be reached"):
            await Downstream("nobody", client, settings).get_json("things")


@pytest.mark.parametrize("part", ["a/b", "../x", "x?y=1#z", "%2e%2e", "%40evil.invalid", "@evil", "ß\n", "//evil"])
async def test_a_part_of_the_path_arrives_as_it_is(part: str) -> None:
    seen: list[str] = []

    async def note(path: str, writer: asyncio.StreamWriter) -> None:
        seen.append(path)
        await answer(path, writer)

    async with behaving(note) as one:
        await one.get_json("things", part)

    (path,) = seen
    assert path.startswith("/api/things/")
    assert path.count("/") == 3
    assert unquote(path.removeprefix("/api/things/")) == part


@pytest.mark.parametrize("behave", [answer, hang_up, babble, fail])
async def test_a_secret_reaches_no_log_whatever_happens(behave: Behave, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    secret: dict[str, Any] = {"authorization": "Bearer canary", "headers": '{"X-Api-Key": "canary"}'}
    said = ""
    async with behaving(behave, **secret) as one:
        try:
            await one.get_json("things")
        except DownstreamError:
            said = traceback.format_exc()

    assert "canary" not in caplog.text + said


async def test_a_cookie_of_one_call_does_not_go_with_the_next() -> None:
    heads: list[bytes] = []

    async def give_a_cookie(_path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"Set-Cookie: session=one; Path=/\r\nContent-Length: 1\r\n\r\n7")

    async with behaving(give_a_cookie, heads) as one:
        for _ in range(2):
            await one.get_json("things")

    assert [b"cookie:" in head.lower() for head in heads] == [False, False]


async def test_a_proxy_of_the_environment_and_an_answer_that_leads_away_are_not_followed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The host of a call comes from the settings alone."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    heads: list[bytes] = []

    async def lead_away(_path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")

    async with behaving(lead_away, heads) as one:
        with pytest.raises(DownstreamBadResponse, match="answered 302"):
            await one.get_json("things")

    assert [head.split(b" ", 2)[1] for head in heads] == [b"/api/things"]


async def test_callers_that_leave_do_not_spoil_the_connections() -> None:
    """Every time limit around a call cuts off calls at any moment; nothing may be left behind."""
    random = Random(7)  # noqa: S311 - a test that repeats itself
    ends = asyncio.get_running_loop().time() + 5
    left = 0

    async def call_and_leave(one: Downstream) -> None:
        nonlocal left
        while asyncio.get_running_loop().time() < ends:
            try:
                async with asyncio.timeout(random.uniform(0, 0.01)):
                    await one.get_json("things")
            except (TimeoutError, DownstreamError):
                left += 1

    async with behaving(answer_in_a_while, concurrency=4, breaker_calls=1_000_000) as one:
        before = len(asyncio.all_tasks())
        await asyncio.gather(*(call_and_leave(one) for _ in range(24)))
        async with asyncio.timeout(1):
            answers = [await one.get_json("things") for _ in range(5)]
        after = len(asyncio.all_tasks())

    assert left > 100
    assert answers == [7] * 5
    assert (one.gate.in_use, one.gate.waiting) == (0, 0)
    assert after <= before + 4  # the server's side of the connections that are kept


@pytest.mark.parametrize("behave", [hang_up, reset])
@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
async def test_a_call_that_is_made_once_is_sent_once(behave: Behave, method: str) -> None:
    """Whatever happens to its connection: what is sent again is decided in one place, and counted there."""
    heads: list[bytes] = []
    async with behaving(behave, heads) as neighbour:
        with pytest.raises(DownstreamUnavailable):
            await neighbour.send_json(method, "things", body={})

    assert len(heads) == 1
