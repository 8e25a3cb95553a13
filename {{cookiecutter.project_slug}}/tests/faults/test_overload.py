"""Far more clients than the service can serve: it goes on at its capacity and refuses the rest at once."""

import asyncio
import sys
from collections.abc import Iterator

import pytest

from tests.databases import cloned
from tests.faults.clients import Answers, Client, for_a_while, late, undisturbed
from tests.server.processes import Service, gunicorn

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

SLOW = ("--pythonpath=tests/faults", "slow:app")  # not as a part of `tests`, which takes the environment away
POOL = 10
DEADLINE_SECONDS = 4.0
SECONDS = 4.0
BACK_OFF_SECONDS = 0.25


@pytest.fixture(scope="module")
def service(server_url: str, template: str) -> Iterator[Service]:
    """One worker with ten connections and a route that keeps one of them for 50 ms."""
    with (
        cloned(server_url, template) as url,
        gunicorn(url, *SLOW, WEB_CONCURRENCY="1", LOG_LEVEL="warning") as running,
    ):
        running.wait_until_serving()
        yield running


async def ask_and_back_off(client: Client) -> None:
    if await client.ask("/slow") == 503:
        await asyncio.sleep(BACK_OFF_SECONDS)


async def wait_and_back_off(client: Client) -> None:
    if await client.ask("/wait") == 503:
        await asyncio.sleep(BACK_OFF_SECONDS)


async def ask_live(client: Client) -> None:
    await client.ask("/health/live")
    await asyncio.sleep(0.05)


async def measured_capacity(service: Service) -> float:
    """Return the good answers per second to as many clients as there are connections."""
    answers = await for_a_while(service.url, POOL, 2.0, ask_and_back_off)
    return len(answers.of(200)) / 2.0


async def storm(service: Service) -> tuple[Answers, Answers]:
    """Return what 500 clients saw, and what a probe saw meanwhile."""
    return await asyncio.gather(
        for_a_while(service.url, 500, SECONDS, ask_and_back_off), for_a_while(service.url, 1, SECONDS, ask_live)
    )


async def test_five_hundred_clients_get_what_the_service_can_do(service: Service) -> None:
    async def measure() -> dict[str, float]:
        capacity = await measured_capacity(service)
        answers, live = await storm(service)

        assert set(answers.seconds) == {200, 503}
        assert set(live.seconds) == {200}
        assert answers.resets + live.resets == 0
        return late(
            seconds_for_the_work_of_one=(capacity * SECONDS / len(answers.of(200)), 1 / 0.75),
            successes=(answers.at(0.99, 200), DEADLINE_SECONDS / 2),
            refusals=(answers.at(0.5, 503), 0.05),
            live=(live.at(0.99, 200), 0.25),
        )

    assert await undisturbed(measure) == {}


async def test_only_so_many_of_them_are_worked_on_at_once(service: Service) -> None:
    """Also where no database would bound them: what all of them need, memory first, is bounded then too."""
    answers = await for_a_while(service.url, 500, 1.0, wait_and_back_off)

    assert set(answers.seconds) == {200, 503}
    assert len(answers.of(503)) > len(answers.of(200))
    assert answers.resets == 0
