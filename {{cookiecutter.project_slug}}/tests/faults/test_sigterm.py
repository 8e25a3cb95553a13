"""SIGTERM under load, behind a balancer that hears of it a second late: nobody notices."""

import asyncio
import signal
import sys
from dataclasses import dataclass
from time import perf_counter

import pytest

from tests.faults.clients import Answers, Client
from tests.faults.timeline import mark
from tests.faults.traffic import traffic
from tests.server.processes import Service, gunicorn

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

SLOW = ("--pythonpath=tests/faults", "slow:app")
DRAIN_SECONDS, DEADLINE_SECONDS, LATE_SECONDS = 2.0, 4.0, 1.0
REQUESTS, REQUESTS_AFTER = 5_000, 500
PATIENCE_SECONDS = 60
"""Nothing here takes so long, unless the service is broken."""


@dataclass(frozen=True, slots=True)
class Stop:
    """How a stop went; times in seconds after the signal."""

    answers: Answers
    after: int
    """Of them, those that were asked for since the signal."""
    status: int
    """What readiness said first."""
    not_ready: float
    ended: float
    code: int


async def ended(service: Service) -> int:
    return await asyncio.to_thread(service.process.wait, 60)


async def until_not_ready(url: str) -> int:
    """Probe as a balancer does, and return the first status that is not good; 0 is no answer."""
    answers = Answers()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            probe = Client(url, answers)
            status = await probe.ask("/health/ready")
            probe.close()
            if status != 200:
                return status
            await asyncio.sleep(0.02)


async def stop_under_load(database_url: str) -> Stop:
    variables = {"LOG_LEVEL": "warning", "DRAIN_SECONDS": str(DRAIN_SECONDS)}
    with gunicorn(database_url, *SLOW, **variables) as service:
        service.wait_until_serving()
        async with traffic(service.url) as flow:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while flow.answers.count < REQUESTS:  # noqa: ASYNC110 - the clients have no event for us
                    await asyncio.sleep(0.02)
            before = flow.answers.count
            started = perf_counter()
            mark("SIGTERM")
            service.process.terminate()
            status = await until_not_ready(service.url)
            not_ready = perf_counter() - started
            await asyncio.sleep(LATE_SECONDS)
            flow.arrives = False
            mark("the balancer knows")
            code = await ended(service)
    return Stop(flow.answers, flow.answers.count - before, status, not_ready, perf_counter() - started, code)


@pytest.mark.smoke
async def test_nobody_notices_a_stop_behind_a_balancer_that_is_a_second_late(committed_url: str) -> None:
    stop = await stop_under_load(committed_url)

    assert stop.answers.failures == {}
    assert stop.after >= REQUESTS_AFTER
    assert (stop.status, stop.not_ready < LATE_SECONDS) == (503, True)
    assert (stop.code, stop.ended < DRAIN_SECONDS + DEADLINE_SECONDS + 1) == (0, True)


async def is_accepting(service: Service) -> bool:
    client = Client(service.url, Answers())
    try:
        await client.connect()
    except OSError:
        return False
    client.close()
    return True


async def ask_when_nothing_is_accepted_any_more(database_url: str) -> tuple[Answers, list[bool]]:
    """Send requests on connections from before that moment; return also which of them stay open."""
    answers = Answers()
    with gunicorn(database_url, WEB_CONCURRENCY="1", DRAIN_SECONDS="1") as service:
        service.wait_until_serving()
        idle, fresh = ([Client(service.url, answers) for _ in range(10)] for _ in range(2))
        for client in idle:
            await client.ask("/health/live")
        service.process.terminate()
        await until_not_ready(service.url)
        for client in fresh:
            await client.connect()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await is_accepting(service):  # noqa: ASYNC110 - the service has no event for us
                await asyncio.sleep(0.01)
        for client in (*idle, *fresh):
            await client.ask("/health/live")
        await ended(service)
    return answers, [client.connected for client in (*idle, *fresh)]


async def test_who_connected_before_the_last_moment_is_answered_and_told_to_reconnect(committed_url: str) -> None:
    answers, connected = await ask_when_nothing_is_accepted_any_more(committed_url)

    assert (answers.failures, answers.count) == ({}, 30)
    assert not any(connected)


async def test_a_second_signal_ends_the_drain_at_once(committed_url: str) -> None:
    with gunicorn(committed_url, DRAIN_SECONDS="6") as service:
        service.wait_until_started()
        service.process.terminate()
        await until_not_ready(service.url)
        started = perf_counter()
        service.process.send_signal(signal.SIGINT)
        code = await ended(service)
        seconds = perf_counter() - started
        stopped = service.lines("stopped")

    assert (code, len(stopped)) == (0, 2)
    assert seconds < 4
