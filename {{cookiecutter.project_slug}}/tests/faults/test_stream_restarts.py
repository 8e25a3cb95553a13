"""Streams under gunicorn when the service restarts: each client is told to reconnect, and the service ends in time."""

import asyncio
import signal
import sys
from contextlib import aclosing
from dataclasses import dataclass, field
from time import perf_counter

import pytest
from websockets.asyncio.client import connect

from tests.server.processes import Service, gunicorn
from tests.streams.conftest import counted_url, writer  # noqa: F401 - fixtures of pytest
from tests.streams.counters import Writer
from tests.streams.reading import COUNTERS, Seen, path_of, streaming, websocket_of

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

# a busy machine opens the 30 streams of a test slowly
ONE = {"WEB_CONCURRENCY": "1", "DATABASE_QUEUE_TIMEOUT_SECONDS": "30"}
STREAMS = 30
DRAIN_SECONDS = 2.0
PATIENCE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Ends:
    """The last events of a test's streams, and the close codes of its WebSockets."""

    events: list[Seen] = field(default_factory=list)
    codes: list[int | None] = field(default_factory=list)


async def read_to_the_end(service: Service, path: str, opened: asyncio.Semaphore, ends: Ends) -> None:
    async with streaming(service.url, path) as stream:
        opened.release()
        ends.events.append((await stream.rest())[-1])


async def talk_to_the_end(service: Service, opened: asyncio.Semaphore, ends: Ends) -> None:
    async with connect(websocket_of(service.url), open_timeout=PATIENCE_SECONDS) as talk:
        opened.release()
        await talk.wait_closed()
        ends.codes.append(talk.close_code)


async def end_by(service: Service, number: signal.Signals, path: str) -> tuple[Ends, float]:
    """Open streams and WebSockets, send a signal, and return how they ended and after how many seconds."""
    ends, opened = Ends(), asyncio.Semaphore(0)
    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as tasks:
        for _ in range(STREAMS):
            tasks.create_task(read_to_the_end(service, path, opened, ends))
            tasks.create_task(talk_to_the_end(service, opened, ends))
        for _ in range(2 * STREAMS):
            await opened.acquire()
        service.process.send_signal(number)
        begin = perf_counter()
    return ends, perf_counter() - begin


def assert_told(ends: Ends, service: Service) -> None:
    assert {(end.name, end.data["code"]) for end in ends.events} == {("reconnect", "restarting")}
    # each client is told a different retry time, so that clients do not reconnect all at once
    assert len({end.retry for end in ends.events}) > STREAMS // 2
    assert (len(ends.events), ends.codes) == (STREAMS, [1012] * STREAMS)
    assert service.errors() == []
    assert [line for line in service.lines() if "exception" in line] == []


async def test_sigterm_tells_every_client_and_ends_in_time(counted_url: str, writer: Writer) -> None:  # noqa: F811
    counter = await writer.add()
    with gunicorn(counted_url, *COUNTERS, DRAIN_SECONDS=str(DRAIN_SECONDS), **ONE) as service:
        service.wait_until_serving()
        begin = perf_counter()
        ends, _ = await end_by(service, signal.SIGTERM, path_of(counter))
        code = await asyncio.to_thread(service.process.wait, PATIENCE_SECONDS)
        seconds = perf_counter() - begin
        assert_told(ends, service)
        (stopped,) = service.lines("application stopped")

    assert code == 0
    assert stopped
    assert seconds < DRAIN_SECONDS + 10, seconds  # a stop takes 1 s on an idle machine


async def test_sighup_tells_every_client_and_a_new_worker_serves_them(counted_url: str, writer: Writer) -> None:  # noqa: F811
    counter = await writer.add()
    with gunicorn(counted_url, *COUNTERS, DRAIN_SECONDS="1", **ONE) as service:
        service.wait_until_serving()
        ends, _ = await end_by(service, signal.SIGHUP, "/api/v1/events")
        service.wait_for("application stopped")  # the old worker has ended, so only the new worker serves streams
        async with streaming(service.url, path_of(counter)) as stream, aclosing(aiter(stream)) as events:
            again = await anext(events)
        assert_told(ends, service)

    assert again.data["value"] == 0
