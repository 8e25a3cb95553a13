"""A stop by SIGTERM under load: the load balancer still sends requests for a second, and no request is lost."""

import asyncio
import signal
import sys
from dataclasses import dataclass
from time import perf_counter

import pytest

from tests.faults.clients import Answers, Client
from tests.faults.timeline import fault, mark
from tests.faults.traffic import FRESH, KEPT, SLOW, traffic
from tests.server.processes import NO_DEADLINES, Service, gunicorn

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

DRAIN_SECONDS, LATE_SECONDS = 3.0, 1.0
"""The duration of the service's drain after SIGTERM, and how long the simulated load balancer still sends requests
after a failed readiness probe, in seconds."""

REQUESTS = 5_000
"""The number of responses before SIGTERM: all clients are then in the middle of steady traffic."""

REQUESTS_AFTER = 4 * (KEPT + FRESH + SLOW)
"""The least number of responses after SIGTERM: four for each client; an idle machine serves 25 times as many."""

GRACE_SECONDS = 30
"""How long to wait for the service's end, in seconds: the time between SIGTERM and SIGKILL in Kubernetes."""

PATIENCE_SECONDS = 60
"""The timeout of each wait other than for the service's end, in seconds: ten times what the 5,000 requests of the test
take."""


@dataclass(frozen=True, slots=True)
class Stop:
    """The responses, readiness status and exit code that a test saw during a graceful shutdown."""

    answers: Answers
    requests_after: int
    """The number of responses after SIGTERM, which shows that the service served requests during the drain."""
    readiness: int
    """The first status other than 200 of the readiness probe after SIGTERM; 0 without a response."""
    exit_code: int
    stopped: int
    """The number of workers whose lifespan ended; a worker that gunicorn killed logs no `application stopped`."""


async def ended(service: Service) -> int:
    """Wait for the end of the gunicorn process, and return the exit code."""
    return await asyncio.to_thread(service.process.wait, GRACE_SECONDS)


async def until_not_ready(url: str) -> int:
    """Probe readiness, as a load balancer does; return the first status other than 200, or 0 without a response."""
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
    variables = {"DRAIN_SECONDS": str(DRAIN_SECONDS)}
    with gunicorn(database_url, "--pythonpath=tests/smoke", "slow_app:app", **variables) as service:
        service.wait_until_serving()
        async with traffic(service.url) as flow:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while flow.answers.count < REQUESTS:  # noqa: ASYNC110 - polls: `Answers` has no asyncio.Event
                    await asyncio.sleep(0.02)
            before = flow.answers.count
            with fault("SIGTERM, and the load balancer does not know it yet"):
                service.process.terminate()
                readiness = await until_not_ready(service.url)
                await asyncio.sleep(LATE_SECONDS)
                flow.arrives = False
            exit_code = await ended(service)
            mark("the service has ended")
        stopped = len(service.lines("application stopped"))
    return Stop(flow.answers, flow.answers.count - before, readiness, exit_code, stopped)


async def test_a_stop_loses_no_request_behind_a_late_load_balancer(committed_url: str) -> None:
    stop = await stop_under_load(committed_url)

    assert stop.answers.failures == {}
    assert stop.requests_after >= REQUESTS_AFTER
    assert (stop.readiness, stop.exit_code, stop.stopped) == (503, 0, 2)


async def is_accepting(service: Service) -> bool:
    client = Client(service.url, Answers())
    try:
        await client.connect()
    except OSError:
        return False
    client.close()
    return True


async def ask_after_the_listener_closed(database_url: str) -> tuple[Answers, list[bool]]:
    """Send requests after the listening socket has closed, on connections opened before.

    Return the responses, and for each connection whether its response left it open.
    """
    answers = Answers()
    with gunicorn(database_url, WEB_CONCURRENCY="1", DRAIN_SECONDS="1") as service:
        service.wait_until_serving()
        idle, fresh = ([Client(service.url, answers) for _ in range(10)] for _ in range(2))
        for client in idle:
            await client.ask("/health/live")
        mark("SIGTERM")
        service.process.terminate()
        await until_not_ready(service.url)
        for client in fresh:
            await client.connect()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await is_accepting(service):  # noqa: ASYNC110 - polls: another process sets no asyncio.Event
                await asyncio.sleep(0.01)
        # The requests are sent at the same time: half a second after closing the listening socket, the service closes
        # idle connections too.
        await asyncio.gather(*(client.ask("/health/live") for client in (*idle, *fresh)))
        await ended(service)
    return answers, [client.connected for client in (*idle, *fresh)]


async def test_late_connections_are_served_and_closed(committed_url: str) -> None:
    answers, connected = await ask_after_the_listener_closed(committed_url)

    assert (answers.failures, answers.count) == ({}, 30)
    assert not any(connected)


async def test_a_second_signal_ends_the_drain_at_once(committed_url: str) -> None:
    """SIGINT after SIGTERM ends a drain of 15 s within 10 s, since no request is in progress."""
    with gunicorn(committed_url, DRAIN_SECONDS="15", ROUTE_GROUPS=NO_DEADLINES) as service:
        service.wait_until_started()
        mark("SIGTERM")
        service.process.terminate()
        await until_not_ready(service.url)
        started = perf_counter()
        service.process.send_signal(signal.SIGINT)
        code = await ended(service)
        seconds = perf_counter() - started
        stopped = service.lines("application stopped")

    assert (code, len(stopped)) == (0, 2)
    assert seconds < 10
