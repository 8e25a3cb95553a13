"""While the table `orders` is locked, requests for orders are refused in time, and other requests are not delayed."""

import asyncio
import sys

import asyncpg
import pytest

from tests.faults.clients import Answers, Client, for_a_while, late, undisturbed
from tests.server.processes import gunicorn

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

APP = "--pythonpath=tests/smoke", "slow_app:app"
# {% if cookiecutter.auth == "jwt" %}
APP = "--pythonpath=tests/smoke,tests/faults", "signed_in_app:app"
# {% endif %}

LOCKED_SECONDS = 6.0
PATIENT, MOST = 0.5, 1.0
"""The least and the greatest limit, in seconds, for the duration of responses from other routes while the table
`orders` is locked. The limit is five times the duration without the lock, since a busy machine is slow, but within
these bounds. A response that waits for the lock takes longer than the greatest limit."""


async def ask_for_an_order(client: Client) -> None:
    await client.ask("/api/v1/orders/1")
    await asyncio.sleep(0.5)


async def ask_elsewhere(client: Client) -> None:
    await client.ask("/slow?seconds=0.005")
    await asyncio.sleep(0.05)


async def while_locked(database_url: str, url: str) -> tuple[Answers, Answers]:
    """Lock the table `orders`, and return the responses from the order route and from a different route.

    The different route has a single client. Several clients would queue for the connection that is left to their route
    group, and on a busy machine the last client would wait for a second, which is a 503.
    """
    locker = await asyncpg.connect(database_url)
    async with locker.transaction():
        await locker.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        seen = await asyncio.gather(
            for_a_while(url, 50, LOCKED_SECONDS - 1, ask_for_an_order),
            for_a_while(url, 1, LOCKED_SECONDS - 1, ask_elsewhere),
        )
    await locker.close()
    return seen


async def test_a_locked_table_does_not_delay_other_routes(committed_url: str) -> None:
    with gunicorn(committed_url, *APP, WEB_CONCURRENCY="1", LOG_LEVEL="error") as service:
        service.wait_until_serving()

        async def measure() -> dict[str, float]:
            unlocked = await for_a_while(service.url, 1, 1, ask_elsewhere)
            stuck, elsewhere = await while_locked(committed_url, service.url)
            after = await for_a_while(service.url, 1, 0.5, ask_for_an_order)

            assert set(stuck.seconds) == {503}
            assert set(elsewhere.seconds) == {200}
            assert set(after.seconds) == {404}
            assert stuck.resets + elsewhere.resets == 0
            limit = min(max(PATIENT, 5 * unlocked.at(0.99, 200)), MOST)
            return late(elsewhere=(elsewhere.at(0.99, 200), limit))

        assert await undisturbed(measure) == {}
