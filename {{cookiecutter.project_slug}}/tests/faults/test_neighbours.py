"""A neighbour that is slow, dead or mad: its own callers are told so in time, and nobody else notices."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from time import perf_counter
from typing import Any

import pytest

from app.downstreams.client import httpx
from devtools.ports import free_port
from tests.databases import ROOT, cloned
from tests.downstreams.behaviours import BEHAVIOURS
from tests.faults.clients import Answers, Client, for_a_while, late, undisturbed
from tests.faults.memory import growth
from tests.faults.timeline import mark
from tests.server.processes import Service, gunicorn

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of the workers from /proc")

SECONDS = 1.5
MEGABYTES = 100

AT_ONCE = 10
"""Calls in flight to one neighbour, as the settings have it."""

CALLS = 100
"""What a neighbour sees of all requests: those on their way before it was left alone, and those that try it again."""

NONSENSE = {"no_json", "a_page"}
"""What a neighbour says that is well: only whoever reads it finds fault with it. They come last, for to the breaker
they are successes, and that many of them would have to be outweighed by failures."""


@contextmanager
def neighbour() -> Iterator[int]:
    """Start one, in a process of its own, and yield its port."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "tests.downstreams.behaviours", str(port)], cwd=ROOT)
    try:
        ends = perf_counter() + 20
        while not answers(f"http://127.0.0.1:{port}/"):
            assert perf_counter() < ends
        yield port
    finally:
        process.kill()
        process.wait()


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=1).is_success
    except httpx.HTTPError:
        return False


@pytest.fixture(scope="module")
def running(server_url: str, template: str) -> Iterator[tuple[Service, int]]:
    """The service, and the port of the neighbour to spoil."""
    with ExitStack() as stack:
        url = stack.enter_context(cloned(server_url, template))
        bad, good = (stack.enter_context(neighbour()) for _ in range(2))
        variables = {"WEB_CONCURRENCY": "1", "LOG_LEVEL": "error", "NEIGHBOURS": f"{bad} {good} {good} {bad}"}
        service = stack.enter_context(gunicorn(url, "--pythonpath=tests/faults", "neighbours:app", **variables))
        service.wait_until_serving()
        yield service, bad


async def ask_the_bad_one(client: Client) -> None:
    if await client.ask("/bad") == 503:
        await asyncio.sleep(0.25)


async def ask_the_failing_one(client: Client) -> None:
    await client.ask("/failing")


async def ask_the_lost_one(client: Client) -> None:
    if await client.ask("/lost") == 503:
        await asyncio.sleep(0.25)


async def ask_the_good_one(client: Client) -> None:
    await client.ask("/good")
    await asyncio.sleep(0.02)


def become(port: int, name: str) -> None:
    httpx.get(f"http://127.0.0.1:{port}/become/{name}")


def seen(port: int) -> dict[str, int]:
    counts: dict[str, int] = httpx.get(f"http://127.0.0.1:{port}/seen").json()
    return counts


async def seconds_to_recovery(service: Service, path: str) -> float:
    started = perf_counter()
    client = Client(service.url, Answers())
    async with asyncio.timeout(20):
        while await client.ask(path) != 200:  # noqa: ASYNC110 - it is a service that has no event for us
            await asyncio.sleep(0.05)
    client.close()
    return perf_counter() - started


async def storm(service: Service, ask: Callable[[Client], Coroutine[Any, Any, None]]) -> dict[str, tuple[float, float]]:
    """Let 220 clients ask the spoilt one, and a few the other; return how long both took, and the limits of that."""
    async with growth(service) as grown:
        spoilt, beside = await asyncio.gather(
            for_a_while(service.url, 220, SECONDS, ask),
            for_a_while(service.url, 5, SECONDS, ask_the_good_one),
        )
    assert set(spoilt.seconds) <= {502, 503, 504}
    assert set(beside.seconds) == {200}
    assert spoilt.resets + beside.resets == 0
    assert max(grown) <= MEGABYTES
    return {"spoilt": (spoilt.at(1.0, 502, 503, 504), 3.0), "beside": (beside.at(0.99, 200), 0.5)}


@pytest.mark.parametrize("name", [*sorted(BEHAVIOURS.keys() - NONSENSE - {"answer"}), *sorted(NONSENSE)])
async def test_a_bad_neighbour_costs_its_own_callers_and_nobody_else(running: tuple[Service, int], name: str) -> None:
    service, bad = running

    async def measure() -> dict[str, float]:
        mark(name)
        become(bad, name)
        took = await storm(service, ask_the_bad_one)
        counts = seen(bad)
        assert counts["calls"] <= CALLS or name in NONSENSE
        assert counts["at_once"] <= AT_ONCE
        mark("mended")
        become(bad, "answer")
        return late(**took, recovery=(await seconds_to_recovery(service, "/bad"), 2.0))

    assert await undisturbed(measure) == {}


async def test_retries_add_a_tenth_to_its_calls_at_most(running: tuple[Service, int]) -> None:
    """Of a neighbour that fails each time, and is called all the same."""
    service, bad = running
    become(bad, "fail")
    asked = await for_a_while(service.url, AT_ONCE, SECONDS, ask_the_failing_one)
    calls = seen(bad)["calls"]
    become(bad, "answer")

    assert set(asked.seconds) == {503}
    assert asked.count < calls <= 1.1 * asked.count + 1


async def test_a_name_that_is_not_found_costs_its_own_callers_and_nobody_else(running: tuple[Service, int]) -> None:
    """Its look-ups take threads; those of the others must find one all the same."""
    service, _bad = running

    async def measure() -> dict[str, float]:
        return late(**await storm(service, ask_the_lost_one))

    assert await undisturbed(measure) == {}
    httpx.get(f"{service.url}/found")
    assert await seconds_to_recovery(service, "/lost") < 2
