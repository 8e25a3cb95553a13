"""Fifty clients per database connection: the service works at full capacity and refuses the rest early.

Clients retry a refused request after the pause that Retry-After names.
"""

import asyncio
import sys
from collections.abc import Iterator

import pytest

from tests.faults.clients import Answers, Client, for_a_while, late, undisturbed
from tests.faults.timeline import fault
from tests.server.processes import Service, serving

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

SLOW = ("--pythonpath=tests/smoke", "slow_app:app")  # a path: importing `tests` would remove the service's variables
POOL = 10
"""The number of the worker's database connections, and so of clients whose requests need no queue."""

SECONDS = 4.0
"""How long the 500 clients send requests, in seconds."""

HOLD_SECONDS = 0.2
"""How long a request holds a database connection, in seconds: so long that the connections, not the CPUs, bound the
throughput, also on a busy machine."""

LOST_CAPACITY, LIVE_OVER_SUCCESS = 0.8, 2.0
"""Bounds for a busy machine, where 500 clients in one process are late themselves: how much of the throughput an
overload may cost, and the time of a probe as a multiple of the time of a request that waits in the queue."""

BACK_OFF_SECONDS = 1.0
"""The pause of a client after a 503, in seconds, as the response's Retry-After asks."""


@pytest.fixture(scope="module")
def service(server_url: str, template: str) -> Iterator[Service]:
    """The service of `slow_app.py` with one worker and ten database connections."""
    with serving(server_url, template, *SLOW, WEB_CONCURRENCY="1", LOG_LEVEL="warning") as running:
        yield running


async def ask_and_back_off(client: Client) -> None:
    if await client.ask(f"/slow?seconds={HOLD_SECONDS}") == 503:
        await asyncio.sleep(BACK_OFF_SECONDS)


async def wait_and_back_off(client: Client) -> None:
    if await client.ask("/wait") == 503:
        await asyncio.sleep(BACK_OFF_SECONDS)


async def ask_live(client: Client) -> None:
    await client.ask("/health/live")
    await asyncio.sleep(0.05)


async def capacity(service: Service) -> float:
    """Return the successes per second of ten clients, one per database connection: the throughput without overload."""
    answers = await for_a_while(service.url, POOL, 2.0, ask_and_back_off)
    return len(answers.of(200)) / 2.0


async def storm(service: Service) -> tuple[Answers, Answers]:
    """Run 500 clients and a liveness probe concurrently, and return the responses of both."""
    with fault("500 clients"):
        return await asyncio.gather(
            for_a_while(service.url, 500, SECONDS, ask_and_back_off), for_a_while(service.url, 1, SECONDS, ask_live)
        )


async def test_five_hundred_clients_get_the_capacity_of_the_service(service: Service) -> None:
    """Under overload, no response is a 504: requests are refused early and cheaply, or served before the deadline."""

    async def measure() -> dict[str, float]:
        reference = await capacity(service)
        answers, live = await storm(service)

        assert set(answers.seconds) == {200, 503}
        assert set(live.seconds) == {200}
        assert answers.resets + live.resets == 0
        return late(
            lost_capacity=(1 - len(answers.of(200)) / SECONDS / reference, LOST_CAPACITY),
            refusal_over_success=(answers.at(0.5, 503) / answers.at(0.5, 200), 1.0),
            live_over_success=(live.at(0.5, 200) / answers.at(0.5, 200), LIVE_OVER_SUCCESS),
        )

    assert await undisturbed(measure) == {}


async def test_the_requests_in_progress_are_bounded(service: Service) -> None:
    """Admission control also bounds a route without a database connection, since each request needs memory."""
    answers = await for_a_while(service.url, 500, 1.0, wait_and_back_off)

    assert set(answers.seconds) == {200, 503}
    assert len(answers.of(503)) > len(answers.of(200))
    assert answers.resets == 0
