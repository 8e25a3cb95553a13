"""The table of orders is locked: whoever wants an order is told so in time, and nobody else notices."""

import asyncio
import sys

import asyncpg
import pytest

from tests.faults.clients import Answers, Client, for_a_while, late, undisturbed
from tests.server.processes import gunicorn

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

LOCKED_SECONDS = 6.0
PATIENT = 0.5


async def ask_for_an_order(client: Client) -> None:
    await client.ask("/api/v1/orders/1")
    await asyncio.sleep(0.05)


async def ask_elsewhere(client: Client) -> None:
    await client.ask("/slow?seconds=0.005")
    await asyncio.sleep(0.05)


async def while_locked(database_url: str, url: str) -> tuple[Answers, Answers]:
    """Return what the clients of orders and the others see while the table is locked."""
    locker = await asyncpg.connect(database_url)
    async with locker.transaction():
        await locker.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        seen = await asyncio.gather(
            for_a_while(url, 50, LOCKED_SECONDS - 1, ask_for_an_order),
            for_a_while(url, 10, LOCKED_SECONDS - 1, ask_elsewhere),
        )
    await locker.close()
    return seen


async def test_a_locked_table_leaves_the_other_routes_alone(committed_url: str) -> None:
    with gunicorn(
        committed_url, "--pythonpath=tests/faults", "slow:app", WEB_CONCURRENCY="1", LOG_LEVEL="error"
    ) as service:
        service.wait_until_serving()

        async def measure() -> dict[str, float]:
            stuck, others = await while_locked(committed_url, service.url)
            after = await for_a_while(service.url, 1, 0.5, ask_for_an_order)

            assert set(stuck.seconds) == {503}
            assert set(others.seconds) == {200}
            assert set(after.seconds) == {404}
            assert stuck.resets + others.resets == 0
            return late(others=(others.at(0.99, 200), PATIENT))

        assert await undisturbed(measure) == {}
