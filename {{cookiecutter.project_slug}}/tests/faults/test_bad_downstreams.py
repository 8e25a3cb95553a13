"""A slow, dead or misbehaving downstream: its callers get an error in time, and all other requests are served."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterator
from time import perf_counter
from typing import Any

import pytest

from app.downstreams.retry_budget import FLOOR_RETRIES
from app.settings.route_groups import RouteGroup
from tests.downstreams.faulty_server import BEHAVIOURS
from tests.faults.clients import Answers, Client, for_a_while, late, undisturbed
from tests.faults.faulty_downstream import MAX_CONCURRENT, become, seen, serving_with_downstreams, until_recovered
from tests.faults.memory import memory_growth
from tests.faults.timeline import fault
from tests.http_client import httpx
from tests.server.processes import Service

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of the workers from /proc")

SECONDS, LONGEST_SECONDS = 1.5, 8.0
"""How long, in seconds, the clients of a test send requests to a bad downstream: the second while the clients of the
good downstream have not got GOOD_ANSWERS, as on a busy machine."""

MEGABYTES = 100
"""The most memory that the worker may gain, in megabytes: without a size limit, a flood of responses needs more."""

DEADLINE_SECONDS = RouteGroup().deadline_seconds
"""The bound on the slowest response of the route that calls the bad downstream, in seconds: the route's deadline. The
timeouts of the call all pass earlier."""

BACK_OFF_SECONDS = 1.0
"""The pause of a client after a 503, in seconds: 220 clients without a pause would use up the processor."""

GOOD_CLIENTS = 5
GOOD_ANSWERS = 8 * GOOD_CLIENTS
"""The fewest responses of the good downstream's route in LONGEST_SECONDS, beside 220 clients of the bad downstream. A
client that waits for the bad downstream gets five responses in that time, a client that does not wait a hundred."""

CALLS = 100
"""The most calls that a bad downstream may receive: the calls until the circuit breaker opens, and later probes."""

UNREADABLE = {"no_json", "a_page"}
"""Behaviours with a valid HTTP response and an unreadable body, which the circuit breaker counts as successes. The
tests of these behaviours run last: after so many successes, no later test would reach the failure ratio that opens the
circuit breaker."""


@pytest.fixture(scope="module")
def running(server_url: str, template: str) -> Iterator[tuple[Service, int]]:
    """The service of `downstream_app.py` with one worker, and the port of the bad downstream."""
    with serving_with_downstreams(server_url, template) as running:
        yield running


async def ask_bad(client: Client) -> None:
    if await client.ask("/bad") == 503:
        await asyncio.sleep(BACK_OFF_SECONDS)


async def ask_failing(client: Client) -> None:
    await client.ask("/failing")


async def ask_unresolved(client: Client) -> None:
    if await client.ask("/unresolved") == 503:
        await asyncio.sleep(BACK_OFF_SECONDS)


async def ask_good(client: Client) -> None:
    await client.ask("/good")
    await asyncio.sleep(0.02)


async def storm(service: Service, ask: Callable[[Client], Coroutine[Any, Any, None]]) -> dict[str, float]:
    """Run 220 clients of a bad downstream and five of the good one, and return the results beyond their limits."""
    begin, is_over = perf_counter(), asyncio.Event()

    def is_enough(answers: Answers) -> bool:
        if answers.count >= GOOD_ANSWERS and perf_counter() > begin + SECONDS:
            is_over.set()
        return is_over.is_set()

    async with memory_growth(service) as grown:
        bad, good = await asyncio.gather(
            for_a_while(service.url, 220, LONGEST_SECONDS, ask, lambda _: is_over.is_set()),
            for_a_while(service.url, GOOD_CLIENTS, LONGEST_SECONDS, ask_good, is_enough),
        )
    assert set(bad.seconds) <= {502, 503, 504}
    assert set(good.seconds) <= {200, 503, 504}
    assert bad.resets + good.resets == 0
    assert max(grown) <= MEGABYTES
    served = len(good.of(200))
    waited = {} if GOOD_ANSWERS <= served == good.count else {"good": float(served), "all": float(good.count)}
    return waited | late(bad=(bad.at(1.0, 502, 503, 504), DEADLINE_SECONDS))


@pytest.mark.parametrize("behaviour", [*sorted(BEHAVIOURS.keys() - UNREADABLE - {"answer"}), *sorted(UNREADABLE)])
async def test_a_bad_downstream_costs_its_own_callers_only(running: tuple[Service, int], behaviour: str) -> None:
    service, bad = running

    async def measure() -> dict[str, float]:
        with fault(f"the downstream: {behaviour}"):
            become(bad, behaviour)
            too_late = await storm(service, ask_bad)
        counts = seen(bad)
        assert counts["calls"] <= CALLS or behaviour in UNREADABLE
        assert counts["at_once"] <= MAX_CONCURRENT
        become(bad, "answer")
        await until_recovered(service, "/bad")
        return too_late

    assert await undisturbed(measure) == {}


async def test_retries_add_a_tenth_to_the_calls_at_most(running: tuple[Service, int]) -> None:
    """The retry budget bounds the retries of a downstream that always fails, here without a circuit breaker."""
    service, bad = running
    become(bad, "fail")
    asked = await for_a_while(service.url, MAX_CONCURRENT, SECONDS, ask_failing)
    calls = seen(bad)["calls"]
    become(bad, "answer")

    assert set(asked.seconds) == {503}
    assert asked.count < calls <= 1.1 * asked.count + 1 + 2 * FLOOR_RETRIES


async def test_an_unresolved_host_name_costs_its_own_callers_only(running: tuple[Service, int]) -> None:
    """Each DNS look-up of the unresolved name blocks a thread; look-ups of other names must still get a thread."""
    service, _bad = running

    async def measure() -> dict[str, float]:
        return await storm(service, ask_unresolved)

    assert await undisturbed(measure) == {}
    httpx.get(f"{service.url}/resolve")
    await until_recovered(service, "/unresolved")
